"""Cross-validation: every image once, by a network that has not seen its exam, with figures that can be followed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.cross import command, fold
from benchmarks.cross.fold import (
    AS_SHIPPED,
    SCHEDULES,
    WHOLE,
    Fold,
    FoldResult,
    Scored,
    all_folds,
    read_fold,
    score,
)
from benchmarks.cross.summary import BANDS, check_together, size_table
from benchmarks.cross.worst import title, worst
from edge_runtime import Segmenter
from edge_runtime.artifact.manifest import load_manifest
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import FetalHeadError, UsageError
from edge_runtime.shipped import SIZES
from examples.scanner.growth import age_weeks
from export.quality import cases
from tests.helpers.places import ROOT, Run
from train.__main__ import build_parser
from train.config import read_setting
from train.data.hc18 import Dataset, read_dataset
from train.data.phantom import make_dataset
from train.data.splits import CROSS, make_split

FEW = 56
"""Phantoms: 22 of them validate, 20 of which an interval needs."""


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("few") / "data", FEW)


def here(arguments: Sequence[str], log: Path, threads: int) -> str:
    """Run a stage in this process, where torch is imported once and limits may come from fewer frames."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(" ".join(arguments) + "\n")
    try:
        assert import_module(f"{arguments[0]}.__main__").main(list(arguments[1:])) == 0
    except UsageError as error:
        raise FetalHeadError(str(error)) from error
    return ""


