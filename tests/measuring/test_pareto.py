"""The search for fast networks: its points, its runs, its table and its front."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib.backends.backend_agg
import matplotlib.figure
import numpy as np
import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.pictures.labels import label
from benchmarks.search.elsewhere import PUBLISHED, published_table, strategies
from benchmarks.search.front import front, rows, table
from benchmarks.search.latency import LatencyDocument, Speed, read_latency
from benchmarks.search.points import POINTS
from benchmarks.search.stopping import stopping_table
from benchmarks.search.trial import SETTINGS, Judged, TrialResult, read_trial
from benchmarks.study.paper import TABLE
from benchmarks.study.results import load_all
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import ModelError, UsageError
from tests.helpers.places import ROOT, Run
from tests.helpers.training_results import DEVICE
from train.device import pick_precision

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
def test_a_point_is_trained_quantized_and_scored_once(run: Run, run_here: Run, phantom: Path, tmp_path: Path) -> None:
    name = "lean-16-96x144"
    call = ("benchmarks", "pareto", name, "--data", phantom, "--epochs", 2)
    call += ("--runs", tmp_path / "runs", "--results", tmp_path / "results")
    done = run(*call)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in full int8, done in" in done.stdout and "python -m benchmarks pareto --latency" in done.stdout
    found = read_trial(tmp_path / "results" / f"{name}.json")
    assert found.strategy == POINTS[name].strategy and found.config["epochs"] == 2
    assert found.losses and len(found.losses) == 2
    assert found.config["precision"] == pick_precision("auto", torch.device("cpu"))
    assert len(found.images) == len(found.float32.dice) == len(found.int8.hc_difference_mm) > 0
    assert found.int8_dice_points == pytest.approx(
        100 * float(np.mean(np.subtract(found.int8.dice, found.float32.dice))), abs=1e-3
    )
    again = run_here(*call)
    assert again.returncode == 0 and "0 of 1 training to do" in again.stdout
    timed = run_here("benchmarks", "pareto", name, "--latency", "--rounds", 3, "--results", tmp_path / "results")
    assert timed.returncode == 0, timed.stdout + timed.stderr
    speed = read_latency(tmp_path / "results" / "latency.json").by_name()[name]
    assert speed.partitions == 1 and speed.times_faster > 3 and abs(speed.size_bytes - found.size_bytes) < 2000
    shown = run_here("benchmarks", "pareto", name, "--table", "--results", tmp_path / "results")
    assert shown.returncode == 0 and f" {name}" in shown.stdout


def test_short_trials_do_not_lie_beside_the_real_ones(run_here: Run) -> None:
    done = run_here("benchmarks", "pareto", "lean-16-96x144", "--epochs", 1)
    assert done.returncode == 2 and "give another --results" in done.stderr
    done = run_here("benchmarks", "pareto", "leaner")
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
        schema_version=1, device=DEVICE, git_commit=None, rounds=1, peak_gmac_s=1.0, speeds=speeds, shapes=()
    )  # fmt: skip


def test_the_front_is_what_nothing_faster_equals() -> None:
    results = [make_result("slow", 0.98, 1.8), make_result("fast", 0.97, 2.0), make_result("worse", 0.96, 2.1)]
    results += [make_result("sharper", 0.965, 1.9), make_result("not timed", 0.99, 1.0)]
    found = rows(results, make_latency(slow=8, fast=24, worse=16, sharper=12))
    assert [result.name for result, _ in found] == ["fast", "worse", "sharper", "slow"]
    assert front(found) == {"fast", "sharper", "slow"}
    text = table(results, make_latency(slow=8, fast=24, worse=16, sharper=12))
    assert "* fast" in text and "  worse" in text
    assert "  not timed" not in text and "Trained, but not timed there: not timed." in text
    with pytest.raises(UsageError, match="not judged by the same images"):
        table([results[0], replace(results[1], images=("c", "d"))], make_latency(slow=8, fast=24))


def test_what_stopping_early_would_have_saved_and_lost() -> None:
    def falling(good: int, epochs: int = 12) -> tuple[float, ...]:
        return tuple(1.0 - 0.01 * epoch - 0.001 * good for epoch in range(epochs))

    told = [replace(make_result(f"n{k}", 0.9 + k / 1000, 3 - k / 10), losses=falling(k)) for k in range(10)]
    lines = [line.split() for line in stopping_table([*told, make_result("unknown", 0.99, 0.1)]).splitlines()]
    assert lines[1] == ["2", "1.00", "1.00", "42", "0", "0"] and lines[3] == ["6", "1.00", "1.00", "25", "0", "0"]
    assert lines[6] == ["12,", "the", "last", "1.00", "1.00", "0", "0", "0"] and lines[7][:4] == [
        "10",
        "trainings",
        "of",
        "12",
    ]
    contrary = [replace(result, losses=falling(-k)) for k, result in enumerate(told)]
    assert stopping_table(contrary).splitlines()[1].split() == ["2", "-1.00", "-1.00", "42", "5", "5"]
    short = stopping_table([replace(result, losses=falling(k, epochs=2)) for k, result in enumerate(told)]).splitlines()
    assert [line.split()[0] for line in short[1:3]] == ["1", "2,"]
    with pytest.raises(UsageError, match="9 results with losses, at least 10"):
        stopping_table([*told[:9], replace(told[9], losses=falling(9, epochs=6))])


def test_the_page_shows_what_stopping_would_have_done(run_here: Run) -> None:
    done = run_here("benchmarks", "pareto", "--stopping")
    assert done.returncode == 0 and done.stdout.rstrip() in (ROOT / "docs/pareto.md").read_text()


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_committed_results_are_of_points_of_the_search(path: Path) -> None:
    found = read_trial(path)
    assert found.name == path.stem and found.strategy == POINTS[found.name].strategy
    assert found.config["split"] == "fold-1" and found.git_commit and not found.git_commit.endswith("-dirty")


def marked(picture: Path) -> set[str]:
    """The markers of a picture: ``dice:NAME`` and ``adf:NAME``."""
    return set(re.findall(r'id="((?:dice|adf):[^"]+)"', picture.read_text()))


def drawn(*names: str) -> set[str]:
    return {f"{panel}:{name}" for panel in ("dice", "adf") for name in names}


def written(folder: Path, *results: TrialResult, **times: float) -> Path:
    """A folder of results and speeds, on the committed ones' machine."""
    device = read_trial(RESULTS[0]).device
    for result in results:
        write_json(folder / f"{result.name}.json", to_json(replace(result, device=device)))
    if times:
        write_json(folder / "latency.json", to_json(replace(make_latency(paper=1, **times), device=device)))
    return folder


