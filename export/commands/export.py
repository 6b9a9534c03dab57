"""``python -m export``: checkpoints to verified artifacts."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_runtime.artifact.manifest import Manifest
from edge_runtime.common.arguments import add_data, add_json, at_least
from edge_runtime.common.cli import say
from edge_runtime.common.optional import require
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.errors import FetalHeadError, UsageError
from edge_runtime.segmenter import MAX_THREADS
from export.conversion.process import warm_up
from export.conversion.rewrites import add_rewrite_argument, asked
from export.recipes import RECIPES, Budget, Recipe, get_recipe
from train.data.hc18 import Dataset, find_data

CHECKPOINTS = Path("checkpoints")
JSON_SCHEMA_VERSION = 1


def build_parser(subcommands: str = "") -> argparse.ArgumentParser:
    """The command's arguments.

    Args:
        subcommands: What ``python -m export`` offers beside, a line each.
    """
    listing = "\n".join(f"  {r.name:<14} {r.summary}" for r in RECIPES.values())
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description="Convert checkpoints into TensorFlow Lite artifacts, each held to torch on real images first.",
        epilog=f"recipes:\n{listing}\n\nexample: python -m export --checkpoint checkpoints/edge --recipes full_int8\n"
        f"{subcommands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--checkpoint",
        nargs="+",
        default=["all"],
        metavar="DIR",
        help="folders of checkpoints, or 'all': every one below checkpoints/ (default: all)",
    )
    parser.add_argument(
        "--recipes", nargs="+", default=["all"], metavar="NAME", help="of those below, by space or comma (default: all)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("artifacts"), help="folder of artifacts (default: %(default)s)"
    )
    add_data(parser)
    parser.add_argument(
        "--calibration-images", type=at_least(1), default=100, metavar="N", help="at most; default: %(default)s"
    )
    parser.add_argument(
        "--verify-images", type=at_least(1), default=16, metavar="N", help="compared with torch; default: %(default)s"
    )
    parser.add_argument(
        "--accuracy-images", type=at_least(1), metavar="N", help="scored, of each test part; default: all of them"
    )
    budget = Budget()
    parser.add_argument(
        "--max-dice-drop",
        type=float,
        default=budget.max_dice_drop,
        metavar="POINTS",
        help="what full_int8 may cost in Dice, in points of 100, on the validation part; better ways of quantizing are "
        "tried until one does; default: %(default)s",
    )
    parser.add_argument(
        "--max-hc-shift-mm",
        type=float,
        default=budget.max_hc_shift_mm,
        metavar="MM",
        help="and in mean absolute change of the head circumference; default: %(default)s",
    )
    parser.add_argument(
        "--fine-tune-epochs",
        type=at_least(0),
        default=2,
        metavar="N",
        help="of training on in simulated int8, the last that is tried, some minutes; 0 for none; default: %(default)s",
    )
    parser.add_argument(
        "--jobs",
        type=at_least(1),
        default=usable_cores(),
        metavar="N",
        help="checkpoints at a time, which share the cores; default: %(default)s, the cores of this machine",
    )
    add_rewrite_argument(parser)
    parser.add_argument("--force", action="store_true", help="export also what is up to date")
    parser.add_argument("--ship", action="store_true", help="put edge-full_int8 into the wheel (edge_runtime/models)")
    add_json(parser)
    return parser


def pick_recipes(names: Sequence[str]) -> tuple[Recipe, ...]:
    """Recipes by name, ``all`` for all, commas allowed; in their own order, each once.

    Raises:
        UsageError: No such recipe.
    """
    asked = [name for text in names for name in text.split(",") if name]
    if "all" in asked:
        return tuple(RECIPES.values())
    chosen = {get_recipe(name).name for name in asked or [""]}
    return tuple(recipe for name, recipe in RECIPES.items() if name in chosen)


def find_checkpoints(places: Sequence[str]) -> list[Path]:
    """Folders that hold a checkpoint: those given, and those right below those given. ``all`` is ``checkpoints``.

    Raises:
        UsageError: A place holds none.
    """
    found: dict[Path, None] = {}
    for text in places:
        place = CHECKPOINTS if text == "all" else Path(text)
        if (place / "checkpoint.json").is_file():
            here = [place]
        else:
            here = sorted(path.parent for path in place.glob("*/checkpoint.json"))
        if not here:
            raise UsageError(
                f"{place} holds no checkpoint (checkpoint.json). Train one: python -m train --strategy edge"
            )
        found |= dict.fromkeys(here)
    return list(found)


def main(argv: list[str], subcommands: str = "") -> int:
    """Run the command; returns its exit code."""
    args = build_parser(subcommands).parse_args(argv)
    recipes, folders = pick_recipes(args.recipes), find_checkpoints(args.checkpoint)
    if args.ship and RECIPES["full_int8"] not in recipes:
        raise UsageError("--ship is for edge-full_int8: add full_int8 to --recipes.")
    if not args.json:
        return export(args, recipes, folders)[0]
    with contextlib.redirect_stdout(sys.stderr):
        code, document = export(args, recipes, folders)
    print(json.dumps(document, allow_nan=False))
    return code


def export(
    args: argparse.Namespace, recipes: tuple[Recipe, ...], folders: Sequence[Path]
) -> tuple[int, dict[str, Any]]:
    """Export checkpoints; one that fails is reported, and the others are still exported.

    Returns:
        The exit code and the document for ``--json``.
    """
    for package in ("torch", "onnxruntime"):
        require(package)
    jobs = min(args.jobs, len(folders))
    if jobs == 1:
        warm_up()
    from export.artifact import check_writable, ship
    from export.commands.summary import table

    check_writable(args.out)
    dataset = find_data(args.data)
    say(f"data: {dataset.summary}")
    budget = Budget(args.max_dice_drop, args.max_hc_shift_mm)
    if args.fine_tune_epochs < 0:
        raise UsageError(f"--fine-tune-epochs is {args.fine_tune_epochs}; it is 0, for none, or more.")
    _check_names(folders)
    if jobs == 1:
        code, document = _in_turn(args, budget, recipes, folders, dataset)
    else:
        code, document = _at_once(args, recipes, folders, dataset, jobs)
    manifests = [Manifest.from_json(artifact["manifest"]) for artifact in document["artifacts"]]
    if manifests:
        say(f"\n{table(manifests)}\nverified artifacts: {len(manifests)}, in {args.out}")
    if args.ship:
        say(f"shipped: {ship([Path(artifact['path']) for artifact in document['artifacts']])}")
    return code, document


def _check_names(folders: Sequence[Path]) -> None:
    """Artifacts are named after the strategy, so each may come but once.

    Raises:
        UsageError: Two folders hold the same.
    """
    seen: dict[str, Path] = {}
    for folder in folders:
        with contextlib.suppress(ValueError, TypeError, KeyError):  # a damaged one is reported when its turn comes
            name = json.loads((folder / "checkpoint.json").read_text())["strategy"]["name"]
            if (first := seen.setdefault(name, folder)) != folder:
                raise UsageError(f"{folder} and {first} are both {name}: export them to two --out.")


def _in_turn(
    args: argparse.Namespace, budget: Budget, recipes: tuple[Recipe, ...], folders: Sequence[Path], dataset: Dataset
) -> tuple[int, dict[str, Any]]:
    """One checkpoint after the other, in this process."""
    import torch

    from export.job import Options
    from export.pipeline import export_checkpoint
    from export.verification.parity import ParityError
    from train.checkpoint import load_checkpoint

    options = Options(
        recipes=recipes,
        out=args.out,
        calibration_images=args.calibration_images,
        verify_images=args.verify_images,
        accuracy_images=args.accuracy_images,
        force=args.force,
        budget=budget,
        fine_tune_epochs=args.fine_tune_epochs,
        threads=min(torch.get_num_threads(), MAX_THREADS),
        rewrites=asked(args.rewrite),
    )
    manifests: dict[Path, Manifest] = {}
    failures: list[dict[str, Any]] = []
    code = 0

    def failed(error: FetalHeadError) -> None:
        nonlocal code
        print(f"error: {error}", file=sys.stderr, flush=True)
        manifest = error.manifest.to_json() if isinstance(error, ParityError) and error.manifest else None
        failures.append({"checkpoint": str(folder), "error": str(error), "manifest": manifest})
        code = max(code, error.exit_code)

    for folder in folders:
        try:
            manifests |= export_checkpoint(load_checkpoint(folder), dataset, options, failed)
        except FetalHeadError as error:
            failed(error)
    artifacts = [{"path": str(path), "manifest": manifest.to_json()} for path, manifest in manifests.items()]
    return code, {"schema_version": JSON_SCHEMA_VERSION, "artifacts": artifacts, "failures": failures}


def _at_once(
    args: argparse.Namespace, recipes: tuple[Recipe, ...], folders: Sequence[Path], dataset: Dataset, jobs: int
) -> tuple[int, dict[str, Any]]:
    """Several checkpoints at a time, each in its own process."""
    from export.commands.parallel import export_apart

    kept = ("calibration_images", "verify_images", "accuracy_images", "max_dice_drop", "max_hc_shift_mm")
    given = {name: getattr(args, name) for name in (*kept, "fine_tune_epochs", "out")}
    flags = [text for k, v in given.items() if v is not None for text in (f"--{k.replace('_', '-')}", str(v))]
    flags += ["--recipes", *(recipe.name for recipe in recipes), "--data", str(dataset.root)]
    flags += ["--force"] if args.force else []
    flags += ["--rewrite", *args.rewrite] if args.rewrite else []
    say(f"{len(folders)} checkpoints, {jobs} at a time")
    done = export_apart(folders, flags, jobs)
    artifacts, failures = ([x for _, document in done for x in document[key]] for key in ("artifacts", "failures"))
    return max(code for code, _ in done), {
        "schema_version": JSON_SCHEMA_VERSION,
        "artifacts": artifacts,
        "failures": failures,
    }
