"""What every command of the project shares: exit codes, how errors look, and output that any terminal can show."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from edge_runtime.common.stderr import own_stderr
from edge_runtime.errors import FetalHeadError


def run_command(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a command and exit: 0 done, 1 the work failed, 2 the call was wrong, 130 stopped by Ctrl-C,
    143 terminated.

    Expected errors are printed as one message without a traceback.

    Args:
        main: Takes the arguments after the program's name, returns the exit code.
    """
    own_stderr()
    signal.signal(signal.SIGTERM, _terminated)
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
    except BrokenPipeError:  # the reader of a pipe left; that is not ours to report
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _terminated(*_: Any) -> NoReturn:
    """End as any exception does, so that temporary files go."""
    print("terminated", file=sys.stderr)
    sys.exit(128 + signal.SIGTERM)


class _Escaping(io.TextIOWrapper):
    """Text output that escapes what its encoding lacks and what a terminal would act on.

    A file's name may hold bytes that are not text (surrogates here), control characters or terminal escapes. None of
    them may end a run or reach the terminal.
    """

    def write(self, text: str) -> int:
        super().write(_escape(text, keep="\n\r\t"))
        return len(text)


def _escaping(stream: Any) -> Any:
    if not isinstance(stream, io.TextIOWrapper):  # a test's or an editor's: left as it is
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
    """A file's name, or a text that holds one, on one line: what is not printable is escaped, line ends too."""
    return _escape(text, keep="")


_LONE_SURROGATE = re.compile(r"(\\\\)|(\\ud[89ab]..\\ud[c-f]..)|\\(ud[89a-f]..)")


def json_line(value: Any) -> str:
    """A value as JSON on one line, in ASCII.

    A byte of a file name that is not text is written as a backslash and its code: many readers of JSON refuse, or
    change, the lone surrogate that Python has for it.

    Raises:
        ValueError: It holds NaN or an infinity, which JSON lacks.
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
    """Print a line at once."""
    print(text, flush=True)


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
