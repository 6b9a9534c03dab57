"""``python -m benchmarks ladder``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.common.device import this_device
from benchmarks.int8.ladder import climbed
from edge_runtime.common.arguments import add_data, add_out, at_least, checked_out
from edge_runtime.common.cli import ending_text, say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import FetalHeadError
from export.commands.arguments import add_rewrites, check_checkpoint, loss, rewrite_names
from train.data.hc18 import find_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("checkpoint", type=Path, metavar="DIR", help="folder of the checkpoint")
    add_data(parser)
    parser.add_argument("--max-dice-drop", type=loss, metavar="POINTS", help="as for python -m export")
    parser.add_argument("--max-hc-shift-mm", type=loss, metavar="MM", help="as for python -m export")
    parser.add_argument("--max-hc-shift-share", type=loss, metavar="SHARE", help="as for python -m export")
    parser.add_argument("--fine-tune-epochs", type=at_least(0), metavar="N", help="as for python -m export")
    add_rewrites(parser)
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Export a checkpoint in full int8 into a temporary folder, and keep what was tried and what it cost.

    Raises:
        FetalHeadError: The export failed before anything was quantized.
    """
    checked_out(args.out, args.overwrite)
    check_checkpoint(args.checkpoint)
    rewrite_names(args.rewrite)
    dataset = find_data(args.data)
    limits = {
        name: getattr(args, name)
        for name in ("max_dice_drop", "max_hc_shift_mm", "max_hc_shift_share", "fine_tune_epochs")
    }
    flags = [text for k, v in limits.items() if v is not None for text in (f"--{k.replace('_', '-')}", str(v))]
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        command = ["export", "--checkpoint", str(args.checkpoint), "--recipes", "full_int8", "--json", "--out", folder]
        command += ["--data", str(dataset.root), *flags, *(["--rewrite", *args.rewrite] if args.rewrite else [])]
        done = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise FetalHeadError(f"python -m {' '.join(command)} {ending_text(done.returncode)}. Its output is above.")
    found = json.loads(done.stdout)
    made = [*found["artifacts"], *(failure for failure in found["failures"] if failure["manifest"])]
    if not made:
        raise FetalHeadError(found["failures"][0]["error"])
    if args.out:
        document = climbed(made[0]["manifest"], made[0].get("error"))
        document = replace(document, device=this_device(), date=time.strftime("%Y-%m-%d"))
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    return 0
