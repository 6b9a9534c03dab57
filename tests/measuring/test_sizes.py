"""The table of the shipped sizes: each figure beside its goal, and what is missed named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.common.result_files import RESULTS
from benchmarks.pages import figures
from benchmarks.pages.command import SHIPPED, fill, shipped_results
from benchmarks.search.latency import LatencyDocument, read_latency
from benchmarks.search.sizes import GOALS, MEASURED, load_sizes, table
from benchmarks.suite.columns import shipped_manifests
from benchmarks.suite.document import SuiteDocument, load_document
from edge_runtime.errors import UsageError
from edge_runtime.shipped import DEFAULT_SIZE
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


def make_speeds(*instructions: str, **times: float) -> LatencyDocument:
    """Speeds of sizes (``s=24``) on a CPU with some int8 instructions."""
    made = make_latency(**{f"edge-{size}": faster for size, faster in times.items()})
    return replace(made, device=replace(made.device, int8_instructions=instructions))


FAST = "avx2", "avx512_vnni"


def test_what_is_met_and_what_is_missed() -> None:
    speeds = make_speeds(*FAST, s=24.0, m=15.9, l=9.0)
    text = table(make_document(0.983, 1.4, 600_000), [speeds])
    assert "edge-m: times faster, avx512_vnni 15.9, goal at least 16" in text and text.count("!") == 2
    text = table(make_document(0.98, 1.6, 1_500_000), [speeds])
    missed = text.split("missed:")[1]
    assert "edge-s: MB 1.50, goal at most 0.7" in missed and "edge-m: MB 1.50" in missed
    assert "edge-l: Dice (%) 98.00, goal at least 98.2" in missed and "edge-l: ADF (mm) 1.60" in missed
    assert "edge-s: Dice" not in missed and "edge-l: MB" not in missed
    assert "All goals are met." in table(make_document(0.983, 1.4, 600_000), [make_speeds(*FAST, s=24, m=16, l=8)])


def test_the_goals_of_speed_are_for_one_kind_of_cpu() -> None:
    document, slow = make_document(0.983, 1.4, 600_000), make_speeds("avx2", s=19, m=10, l=7)
    text = table(document, [slow])
    assert "!" not in text and "The goals of speed are for a CPU with VNNI, and none was measured." in text
    both = table(document, [slow, make_speeds(*FAST, s=24, m=16, l=7)])
    assert "edge-l: times faster, avx512_vnni 7.0" in both and both.count("!") == 2
    assert "times faster, avx2" in both and "none was measured" not in both


def test_a_size_that_was_not_measured_is_named(run_here: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="edge-m is not among the speeds"):
        table(make_document(0.98, 1.6, 1), [make_speeds(*FAST, s=24.0)])
    with pytest.raises(UsageError, match="sizes --time"):
        table(make_document(0.98, 1.6, 1), [])
    document = make_document(0.98, 1.6, 1)
    broken = replace(document.results[0], degradation=None, degradation_reason="no float32 was there")
    with pytest.raises(UsageError, match="no float32 was there"):
        table(replace(document, results=(broken, *document.results[1:])), [make_speeds(*FAST, s=24, m=16, l=8)])
    assert run_here("benchmarks", "sizes", tmp_path / "none.json").returncode == 2
    assert "--time" in run_here("benchmarks", "sizes", "--out", tmp_path / "none.json").stderr


def test_the_table_of_the_shipped_sizes_has_a_row_for_each_and_keeps_its_marks() -> None:
    page = fill(f"# x\n\n{SHIPPED}\nold\n<!-- end of figures -->\n", shipped_results(RESULTS), {})
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(shipped_manifests())
    assert all(row.count("|") == 7 + len(load_sizes()) for row in rows) and "old" not in page
    assert f"`{DEFAULT_SIZE}` is the default." in page
    assert fill(page, shipped_results(RESULTS), {}) == page


def test_sizes_have_a_column_of_speed_for_each_kind_of_cpu() -> None:
    documents = [load_document(path) for path in shipped_results(RESULTS)]
    speeds = [make_speeds("avx2", s=19, m=10, l=7), make_speeds("avx2", "avx512_vnni", s=24, m=16)]
    text = figures.shipped_table(documents, speeds)
    header, _, *rows = text.splitlines()
    assert "| times as fast, `avx2` | times as fast, `avx512_vnni` |" in header
    (large,) = (row for row in rows if row.startswith("| `edge-l` |"))
    assert large.split(" | ")[2:4] == ["7.0", "not measured"]
    assert "Speeds are multiples of that of the network" in text


@pytest.mark.slow
def test_the_sizes_are_timed_in_turns_with_the_papers_network(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "speeds.json"
    done = run("benchmarks", "sizes", "--time", "--rounds", 3, "--out", out)
    assert done.returncode == 0 and "INFO" not in done.stderr, done.stdout + done.stderr
    timed = read_latency(out).by_name()
    assert list(timed) == ["paper", *(goal.strategy for goal in GOALS)] and timed["paper"].times_faster == 1
    assert all(timed[goal.strategy].partitions == 1 for goal in GOALS)
    assert [timed[goal.strategy].size_bytes / 1e6 <= goal.megabytes for goal in GOALS] == [True] * 3
