"""What several commands share: their help, their common options, and the checks of numbers and output files."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from edge_runtime.errors import UsageError

MAX_COUNT = 10**9
"""Largest number of frames, images or rounds that is accepted."""


class _Help(argparse.HelpFormatter):
    """Wraps a paragraph, and keeps a text of several lines, such as examples, as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return "".join(f"{indent}{line}\n" for line in text.splitlines())
        return super()._fill_text(text, width, indent)

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment  # argparse forgets that it indents subcommands


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all of this project's; its subcommands' parsers are of this class too."""

    def error(self, message: str) -> NoReturn:
        """Print what was wrong and where the help is; end with exit code 2."""
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def add_help(parser: argparse.ArgumentParser, description: str, *examples: str, notes: str = "") -> None:
    """Set what ``--help`` says around the options.

    Args:
        parser: The command's parser.
        description: One paragraph: what the command does.
        *examples: Command lines that work.
        notes: Lines after the examples.
    """
    title = "example" if len(examples) == 1 else "examples"
    lines = [f"{title}:", *(f"  {example}" for example in examples)] if examples else []
    parser.description = description
    parser.epilog = "\n".join([*lines, *(["", notes] if lines and notes else [notes] if notes else [])])
    parser.formatter_class = _Help


def at_least(least: int, most: int = MAX_COUNT) -> Callable[[str], int]:
    """A type for argparse: a whole number, ``least`` or more and at most ``most``."""

    def convert(text: str) -> int:
        if not (text.removeprefix("-").isdecimal() and text.isascii()):
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number")
        if len(text) > 12 or not least <= int(text) <= most:
            limit = f" and at most {most}" if most < MAX_COUNT or len(text) > 9 else ""
            raise argparse.ArgumentTypeError(f"{text[:40]} is not allowed; it must be at least {least}{limit}")
        return int(text)

    return convert


def real(text: str) -> float:
    """A type for argparse: a number, which may be infinite or NaN; for types that check its range."""
    try:
        if not text.isascii() or "_" in text or text != text.strip():  # float takes them
            raise ValueError
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number") from None


def above(low: float, most: float = math.inf) -> Callable[[str], float]:
    """A type for argparse: a finite number above ``low`` and at most ``most``."""

    def convert(text: str) -> float:
        value = real(text)
        if not (low < value <= most and math.isfinite(value)):
            limit = f" and at most {most:g}" if math.isfinite(most) else ""
            raise argparse.ArgumentTypeError(f"{text[:40]} is not allowed; it must be above {low:g}{limit}")
        return value

    return convert


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``."""
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="folder in HC18's layout, 'phantom' or 'download'; default: $HC18_DIR, data/hc18, ../shared/hc18, "
        "a download, else the phantom",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``."""
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help=".tflite file with its manifest beside it, or edge-s, edge-m or edge-l (default: the shipped model)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_others(parser: argparse.ArgumentParser) -> None:
    """Add ``--others``: a folder of frames from elsewhere."""
    parser.add_argument(
        "--others",
        type=Path,
        metavar="DIR",
        help="frames from elsewhere: heads/SET with masks, not_heads/KIND; default: data/outside or ../shared/outside",
    )


def add_out(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """``--out`` and ``--overwrite``, for a command that writes a JSON document; see :func:`checked_out`.

    Args:
        parser: The command's parser.
        default: The file that is written without ``--out``, for the help; None if none is.
    """
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.json",
        help=f"write the JSON document here (default: {default or 'not written'})",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there already")


def checked_out(out: Path | None, overwrite: bool, option: str = "--out") -> Path | None:
    """Check that a file can be written, before minutes are spent on measuring.

    Args:
        out: The file; None if none is wanted.
        overwrite: Whether it may exist already.
        option: The option that named it.

    Returns:
        ``out``.

    Raises:
        UsageError: The file exists and must not be overwritten, or its folder cannot be written.
    """
    if out is None:
        return None
    if out.exists() and not out.is_dir() and not overwrite:
        raise UsageError(f"{out} already exists. Replace it with --overwrite, or name another file with {option}.")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if out.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"{option} {out} cannot be written. Name a file in a folder you may write to.")
    return out


def check_folder(folder: Path, option: str = "--out") -> None:
    """Check that a folder can be made and written, before long work; nothing is made.

    Raises:
        UsageError: It cannot.
    """
    place = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise UsageError(
            f"{folder} cannot be written: {place} is not a folder you may write to. Choose another {option}."
        )
