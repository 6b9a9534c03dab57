"""Energy, where the device can tell: a CPU's counter (RAPL), a Raspberry Pi 5's power chip, or a battery."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from benchmarks.machine import state
from benchmarks.machine.state import read_number, read_text, run_vcgencmd


@dataclass(frozen=True)
class Meter:
    """Something that tells energy or power.

    Attributes:
        source: What it measures, in words.
        unit: ``J`` where it counts joules, ``W`` where it tells the power of the moment.
        read: Reads it; None where it fails.
    """

    source: str
    unit: Literal["J", "W"]
    read: Callable[[], float | None]


@final
@dataclass(frozen=True)
class Energy:
    """Energy of the timed frames of one artifact, what the machine uses when idle included.

    Attributes:
        joules_per_frame: Joules a frame.
        watts: Mean power in W.
        source: What was measured, in words.
    """

    joules_per_frame: float
    watts: float
    source: str


def find_meter() -> Meter | str:
    """The first meter that can be read: RAPL, a Pi 5's power chip, a battery; or why there is none."""
    reasons = []
    for find in (_rapl, _pmic, _battery):
        found = find()
        if isinstance(found, Meter):
            return found
        reasons.append(found)
    return "this device does not tell its energy: " + "; ".join(reasons)


class _Counters:
    """The sum of counters that start again from 0 at their ends."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self._last: dict[Path, float] = {}
        self._joules = 0.0

    def read(self) -> float | None:
        """Joules since the first reading."""
        for folder in self._folders:
            now = read_number(folder / "energy_uj", 1e6)
            if now is None:
                return None
            gained = now - self._last.get(folder, now)
            if gained < 0:
                gained += read_number(folder / "max_energy_range_uj", 1e6) or 0.0
            self._joules += max(gained, 0.0)
            self._last[folder] = now
        return self._joules


def _rapl() -> Meter | str:
    domains = sorted((state.SYS / "class/powercap").glob("intel-rapl:*"))  # AMD's CPUs too
    packages = [path for path in domains if (read_text(path / "name") or "").startswith("package")]
    if not packages:
        return "there is no RAPL counter"
    if any(read_number(path / "energy_uj") is None for path in packages):
        return "the RAPL counter cannot be read (most systems let only root read it)"
    return Meter("the CPU package, by RAPL", "J", _Counters(packages).read)


def _pmic() -> Meter | str:
    if _pmic_watts() is None:
        return "vcgencmd has no pmic_read_adc (a Raspberry Pi 5 has)"
    return Meter("the rails of the Raspberry Pi's power chip, without its losses and USB devices", "W", _pmic_watts)


def _pmic_watts() -> float | None:
    """Sum of current times voltage over all rails of which both are told."""
    text = run_vcgencmd("pmic_read_adc") or ""
    currents = dict(re.findall(r"(\w+)_A current\(\d+\)=([\d.]+)A", text))
    volts = dict(re.findall(r"(\w+)_V volt\(\d+\)=([\d.]+)V", text))
    both = [float(currents[rail]) * float(volts[rail]) for rail in currents if rail in volts]
    return sum(both) if both else None


def _battery() -> Meter | str:
    supplies = sorted((state.SYS / "class/power_supply").glob("*"))
    batteries = [path for path in supplies if read_text(path / "type") == "Battery"]
    if not batteries:
        return "there is no battery"
    used = [path for path in batteries if read_text(path / "status") == "Discharging"]
    if not used:
        return "the battery is not discharging (unplug the device to measure)"
    told = [path for path in used if _battery_watts(path) is not None]
    if not told:
        return "the battery does not tell its power"
    return Meter("the whole device, by its battery", "W", lambda: _battery_watts(told[0]))


def _battery_watts(folder: Path) -> float | None:
    power = read_number(folder / "power_now", 1e6)
    if power is not None:
        return power
    text = (read_text(folder / "current_now") or "").lstrip("-")  # some drivers count what flows out as negative
    volts = read_number(folder / "voltage_now", 1e6)
    return int(text) / 1e6 * volts if text.isdecimal() and volts is not None else None
