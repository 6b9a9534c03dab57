"""What the export commands promise: figures that are measured, manifests and signatures that fit, artifacts that are
up to date.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_runtime.artifact.manifest import load_manifest, manifest_path, write_manifest
from edge_runtime.artifact.signature import signature_path
from edge_runtime.metrics import ImageScore, paired_shifts
from edge_runtime.shipped import DEFAULT_MODEL, DEFAULT_SIZE, SIZES
from export.commands import quality, summary
from export.commands.calibration import _line
from export.commands.quality import write_limits
from export.commands.sign import make_key, sign_artifacts
from export.job import Options, plan, request_sha256
from export.quantization.calibration import Trial, table
from export.recipes import RECIPES
from export.verification.accuracy import mean_degradation
from tests.helpers.places import ROOT
from tests.helpers.tiny_model import make_artifact
from train.checkpoint import load_checkpoint
from train.data.hc18 import read_dataset

FULL_INT8 = RECIPES["full_int8"]


def trial(seed: int | None, drop: float | None, shift: float | None) -> Trial:
    return Trial("min-max", 10, "spread" if seed is None else "random", seed, 20.0, drop, shift)


def test_a_calibration_figure_that_is_missing_is_a_dash_and_counts_for_nothing() -> None:
    spread, random = table([trial(None, None, None), trial(0, 0.2, 0.4), trial(1, None, None)]).splitlines()[1:]
    assert spread.split() == ["min-max", "10", "spread", "20.0", "-", "-"]
    assert "+0.200 points" in random and "0.400 (0.400) mm" in random  # not half of them


def test_the_draw_of_seed_0_is_named() -> None:
    assert "random, seed 0: HC shift 0.400 mm" in _line(trial(0, 0.2, 0.4))
    assert "spread: HC shift not measured" in _line(trial(None, None, None))


def score(name: str, dice: float, hc: float | None) -> ImageScore:
    return ImageScore(name, dice, dice, dice, dice, None, hc)


def test_one_degradation_serves_the_manifest_and_the_benchmark() -> None:
    own = [score("a", 0.9, 1.0), score("b", 0.8, None), score("c", 0.7, -2.0)]
    base = [score("c", 0.8, 0.0), score("a", 0.9, 0.5), score("b", 0.8, 3.0)]
    found = paired_shifts(own, base)
    assert found.hc_mm == [0.5, -2.0] and found.hc_absolute_mm == [0.5, 2.0] and found.n_refused_by_one == 1
    assert mean_degradation(own, base, "x") == {
        "against": "x",
        "dice_points": pytest.approx(-10 / 3),
        "hc_shift_mm": pytest.approx(-0.75),
        "hc_absolute_shift_mm": pytest.approx(1.25),
        "n_hc": 2,
    }
    nothing = mean_degradation([score("a", 0.9, None)], [score("a", 0.8, 1.0)], "x")
    assert (nothing["hc_shift_mm"], nothing["hc_absolute_shift_mm"], nothing["n_hc"]) == (None, None, 0)


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    make_key(tmp_path / "key")
    model = make_artifact(tmp_path)
    sign_artifacts([model], tmp_path / "key")
    return model


def test_limits_written_into_a_signed_artifact_remove_its_signature_and_say_so(
    signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record: dict[str, Any] = dict(load_manifest(DEFAULT_MODEL).quality)
    write_limits(signed, record, write=True)
    said = capsys.readouterr().out
    assert load_manifest(signed).quality == record and not signature_path(signed).exists()
    assert str(signature_path(signed)) in said and f"python -m export sign {signed}" in said


def test_every_writer_of_a_manifest_removes_a_signature_that_no_longer_fits(signed: Path) -> None:
    write_manifest(signed, load_manifest(signed))  # the same bytes: it still fits
    assert signature_path(signed).exists()
    write_manifest(signed, replace(load_manifest(signed), limits="Others."))
    assert not signature_path(signed).exists()


def test_nothing_is_written_into_the_shipped_model_unasked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = tmp_path / DEFAULT_MODEL.name
    for path in (DEFAULT_MODEL, manifest_path(DEFAULT_MODEL)):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = manifest_path(model).read_bytes()
    shipped = load_manifest(DEFAULT_MODEL).quality
    monkeypatch.setattr(quality, "find_model", lambda named: named or model)
    monkeypatch.setattr(quality, "find_data", lambda _: SimpleNamespace(summary="other data"))
    new = json.loads(json.dumps({**shipped, "from": {**shipped["from"], "title": "other data"}}))
    monkeypatch.setattr(quality, "_derived", lambda *_: new)

    assert quality.main([]) == 0
    assert manifest_path(model).read_bytes() == before and "add --write" in capsys.readouterr().out
    assert quality.main(["--write"]) == 0
    assert load_manifest(model).quality["from"]["title"] == "other data"
    manifest_path(model).write_bytes(before)
    assert quality.main([str(model)]) == 0  # who names a file asks for it
    assert load_manifest(model).quality["from"]["title"] == "other data"


@pytest.mark.parametrize("size", SIZES)
def test_the_shipped_sizes_take_their_released_settings_where_their_images_are_missing(
    size: str, phantom: Path, tmp_path: Path
) -> None:
    checkpoint, dataset = load_checkpoint(ROOT / "checkpoints" / size), read_dataset(phantom)
    job = plan(checkpoint, dataset, Options((FULL_INT8,), tmp_path))
    released = job.released()
    assert released is not None and tuple(rewrite.name for rewrite in job.rewrites) == released.rewrites
    other = () if released.rewrites else ("patches-first",)
    assert plan(checkpoint, dataset, Options((FULL_INT8,), tmp_path, rewrites=other)).released() is None


def test_an_artifact_made_with_other_released_settings_is_not_up_to_date(phantom: Path, tmp_path: Path) -> None:
    """On data that the shipped checkpoint was not trained on, its released settings are taken over."""
    checkpoint = load_checkpoint(ROOT / "checkpoints" / DEFAULT_SIZE)
    job = plan(checkpoint, read_dataset(phantom), Options((FULL_INT8,), tmp_path))
    released = job.released()
    assert released is not None
    other = tmp_path / DEFAULT_MODEL.name
    other.write_bytes(DEFAULT_MODEL.read_bytes())

    def hashed(**quantization: Any) -> str:
        changed = {**released.quantization, **quantization}
        write_manifest(other, replace(released, quantization=changed))
        return request_sha256(job, FULL_INT8, other)

    assert hashed() == request_sha256(job, FULL_INT8)
    settings = {**released.quantization["settings"], "in_float": [0]}
    assert hashed(settings=settings) != hashed()
    float32 = RECIPES["float32"]
    assert request_sha256(job, float32, other) == request_sha256(job, float32)  # nothing is taken over there


def test_the_table_shows_a_dash_where_nothing_was_measured(tmp_path: Path) -> None:
    part = {
        "n_images": 1,
        "dice": {"mean": 0.0},
        "hc_absolute_difference_mm": {"mean": None},
        "degradation": mean_degradation([], [], "float32"),
    }
    parity = {"max_logit_difference": 0.0, "mean_logit_difference": 0.0, "mask_dice_mean": 1.0}
    manifest = load_manifest(make_artifact(tmp_path))
    shown = replace(manifest, parity=parity, accuracy={"title": "HC18", "parts": {"test": part}})
    row = summary.table([shown]).splitlines()[1]
    assert row.split()[-4:] == ["0.00%", "-", "-", "-"]
