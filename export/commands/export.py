"""``python -m export``: convert checkpoints to verified artifacts."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_runtime.artifact.manifest import Manifest
from edge_runtime.common.arguments import CommandParser, add_data, add_help, add_json, at_least, check_folder
from edge_runtime.common.cli import say
from edge_runtime.common.optional import require
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.errors import FetalHeadError, UsageError
from edge_runtime.segmenter import MAX_THREADS
from export.commands.arguments import add_rewrites, loss, rewrite_names
from export.conversion.process import warm_up
from export.recipes import RECIPES, Budget, Recipe, get_recipe
from train.data.hc18 import Dataset, find_data

CHECKPOINTS = Path("checkpoints")
JSON_SCHEMA_VERSION = 1


def build_parser(subcommands: str = "") -> argparse.ArgumentParser:
    """The command's parser.

    Args:
        subcommands: The other commands of ``python -m export``, one per line, for ``--help``.
    """
    listing = "\n".join(f"  {r.name:<14} {r.summary}" for r in RECIPES.values())
    parser = CommandParser(prog="python -m export")
    add_help(
        parser,
        "Convert checkpoints to TensorFlow Lite artifacts. Each is compared with torch on real images before it is "
        "written.",
        "python -m export --checkpoint checkpoints/edge-m --recipes full_int8",
        "python -m export --data phantom --recipes float32,full_int8 --out try",
        notes=f"recipes:\n{listing}\n\n{subcommands}".rstrip(),
    )
    parser.add_argument(
        "--checkpoint",
        nargs="+",
        default=["all"],
        metavar="DIR",
        help="folders of checkpoints, or 'all' for every checkpoint in the folder checkpoints (default: all)",
    )
    parser.add_argument(
        "--recipes",
        nargs="+",
        default=["all"],
        metavar="NAME",
        help="recipes, listed below, separated by spaces or commas (default: all)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("artifacts"), metavar="DIR", help="folder of artifacts (default: %(default)s)"
    )
    add_data(parser)
    _add_images(parser)
    _add_budget(parser)
    parser.add_argument(
        "--jobs",
        type=at_least(1),
        default=usable_cores(),
        metavar="N",
        help="export N checkpoints at a time; they share the cores (default: %(default)s, the cores of this machine)",
    )
    add_rewrites(parser)
    parser.add_argument("--force", action="store_true", help="export even if artifacts are up to date")
    parser.add_argument(
        "--ship",
        action="store_true",
        help="copy the full_int8 artifacts of edge-s, edge-m and edge-l to edge_runtime/models",
    )
    add_json(parser)
    return parser


def _add_images(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how many images are used."""
    parser.add_argument(
        "--calibration-images",
        type=at_least(1),
        default=100,
        metavar="N",
        help="calibrate on N images at most (default: %(default)s)",
    )
    parser.add_argument(
        "--verify-images",
        type=at_least(1),
        default=16,
        metavar="N",
        help="compare with torch on N images at most (default: %(default)s)",
    )
    parser.add_argument(
        "--accuracy-images",
        type=at_least(1),
        metavar="N",
        help="score N images of each test part at most (default: all)",
    )


