"""Keeps what the interpreter's native code says about itself out of a command's output."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

_REMARK = re.compile(rb"(INFO|VERBOSE): |I\d{4} ")
"""How a remark begins in TensorFlow Lite's log, and in the log of Abseil, which LiteRT uses too."""

_is_command = False


def own_stderr() -> None:
    """Say that this process runs one of our commands, so its stderr may be filtered."""
    global _is_command
    _is_command = True


@contextmanager
def without_remarks(*, everything: bool = False) -> Iterator[None]:
    """Drop the remarks that native code writes to stderr, such as "INFO: Created TensorFlow Lite XNNPACK delegate".

    The interpreter has no setting for this. Warnings, errors and everything else come out at the end of the block; they
    are lost only if the process crashes within it. Nothing is filtered outside of our commands: file descriptor 2
    belongs to the whole process, and a child process that another thread starts would inherit the filtered one.

    Args:
        everything: Drop warnings and errors too, where the caller tells them in its own words.
    """
    with ExitStack() as stack:
        if _is_command:
            with suppress(OSError):  # stderr is closed, or no temporary file can be made: then nothing is filtered
                _filter_stderr(stack, everything)
        yield


def _filter_stderr(stack: ExitStack, everything: bool) -> None:
    """Catch what is written to file descriptor 2, and pass it on through the filter when the stack is closed."""
    if sys.stderr is not None:
        sys.stderr.flush()
    real = os.dup(2)
    stack.callback(os.close, real)
    caught = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it

    def restore() -> None:
        os.dup2(real, 2)
        caught.seek(0)
        for line in caught:
            if not (everything or _REMARK.match(line)):
                os.write(2, line)

    stack.callback(restore)
    os.dup2(caught.fileno(), 2)
