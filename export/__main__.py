"""``python -m export``: checkpoints to artifacts, and what is known of an artifact."""

from __future__ import annotations

from importlib import import_module

from edge_runtime.common.cli import run_command
from export.commands import export

COMMANDS = {
    "audit": ("audit", "is a .tflite file what it says it is?"),
    "explain": ("explain", "which layers lose most in int8, and why"),
    "calibration": ("calibration", "how many calibration images are enough, and which"),
    "sizes": ("sizes", "does a network convert rightly at an input size?"),
    "quality": ("quality", "calibrate when an artifact refuses to measure"),
    "keygen": ("sign", "make a key to sign artifacts with"),
    "sign": ("sign", "sign artifacts"),
}
"""Beside the export itself: the module in :mod:`export.commands`, and a line for ``--help``."""


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    if argv[:1] and argv[0] in COMMANDS:
        module = import_module(f"export.commands.{COMMANDS[argv[0]][0]}")
        code: int = module.main(argv if argv[0] in ("sign", "keygen") else argv[1:])
        return code
    listing = "\n".join(f"  {name:<14} {text}" for name, (_, text) in COMMANDS.items())
    return export.main(argv, f"other commands, each with --help:\n{listing}")


if __name__ == "__main__":
    run_command(main)
