"""The machine that a figure was measured on, read from the operating system.

A value that the system does not give, or that makes no sense, is None. Unknown is neither 0 nor "none".
"""

from __future__ import annotations

import math
import os
import platform
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_runtime.common.provenance import tool_versions

RUNTIMES = ("ai-edge-litert", "tflite-runtime", "numpy", "pillow", "fetal-head-edge")
_CPU = Path("/sys/devices/system/cpu")
INT8_INSTRUCTIONS = ("asimddp", "i8mm", "avx2", "avx_vnni", "avx512_vnni")
"""As ``/proc/cpuinfo`` names them."""

_ARM_CORES = {
    "0xd03": "Cortex-A53", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1", "0xd0d": "Cortex-A77", "0xd41": "Cortex-A78",
    "0xd44": "Cortex-X1", "0xd46": "Cortex-A510", "0xd47": "Cortex-A710", "0xd48": "Cortex-X2",
}  # fmt: skip
"""ARM's part numbers, as in Linux's ``arch/arm64/include/asm/cputype.h``."""
_THROTTLING = {
    0: "the supply voltage is too low",
    1: "the clock is capped",
    2: "throttled",
    3: "at the soft temperature limit",
    16: "the supply voltage was too low at some time since boot",
    17: "the clock was capped at some time since boot",
    18: "throttled at some time since boot",
    19: "at the soft temperature limit at some time since boot",
}
"""The firmware's bits, as Raspberry Pi documents them for ``vcgencmd get_throttled``."""


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _number(path: Path, divide: float, above: float = 0) -> float | None:
    """A finite number that a file holds, divided; None if the result is not above a bound."""
    try:
        value = float(_read(path) or "nan") / divide
    except ValueError:
        return None
    return value if math.isfinite(value) and value > above else None


def _table(path: str) -> list[tuple[str, str]]:
    """The lines ``key: value`` of a file. Lines without a value are left out."""
    lines = (line.split(":", 1) for line in (_read(Path(path)) or "").splitlines() if ":" in line)
    return [(key.strip(), value.strip()) for key, value in lines if value.strip()]


def _bytes(path: str, wanted: str) -> int | None:
    """A size in a table like ``/proc/meminfo``, which gives it as ``VmHWM:  1234 kB``."""
    for key, value in _table(path):
        number, _, unit = value.partition(" ")
        if key == wanted and number.isdecimal() and int(number) > 0 and unit.strip() in ("", "kB"):
            return int(number) * 1024
    return None


def _cpu_model() -> str | None:
    """The model name of an x86 CPU, or the kinds of an ARM CPU's cores (``4x Cortex-A72``), from their part numbers."""
    found = _table("/proc/cpuinfo")
    names = [value for key, value in found if key == "model name"]
    if names:
        return names[0]
    parts = Counter(value for key, value in found if key == "CPU part")
    if parts:
        return " + ".join(f"{count}x {_ARM_CORES.get(part, f'part {part}')}" for part, count in parts.items())
    return platform.processor() or None


def _int8_instructions() -> list[str] | None:
    """The CPU's int8 instructions, and AVX2, which multiplies int8 on x86 without them. None if unknown."""
    features = {
        word for key, value in _table("/proc/cpuinfo") if key in ("flags", "Features") for word in value.split()
    }
    return [name for name in INT8_INSTRUCTIONS if name in features] if features else None


def is_emulated() -> bool | None:
    """Whether this process is of another architecture than the kernel, as in QEMU's user mode: its times are then not
    those of the CPU that it sees. A machine that is emulated as a whole is not noticed. None if unknown.
    """
    process, kernel = _family(platform.machine()), _family(_read(Path("/proc/sys/kernel/arch")))
    return process != kernel if process and kernel else None


def _family(machine: str | None) -> str | None:
    """ARM or x86, whose CPUs run both 32 and 64 bits. None is neither."""
    found = re.fullmatch(r"(aarch64|arm)\w*|(x86_64|i[3-6]86)", machine or "")
    return found and ("ARM" if found[1] else "x86")


