"""Why a run on a device ended without a result, from its phase and its log."""

from __future__ import annotations

import re

from benchmarks.devices.facts import Job

_NO_NETWORK = (
    "Temporary failure in name resolution|Network is unreachable|NewConnectionError|Failed to establish|"
    "ConnectTimeout|ReadTimeout|Read timed out|Max retries exceeded"
)


def why_no_result(job: Job, log: str) -> str:
    """The reason and the next step.

    Args:
        job: The run as the device tells it.
        log: The end of its log.
    """
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "nothing")
    if "No space left" in log or "Disk quota exceeded" in log:
        return (
            "The disk of the device became full. Free some space there, or name a folder on another disk with --folder."
        )
    if job.state == "none":
        return "The run is no longer on the device: somebody removed it with --discard. Call again."
    if job.state == "died":
        return (
            f"The run ended on the device without a word: it was killed, or the device was switched off. Last line: "
            f"{last}. Look at the power supply and the memory, and call again."
        )
    if job.phase == "environment":
        return (
            f"The device's Python could not make a virtual environment: {last}. Try there: sudo apt install "
            "python3-venv"
        )
    if job.phase == "packages":
        return _why_pip_failed(log, last)
    return (
        f"python -m benchmarks run ended on the device with exit code {job.code} and no result. Last line: {last}. "
        "Add --keep to look at what is there."
    )


def _why_pip_failed(log: str, last: str) -> str:
    if re.search(_NO_NETWORK, log):
        return "pip has no network on the device. Add --offline: the packages are then downloaded here, and sent along."
    if found := re.search(r"No matching distribution found for (\S+)", log):
        return (
            f"pip found no wheel of {found[1]} for the device's Python and system. LiteRT has wheels for 64-bit Linux "
            "with glibc, and for Python 3.10 and newer, but not at once for the newest. Name another with --python."
        )
    return f"pip failed on the device: {last}. Try --offline, or --keep to look at what is there."
