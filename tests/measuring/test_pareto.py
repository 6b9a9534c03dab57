"""The search for fast networks: its points, its runs, its table and its front."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.search.front import front, rows, table
from benchmarks.search.latency import LatencyDocument, Speed, read_latency
from benchmarks.search.points import POINTS
from benchmarks.search.trial import SETTINGS, Judged, TrialResult, read_trial
from tests.helpers.places import ROOT, Run

RESULTS = sorted(path for path in (ROOT / "benchmarks/results/pareto").glob("*.json") if path.stem != "latency")


def test_the_points_differ_and_none_is_judged_by_the_test_part() -> None:
    assert len(POINTS) >= 30
    networks = {json.dumps([vars(t.strategy) | {"name": ""}, t.config.epochs], default=vars) for t in POINTS.values()}
    assert len(networks) == len(POINTS)
    for trial in POINTS.values():
        assert trial.config.split == "fold-1" and trial.config.keep == "last"
        assert trial.config.epochs == SETTINGS["epochs"] * (4 if trial.name.endswith("-long") else 1)
        assert trial.config.looks == 0
        assert (trial.config.encoder_weights == "random") == (trial.strategy.encoder is None)


@pytest.mark.slow
def test_a_point_is_trained_quantized_and_scored_once(run: Run, phantom: Path, tmp_path: Path) -> None:
    name = "lean-16-96x144"
    call = ("benchmarks", "pareto", name, "--data", phantom, "--epochs", 2)
    call += ("--runs", tmp_path / "runs", "--results", tmp_path / "results")
    done = run(*call)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name}: done in" in done.stdout and "python -m benchmarks pareto --latency" in done.stdout
    found = read_trial(tmp_path / "results" / f"{name}.json")
    assert found.strategy == POINTS[name].strategy and found.config["epochs"] == 2
    assert len(found.images) == len(found.float32.dice) == len(found.int8.hc_difference_mm) > 0
    assert found.int8_dice_points == pytest.approx(
        100 * float(np.mean(np.subtract(found.int8.dice, found.float32.dice))), abs=1e-3
    )
    again = run(*call)
    assert again.returncode == 0 and "0 of 1 trials to do" in again.stdout
    timed = run("benchmarks", "pareto", name, "--latency", "--rounds", 3, "--results", tmp_path / "results")
    assert timed.returncode == 0, timed.stdout + timed.stderr
    speed = read_latency(tmp_path / "results" / "latency.json").by_name()[name]
    assert speed.partitions == 1 and speed.times_faster > 3 and abs(speed.size_bytes - found.size_bytes) < 2000
    shown = run("benchmarks", "pareto", name, "--table", "--results", tmp_path / "results")
    assert shown.returncode == 0 and f" {name}" in shown.stdout


def test_short_trials_do_not_lie_beside_the_real_ones(run: Run) -> None:
    done = run("benchmarks", "pareto", "lean-16-96x144", "--epochs", 1)
    assert done.returncode == 2 and "give another --results" in done.stderr
    done = run("benchmarks", "pareto", "leaner")
    assert done.returncode == 2 and "no point 'leaner'" in done.stderr and "lean-16-96x144" in done.stderr


def make_result(name: str, dice: float, error_mm: float) -> TrialResult:
    judged = Judged((dice, dice), (error_mm, -error_mm))
    trial = POINTS["lean-16-96x144"]
    return TrialResult(
        schema_version=1,
        device=None,  # type: ignore[arg-type]
        git_commit=None,
        name=name,
        strategy=replace(trial.strategy, name=name),
        config={},
        data="phantom",
        parameters=1,
        seconds=1.0,
        size_bytes=1,
        images=("a", "b"),
        float32=judged,
        int8=replace(judged, hc_difference_mm=(error_mm, None)),
        int8_dice_points=0.0,
        int8_hc_shift_mm=0.0,
    )


def make_latency(**times: float) -> LatencyDocument:
    speeds = tuple(Speed(name, 10 / t, t, t, t, 0.1, 1, 1, 1) for name, t in times.items())
    return LatencyDocument(
        schema_version=1, device=None, git_commit=None, rounds=1, peak_gmac_s=1.0, speeds=speeds, shapes=()  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_front_is_what_nothing_faster_equals() -> None:
    results = [make_result("slow", 0.98, 1.8), make_result("fast", 0.97, 2.0), make_result("worse", 0.96, 2.1)]
    results += [make_result("sharper", 0.965, 1.9), make_result("not timed", 0.99, 1.0)]
    found = rows(results, make_latency(slow=8, fast=24, worse=16, sharper=12))
    assert [result.name for result, _ in found] == ["fast", "worse", "sharper", "slow"]
    assert front(found) == {"fast", "sharper", "slow"}
    text = table(results, make_latency(slow=8, fast=24, worse=16, sharper=12))
    assert "* fast" in text and "  worse" in text and "not timed" not in text


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_committed_results_are_of_points_of_the_search(path: Path) -> None:
    found = read_trial(path)
    assert found.name == path.stem and found.strategy == POINTS[found.name].strategy
    assert found.config["split"] == "fold-1" and found.git_commit and not found.git_commit.endswith("-dirty")
