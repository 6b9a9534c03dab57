"""``python -m benchmarks compare``: two result files, artifact by artifact."""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.common.tables import NOT_MEASURED, Result, number, pick, text_table
from benchmarks.suite.document import load_document
from edge_runtime.common.cli import say

_DEVICE = ("model", "cpu", "cores", "governor", "tools")
_CONDITIONS = ("threads", "frames", "warmup", "rounds", "data", "split", "n_images", "images_sha256")

HEADER = ("artifact", "p50 (ms)", "ratio", "size (MB)", "ratio", "Dice (%)", "points", "ADF (mm)", "mm")


def run(args: argparse.Namespace) -> int:
    """Print both values of each figure, and their ratio or difference; warn where they are not comparable."""
    before, after = load_document(args.before), load_document(args.after)
    say(f"A: {args.before}\nB: {args.after}\n")
    for warning in differences(before, after):
        say(f"warning: {warning}")
    say("\n" + text_table(HEADER, compare_results(before["results"], after["results"])))
    return 0


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What keeps two results from being compared, one sentence each."""
    found = []
    for part, keys, means in (
        ("device", _DEVICE, "latency and memory do not compare"),
        ("conditions", _CONDITIONS, "figures they bear on do not compare"),
    ):
        for key in keys:
            a, b = before[part].get(key), after[part].get(key)
            if a != b:
                found.append(f"{key} differs ({_short(a, b)}); {means}.")
    a, b = ({r["artifact"]: r["model_sha256"] for r in document["results"]} for document in (before, after))
    changed = [name for name in a if name in b and a[name] != b[name]]
    if changed:
        found.append(f"these are not the same model files in A and B: {', '.join(changed)}.")
    return found


def _short(a: Any, b: Any) -> str:
    """Both values; of two dictionaries only what differs."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
        return ", ".join(f"{key}: {a.get(key)} in A, {b.get(key)} in B" for key in keys)
    return f"{a} in A, {b} in B"


def compare_results(before: list[Result], after: list[Result]) -> list[list[str]]:
    """Rows of the table: every artifact that either side has."""
    a, b = ({result["artifact"]: result for result in results} for results in (before, after))
    rows = []
    for name in {**a, **b}:
        pair = (a.get(name), b.get(name))
        row = [name]
        row += _pair(pair, ("latency_ms", "total", "p50"), digits=2, ratio=True)
        row += _pair(pair, ("size_bytes",), digits=2, scale=1e-6, ratio=True)
        row += _pair(pair, ("accuracy", "dice", "mean"), digits=2, scale=100)
        row += _pair(pair, ("accuracy", "hc_absolute_difference_mm", "mean"), digits=2)
        rows.append(row)
    return rows


def _pair(
    pair: tuple[Result | None, Result | None],
    keys: tuple[str, ...],
    *,
    digits: int,
    scale: float = 1,
    ratio: bool = False,
) -> list[str]:
    """Both values as ``A -> B``, and B over A or B less A."""
    a, b = (pick(result, *keys) for result in pair)
    both = f"{number(a, digits, scale)} -> {number(b, digits, scale)}"
    if a is None or b is None or (ratio and a == 0):
        return [both, NOT_MEASURED]
    return [both, f"{b / a:.2f}x" if ratio else number(b - a, digits, scale, sign=True)]
