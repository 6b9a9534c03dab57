"""LiteRT's ``benchmark_model``: how it is called, and what it prints."""

from __future__ import annotations

import re

from benchmarks.suite.network_only import ToolRun
from edge_runtime.errors import DeviceError

_NUMBER = r"([\d.]+(?:e[+-]?\d+)?)"
_COUNT = re.compile(
    rf"count=(\d+) first={_NUMBER} curr={_NUMBER} min={_NUMBER} max={_NUMBER} avg={_NUMBER} std={_NUMBER}"
)
_PERCENTILES = re.compile(rf"p5={_NUMBER} median={_NUMBER} p95={_NUMBER}")
_TIMINGS = re.compile(
    rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER}, "
    rf"Warmup \(avg\): {_NUMBER}, Inference \(avg\): {_NUMBER}"
)
_MEMORY = re.compile(
    rf"(?:Memory footprint delta from the start of the tool|Peak memory footprint) \(MB\): "
    rf"init={_NUMBER} overall={_NUMBER}"
)
_PEAK = re.compile(rf"Overall peak memory footprint \(MB\) via periodic monitoring: {_NUMBER}")


def tool_command(folder: str, tool: str, model: str, threads: int, runs: int, warmup: int, seconds: float) -> str:
    """The command line for the phone's shell; the tool's input is random."""
    options = {
        "graph": model,
        "num_threads": threads,
        "warmup_runs": warmup,
        "warmup_min_secs": 0.5,
        "num_runs": runs,
        "min_secs": f"{seconds:g}",
        "max_secs": f"{max(150, 4 * seconds):g}",
        "use_xnnpack": "true",
        "report_peak_memory_footprint": "true",
    }
    return f"cd {folder} && ./{tool} " + " ".join(f"--{name}={value}" for name, value in options.items())


def parse_tool(text: str) -> ToolRun:
    """Read what the tool printed, of old and new versions, with or without Android's log prefix.

    Raises:
        DeviceError: It failed, or its output was cut short.
    """
    timings = _TIMINGS.search(text)
    counts = list(_COUNT.finditer(text, 0, timings.start())) if timings else []  # a profile follows with its own
    if timings is None or not counts:
        said = [line.strip() for line in text.splitlines() if re.search("ERROR|[Ff]ail|[Cc]ould not|Unconsumed", line)]
        last = (said or [line.strip() for line in text.splitlines() if line.strip()] or ["it said nothing"])[-1]
        raise DeviceError(f"benchmark_model printed no timings; its output was cut short, or it failed: {last[:200]}")
    # the first line is the warm-up's, if that took more than one run
    line = text[counts[-1].start() :].splitlines()[0]
    percentiles, memory, peak = _PERCENTILES.search(line), _MEMORY.search(text), _PEAK.search(text)
    found = counts[-1]
    ms = [float(value) / 1e3 for value in (found[4], found[5], found[6], found[7])]
    return ToolRun(
        count=int(found[1]),
        mean_ms=ms[2],
        sd_ms=ms[3],
        min_ms=ms[0],
        max_ms=ms[1],
        p5_ms=float(percentiles[1]) / 1e3 if percentiles else None,
        median_ms=float(percentiles[2]) / 1e3 if percentiles else None,
        p95_ms=float(percentiles[3]) / 1e3 if percentiles else None,
        init_ms=float(timings[1]) / 1e3,
        first_ms=float(timings[2]) / 1e3,
        warmup_mean_ms=float(timings[3]) / 1e3,
        memory_init_mb=float(memory[1]) if memory else None,
        memory_overall_mb=float(memory[2]) if memory else None,
        peak_memory_mb=float(peak[1]) if peak else None,
    )
