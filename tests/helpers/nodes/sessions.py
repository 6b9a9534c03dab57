"""The processes of a session: what was started as its leader, and all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def in_session(session: int) -> list[int]:
    """The processes of a session, by the number of its leader."""
    found = []
    for process in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with contextlib.suppress(OSError):
            if os.getsid(process) == session:
                found.append(process)
    return found


def end(session: int) -> None:
    """Kill all of them at once, as when a machine is lost."""
    for process in in_session(session):
        os.kill(process, signal.SIGKILL)


def gone(processes: set[int], seconds: float = 60) -> bool:
    """Whether processes end by themselves."""
    latest = time.monotonic() + seconds
    while alive := [process for process in processes if is_alive(process)]:
        if time.monotonic() > latest:
            break
        time.sleep(0.2)
    return not alive


def is_alive(process: int) -> bool:
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())  # empty if nobody has asked how it ended
    except OSError:
        return False
