"""Options that several commands of ``python -m export`` share; ``python -m benchmarks`` has them too."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.common.arguments import real
from edge_runtime.errors import UsageError
from edge_runtime.shipped import DEFAULT_SIZE
from export.conversion.rewrites import MOST_AMPLIFIED, REWRITES, find_rewrite

NO_REWRITE = "none"
"""Value of ``--rewrite`` for no rewrite at all, not even those that the network needs."""


def loss(text: str) -> float:
    """A type for argparse: how much may be lost, 0 or more; ``inf`` allows any loss."""
    value = real(text)
    if not value >= 0:  # NaN too
        raise argparse.ArgumentTypeError(f"{text[:40]} is not allowed; it must be at least 0 (inf allows any loss)")
    return value


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--checkpoint`` for one checkpoint; see :func:`check_checkpoint`."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("checkpoints") / DEFAULT_SIZE,
        metavar="DIR",
        help="folder of the checkpoint (default: %(default)s)",
    )


def check_checkpoint(folder: Path) -> None:
    """Check that a folder contains a checkpoint, before anything heavy is imported.

    Raises:
        UsageError: The folder contains no checkpoint.
    """
    if not (folder / "checkpoint.json").is_file():
        raise UsageError(f"{folder} holds no checkpoint (checkpoint.json). Train one: python -m train --strategy edge")


def add_rewrites(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--rewrite``. :func:`rewrite_names` reads its value."""
    parser.add_argument(
        "--rewrite",
        nargs="+",
        metavar="NAME",
        help=f"exact rewrites of the graph, or '{NO_REWRITE}': {', '.join(REWRITES)}. The default is direct-expansion "
        f"if rounding would be amplified {MOST_AMPLIFIED:g}-fold without it, else none. The others are for devices "
        "that run them faster (python -m benchmarks rewrites)",
    )


def rewrite_names(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """The names given to ``--rewrite``; None if the option was not given.

    Raises:
        UsageError: There is no such rewrite.
    """
    if given is None or list(given) == [NO_REWRITE]:
        return None if given is None else ()
    return tuple(find_rewrite(name).name for name in given)
