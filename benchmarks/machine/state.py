"""What the system tells of its load, clock, temperature and throttling. None is what it does not tell."""

from __future__ import annotations

import functools
import operator
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.device.fingerprint import throttling, throttling_text

SYS, PROC = Path("/sys"), Path("/proc")

BUSY_LIMIT = 0.1
"""Share of the machine's time that other work may take before a result says so."""

BUSY = "other work takes part of this machine's time: the figures are not its true speed"

_SAMPLE_S = 0.5
_NOW, _EVER = 0xF, 16
"""Of a Raspberry Pi's flags: those of the moment, and how far those of any time since its start are shifted."""


@dataclass(frozen=True)
class Load:
    """The machine's load while nothing is measured.

    Attributes:
        average_1min: The system's load average over one minute.
        busy: Share of all cores' time that was in use, 0 to 1, sampled over half a second.
    """

    average_1min: float | None
    busy: float | None

    @property
    def is_high(self) -> bool:
        """Whether other work took so much of the machine that a result says so."""
        return (self.busy or 0.0) > BUSY_LIMIT

    @property
    def text(self) -> str:
        """Both in words."""
        average = "unknown" if self.average_1min is None else f"{self.average_1min:.2f}"
        return f"load average {average}, " + ("busy share unknown" if self.busy is None else f"{self.busy:.0%} busy")


@dataclass(frozen=True)
class State:
    """The machine at one moment.

    Attributes:
        frequency_mhz: Clock of the fastest core, in MHz.
        temperature_c: Temperature in degrees Celsius.
        throttled: A Raspberry Pi's throttling flags, hexadecimal.
    """

    frequency_mhz: float | None
    temperature_c: float | None
    throttled: str | None

    @property
    def unknown(self) -> tuple[str, ...]:
        """What the system does not tell, in words."""
        names = {"frequency_mhz": "clock", "temperature_c": "temperature", "throttled": "throttling flags"}
        return tuple(name for field, name in names.items() if getattr(self, field) is None)


def read_load() -> Load:
    """The load now; takes half a second."""
    before = _cpu_times()
    time.sleep(_SAMPLE_S)
    after = _cpu_times()
    busy = None
    if before and after and after[1] > before[1]:
        busy = min(1.0, max(0.0, 1 - (after[0] - before[0]) / (after[1] - before[1])))
    try:
        average = os.getloadavg()[0]
    except (AttributeError, OSError):
        average = None
    return Load(average, busy)


def read_state() -> State:
    """The machine now. On a Raspberry Pi the firmware is asked: it knows the clock that the cores really get."""
    frequency = _vcgencmd("measure_clock", "arm", pattern=r"=(\d+)", divide=1e6)
    if frequency is None:
        clocks = sorted((SYS / "devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
        frequency = max((mhz for path in clocks if (mhz := read_number(path, 1e3)) is not None), default=None)
    temperature = read_number(SYS / "class/thermal/thermal_zone0/temp", 1e3)
    if temperature is None:
        temperature = _vcgencmd("measure_temp", pattern=r"=([\d.]+)", divide=1)
    return State(frequency, temperature, throttling())


def throttled_meanwhile(*flags: str | None) -> str | None:
    """What a Raspberry Pi's flags say of the time between the first reading and the last; None if nothing is wrong.

    They tell of the moment, and of any time since the device was started. What had happened before the first reading
    does not count.
    """
    values = [int(text, 16) for text in flags if text]
    if not values:
        return None
    both = functools.reduce(operator.or_, values)
    return throttling_text(hex((both & _NOW) | (both >> _EVER & _NOW & ~(values[0] >> _EVER))))


def all_flags(flags: Iterable[str | None]) -> str | None:
    """Every flag that is set in one of several readings, hexadecimal; None if there are none."""
    values = [int(text, 16) for text in flags if text]
    return hex(functools.reduce(operator.or_, values)) if values else None


def read_text(path: Path) -> str | None:
    """What a small file of the system holds; None if it cannot be read or is empty."""
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def read_number(path: Path, divide: float = 1.0) -> float | None:
    """A number above 0 that a file of the system holds, divided; None if there is none."""
    text = read_text(path)
    if text is None or not re.fullmatch(r"\d{1,20}", text) or int(text) == 0:
        return None
    return int(text) / divide


def run_vcgencmd(*arguments: str) -> str | None:
    """What a Raspberry Pi's firmware answers; None elsewhere."""
    if not shutil.which("vcgencmd"):
        return None
    try:
        done = subprocess.run(["vcgencmd", *arguments], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _vcgencmd(*arguments: str, pattern: str, divide: float) -> float | None:
    found = re.search(pattern, run_vcgencmd(*arguments) or "")
    return float(found[1]) / divide if found else None


def _cpu_times() -> tuple[int, int] | None:
    """Idle time and all time of the cores, in ticks."""
    words = ((read_text(PROC / "stat") or "").splitlines() or [""])[0].split()
    if words[:1] != ["cpu"] or len(words) < 6 or not all(word.isdecimal() for word in words[1:]):
        return None
    ticks = [int(word) for word in words[1:9]]  # what comes after is counted in the first two already
    return ticks[3] + ticks[4], sum(ticks)
