"""Quantization within a budget: the ladder, on networks that fail its first rung, and what is stored of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import ModelError, UsageError
from export.quantization.ladder import at_most, candidates, partly_in_float
from export.quantization.ranges import choose, observe
from export.quantization.settings import Settings
from export.quantization.stretches import divide, stretch_costs
from export.recipes import Budget
from export.tflite.audit import audit
from export.tflite.model import Model
from tests.helpers.places import Run
from tests.helpers.rich_model import convert, frames
from tests.helpers.spoiled import spoil

FEW = ("--recipes", "full_int8", "--calibration-images", 20, "--verify-images", 2, "--accuracy-images", 2, "--json")


def export(run_here: Run, folder: Path, hc18: Path, *arguments: object) -> tuple[int, dict[str, Any], str]:
    done = run_here(
        "export",
        "--checkpoint",
        folder,
        "--data",
        hc18,
        "--out",
        folder / "out",
        *FEW,
        *arguments,
        "--fine-tune-epochs",
        0,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.slow
def test_a_spoiled_network_is_brought_within_its_budget(run_here: Run, hc18: Path, tmp_path: Path) -> None:
    folder = spoil(tmp_path)
    code, document, text = export(run_here, folder, hc18)
    assert code == 0, text
    (artifact,) = document["artifacts"]
    quantization = artifact["manifest"]["quantization"]
    rungs = quantization["rungs"]
    assert [r["name"] for r in rungs] == ["min-max", "percentile", "least-squares", "equalized"]
    assert [r["holds"] for r in rungs] == [False, False, False, True]
    assert rungs[0]["dice_drop_points"] > 50 > 0.1 >= rungs[-1]["dice_drop_points"]
    assert rungs[-1]["hc_shift_mm"] < rungs[-1]["hc_shift_at_most_mm"] <= 0.3
    assert quantization["budget"]["max_hc_shift_mm"] == 0.3
    assert 1 < quantization["own_hc_difference_mm"] < 2.5 and quantization["budget"]["max_hc_shift_share"] == 0.1
    assert quantization["method"] == "equalized" and quantization["n_clear"] <= quantization["n_images"] == 82
    assert (
        "loses too much" in text and "on 82 images that it was not calibrated on; allowed: 0.1 points, 0.3 mm" in text
    )
    assert audit(Model(Path(artifact["path"]).read_bytes()), "full_int8").violations == ()


@pytest.mark.slow
def test_where_no_rung_holds_nothing_is_written_and_the_table_says_why(
    run_here: Run, hc18: Path, tmp_path: Path
) -> None:
    folder = spoil(tmp_path)
    code, document, text = export(
        run_here, folder, hc18, "--max-hc-shift-mm", 0, "--max-hc-shift-share", 0, "--rewrite", "none"
    )
    assert code == 1 and not list((folder / "out").rglob("*.tflite"))
    assert document["artifacts"] == []
    (failure,) = document["failures"]
    assert "edge-l-full_int8 costs more than its budget" in failure["error"]
    quantization = failure["manifest"]["quantization"]
    full = [rung for rung in quantization["rungs"] if "in float32" not in rung["name"]]
    assert quantization["method"] == min(full, key=lambda rung: rung["hc_shift_at_most_mm"])["name"]
    assert failure["manifest"]["recipe"] == "full_int8"
    names = [rung["name"] for rung in quantization["rungs"]]
    assert names[4:6] == ["bias-corrected", "bias-corrected, percentile"]
    counts = [int(name.removesuffix(" layers in float32")) for name in names[6:]]
    assert len(counts) > 3 and counts == sorted(set(counts)), "more and more, in stretches of at most four"
    assert all(name in text for name in names)
    assert 0.001 < quantization["noise_hc_shift_mm"] < 1 and "at most one grey level" in text
    causes = quantization["causes"]
    best = next(rung for rung in full if rung["name"] == causes["method"])
    assert causes["method"] == quantization["method"] and len(causes["stretch_costs"]) == -(-causes["n_layers"] // 4)
    assert 0 < causes["weights_hc_shift_mm"] < 2 * best["hc_shift_mm"]
    assert 0 < causes["values_hc_shift_mm"] < 2 * best["hc_shift_mm"]
    assert f"{causes['weights_hc_shift_mm']:.3f} mm if only the weights are rounded" in text


@pytest.mark.slow
def test_without_a_limit_the_plainest_is_taken(run_here: Run, hc18: Path, tmp_path: Path) -> None:
    no_limit = ("--max-dice-drop", "inf", "--max-hc-shift-mm", "inf")
    _, document, _ = export(run_here, spoil(tmp_path), hc18, *no_limit)
    quantization = (document["artifacts"] + document["failures"])[0]["manifest"]["quantization"]
    assert quantization["method"] == "min-max" and len(quantization["rungs"]) == 1
    assert quantization["budget"] == {"max_dice_drop": None, "max_hc_shift_mm": None, "max_hc_shift_share": 0.1}


def test_every_way_is_repeated_from_what_is_stored_of_it() -> None:
    plain = Model(convert())
    full = list(candidates(plain, frames()))
    costs = stretch_costs(plain, full[0].settings, frames())
    assert len(costs) == len(divide(plain)) and min(costs) >= 0 < max(costs)
    mixed = [candidate for way in full for candidate in partly_in_float(plain, way.settings, costs)]
    assert len(mixed) >= len(full)
    for candidate in (*full, *mixed):
        again = Settings.from_json(json.loads(json.dumps(candidate.settings.to_json())))
        assert again.apply(plain) == candidate.data, candidate.name
        assert audit(Model(candidate.data), candidate.recipe.name).violations == ()


def test_settings_of_another_network_are_refused() -> None:
    plain = Model(convert())
    settings = Settings(choose(plain, observe(plain, frames()), "min-max")).to_json()
    settings["ranges"].popitem()
    with pytest.raises(ModelError, match="calibrate again"):
        Settings.from_json(settings).apply(plain)
    with pytest.raises(ModelError, match="cannot be read"):
        Settings.from_json({"ranges": 3})


def test_a_loose_network_may_lose_a_tenth_of_its_own_error() -> None:
    assert [Budget().hc_shift_mm(own) for own in (None, 1.7, 3.0, 5.5)] == pytest.approx([0.3, 0.3, 0.3, 0.55])
    assert Budget(max_hc_shift_share=0).hc_shift_mm(50) == 0.3


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_an_impossible_budget_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="--max-hc-shift-mm is"):
        Budget(max_hc_shift_mm=value)


def test_the_upper_limit_of_a_mean_holds_in_about_nineteen_of_twenty_samples() -> None:
    rng = np.random.default_rng(0)
    samples = rng.exponential(0.25, (2000, 100))  # as absolute shifts are spread: none below 0, few far above
    held = np.mean([at_most(sample.tolist()) >= 0.25 for sample in samples])
    assert 0.91 < held < 0.97
    assert at_most([0.3]) == 0.3 and at_most([0.2, 0.2]) == pytest.approx(0.2)
    for freedom, quantile in (
        (1, 6.314),
        (2, 2.92),
        (3, 2.353),
        (4, 2.132),
        (10, 1.812),
        (30, 1.697),
        (99, 1.660),
    ):  # of any table of the distribution
        values = np.linspace(0, 1, freedom + 1)
        error = values.std(ddof=1) / np.sqrt(len(values))
        assert (at_most(values.tolist()) - 0.5) / error == pytest.approx(quantile, rel=0.01)
