"""What every command of the project shares: exit codes and how errors look."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from edge_runtime.errors import FetalHeadError


def run_command(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a command and exit: 0 done, 1 the work failed, 2 the call was wrong, 130 stopped by Ctrl-C,
    143 terminated.

    Expected errors are printed as one message without a traceback.

    Args:
        main: Takes the arguments after the program's name, returns the exit code.
    """
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except FetalHeadError as error:
        print(f"error: {error}", file=sys.stderr)
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


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
