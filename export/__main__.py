"""``python -m export``: checkpoints to verified artifacts."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_runtime.cli import run_command
from edge_runtime.errors import FetalHeadError, UsageError
from edge_runtime.manifest import Manifest
from edge_runtime.optional import require
from export.budget import Budget
from export.recipes import RECIPES, Recipe, get_recipe
from export.worker import warm_up
from train.data import find_data
from train.progress import say

CHECKPOINTS = Path("checkpoints")
JSON_SCHEMA_VERSION = 1


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    listing = "\n".join(f"  {r.name:<14} {r.summary}" for r in RECIPES.values())
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description="Convert checkpoints into TensorFlow Lite artifacts, each held to torch on real images first.",
        epilog=f"recipes:\n{listing}\n\nexample: python -m export --checkpoint checkpoints/edge --recipes full_int8\n"
        "also:    python -m export audit|explain|sizes|calibration --help",
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
    parser.add_argument("--data", metavar="DIR", help="HC18's folder, 'phantom' or 'download'; default: searched for")
    parser.add_argument(
        "--calibration-images", type=_positive, default=100, metavar="N", help="at most; default: %(default)s"
    )
    parser.add_argument(
        "--verify-images", type=_positive, default=16, metavar="N", help="compared with torch; default: %(default)s"
    )
    parser.add_argument(
        "--accuracy-images", type=_positive, metavar="N", help="scored, of each test part; default: all of them"
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
        type=int,
        default=2,
        metavar="N",
        help="of training on in simulated int8, the last that is tried, some minutes; 0 for none; default: %(default)s",
    )
    parser.add_argument("--force", action="store_true", help="export also what is up to date")
    parser.add_argument("--ship", action="store_true", help="put edge-full_int8 into the wheel (edge_runtime/models)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout; the text goes to stderr")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not 1 or more")
    return value


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


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    if argv[:1] == ["audit"]:
        from export.audit_command import main as audit

        return audit(argv[1:])
    if argv[:1] == ["explain"]:
        from export.explain_command import main as explain

        return explain(argv[1:])
    if argv[:1] == ["calibration"]:
        from export.calibration import main as calibration

        return calibration(argv[1:])
    if argv[:1] == ["sizes"]:
        from export.sizes import main as sizes

        return sizes(argv[1:])
    args = build_parser().parse_args(argv)
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
    """Export checkpoints one after the other; one that fails is reported, and the others are still exported.

    Returns:
        The exit code and the document for ``--json``.
    """
    for package in ("torch", "onnxruntime"):
        require(package)
    warm_up()
    from export.artifact import check_writable, ship
    from export.job import Options
    from export.pipeline import export_checkpoint
    from export.report import table
    from export.verify import ParityError
    from train.checkpoint import load_checkpoint

    check_writable(args.out)
    dataset = find_data(args.data)
    say(f"data: {dataset.title}, {len(dataset.samples)} images in {dataset.root}")
    budget = Budget(args.max_dice_drop, args.max_hc_shift_mm)
    if args.fine_tune_epochs < 0:
        raise UsageError(f"--fine-tune-epochs is {args.fine_tune_epochs}; it is 0, for none, or more.")
    options = Options(
        recipes=recipes,
        out=args.out,
        calibration_images=args.calibration_images,
        verify_images=args.verify_images,
        accuracy_images=args.accuracy_images,
        force=args.force,
        budget=budget,
        fine_tune_epochs=args.fine_tune_epochs,
    )
    manifests: dict[Path, Manifest] = {}
    failures: list[dict[str, Any]] = []
    code = 0
    seen: dict[str, Path] = {}

    def failed(error: FetalHeadError) -> None:
        nonlocal code
        print(f"error: {error}", file=sys.stderr, flush=True)
        manifest = error.manifest.to_json() if isinstance(error, ParityError) and error.manifest else None
        failures.append({"checkpoint": str(folder), "error": str(error), "manifest": manifest})
        code = max(code, error.exit_code)

    for folder in folders:
        try:
            checkpoint = load_checkpoint(folder)
            first = seen.setdefault(checkpoint.strategy.name, folder)
            if first != folder:
                raise UsageError(f"{folder} and {first} are both {checkpoint.strategy.name}: export them to two --out.")
            manifests |= export_checkpoint(checkpoint, dataset, options, failed)
        except FetalHeadError as error:
            failed(error)
    if manifests:
        say(f"\n{table(list(manifests.values()))}\nverified artifacts: {len(manifests)}, in {args.out}")
    if args.ship:
        say(f"shipped: {ship(list(manifests))}")
    artifacts = [{"path": str(path), "manifest": manifest.to_json()} for path, manifest in manifests.items()]
    return code, {"schema_version": JSON_SCHEMA_VERSION, "artifacts": artifacts, "failures": failures}


if __name__ == "__main__":
    run_command(main)
