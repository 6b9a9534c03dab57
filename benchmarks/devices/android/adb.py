"""One phone, reached by the system's adb."""

from __future__ import annotations

import contextlib
import re
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import DeviceError, FetalHeadError, UsageError

LIMIT_S = 60
"""A short command that takes longer hangs."""

_STATES = {
    "unauthorized": "does not trust this computer. Unlock it, and allow USB debugging in the question that it shows.",
    "offline": "is offline. Unlock it, plug it in again, or call: adb reconnect",
    "no permissions": "may not be used by this user. On Linux, install the package android-sdk-platform-tools-common.",
}

_LOST = "device .* not found|no devices/emulators found|device offline|device still|error: closed|protocol fault|EOF"


@dataclass(frozen=True)
class Phone:
    """A phone that answers.

    Attributes:
        serial: Its serial number, as ``adb devices`` prints it. It is not recorded.
    """

    serial: str

    def shell(self, command: str, limit_s: float = LIMIT_S) -> str:
        """Run a command on the phone; returns what it printed, both streams together.

        The last line of the output is ours: without it the output was cut short. Older phones do not return the exit
        code otherwise.

        Raises:
            DeviceError: The phone was lost, the command failed, or it took too long.
        """
        mark = f"fhe-{uuid.uuid4().hex[:8]}:"
        text = self._adb(["shell", f"({command}) 2>&1; code=$?; echo; echo {mark}$code"], limit_s)
        body, found, code = text.replace("\r", "").rpartition(mark)
        if not found or not code.strip().isdecimal():
            raise DeviceError("The phone's answer was cut short. Is the cable loose? Call the same command again.")
        if code.strip() != "0":
            raise DeviceError(why_failed(body, int(code)))
        return body

    def push(self, path: Path, place: str) -> None:
        """Copy a file to the phone.

        Raises:
            DeviceError: The phone was lost, or has no room.
        """
        self._adb(["push", str(path), place], limit_s=600)

    @contextlib.contextmanager
    def forwarded(self, port: int) -> Iterator[int]:
        """A port of this computer that leads to one of the phone, as long as the context is open.

        Raises:
            DeviceError: The phone was lost, or adb did not say which port.
        """
        said = self._adb(["forward", "tcp:0", f"tcp:{port}"], LIMIT_S).strip()
        if not said.isdecimal():
            raise DeviceError(f"adb forward did not say its port, but {said[:60]!r}. Update Android's platform tools.")
        try:
            yield int(said)
        finally:
            with contextlib.suppress(FetalHeadError):  # the phone may be gone, and the port with it
                self._adb(["forward", "--remove", f"tcp:{said}"], LIMIT_S)

    def _adb(self, arguments: Sequence[str], limit_s: float) -> str:
        done = _run(["-s", self.serial, *arguments], limit_s)
        said = done.stdout + done.stderr
        if done.returncode and re.search(_LOST, done.stderr):
            raise DeviceError(f"The phone was lost ({_last(said)}). Plug it in again, and call the same command.")
        if done.returncode:
            raise DeviceError(why_failed(said, done.returncode))
        return done.stdout


def why_failed(text: str, code: int) -> str:
    """What the failure of a command on the phone means, from what it printed."""
    last = _last(text)
    if "No space left" in text:
        return "The phone's storage is full. Free some space there, and call the same command."
    if "Exec format error" in text or "not executable" in text or "CANNOT LINK EXECUTABLE" in text:
        return f"The phone cannot run this benchmark_model ({last}). Take the one for its architecture and Android."
    return f"A command failed on the phone with exit code {code}: {last}"


def _last(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def _run(arguments: Sequence[str], limit_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["adb", *arguments], capture_output=True, text=True, errors="replace", timeout=limit_s)
    except OSError as error:
        raise UsageError(
            f"adb cannot be started here: {error}. Install Android's platform tools (Debian: apt install adb)."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"adb was not done after {limit_s:g} s. Is the phone locked, or its cable loose?") from error


def find_phone(serial: str | None) -> Phone:
    """The phone to measure.

    Args:
        serial: Its serial number; None where there is only one.

    Raises:
        UsageError: There is no adb, no such phone, or more than one and none was named.
        DeviceError: The phone is there but cannot be used yet.
    """
    done = _run(["devices"], LIMIT_S)
    if done.returncode:
        raise DeviceError(f"adb failed: {_last(done.stderr)}. Try: adb kill-server")
    lines = [re.split(r"\s+", line.strip(), maxsplit=1) for line in done.stdout.splitlines()[1:] if "\t" in line]
    there = {line[0]: line[1] for line in lines if len(line) == 2}
    if not there:
        raise UsageError(
            "adb finds no phone. Plug it in, and enable USB debugging in its developer options. Check: adb devices"
        )
    if serial is None and len(there) > 1:
        raise UsageError(f"adb finds {len(there)} phones: {', '.join(there)}. Name one with --serial.")
    if serial is not None and serial not in there:
        raise UsageError(f"adb finds no phone {serial!r}. It finds: {', '.join(there)}.")
    name = serial or next(iter(there))
    state = there[name]
    if state != "device":
        reason = next((why for word, why in _STATES.items() if state.startswith(word)), f"is in the state {state!r}.")
        raise DeviceError(f"The phone {name} {reason}")
    return Phone(name)
