"""``python -m benchmarks peers``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.common.measured import here_and_now
from benchmarks.common.tables import text_table
from benchmarks.peers.document import SCHEMA_VERSION, Compared, PeersDocument
from benchmarks.peers.environments import make
from benchmarks.peers.rounds import Plan
from benchmarks.peers.rows import GROUPS, Row, rows_of
from benchmarks.peers.table import body, failures, header
from edge_runtime.common.arguments import add_data, add_out, at_least, check_folder, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.device.thread_cache import cache_folder
from edge_runtime.errors import FetalHeadError, UsageError
from edge_runtime.shipped import SIZES
from export.commands.arguments import add_rewrites, check_checkpoint, rewrite_names
from train.data.hc18 import Dataset, find_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", choices=SIZES, nargs="+", help="shipped sizes (default: all)")
    which.add_argument("--checkpoint", type=Path, metavar="DIR", help="folder of another checkpoint")
    parser.add_argument(
        "--engines", nargs="+", metavar="NAME",
        help=f"these, with this project's int8 and torch (default: all): {', '.join(GROUPS)}",
    )  # fmt: skip
    add_data(parser)
    parser.add_argument(
        "--images", type=at_least(1), metavar="N", help="judge on N images, spread evenly (default: the test part)"
    )
    for option, least, default, what in (
        ("rounds", 0, 5, "rounds over all engines, each in a fresh process; 0 times nothing"),
        ("frames", 1, 100, "frames timed in each round"),
        ("warmup", 0, 20, "frames before them"),
    ):
        parser.add_argument(
            f"--{option}", type=at_least(least), default=default, metavar="N", help=f"{what} (default: %(default)s)"
        )
    parser.add_argument(
        "--threads", type=at_least(1), nargs="+", metavar="N", help="numbers of threads (default: 1, and all cores)"
    )
    add_rewrites(parser)
    parser.add_argument(
        "--environments", type=Path, metavar="DIR",
        help="where the engines' environments are kept, 2 GB (default: the user's cache folder)",
    )  # fmt: skip
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Make the environments, compare, print and write. An engine that fails costs its row, with the reason."""
    checked_out(args.out, args.overwrite)
    checkpoints = [args.checkpoint] if args.checkpoint else [Path("checkpoints") / s for s in args.model or SIZES]
    for folder in checkpoints:
        check_checkpoint(folder)
    rows, rewrites = rows_of(args.engines), rewrite_names(args.rewrite)
    plan = Plan(args.rounds, args.frames, args.warmup, _threads(args.threads))
    environments, dataset = _folder(args.environments), find_data(args.data)
    require("torch")
    pythons = _environments(rows, environments)
    networks = tuple(_compared(checkpoints, dataset, pythons, rows, plan, rewrites, args.images))
    if args.out:
        document = PeersDocument(
            **here_and_now(SCHEMA_VERSION, ("numpy", "torch", "ai-edge-litert"), threads=None),
            rounds=plan.rounds,
            frames=plan.frames,
            warmup=plan.warmup,
            networks=networks,
        )
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    return 0


def _compared(
    checkpoints: Sequence[Path],
    dataset: Dataset,
    pythons: dict[str, Path | str],
    rows: Sequence[Row],
    plan: Plan,
    rewrites: tuple[str, ...] | None,
    images: int | None,
) -> Iterator[Compared]:
    """Compare one checkpoint after the other, and print each."""
    from benchmarks.peers.compare import compare
    from export.job import Options
    from export.job import plan as plan_export
    from export.recipes import NO_LIMIT, RECIPES
    from train.checkpoint import load_checkpoint

    options = Options((RECIPES["full_int8"],), Path(), accuracy_images=images, budget=NO_LIMIT, rewrites=rewrites)
    for folder in checkpoints:
        job = plan_export(load_checkpoint(folder), dataset, options)
        if not job.parts:
            raise UsageError(f"{dataset.root} has no image that {folder} has not seen. Pass another with --data.")
        with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as work:
            found = compare(job, pythons, rows, plan, Path(work))
        size = f"{found.size[0]}x{found.size[1]}"
        say(f"\n{found.strategy} at {size}, {found.n_images} images of {found.data}, {found.part}")
        say(text_table(header(found), body(found)))
        for reason in failures(found):
            say(f"not measured: {reason}")
        say("")
        yield found


def _threads(given: Sequence[int] | None) -> tuple[int, ...]:
    """Numbers of threads.

    Raises:
        UsageError: There are not so many cores.
    """
    cores = usable_cores()
    if given and max(given) > cores:
        raise UsageError(f"--threads is {max(given)}; it must be between 1 and the number of usable cores, {cores}.")
    return tuple(dict.fromkeys(given or (1, cores)))


def _folder(given: Path | None) -> Path:
    cache = cache_folder()
    folder = given or (cache and cache / "peers")
    if folder is None:
        raise UsageError("This user has no cache folder. Name one for the environments with --environments DIR.")
    check_folder(folder, "--environments")
    return folder.resolve()


def _environments(rows: Sequence[Row], folder: Path) -> dict[str, Path | str]:
    """By the row's name the Python of its environment, or why there is none."""
    made: dict[str, Path | str] = {}
    say(f"environments of {len({row.group for row in rows})} engines in {folder}")
    for row in rows:
        environment = row.environment
        name = environment.name if environment else ""
        if name not in made:
            try:
                made[name] = make(environment, folder) if environment else Path(sys.executable)
            except FetalHeadError as error:
                made[name] = str(error)
                say(f"  error: {name}: {error}")
    return {row.name: made[row.environment.name if row.environment else ""] for row in rows}
