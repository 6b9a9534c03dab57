"""What a phone says of itself: its maker, chip, Android, memory and temperature."""

from __future__ import annotations

import re

from benchmarks.common.device import Device
from benchmarks.devices.android.adb import Phone
from edge_runtime.device.fingerprint import INT8_INSTRUCTIONS

_PROPERTIES = (
    "ro.product.manufacturer", "ro.product.model", "ro.soc.manufacturer", "ro.soc.model", "ro.board.platform",
    "ro.build.version.release", "ro.build.version.sdk",
)  # fmt: skip

ASK = "; ".join(
    [f'for name in {" ".join(_PROPERTIES)}; do echo "$name=$(getprop $name)"; done',
     'echo "machine=$(uname -m)"',
     'echo "cores=$(nproc)"',
     "grep MemTotal /proc/meminfo",
     "grep -m 1 Features /proc/cpuinfo",
     'echo "khz=$(cat /sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq 2>/dev/null | sort -n | tail -n 1)"',
     "dumpsys battery | grep temperature",
     "true"]
)  # fmt: skip
"""The command that asks. What a phone does not tell is left empty."""

THERMAL = "dumpsys thermalservice 2>/dev/null | grep -m 1 'Thermal Status'; true"


def ask_device(phone: Phone) -> Device:
    """The phone as result files record a machine; its serial number and build are not asked for."""
    return parse_device(phone.shell(ASK))


def parse_device(text: str) -> Device:
    """Read what :data:`ASK` printed."""
    known = dict(line.strip().split("=", 1) for line in text.splitlines() if "=" in line)

    def said(name: str) -> str:
        return known.get(name, "").strip()

    maker, chip = said("ro.product.manufacturer"), said("ro.soc.model") or said("ro.board.platform")
    memory, features = re.search(r"MemTotal:\s+(\d+) kB", text), re.search(r"Features\s*:\s*(.*)", text)
    battery, khz = re.search(r"temperature:\s*(-?\d+)", text), said("khz")
    release, sdk = said("ro.build.version.release"), said("ro.build.version.sdk")
    words = features[1].split() if features else None
    return Device(
        model=" ".join(filter(None, (maker, said("ro.product.model")))) or None,
        cpu=" ".join(filter(None, (said("ro.soc.manufacturer"), chip))) or None,
        machine=said("machine") or "unknown",
        cores=int(said("cores")) if said("cores").isdecimal() else None,
        max_frequency_mhz=int(khz) / 1e3 if khz.isdecimal() else None,
        memory_bytes=int(memory[1]) * 1024 if memory else None,
        governor=None,
        frequency_mhz=None,
        temperature_c=int(battery[1]) / 10 if battery else None,  # the battery's, in tenths of a degree
        throttled=None,
        os=f"Android {release} (API {sdk})" if release and sdk else "Android",
        tools={},
        int8_instructions=None if words is None else tuple(name for name in INT8_INSTRUCTIONS if name in words),
    )


def thermal_status(phone: Phone) -> int | None:
    """Android's thermal status: 0 none, 1 light, 2 moderate, 3 severe and more; None before Android 10."""
    found = re.search(r"Thermal Status:\s*(\d+)", phone.shell(THERMAL))
    return int(found[1]) if found else None
