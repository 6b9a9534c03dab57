"""``python -m benchmarks compare``: two result files, artifact by artifact."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.common.tables import NOT_MEASURED, number, text_table
from benchmarks.suite.columns import title
from benchmarks.suite.document import Result, SuiteDocument, load_document
from edge_runtime.common.cli import say

_DEVICE = ("model", "cpu", "int8_instructions", "cores", "governor", "tools")
_CONDITIONS = ("threads", "frames", "warmup", "rounds", "data", "split", "n_images", "images_sha256")

HEADER = ("artifact", "p50 (ms)", "ratio", "size (MB)", "ratio", "Dice (%)", "points", "ADF (mm)", "mm")


def run(args: argparse.Namespace) -> int:
    """Print both values of each figure and their ratio or difference; warn where they cannot be compared."""
    before, after = load_document(args.before), load_document(args.after)
    say(f"A: {args.before}\nB: {args.after}\n")
    for warning in differences(before, after):
        say(f"warning: {warning}")
    say("\n" + text_table(HEADER, compare_results(before.results, after.results)))
    return 0


def differences(before: SuiteDocument, after: SuiteDocument) -> list[str]:
    """What keeps two results from being compared, one sentence each."""
    found = []
    for a_part, b_part, names, means in (
        (before.device, after.device, _DEVICE, "latency and memory cannot be compared"),
        (before.conditions, after.conditions, _CONDITIONS, "figures that depend on it cannot be compared"),
    ):
        for name in names:
            a, b = getattr(a_part, name), getattr(b_part, name)
            if a != b:
                found.append(f"{name} differs ({_short(a, b)}); {means}.")
    a_models, b_models = ({r.artifact: r.model_sha256 for r in document.results} for document in (before, after))
    changed = [name for name in a_models if name in b_models and a_models[name] != b_models[name]]
    if changed:
        found.append(f"these are not the same model files in A and B: {', '.join(changed)}.")
    return found


def _short(a: object, b: object) -> str:
    """Both values; of two dictionaries only what differs."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
        return ", ".join(f"{key}: {a.get(key)} in A, {b.get(key)} in B" for key in keys)
    a, b = (", ".join(value) or "none" if isinstance(value, tuple) else value for value in (a, b))
    return f"{a} in A, {b} in B"


def compare_results(before: Sequence[Result], after: Sequence[Result]) -> list[list[str]]:
    """Rows of the table: every artifact that either side has."""
    a, b = ({result.artifact: result for result in results} for results in (before, after))
    rows = []
    for name in {**a, **b}:
        pair = (a.get(name), b.get(name))
        latency = [r and r.latency_ms and r.latency_ms.total.p50 for r in pair]
        dice = [r and r.accuracy and r.accuracy.dice.mean for r in pair]
        adf = [r and r.accuracy and r.accuracy.hc_absolute_difference_mm.mean for r in pair]
        row = [next(title(r) for r in pair if r)]
        row += _pair(latency, digits=2, ratio=True)
        row += _pair([r and r.size_bytes for r in pair], digits=2, scale=1e-6, ratio=True)
        row += _pair(dice, digits=2, scale=100)
        row += _pair(adf, digits=2)
        rows.append(row)
    return rows


def _pair(pair: Sequence[float | None], *, digits: int, scale: float = 1, ratio: bool = False) -> list[str]:
    """Both values as ``A -> B``, and the ratio B / A or the difference B - A."""
    a, b = pair
    both = f"{number(a, digits, scale)} -> {number(b, digits, scale)}"
    if a is None or b is None or (ratio and a == 0):
        return [both, NOT_MEASURED]
    return [both, f"{b / a:.2f}x" if ratio else number(b - a, digits, scale, sign=True)]
