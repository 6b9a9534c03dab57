"""What machine a figure was measured on, read from the operating system."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_runtime.common.provenance import tool_versions

RUNTIMES = ("ai-edge-litert", "tflite-runtime", "numpy", "pillow", "fetal-head-edge")
_CPU = Path("/sys/devices/system/cpu")
_INT8_INSTRUCTIONS = ("asimddp", "i8mm", "avx2", "avx_vnni", "avx512_vnni")
_ARM_CORES = {
    "0xd03": "Cortex-A53", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1", "0xd0d": "Cortex-A77", "0xd41": "Cortex-A78",
    "0xd44": "Cortex-X1", "0xd46": "Cortex-A510", "0xd47": "Cortex-A710", "0xd48": "Cortex-X2",
}  # fmt: skip
"""ARM's part numbers, as in Linux's ``arch/arm64/include/asm/cputype.h``."""
_THROTTLING = {
    0: "the supply's voltage is too low",
    1: "the clock is capped",
    2: "throttled",
    3: "at the soft temperature limit",
    16: "since boot the supply's voltage was too low",
    17: "since boot the clock was capped",
    18: "since boot throttled",
    19: "since boot at the soft temperature limit",
}
"""The firmware's bits, as Raspberry Pi documents them for ``vcgencmd get_throttled``."""


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


def _cpuinfo() -> list[tuple[str, str]]:
    lines = (line.split(":", 1) for line in (_read(Path("/proc/cpuinfo")) or "").splitlines() if ":" in line)
    return [(key.strip(), value.strip()) for key, value in lines]


def _cpu_model() -> str | None:
    """What x86 calls itself; on ARM, which names only numbers, the kinds of cores: ``4x Cortex-A72``."""
    found = _cpuinfo()
    names = [value for key, value in found if key == "model name"]
    if names:
        return names[0]
    parts = Counter(value for key, value in found if key == "CPU part")
    if parts:
        return " + ".join(f"{count}x {_ARM_CORES.get(part, f'part {part}')}" for part, count in parts.items())
    return platform.processor() or None


def _int8_instructions() -> list[str]:
    """Those of the CPU's instructions that multiply int8, and AVX2, beside which there is nothing faster on x86."""
    features = {word for key, value in _cpuinfo() if key in ("flags", "Features") for word in value.split()}
    return [name for name in _INT8_INSTRUCTIONS if name in features]


def usable_cores() -> int:
    """Cores this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def throttling() -> str | None:
    """The Raspberry Pi firmware's flags, hexadecimal (``0x0``: never throttled since boot), None elsewhere."""
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
    """What :func:`throttling` gave, in words; None where nothing is wrong or nothing is known."""
    value = int(flags, 16) if flags else 0
    said = [text for bit, text in _THROTTLING.items() if value >> bit & 1]
    return ", ".join(said) or None


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
    """The device: model, CPU and its int8 instructions, cores, governor, frequencies, temperature, throttling, system,
    versions.

    What the system does not tell is None, never guessed.
    """
    memory = (_read(Path("/proc/meminfo")) or "").split()
    return {
        **identity(),
        "int8_instructions": _int8_instructions(),
        "memory_bytes": int(memory[1]) * 1024 if memory[:1] == ["MemTotal:"] else None,
        "governor": _read(_CPU / "cpu0/cpufreq/scaling_governor"),
        "frequency_mhz": frequency_mhz(),
        "temperature_c": temperature_c(),
        "throttled": throttling(),
        "os": platform.platform(),
        "tools": tool_versions(RUNTIMES),
    }


def cpu_text(device: Mapping[str, Any]) -> str:
    """A :func:`fingerprint`'s CPU in words, with its int8 instructions where it was asked for them."""
    name = device["cpu"] or "unknown CPU"
    int8 = device.get("int8_instructions")
    return name if int8 is None else f"{name} (int8 instructions: {', '.join(int8) or 'none'})"


def device_text(device: Mapping[str, Any]) -> str:
    """A :func:`fingerprint`'s hardware in words."""
    memory = device["memory_bytes"]
    return f"{device['model'] or 'unknown model'}, {cpu_text(device)}, {device['cores']} cores" + (
        f", {memory / 1e9:.1f} GB" if memory else ""
    )


def peak_memory_bytes() -> int | None:
    """Peak resident memory of this process in bytes, None where the system does not tell."""
    for line in (_read(Path("/proc/self/status")) or "").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
