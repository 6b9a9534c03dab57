"""Programs of the tests: they are started, read line by line, and end with the test."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from tests.helpers.places import ROOT


class Program:
    """A process of its own, and the lines that it has printed: on stdout, and on stderr."""

    def __init__(self, *command: object) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([*map(str, command)], cwd=ROOT, env=environment, text=True, **pipes)
        self.lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        for stream, put in ((self.process.stdout, self.lines.put), (self.process.stderr, self.said.append)):
            threading.Thread(target=lambda stream=stream, put=put: [put(line) for line in stream], daemon=True).start()

    def line(self, wanted: Callable[[str], object], seconds: float = 20) -> str:
        """The next line of stdout that is wanted."""
        until = time.monotonic() + seconds
        seen: list[str] = []
        while time.monotonic() < until:
            try:
                seen.append(self.lines.get(timeout=0.2))
            except queue.Empty:
                continue
            if wanted(seen[-1]):
                return seen[-1]
        raise AssertionError(f"not printed: last {seen[-3:]}; stderr {self.said[-5:]}")

    def hears(self, text: str, seconds: float = 20) -> str:
        """Wait for a line on stderr with a text in it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in self.said:
                if text in line:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"{text!r} is not in {self.said}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ctrl-C. Returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


def python(module: str, *arguments: object) -> Program:
    return Program(sys.executable, "-m", module, *arguments)


def link(*arguments: object) -> Program:
    """The command. Its deadline suits a test machine with other work."""
    return python("edge_runtime", "link", *arguments, "--json", "--deadline-ms", 5000)


def speaker(kind: str, port: int) -> Program:
    return python("tests.runtime.openigtlink.speaker", kind, port)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