@pytest.fixture(scope="module")
def done(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the results and runs of one fold, by the command. It starts from weights that find phantoms."""
    folder = tmp_path_factory.mktemp("cross")
    start = ("--epochs", "3", "--lr", "1e-5", "--start-from", str(ROOT / "checkpoints" / "edge-s"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold, "call_stage", here)
        patch.setattr(command, "all_folds", lambda sizes: [Fold(size, CROSS[1]) for size in sizes])
        patch.setitem(SCHEDULES, "edge-s", start)
        patch.setattr(cases, "BAD_EACH", dict.fromkeys(cases.PARTS, 1))
        patch.setattr(cases, "LOOKS_EACH", {"train": 1, "val": 2})
        call = ["cross", "edge-s", "--epochs", "1", "--data", str(phantoms), "--runs", str(folder / "runs")]
        main = import_module("benchmarks.__main__").main
        assert main([*call, "--results", str(folder / "results")]) == 0
        times = (folder / "results" / "edge-s-cross-2.json").stat().st_mtime_ns
        assert main([*call, "--results", str(folder / "results")]) == 0
        assert (folder / "results" / "edge-s-cross-2.json").stat().st_mtime_ns == times, "done is skipped"
    return folder


@pytest.mark.slow
def test_a_fold_is_trained_exported_limited_and_scored_on_what_it_has_not_seen(done: Path, phantoms: Path) -> None:
    result = read_fold(done / "results" / "edge-s-cross-2.json")
    dataset = read_dataset(phantoms)
    split = make_split(dataset, "cross-2")
    assert [scored.score.image for scored in result.images] == list(split.test)
    assert (result.n_train, result.n_val) == (len(split.train), len(split.val))
    info = json.loads((done / "runs" / "edge-s-cross-2" / "edge-s" / "checkpoint.json").read_text())
    assert info["data"]["files"]["train"] == list(split.train) and result.split_sha256 == split.sha256
    assert result.config["epochs"] == 1 and result.config["split"] == "cross-2" and result.config["keep"] == "last"
    assert result.pseudo_labels == 0 and "--pseudo-labels" not in "".join(result.commands)
    (model,) = (done / "runs").rglob("*.tflite")
    manifest = load_manifest(model)
    assert manifest.model_sha256 == result.model_sha256 and manifest.recipe == "full_int8"
    assert manifest.quality["from"]["frames"]["val_real"]["n"] == len(split.val), "limits of its own"
    measured = [s for s in result.images if s.score.reason is None]
    assert len(measured) >= 8 and all(s.interval_mm and s.score.dice > 0.9 for s in measured)
    segmenter, first = Segmenter.load(model), measured[0]
    shown = segmenter.measure(dataset.samples[first.score.image].frame(), first.pixel_size_mm)
    assert shown.interval_mm == pytest.approx(first.interval_mm)
    assert (shown.head_circumference_mm or 0) - first.reference_mm == pytest.approx(first.score.hc_difference_mm)


@pytest.mark.slow
def test_the_table_and_the_worst_images(run_here: Run, done: Path, phantoms: Path, tmp_path: Path) -> None:
    call = ("benchmarks", "cross", "--results", done / "results", "--data", phantoms)
    table = run_here(*call, "--table")
    assert table.returncode == 0 and "1 fold, 4 still missing, 1 epoch," in table.stdout
    assert "0 outlines by networks" in table.stdout and "no frames from elsewhere" in table.stdout
    drawn = run_here(*call, "--worst", tmp_path)
    assert drawn.returncode == 0 and "do not publish" in drawn.stdout, drawn.stderr
    with Image.open(tmp_path / "worst-edge-s.png") as image:
        assert image.width > 1000 and image.height > 600
    again = run_here(*call, "--worst", tmp_path)
    assert again.returncode == 2 and "worst-edge-s.png already exists" in again.stderr
    other = run_here("benchmarks", "cross", "edge-s", "--data", phantoms, "--worst", tmp_path, "--overwrite")
    assert other.returncode == 2 and "The results are of HC18, the images of " in other.stderr


@pytest.mark.slow
def test_another_schedule_does_not_go_on_with_a_trained_network(done: Path, phantoms: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(FetalHeadError, match="epochs: 1, now 5"):
        patch.setattr(fold, "call_stage", here)
        fold.run_fold(Fold("edge-s", "cross-2"), 5, str(phantoms), done / "runs" / "edge-s-cross-2", 1)


@pytest.fixture(scope="module")
def result(phantom: Path) -> FoldResult:
    """A fold that the shipped network was scored on."""
    dataset: Dataset = read_dataset(phantom)
    names = list(dataset.samples)
    info = {
        "config": {"epochs": 60, "split": "cross-1", "precision": "float32", "lr": 1e-3},
        "data": {
            "title": dataset.title, "split_sha256": "0", "others": {"heads/there": 3}, "pseudo_labels": 0,
            "files": {"train": names[8:], "val": names[6:8], "test": names[:6]},
        },
        "seconds": 1.0,
    }  # fmt: skip
    model = ROOT / "edge_runtime" / "models" / "edge-s-full_int8.tflite"
    return fold.result_of(Fold("edge-s", "cross-1"), info, ["python -m train"], model, dataset)


def test_a_result_is_read_as_it_was_written(result: FoldResult, tmp_path: Path) -> None:
    write_json(tmp_path / "one.json", to_json(result))
    assert read_fold(tmp_path / "one.json") == result


def changed(
    scored: Scored, hc_difference_mm: float | None = None, half_mm: float | None = None, **what: object
) -> Scored:
    middle = scored.reference_mm + (hc_difference_mm or 0.0)
    return replace(
        scored,
        score=replace(scored.score, hc_difference_mm=hc_difference_mm, **what),  # type: ignore[arg-type]
        interval_mm=None if half_mm is None else (middle - half_mm, middle + half_mm),
    )


def test_figures_are_means_over_images_and_refusals_are_counted(result: FoldResult) -> None:
    one, two, three = (
        replace(scored, reference_mm=mm) for scored, mm in zip(result.images, (90, 160, 320), strict=False)
    )
    images = (
        changed(one, 4.0, 5.0, dice=0.9, reason=None),
        changed(two, -8.0, 5.0, dice=0.8, reason=None),
        changed(three, None, None, dice=0.1, reason="no skull"),
    )
    lines = size_table([replace(result, images=images)]).splitlines()
    cells = {line[:12].strip(): line for line in lines}
    assert "60.00 [" in cells["all"] and " 6.00 [" in cells["all"] and "-2.00 [" in cells["all"]
    assert "1 of 2 (50.0%)" in cells["all"] and cells["all"].split()[2] == "3"
    assert "1 of 1 (100.0%)" in cells["0 to 100"] and "0 of 1 (0.0%)" in cells["150 to 200"]
    assert "not measured" in cells["from 300"] and "100 to 150" not in cells
    assert "3 frames from elsewhere" in lines[-1]
    ordered = worst([*images, replace(images[0], ellipse=None)])
    assert ordered[0].ellipse is None and "nothing found" in title(ordered[0])
    assert "refused" in title(images[2]) and "outside its interval" in title(images[1])
    assert ordered[1:] == sorted(images, key=lambda s: -s.found_error_mm)


def test_ages_are_those_of_the_formula_that_the_scanner_shows() -> None:
    for size_mm, week in BANDS:
        assert week is None or abs((age_weeks(size_mm) or (0,))[0] - week) < 0.5


def test_folds_that_do_not_belong_together_are_refused(result: FoldResult) -> None:
    other = replace(result, split="cross-2", config={**result.config, "split": "cross-2", "precision": "bfloat16"})
    with pytest.raises(UsageError, match="an image is in two folds"):
        check_together([result, other])
    other = replace(other, images=())
    check_together([result, other])
    unsaid_before = {**other.config, "batch_norm": "synced"}  # the default
    check_together([result, replace(other, config=unsaid_before)])
    for wrong in ({"config": {**other.config, "epochs": 2}}, {"data_sha256": "1"}, {"others": {}}):
        with pytest.raises(UsageError, match="in different ways or on other data"):
            check_together([result, replace(other, **wrong)])  # type: ignore[arg-type]


def test_seeds_are_compared(result: FoldResult, run_here: Run, phantom: Path, tmp_path: Path) -> None:
    images = tuple(changed(scored, 2.0, 5.0, dice=0.9, reason=None) for scored in result.images)
    worse = (changed(images[0], -8.0, 5.0, dice=0.78, reason=None), *images[1:])
    refused = (changed(images[0], None, None, reason="no skull"), *images[1:])
    for seed, found in enumerate((images, worse, refused)):
        one = replace(result, split=WHOLE, images=found, val_images=found[1:])
        write_json(tmp_path / f"edge-s-seed{seed}.json", to_json(one))
    done = run_here("benchmarks", "seeds", "edge-s", "--table", "--results", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[1]: line.split() for line in done.stdout.splitlines()[1:5]}
    assert rows["0"][2:] == ["90.00", "2.00", "90.00", "2.00", "2.00", "0", "100.00"]
    assert rows["1"][2:] == ["90.00", "2.00", "88.00", "3.00", "0.33", "0", f"{100 * 5 / 6:.2f}"]
    assert rows["2"][2:] == ["90.00", "2.00", "90.00", "2.00", "2.00", "1", "100.00"]
    assert " ".join(rows["all"]).endswith("89.33 +- 1.15 2.33 +- 0.58 1.44 +- 0.96 0.33 +- 0.58 94.44 +- 9.62")
    assert "no results" in run_here("benchmarks", "seeds", "edge-m", "--table", "--results", tmp_path).stdout
    assert "not trained in one stage" in run_here("benchmarks", "seeds", "edge-l").stderr
    write_json(tmp_path / "edge-s-seed2.json", to_json(replace(one, config={**one.config, "epochs": 2})))
    other = run_here("benchmarks", "seeds", "edge-s", "edge-s", "--table", "--results", tmp_path)
    assert other.returncode == 2 and "trained in different ways" in other.stderr
    without = run_here("benchmarks", "seeds", "edge-s", "--data", phantom, "--results", tmp_path / "new")
    assert without.returncode == 1 and "test_set" in without.stderr and not (tmp_path / "new").exists()


@pytest.mark.parametrize(("command", "page"), [("seeds", "docs/pareto.md"), ("cross", "docs/benchmarks.md")])
def test_a_page_shows_the_committed_results(command: str, page: str, run_here: Run) -> None:
    shown = run_here("benchmarks", command, "--table").stdout.rstrip()
    assert "Dice" in shown and shown in (ROOT / page).read_text(), f"paste what {command} --table prints"


def test_a_seed_is_trained_as_the_shipped_one() -> None:
    for size, seed in itertools.product(AS_SHIPPED, (0, 1)):
        info = json.loads((ROOT / "checkpoints" / size / "checkpoint.json").read_text())
        args = build_parser().parse_args(list(Fold(size, WHOLE, seed).arguments))
        config = info["config"]
        assert (args.strategy, args.split, args.seed or 0) == (size, config["split"], seed)
        assert (args.epochs, args.lr) == (config["epochs"], config["lr"])
        assert dict(map(read_setting, args.set)).get("keep", "last") == config["keep"]
        assert info["data"]["pseudo_labels_sha256"] and args.pseudo_labels == Path("checkpoints/pseudo-labels.csv")


def test_every_size_has_a_schedule_and_five_folds() -> None:
    assert set(SCHEDULES) == set(SIZES)
    assert len(all_folds(list(SIZES))) == 5 * len(SIZES) and all_folds(["edge-s"])[0].name == "edge-s-cross-1"


def test_the_runtimes_answers_are_those_of_measure(phantom: Path) -> None:
    dataset, segmenter = read_dataset(phantom), Segmenter.load("edge-s")
    sample = dataset.samples["003_HC.png"]
    (found,) = score(segmenter, [sample])
    shown = segmenter.measure(sample.frame(), sample.pixel_size_mm)
    assert (found.interval_mm, found.trust, found.ellipse) == (shown.interval_mm, shown.trust, shown.ellipse)


@pytest.mark.parametrize(
    ("call", "said"),
    [(("no-such",), "no size 'no-such'"), (("edge-s", "--data", "phantom"), "give another --results")],
)
def test_wrong_calls(run_here: Run, call: tuple[str, ...], said: str) -> None:
    done = run_here("benchmarks", "cross", *call)
    assert done.returncode == 2 and said in done.stderr


def test_a_fold_that_fails_is_named_and_the_exit_code_is_1(
    run_here: Run, phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "all_folds", lambda sizes: [Fold(size, CROSS[0]) for size in sizes])
    (tmp_path / "runs" / "edge-s-cross-1").mkdir(parents=True)
    (tmp_path / "runs" / "edge-s-cross-1" / "edge-s").write_text("no folder")
    call = ("--data", phantom, "--runs", tmp_path / "runs", "--results", tmp_path / "results", "--epochs", 1)
    done = run_here("benchmarks", "cross", "edge-s", *call)
    assert done.returncode == 1 and "edge-s-cross-1: failed: python -m train" in done.stdout
    assert "There are no results" in done.stdout and not list((tmp_path / "results").glob("*"))
