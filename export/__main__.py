"""``python -m export``: convert checkpoints to artifacts, and examine artifacts."""

from __future__ import annotations

from importlib import import_module

from edge_runtime.common.cli import run_command
from export.commands import export

COMMANDS = {
    "audit": ("audit", "check that .tflite files are what they claim to be"),
    "explain": ("explain", "show which layers lose most in int8, and why"),
    "calibration": ("calibration", "measure how many calibration images are enough"),
    "sizes": ("sizes", "check that networks convert correctly at many input sizes"),
    "quality": ("quality", "derive when an artifact refuses to measure, and its interval"),
    "keygen": ("sign", "make a key for signing artifacts"),
    "sign": ("sign", "sign artifacts"),
}
"""The commands besides the export itself: the module in :mod:`export.commands`, and a line for ``--help``."""


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    if argv[:1] and argv[0] in COMMANDS:
        module = import_module(f"export.commands.{COMMANDS[argv[0]][0]}")
        code: int = module.main(argv if argv[0] in ("sign", "keygen") else argv[1:])
        return code
    listing = "\n".join(f"  {name:<14} {text}" for name, (_, text) in COMMANDS.items())
    return export.main(argv, f"other commands (python -m export COMMAND --help):\n{listing}")


if __name__ == "__main__":
    run_command(main)
