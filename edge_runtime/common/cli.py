"""What all commands share: exit codes, the form of errors, and output that every terminal can show."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from edge_runtime.common.stderr import own_stderr
from edge_runtime.errors import FetalHeadError


def run_command(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a command and exit.

    The exit codes are 0 if it is done, 1 if the work failed, 2 if the call was wrong, 130 after Ctrl-C, 143 if it was
    terminated, and 129 if its terminal was closed (not under nohup). Expected errors are printed as one message without
    a traceback.

    Args:
        main: Takes the arguments after the program's name, and returns the exit code.
    """
    own_stderr()
    # Pillow warns of a large image; read_image refuses it with a message of its own.
    warnings.filterwarnings("ignore", "Image size .* exceeds limit")
    signal.signal(signal.SIGTERM, _terminated)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _terminated)
    sys.stdout, sys.stderr = _escaping(sys.stdout), _escaping(sys.stderr)
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except FetalHeadError as error:
        lines = map(printable, str(error).split("\n"))
        print("error: " + "\n".join(lines), file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # the reader of the pipe has ended, which is not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except _OutputError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered would fail again
        print(
            f"error: The output cannot be written: {error.strerror}. What was printed is incomplete.", file=sys.stderr
        )
        code = 1
    sys.exit(code)


def _terminated(number: int, _: Any) -> NoReturn:
    """End with an exception, so that temporary files are deleted."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        print("terminated", file=sys.stderr)
    sys.exit(128 + number)


class _OutputError(OSError):
    """Standard output cannot be written, for example because it is a file on a full disk."""


class _Escaping(io.TextIOWrapper):
    """Text output that escapes what its encoding lacks, and what a terminal would act on.

    A file's name may contain bytes that are not text (surrogates in Python), control characters or terminal escapes.
    They must neither end a run nor reach the terminal.
    """

    def write(self, text: str) -> int:
        with _output_errors():
            super().write(_escape(text, keep="\n\r\t"))
        return len(text)

    def flush(self) -> None:
        with _output_errors():
            super().flush()


@contextlib.contextmanager
def _output_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _OutputError(error.errno, error.strerror) from error


def _escaping(stream: Any) -> Any:
    if not isinstance(stream, io.TextIOWrapper):  # it belongs to a test or an editor
        return stream
    stream.flush()
    return _Escaping(
        stream.buffer,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _escape(text: str, keep: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def printable(text: str) -> str:
    """Escape everything in a file's name, or in a text with one, that is not printable, including line ends."""
    return _escape(text, keep="")


def escaped(text: str) -> str:
    """Text that can be stored as UTF-8. A byte of a file name that is not text becomes a backslash and its code."""
    return text.encode("utf-8", "backslashreplace").decode()


_LONE_SURROGATE = re.compile(r"(\\\\)|(\\ud[89ab]..\\ud[c-f]..)|\\(ud[89a-f]..)")


def json_line(value: Any) -> str:
    """Convert a value to one line of JSON, in ASCII.

    A byte of a file name that is not text is written as a backslash and its code. Python uses a lone surrogate for it,
    which many readers of JSON refuse or change.

    Raises:
        ValueError: The value contains NaN or an infinity, which JSON lacks.
    """
    text = json.dumps(value, allow_nan=False)
    return _LONE_SURROGATE.sub(lambda m: m[1] or m[2] or rf"\\{m[3]}", text)


def ending_text(returncode: int) -> str:
    """How a process ended, in words to put after its name.

    Args:
        returncode: As :mod:`subprocess` and :mod:`multiprocessing` give it: negative if a signal killed the process.
    """
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    name = next((known.name for known in signal.Signals if known == -returncode), "unknown")
    hint = "; the system does this when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by signal {-returncode} ({name}{hint})"


def say(text: str) -> None:
    """Print a line and flush it."""
    print(text, flush=True)


def counted(number: int, noun: str) -> str:
    """``1 thread``, ``2 threads``."""
    return f"{number} {noun}{'s' * (number != 1)}"


def shown(value: float | None, form: str, width: int, unit: str = "") -> str:
    """A figure, or ``-`` if it was not measured, right-aligned."""
    return ("-" if value is None else f"{value:{form}}{unit}").rjust(width)


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
