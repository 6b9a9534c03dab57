"""The command as a user starts it: what it prints is read as it comes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.helpers.places import ROOT

WAIT_S = 120


class Desk:
    """``python -m benchmarks phone`` in a process of its own, until it ends or is ended."""

    def __init__(self, litert: Path, *arguments: object, host: str = "127.0.0.1") -> None:
        options = ("--litert", litert, "--host", host, "--port", 0)
        call = [sys.executable, "-m", "benchmarks", "phone", *map(str, (*arguments, *options))]
        self._process = subprocess.Popen(
            call, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        self.address = self.says(r"^(http://\S+/)$")[1]

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.append(line)

    @property
    def said(self) -> str:
        """All that it has printed."""
        return "".join(self._lines)

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it has printed something."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            if found := re.search(pattern, self.said, re.MULTILINE):
                return found
            if self._process.poll() is not None:
                time.sleep(0.5)
                break
            time.sleep(0.05)
        found = re.search(pattern, self.said, re.MULTILINE)
        assert found, f"{pattern!r} was not printed, but:\n{self.said}"
        return found

    def ends(self) -> int:
        """Wait for its end; returns the exit code."""
        return self._process.wait(WAIT_S)

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        self._process.send_signal(2)
        return self.ends()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