def _cores() -> int | None:
    try:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    except OSError:  # a sandbox may forbid the question
        return os.cpu_count()


def usable_cores() -> int:
    """Number of cores this process may use, which may be fewer than the machine has. 1 if the system does not say."""
    return _cores() or 1


def throttling() -> str | None:
    """The Raspberry Pi firmware's flags, in hexadecimal (``0x0``: never throttled since boot). None elsewhere."""
    flags = _read(Path("/sys/devices/platform/soc/soc:firmware/get_throttled"))
    if flags is None and shutil.which("vcgencmd"):  # a Pi 5 has no such file
        try:
            done = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=5, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        flags = done.stdout.strip().partition("=")[2]
    try:
        return None if flags is None else hex(int(flags, 16))
    except ValueError:
        return None


def throttling_text(flags: str | None) -> str | None:
    """The flags from :func:`throttling` in words. None if nothing is wrong or nothing is known."""
    value = int(flags, 16) if flags else 0
    said = [text for bit, text in _THROTTLING.items() if value >> bit & 1]
    return ", ".join(said) or None


def temperature_c() -> float | None:
    """Temperature of the first thermal zone in degrees Celsius. None if unknown."""
    return _number(Path("/sys/class/thermal/thermal_zone0/temp"), 1000, above=-273.15)


def frequency_mhz() -> float | None:
    """Current frequency of the first core in MHz. None if unknown."""
    return _number(_CPU / "cpu0/cpufreq/scaling_cur_freq", 1000)


def identity() -> dict[str, Any]:
    """The part of the :func:`fingerprint` that does not change from day to day, and the number of usable cores."""
    return {
        "model": _read(Path("/proc/device-tree/model")) or _read(Path("/sys/class/dmi/id/product_name")),
        "cpu": _cpu_model(),
        "machine": platform.machine() or None,
        "cores": _cores(),
        "max_frequency_mhz": _number(_CPU / "cpu0/cpufreq/cpuinfo_max_freq", 1000),
    }


def fingerprint() -> dict[str, Any]:
    """Describe the device: model, CPU and its int8 instructions, whether it is emulated, cores, memory, governor,
    frequencies, temperature, throttling, operating system and versions. An unknown value is None.
    """
    return {
        **identity(),
        "int8_instructions": _int8_instructions(),
        "emulated": is_emulated(),
        "memory_bytes": _bytes("/proc/meminfo", "MemTotal"),
        "governor": _read(_CPU / "cpu0/cpufreq/scaling_governor"),
        "frequency_mhz": frequency_mhz(),
        "temperature_c": temperature_c(),
        "throttled": throttling(),
        "os": platform.platform(),
        "tools": tool_versions(RUNTIMES),
    }


def cpu_text(device: Mapping[str, Any]) -> str:
    """The CPU of a :func:`fingerprint` in words, with its int8 instructions if the fingerprint has that entry."""
    name = device["cpu"] or "unknown CPU"
    if "int8_instructions" not in device:
        return name
    int8 = device["int8_instructions"]
    return f"{name} (int8 instructions: {'unknown' if int8 is None else ', '.join(int8) or 'none'})"


def device_text(device: Mapping[str, Any]) -> str:
    """The hardware of a :func:`fingerprint` in words."""
    cores, memory = device["cores"], device["memory_bytes"]
    return ", ".join(
        (
            device["model"] or "unknown model",
            cpu_text(device),
            "unknown number of cores" if cores is None else f"{cores} core{'s' * (cores > 1)}",
            "unknown memory" if memory is None else f"{memory / 1e9:.1f} GB",
            *["emulated"] * bool(device["emulated"]),
        )
    )


def peak_memory_bytes() -> int | None:
    """Peak resident memory of this process in bytes. None if unknown."""
    return _bytes("/proc/self/status", "VmHWM")


def memory_bytes_of(process: int) -> int | None:
    """Resident memory of a process in bytes, now, by its id. None if unknown."""
    return _bytes(f"/proc/{process}/status", "VmRSS")