def test_a_picture_shows_every_result_once_in_each_panel_and_is_not_replaced_unasked(tmp_path: Path) -> None:
    results = [make_result(name, 0.97 + 0.001 * i, 2 - 0.1 * i) for i, name in enumerate("abcdef")]
    results.append(replace(make_result("refused", 0.5, 1.0), int8=Judged((0.5, 0.5), (None, None))))
    times = {result.name: 30.0 - 3 * i for i, result in enumerate(results[1:])}
    folder, picture = written(tmp_path, *results, **times), tmp_path / "made" / "p.svg"
    call = ["pareto", "--results", str(folder), "--picture", str(picture)]
    assert main(call) == 0
    assert marked(picture) == drawn(*"bcdef") | {"dice:refused"}, "a was not timed; nothing was measured by refused"
    before = picture.read_bytes()
    with pytest.raises(UsageError, match="already exists"):
        main(call)
    assert main([*call, "--overwrite"]) == 0 and picture.read_bytes() == before, "the same results, the same file"
    assert main(["pareto", "--results", str(folder), "--picture", str(tmp_path / "p.png")]) == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_needs_results_speeds_and_a_known_format(tmp_path: Path) -> None:
    call = ["pareto", "--results", str(tmp_path), "--picture", str(tmp_path / "p.svg")]
    with pytest.raises(UsageError, match="holds no result to draw"):
        main(call)
    written(tmp_path, make_result("a", 0.97, 2.0))
    with pytest.raises(UsageError, match="python -m benchmarks pareto --latency"):
        main(call)
    written(tmp_path, b=2.0)
    with pytest.raises(UsageError, match="No result has a speed"):
        main(call)
    written(tmp_path, replace(make_result("b", 0.97, 2.0), images=("a", "c")), a=3.0, b=2.0)
    with pytest.raises(ModelError, match="different images"):
        main(call)
    with pytest.raises(UsageError, match=r"must end with \.svg or \.png"):
        main([*call[:-1], str(tmp_path / "p.pdf")])
    assert not list(tmp_path.glob("p.*"))


def test_labels_cover_neither_each_other_nor_a_point() -> None:
    figure = matplotlib.figure.Figure(figsize=(8, 4))
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    axes = figure.add_axes((0.05, 0.1, 0.9, 0.85))
    axes.set(xlim=(0, 10), ylim=(0, 10))
    rng = np.random.default_rng(4)
    points = [(float(x), float(y)) for x, y in rng.uniform(1, 9, (40, 2))]
    label(axes, [f"lean-16-192x288-{i}" for i in range(10)], points[:10], points)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 10
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert not any(box.contains(*axes.transData.transform(point)) for box in boxes for point in points)
    assert all(axes.get_window_extent().contains(*corner) for box in boxes for corner in box.corners())


def test_what_others_published_has_a_source_and_stands_in_the_docs() -> None:
    assert all(model.title and model.where and model.year > 2000 for model in PUBLISHED)
    assert [model.parameters for model in PUBLISHED] == sorted(model.parameters for model in PUBLISHED)
    assert published_table() in (ROOT / "docs/pareto.md").read_text()


def test_strategies_are_the_papers_in_its_setting_on_unseen_exams() -> None:
    found = {strategy.name: strategy for strategy in strategies(load_all())}
    assert set(found) == {*TABLE, "full"} - {"unet-scratch", "decoder-all-random", "encoder-only-random"}
    assert {strategy.n_images for strategy in found.values()} == {69}
    assert found["full"].published is None and found["decoder-all"].published == TABLE["decoder-all"].dice[0]


def test_the_committed_picture_shows_the_committed_results() -> None:
    timed = read_latency(ROOT / "benchmarks/results/pareto/latency.json").by_name()
    names = [found.name for found in map(read_trial, RESULTS) if found.strategy.name in timed]
    assert marked(ROOT / "docs/figures/pareto.svg") == drawn(*names), (
        "python -m benchmarks pareto --picture --overwrite"
    )
