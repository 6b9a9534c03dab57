"""The table of the shipped sizes: each figure beside its goal, and what is missed named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.commands.sizes import MEASURED
from benchmarks.search.sizes import GOALS, table
from benchmarks.suite.document import SuiteDocument, load_document
from edge_runtime.errors import UsageError
from tests.helpers.places import Run
from tests.measuring.test_pareto import make_latency


def make_document(dice: float, adf_mm: float, size: int) -> SuiteDocument:
    """The committed result with three sizes of the same figures."""
    committed = load_document(MEASURED)
    shipped = next(r for r in committed.results if r.recipe == "full_int8")
    assert shipped.accuracy
    accuracy = replace(
        shipped.accuracy,
        dice=replace(shipped.accuracy.dice, mean=dice),
        hc_absolute_difference_mm=replace(shipped.accuracy.hc_absolute_difference_mm, mean=adf_mm),
    )
    one = replace(shipped, accuracy=accuracy, size_bytes=size)
    return replace(committed, results=tuple(replace(one, strategy=goal.strategy) for goal in GOALS))


def test_what_is_met_and_what_is_missed() -> None:
    latency = make_latency(**{"edge-s": 24.0, "edge-m": 15.9, "edge-l": 9.0})
    text = table(make_document(0.983, 1.4, 600_000), latency)
    assert "edge-m: times faster 15.9, goal at least 16" in text and text.count("!") == 2
    text = table(make_document(0.98, 1.6, 1_500_000), latency)
    missed = text.split("missed:")[1]
    assert "edge-s: MB 1.50, goal at most 0.7" in missed and "edge-m: MB 1.50" in missed
    assert "edge-l: Dice (%) 98.00, goal at least 98.2" in missed and "edge-l: ADF (mm) 1.60" in missed
    assert "edge-s: Dice" not in missed and "edge-l: MB" not in missed
    assert "All goals are met." in table(
        make_document(0.983, 1.4, 600_000), make_latency(**{"edge-s": 24, "edge-m": 16, "edge-l": 8})
    )


def test_a_size_that_was_not_measured_is_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="edge-m is not among the speeds"):
        table(make_document(0.98, 1.6, 1), make_latency(**{"edge-s": 24.0}))
    document = make_document(0.98, 1.6, 1)
    broken = replace(document.results[0], degradation=None, degradation_reason="no float32 was there")
    latency = make_latency(**{"edge-s": 24, "edge-m": 16, "edge-l": 8})
    with pytest.raises(UsageError, match="no float32 was there"):
        table(replace(document, results=(broken, *document.results[1:])), latency)
    assert run("benchmarks", "sizes", tmp_path / "none.json").returncode == 2
