"""Levers: what a way of training changes, judged by paired differences over the folds of a cross-validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.search.levers import BASE, EPOCHS, GONE, LEVERS, NETWORK, TAUGHT, TEACHERS, effect, table, trials
from benchmarks.search.points import POINTS
from benchmarks.search.trial import Judged, TrialResult, read_trial
from edge_runtime.errors import UsageError
from tests.helpers.places import ROOT, Run
from tests.measuring.test_pareto import make_result
from train.data.splits import FOLDS

RESULTS = sorted((ROOT / "benchmarks/results/levers").glob("*.json"))


def test_a_lever_changes_one_thing_on_every_fold() -> None:
    for lever, changes in LEVERS.items():
        assert len(changes) == (lever not in (BASE, TAUGHT)) + (lever == "turned-then-calm")
        found = trials(lever)
        assert [trial.config.split for trial in found] == list(FOLDS)
        for trial, base in zip(found, trials(BASE), strict=True):
            assert trial.strategy == POINTS[NETWORK].strategy
            assert trial.teachers == (tuple(f"{t}-{trial.split}" for t in TEACHERS) if lever == TAUGHT else ())
            one, other = trial.config.to_json(), base.config.to_json()
            assert {name for name in one if one[name] != other[name]} == set(changes)
            assert changes or trial.config.epochs == EPOCHS


def make_fold(lever: str, fold: str, dice: list[float], errors_mm: list[float | None]) -> TrialResult:
    number = FOLDS.index(fold)  # type: ignore[arg-type]
    images = tuple(f"{number}{i // 2}0_HC{i % 2}.png" for i in range(len(dice)))
    made = make_result(f"{lever}-{fold}", 0.9, 1.0)
    return replace(made, images=images, int8=Judged(tuple(dice), tuple(errors_mm)))


def test_results_of_two_data_sets_are_not_compared() -> None:
    results = {f"{lever}-fold-1": make_fold(lever, "fold-1", [0.9, 0.9], [1.0, 1.0]) for lever in (BASE, "longer")}
    results["longer-fold-1"] = replace(results["longer-fold-1"], images=("a", "b"))
    with pytest.raises(UsageError, match="not judged by the same images"):
        table(results)


def test_differences_are_paired_and_an_exam_counts_as_one() -> None:
    rng = np.random.default_rng(0)
    results, gains = {}, []
    for fold in FOLDS[:2]:
        dice = list(rng.uniform(0.9, 1, 40))
        errors: list[float | None] = list(rng.uniform(-9, 9, 40))
        gained = np.repeat(rng.uniform(0.0, 0.02, 20), 2)  # alike within an exam
        gains.extend(100 * gained)
        results[f"{BASE}-{fold}"] = make_fold(BASE, fold, dice, [None, *errors[1:]])
        better = [error and error * 0.5 for error in errors]
        results[f"longer-{fold}"] = make_fold("longer", fold, list(np.array(dice) + gained), better)
    found = effect("longer", results)
    assert found and found.folds == 2
    assert found.dice_points and found.adf_change_mm
    mean, low, high = found.dice_points
    assert low < mean < high and mean == pytest.approx(np.mean(gains))
    exams = len(gains) / 2
    assert high - low == pytest.approx(2 * 1.96 * np.std(gains) / np.sqrt(exams), rel=0.15), "exams are drawn"
    base = [abs(mm) for fold in FOLDS[:2] for mm in results[f"{BASE}-{fold}"].int8.hc_difference_mm if mm is not None]
    assert found.adf_change_mm[0] == pytest.approx(-np.mean(base) / 2), "only images that both measured"
    assert effect("turned", results) is None
    refused = {name: replace(r, int8=replace(r.int8, hc_difference_mm=(None,) * 40)) for name, r in results.items()}
    nothing = effect("longer", refused)
    assert nothing and nothing.adf_change_mm is None and "not measured" in table(refused)
    text = table(results)
    assert "+ longer" in text and f"  {BASE}" in text and "turned" not in text


@pytest.mark.slow
def test_levers_are_trained_and_compared(run: Run, run_here: Run, phantom: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    call = ("benchmarks", "levers", BASE, "--data", phantom, "--epochs", 1, "--runs", tmp_path / "runs")
    done = run(*call, "--results", results, "--minutes", 0.01)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in results.iterdir()] == [f"{BASE}-fold-1.json"]
    assert "4 trainings not started" in done.stdout and f"  {BASE}       1" in done.stdout
    assert run_here("benchmarks", "levers", "lucky").returncode == 2
    taught = run_here("benchmarks", "levers", "taught", "--data", phantom, "--epochs", 1, "--runs", tmp_path / "runs")
    assert (
        taught.returncode == 2
        and "deep-supervision" in taught.stderr
        and "outline-loss-fold-1 for one" in taught.stderr
    )


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_committed_results_are_of_levers(path: Path) -> None:
    found = read_trial(path)
    known = {trial.name: trial for lever in (*LEVERS, *GONE) for trial in trials(lever)}
    assert found.name == path.stem and found.strategy == known[found.name].strategy
    assert found.config["split"] == known[found.name].split
    assert found.git_commit and not found.git_commit.endswith("-dirty")


def test_the_page_shows_the_committed_results() -> None:
    shown = table({path.stem: read_trial(path) for path in RESULTS}).rsplit("\n", 1)[0]
    assert shown in (ROOT / "docs/pareto.md").read_text(), "paste what python -m benchmarks levers --table prints"