def _add_budget(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what full int8 may lose."""
    budget = Budget()
    parser.add_argument(
        "--max-dice-drop",
        type=loss,
        default=budget.max_dice_drop,
        metavar="POINTS",
        help="maximum drop of full_int8's mean Dice on images it was not calibrated on, in points of 100: the upper "
        "end of the mean's one-sided 95%% interval; better ways of quantizing are tried until one is within it "
        "(default: %(default)s; inf: any)",
    )
    parser.add_argument(
        "--max-hc-shift-mm",
        type=loss,
        default=budget.max_hc_shift_mm,
        metavar="MM",
        help="maximum mean absolute change of the head circumference, likewise (default: %(default)s; inf: any)",
    )
    parser.add_argument(
        "--max-hc-shift-share",
        type=loss,
        default=budget.max_hc_shift_share,
        metavar="SHARE",
        help="the same relative to the network's own mean difference from the reference; the larger limit counts "
        "(default: %(default)s; 0: only the one in mm)",
    )
    parser.add_argument(
        "--fine-tune-epochs",
        type=at_least(0),
        default=2,
        metavar="N",
        help="epochs of further training in simulated int8, the last way that is tried; takes minutes; 0 for none "
        "(default: %(default)s)",
    )


def pick_recipes(names: Sequence[str]) -> tuple[Recipe, ...]:
    """Recipes by name; ``all`` means all, and commas are allowed. Each comes once, in the order of :data:`RECIPES`.

    Raises:
        UsageError: There is no such recipe.
    """
    asked = [name for text in names for name in text.split(",") if name]
    if "all" in asked:
        return tuple(RECIPES.values())
    chosen = {get_recipe(name).name for name in asked or [""]}
    return tuple(recipe for name, recipe in RECIPES.items() if name in chosen)


def find_checkpoints(places: Sequence[str]) -> list[Path]:
    """Find the folders with a checkpoint, among the given folders and directly below them.

    Args:
        places: Folders; ``all`` stands for the folder ``checkpoints``.

    Raises:
        UsageError: A place has no checkpoint.
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
    _check_names(folders)
    rewrite_names(args.rewrite)
    check_folder(args.out)
    if args.ship and RECIPES["full_int8"] not in recipes:
        raise UsageError("--ship is for full_int8: add it to --recipes.")
    if not args.json:
        return export(args, recipes, folders)[0]
    with contextlib.redirect_stdout(sys.stderr):
        code, document = export(args, recipes, folders)
    print(json.dumps(document, allow_nan=False))
    return code


def export(
    args: argparse.Namespace, recipes: tuple[Recipe, ...], folders: Sequence[Path]
) -> tuple[int, dict[str, Any]]:
    """Export checkpoints. One that fails is reported, and the others are still exported.

    Returns:
        The exit code and the document for ``--json``.
    """
    for package in ("torch", "onnxruntime"):
        require(package)
    jobs = min(args.jobs, len(folders))
    if jobs == 1:
        warm_up()
    from export.artifact import ship
    from export.commands.summary import table

    dataset = find_data(args.data)
    say(f"data: {dataset.summary}")
    budget = Budget(args.max_dice_drop, args.max_hc_shift_mm, args.max_hc_shift_share)
    if jobs == 1:
        code, document = _in_turn(args, budget, recipes, folders, dataset)
    else:
        code, document = _at_once(args, recipes, folders, dataset, jobs)
    manifests = [Manifest.from_json(artifact["manifest"]) for artifact in document["artifacts"]]
    if manifests:
        say(f"\n{table(manifests)}\nverified artifacts: {len(manifests)}, in {args.out}")
    if args.ship:
        for path in ship([Path(artifact["path"]) for artifact in document["artifacts"]]):
            say(f"shipped: {path}")
    return code, document


def _check_names(folders: Sequence[Path]) -> None:
    """Artifacts are named after the strategy, so no two checkpoints may be of the same strategy.

    Raises:
        UsageError: Two folders hold the same strategy.
    """
    seen: dict[str, Path] = {}
    for folder in folders:
        with contextlib.suppress(ValueError, TypeError, KeyError):  # a damaged one is reported when its turn comes
            name = json.loads((folder / "checkpoint.json").read_text())["strategy"]["name"]
            if (first := seen.setdefault(name, folder)) != folder:
                raise UsageError(f"{folder} and {first} are both {name}: export them separately, to different --out.")


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
        rewrites=rewrite_names(args.rewrite),
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

    kept = (
        "calibration_images",
        "verify_images",
        "accuracy_images",
        "max_dice_drop",
        "max_hc_shift_mm",
        "max_hc_shift_share",
    )
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
