"""What machine a figure was measured on, read from the operating system."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from edge_runtime.provenance import tool_versions

RUNTIMES = ("ai-edge-litert", "tflite-runtime", "numpy", "pillow", "fetal-head-edge")
_CPU = Path("/sys/devices/system/cpu")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _number(path: Path, divide: float) -> float | None:
    text = _read(path)
    try:
        return None if text is None else float(text) / divide
    except ValueError:
        return None


def _cpu_model() -> str | None:
    wanted = ("model name", "Model", "Hardware", "CPU part")
    lines = [line.split(":", 1) for line in (_read(Path("/proc/cpuinfo")) or "").splitlines() if ":" in line]
    found = {key.strip(): value.strip() for key, value in lines}
    return next((found[key] for key in wanted if found.get(key)), platform.processor() or None)


def usable_cores() -> int:
    """Cores this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def throttling() -> str | None:
    """The Raspberry Pi firmware's throttling flags (``0x0``: never throttled since boot), None elsewhere."""
    return _read(Path("/sys/devices/platform/soc/soc:firmware/get_throttled"))


def temperature_c() -> float | None:
    """Temperature of the first thermal zone in degrees Celsius, None where there is none."""
    return _number(Path("/sys/class/thermal/thermal_zone0/temp"), 1000)


def frequency_mhz() -> float | None:
    """Present frequency of the first core in MHz, None where the system does not tell."""
    return _number(_CPU / "cpu0/cpufreq/scaling_cur_freq", 1000)


def identity() -> dict[str, Any]:
    """What of the :func:`fingerprint` stays from day to day, with the cores this process may use."""
    return {
        "model": _read(Path("/proc/device-tree/model")) or _read(Path("/sys/class/dmi/id/product_name")),
        "cpu": _cpu_model(),
        "machine": platform.machine(),
        "cores": usable_cores(),
        "max_frequency_mhz": _number(_CPU / "cpu0/cpufreq/cpuinfo_max_freq", 1000),
    }


def fingerprint() -> dict[str, Any]:
    """The device: model, CPU, cores, governor, frequencies, temperature, throttling, system and runtime versions.

    What the system does not tell is None, never guessed.
    """
    memory = (_read(Path("/proc/meminfo")) or "").split()
    return {
        **identity(),
        "memory_bytes": int(memory[1]) * 1024 if memory[:1] == ["MemTotal:"] else None,
        "governor": _read(_CPU / "cpu0/cpufreq/scaling_governor"),
        "frequency_mhz": frequency_mhz(),
        "temperature_c": temperature_c(),
        "throttled": throttling(),
        "os": platform.platform(),
        "tools": tool_versions(RUNTIMES),
    }


def peak_memory_bytes() -> int | None:
    """Peak resident memory of this process in bytes, None where the system does not tell."""
    for line in (_read(Path("/proc/self/status")) or "").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
