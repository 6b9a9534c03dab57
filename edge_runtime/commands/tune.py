"""``python -m edge_runtime tune``: how many CPU threads are fastest for a model on this device."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from edge_runtime.artifact.network import BACKENDS
from edge_runtime.common.arguments import at_least
from edge_runtime.timing.tune import ROUNDS, tune


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments, but for the model."""
    parser.add_argument("--backend", choices=list(BACKENDS), help="interpreter (default: the first installed)")
    parser.add_argument(
        "--rounds", type=at_least(1), default=ROUNDS, metavar="N", help="times each is measured (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Choose and keep the number of threads; where it cannot be kept that is said, and is no failure."""
    found = tune(args.model, rounds=args.rounds, backend=args.backend)
    if args.json:
        print(json.dumps(asdict(found)))
        return 0
    for count, ms in found.median_ms.items():
        print(f"{count:>3} thread{'s' if count > 1 else ' '} {ms:8.2f} ms{'   <- chosen' * (count == found.threads)}")
    print(
        'Kept: --threads auto and Segmenter.load(threads="auto") use it.'
        if found.kept
        else f"Not kept: {found.problem}"
    )
    return 0
