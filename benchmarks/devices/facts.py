"""What a device is, what an earlier call left there, and whether it can measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.devices.connection import MARK
from edge_runtime.errors import DeviceError, UsageError

State = Literal["none", "running", "ended", "died"]

OLDEST = (3, 10)
"""The oldest Python that the wheel takes."""

MACHINES = ("aarch64", "x86_64")
"""Architectures whose 64-bit Linux has wheels of LiteRT."""

NEEDED_BYTES = 400_000_000
"""Free space to start with: the environment takes up to 165 MB, and pip unpacks as much meanwhile."""


@dataclass(frozen=True)
class Job:
    """A run on the device.

    Attributes:
        state: ``none``, ``running``, ``ended``, or ``died`` without an end, as after a power cut.
        code: Exit code of the run; None if it has not ended.
        phase: What it does, or did last: ``environment``, ``packages`` or ``run``.
        request: What was asked for, see :class:`benchmarks.devices.parcel.Request`.
        commit: Commit of the source that it runs; None if unknown.
        fetched: Whether its result was taken.
    """

    state: State
    code: int | None = None
    phase: str | None = None
    request: str | None = None
    commit: str | None = None
    fetched: bool = False


@dataclass(frozen=True)
class Facts:
    """What the device says of itself. None is what it does not say.

    Attributes:
        folder: Where the run is to lie, absolute.
        machine: Architecture of the kernel.
        python: Path of its Python.
        version: (major, minor) of that.
        bits: 64, or 32 where its programs are.
        libc: The C library and its version.
        has_venv: Whether that Python can make environments.
        free_bytes: Free space at the folder.
        not_writable: The place where the folder cannot be made.
        foreign: The folder holds something else.
        job: The run that is there.
    """

    folder: str
    machine: str | None
    python: str | None
    version: tuple[int, int] | None
    bits: int | None
    libc: tuple[str, str] | None
    has_venv: bool
    free_bytes: int | None
    not_writable: str | None
    foreign: bool
    job: Job


def read_facts(text: str) -> Facts:
    """Read what the script's ``probe`` printed.

    Raises:
        DeviceError: It printed nothing that can be read.
    """
    lines = [line[len(MARK) :].partition("=") for line in text.splitlines() if line.startswith(MARK)]
    said = {name: value.strip() for name, _, value in lines}
    if "folder" not in said or "state" not in said:
        raise DeviceError(
            f"The device did not answer as expected: {text.strip()[-200:] or 'nothing'!r}. Its login shell must be "
            "able to run: sh -s"
        )
    version = said.get("version", "").split(".")
    libc = said.get("libc", "").split()
    return Facts(
        folder=said["folder"],
        machine=said.get("machine"),
        python=said.get("python"),
        version=(int(version[0]), int(version[1])) if len(version) == 2 else None,
        bits=_whole(said.get("bits")),
        libc=(libc[0], libc[1]) if len(libc) == 2 else None,
        has_venv=said.get("venv") == "yes",
        free_bytes=None if (free := _whole(said.get("free_kb"))) is None else 1024 * free,
        not_writable=said.get("not_writable"),
        foreign="foreign" in said,
        job=_job(said),
    )


def check_folder_of(facts: Facts) -> None:
    """Check that the folder is ours, or can be made.

    Raises:
        UsageError: It is not.
    """
    if facts.foreign:
        raise UsageError(
            f"The folder {facts.folder} on the device holds something else. Name one that does not exist yet with "
            "--folder; it is made, and removed at the end."
        )
    if facts.not_writable:
        raise UsageError(
            f"The folder {facts.folder} cannot be made on the device: {facts.not_writable} is not a folder you may "
            "write to. Name another with --folder."
        )


def check(facts: Facts, python: str) -> None:
    """Check that a run can be started.

    Args:
        facts: What the device says of itself.
        python: The name of its Python that was asked for.

    Raises:
        DeviceError: It lacks something.
        UsageError: The folder cannot be used.
    """
    check_folder_of(facts)
    oldest = ".".join(map(str, OLDEST))
    if facts.python is None:
        raise DeviceError(
            f"The device has no {python}. Install Python {oldest} or newer there, for example with: sudo apt install "
            "python3 python3-venv; or name another with --python."
        )
    if facts.version is None:
        raise DeviceError(f"{facts.python} on the device does not run. Repair it, or name another with --python.")
    if facts.version < OLDEST:
        raise DeviceError(
            f"{facts.python} on the device is Python {'.'.join(map(str, facts.version))}; {oldest} or newer is needed. "
            "Use a newer system (Raspberry Pi OS bookworm or later), or name a newer Python there with --python."
        )
    if facts.bits != 64 or facts.machine not in MACHINES:
        raise DeviceError(
            f"The device's Python has {facts.bits} bits, on {facts.machine}. LiteRT has wheels for 64-bit Linux on "
            f"{' and '.join(MACHINES)} alone. On a Raspberry Pi, install the 64-bit system: a 32-bit one also runs on "
            "a 64-bit kernel. For 32 bits see docs/devices.md."
        )
    if facts.libc is None or facts.libc[0] != "glibc":
        raise DeviceError(
            f"The device's C library is {facts.libc[0] if facts.libc else 'not glibc'}; the wheels need glibc, which "
            "Alpine and Termux lack. Use Debian, Ubuntu or Raspberry Pi OS."
        )
    if not facts.has_venv:
        raise DeviceError(
            f"{facts.python} on the device cannot make virtual environments: its module venv or ensurepip is missing. "
            "Install it there, for example with: sudo apt install python3-venv"
        )
    if facts.free_bytes is not None and facts.free_bytes < NEEDED_BYTES:
        raise DeviceError(
            f"The device has {facts.free_bytes / 1e6:.0f} MB free at {facts.folder}; {NEEDED_BYTES / 1e6:.0f} MB are "
            "needed. Free some space there, or name a folder on another disk with --folder."
        )


def _job(said: Mapping[str, str]) -> Job:
    found = said["state"]
    state: State = next((name for name in ("running", "ended", "died") if name == found), "none")
    return Job(
        state=state,
        code=_whole(said.get("code")),
        phase=said.get("phase"),
        request=said.get("request"),
        commit=said.get("commit") or None,
        fetched="fetched" in said,
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None
