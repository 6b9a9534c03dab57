"""``python -m benchmarks ladder``: what each way of quantizing a network costs, up to the first within the budget."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edge_runtime.common.arguments import add_data, add_out, at_least, checked_out
from edge_runtime.common.cli import ending_text, say
from edge_runtime.common.files import write_json
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import FetalHeadError
from export.commands.arguments import add_rewrites, check_checkpoint, loss, rewrite_names
from train.data.hc18 import find_data

SCHEMA_VERSION = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("checkpoint", type=Path, metavar="DIR", help="folder of a checkpoint")
    add_data(parser)
    parser.add_argument("--max-dice-drop", type=loss, metavar="POINTS", help="as for python -m export")
    parser.add_argument("--max-hc-shift-mm", type=loss, metavar="MM", help="as for python -m export")
    parser.add_argument("--fine-tune-epochs", type=at_least(0), metavar="N", help="as for python -m export")
    add_rewrites(parser)
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Export a checkpoint in full int8 into a folder that is thrown away, and keep what was tried and what it cost."""
    checked_out(args.out, args.overwrite)
    check_checkpoint(args.checkpoint)
    rewrite_names(args.rewrite)
    dataset = find_data(args.data)
    limits = {name: getattr(args, name) for name in ("max_dice_drop", "max_hc_shift_mm", "fine_tune_epochs")}
    flags = [text for k, v in limits.items() if v is not None for text in (f"--{k.replace('_', '-')}", str(v))]
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        command = ["export", "--checkpoint", str(args.checkpoint), "--recipes", "full_int8", "--json", "--out", folder]
        command += ["--data", str(dataset.root), *flags, *(["--rewrite", *args.rewrite] if args.rewrite else [])]
        done = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise FetalHeadError(f"python -m {' '.join(command)} {ending_text(done.returncode)}. Its output is above.")
    document = json.loads(done.stdout)
    made = [*document["artifacts"], *(f for f in document["failures"] if f["manifest"])]
    if not made:
        raise FetalHeadError(document["failures"][0]["error"])
    if args.out:
        write_json(args.out, climbed(made[0]["manifest"], made[0].get("error")))
        say(f"written: {args.out}")
    return 0


def climbed(manifest: dict[str, Any], refused: str | None) -> dict[str, Any]:
    """What is kept of a manifest: the rungs, and what the last costs on the test part."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": manifest["name"],
        "strategy": manifest["strategy"],
        "recipe": manifest["recipe"],
        "rewrites": manifest["rewrites"],
        "refused": refused,
        "size": [manifest["preprocessing"]["height"], manifest["preprocessing"]["width"]],
        "checkpoint_sha256": manifest["checkpoint"]["sha256"],
        "split": manifest["checkpoint"]["config"]["split"],
        "quantization": {k: v for k, v in manifest["quantization"].items() if k != "settings"},
        "accuracy": manifest["accuracy"],
        "git_commit": manifest["git_commit"],
        "tools": manifest["tools"],
        "device": fingerprint(),
    }
