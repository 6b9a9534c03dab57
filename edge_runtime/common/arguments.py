"""Options that several commands have, each said once, so that all commands agree on them."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from edge_runtime.errors import UsageError

MAX_COUNT = 10**9
"""More frames, images or rounds than anyone means."""


def at_least(least: int, most: int = MAX_COUNT) -> Callable[[str], int]:
    """A type for argparse: a whole number from ``least`` to ``most``."""

    def convert(text: str) -> int:
        if not (text.removeprefix("-").isdecimal() and text.isascii()):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
        if len(text) > 12 or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(
                f"{text} is not allowed; it is {least} or more" + (f", at most {most}" if most < MAX_COUNT else "")
            )
        return int(text)

    return convert


def above(low: float, most: float = math.inf) -> Callable[[str], float]:
    """A type for argparse: a finite number above ``low``, at most ``most``."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not (low < value <= most and math.isfinite(value)):
            limit = f" and at most {most:g}" if math.isfinite(most) else ""
            raise argparse.ArgumentTypeError(f"{text} is not allowed; it is above {low:g}{limit}")
        return value

    return convert


def add_data(parser: argparse.ArgumentParser) -> None:
    """``--data``."""
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="folder in HC18's layout, 'phantom' or 'download'; default: $HC18_DIR, data/hc18, ../shared/hc18, "
        "a download, else the phantom",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """``--model``."""
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help=".tflite file, manifest beside it (default: shipped)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="JSON on stdout, for programs")


def add_out(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """``--out`` and ``--overwrite``, for the document a command measures; see :func:`checked_out`.

    Args:
        parser: The command's.
        default: What is written without it, for the help; None for nothing.
    """
    parser.add_argument(
        "--out", type=Path, metavar="FILE.json", help=f"write the JSON document here; default: {default or 'nowhere'}"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file that --out names")


def checked_out(out: Path | None, overwrite: bool) -> Path | None:
    """Refuse what cannot or must not be written, before minutes are spent on measuring.

    Raises:
        UsageError: The file is there and ``overwrite`` is not set, or its folder cannot be written.
    """
    if out is None:
        return None
    if out.exists() and not overwrite:
        raise UsageError(f"{out} already exists. Replace it with --overwrite, or name another file with --out.")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if out.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"--out {out} cannot be written. Name a file in a folder you may write to.")
    return out
