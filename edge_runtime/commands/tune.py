"""``python -m edge_runtime tune``: find the fastest number of CPU threads on this device."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from edge_runtime.artifact.network import BACKENDS
from edge_runtime.common.arguments import add_help, at_least
from edge_runtime.timing.tune import LEAST_ROUNDS, ROUNDS, tune


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments, except the model's."""
    add_help(
        parser,
        "Measure a model with 1, 2, ... CPU threads on this device and choose the fastest number. The choice is kept "
        "in your cache folder; --threads auto then uses it. This takes seconds. Run it on the device as it will be "
        "used: with the same cores, cooling and load.",
        "python -m edge_runtime tune",
        "python -m edge_runtime measure frame.png --threads auto",
    )
    parser.add_argument("--backend", choices=list(BACKENDS), help="interpreter (default: the first that is installed)")
    parser.add_argument(
        "--rounds",
        type=at_least(LEAST_ROUNDS),
        default=ROUNDS,
        metavar="N",
        help=f"measurements for each number of threads, at least {LEAST_ROUNDS} (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Choose and keep the number of threads. If it cannot be kept, that is said; it is not a failure."""
    found = tune(args.model, rounds=args.rounds, backend=args.backend)
    if args.json:
        print(json.dumps(asdict(found)))
        return 0
    for count, ms in found.median_ms.items():
        print(f"{count:>3} thread{'s' if count > 1 else ' '} {ms:8.2f} ms{'   <- chosen' * (count == found.threads)}")
    print(
        'Kept. --threads auto and Segmenter.load(threads="auto") use it.'
        if found.kept
        else f"Not kept: {found.problem}"
    )
    return 0
