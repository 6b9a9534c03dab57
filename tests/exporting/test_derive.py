"""Limits, trust, interval and known look from frames that were examined; and the calibration for one's own scanner."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from edge_runtime.artifact.manifest import load_manifest, write_manifest
from edge_runtime.artifact.signature import signature_path
from edge_runtime.errors import UsageError
from edge_runtime.quality.limits import read_limits
from edge_runtime.quality.look import FIGURES
from edge_runtime.segmenter import Segmenter
from edge_runtime.shipped import shipped_model
from export.commands import quality
from export.commands.quality import describe
from export.quality.cases import COMPOUND, Examined, good_cases, is_shown, others_of, parts_of
from export.quality.derive_limits import (
    LEAST_IMAGES,
    TAIL,
    derive,
    fit_trust,
    known_look,
    prediction_interval,
    usual_of,
)
from export.quality.scanner import calibrate
from tests.helpers.places import Run
from tests.helpers.some_limits import examined, make_limits
from tests.helpers.tiny_model import make_artifact
from train.data.hc18 import read_dataset
from train.data.others import Other
from train.data.phantom import make_dataset


def drawn(rng: np.random.Generator, count: int, **changes: float) -> list[Examined]:
    """Good images: the error grows with the softness, and looks vary."""
    found = []
    for _ in range(count):
        softness = float(rng.uniform(0.05, 0.15))
        error = float(rng.normal(0, 20 * softness))
        figures = {"softness": softness, "core": float(rng.normal(4, 1)), "skull": float(rng.uniform(0.5, 1))}
        found.append(examined(error, rng.normal(size=len(FIGURES)), **{**figures, **changes}))
    return found


def test_order_statistics_hold_what_they_promise() -> None:
    assert prediction_interval(np.arange(19.0), 0.9) == (0.0, 18.0)  # the extremes of 19: 18 of 20 gaps
    assert prediction_interval(np.arange(82.0), 0.935) == (1.0, 79.0)  # 78 of 83 gaps
    rng = np.random.default_rng(0)
    for count, coverage, gaps in ((30, 0.9, 28 / 31), (82, 0.935, 78 / 83)):
        held = []
        for _ in range(3000):
            low, high = prediction_interval(rng.exponential(size=count), coverage)
            held.append(np.mean((further := rng.exponential(size=20)) >= low) - np.mean(further > high))
        assert np.mean(held) == pytest.approx(gaps, abs=0.006) and gaps >= coverage


def test_derived_limits_let_rightly_measured_frames_through() -> None:
    rng = np.random.default_rng(1)
    train, validation = drawn(rng, 150), drawn(rng, 80)
    validation += [replace(case, kind=COMPOUND) for case in drawn(rng, 60)]
    bad = [examined(kind="flat", good=False, core=float(rng.normal(-3, 1)), softness=0.3, skull=0.1) for _ in range(60)]
    limits = derive([*train, *bad], validation, [])
    assert all(limits.violation(case.figures or {}) is None for case in (*train, *validation))
    assert np.mean([is_shown(case, limits) for case in train]) > 0.98
    assert not any(is_shown(case, limits) for case in bad)
    assert limits.most_doubt[1] <= limits.most_doubt[0] < math.inf
    assert limits.interval[0] < 0 < limits.interval[1] and limits.unlike >= 1 and limits.error_mm[1] > 0
    inside = [
        low <= case.true_hc_mm <= high
        for case in drawn(rng, 400)
        for low, high in [limits.interval_mm(case.hc_mm or 0.0, case.blur_mm, unlike=False)]
    ]
    assert 0.88 < np.mean(inside) < 0.98
    with pytest.raises(UsageError, match=f"19 images that can be measured; an interval needs {LEAST_IMAGES}"):
        derive(train, validation[:19], [])


def test_frames_of_unknown_look_get_the_interval_that_they_need() -> None:
    rng = np.random.default_rng(2)
    train, validation = drawn(rng, 150), drawn(rng, 80)
    far = [
        replace(case, kind=COMPOUND, hc_mm=case.true_hc_mm + 3 * case.error_mm, look=case.look + 5)
        for case in drawn(rng, 200)
        if case.look is not None
    ]
    limits = derive(train, [*validation, *far], [])
    assert 2 < limits.unlike < 4
    assert derive(train, [*validation, *[replace(case, kind=COMPOUND) for case in drawn(rng, 60)]], []).unlike < 2


def test_a_spread_is_that_of_the_bad_side() -> None:
    rng = np.random.default_rng(0)
    core = np.concatenate([4 - np.abs(rng.normal(0, 2, 2000)), 4 + np.abs(rng.normal(0, 0.1, 2000))])
    cases = [examined(core=float(c), softness=float(s)) for c, s in zip(core, rng.normal(1, 0.2, 4000), strict=True)]
    bad = [examined(good=False, core=-50.0, softness=9.0)] * 2000  # bad frames have no part in it
    usual = usual_of([*cases, *bad])
    assert usual["core"] == pytest.approx((4, -np.quantile(np.abs(rng.normal(0, 2, 10**6)), 0.98) / 2.326), rel=0.1)
    assert usual["softness"] == pytest.approx((1, 0.2), rel=0.1) and TAIL == 0.99
    assert usual["skull"][1] < 0, "a figure that never varies allows no change for the worse"


def test_trust_is_the_share_of_right_measurements_at_a_doubt() -> None:
    rng = np.random.default_rng(0)
    limits = make_limits(usual={"core": (4.0, -1.0)})
    cases = []
    for doubt in rng.uniform(0, 4, 3000):
        right = rng.random() < 1 / (1 + math.exp(-(4 - 2 * doubt)))
        cases.append(examined(error_mm=0.0 if right else 9.0, core=4 - doubt))
    assert fit_trust(cases, limits) == pytest.approx((4, -2), rel=0.1)
    upside_down = [replace(case, good=bool(case.figures and case.figures["core"] < 2)) for case in cases]
    assert fit_trust(upside_down, limits)[1] == 0, "trust never rises with doubt"


def test_limits_know_no_kind_that_the_network_does_not_know() -> None:
    others = [Other(Path("a.png"), kind, None) for kind in ("not_heads/lung", "not_heads/breast")]

    def taken(data: dict[str, object]) -> list[str]:
        segmenter = SimpleNamespace(manifest=SimpleNamespace(checkpoint={"data": data}))
        return [other.kind for other in others_of(cast(Segmenter, segmenter), others)]

    assert taken({"others": {"not_heads/lung": 3}}) == ["not_heads/lung"]
    assert taken({"others": {}}) == []
    assert taken({}) == ["not_heads/lung", "not_heads/breast"]


def test_the_known_look_holds_99_of_100_images() -> None:
    rng = np.random.default_rng(3)
    spread = np.tril(rng.uniform(0.1, 1, (len(FIGURES), len(FIGURES))))
    cases = [examined(look=1 + rng.normal(size=len(FIGURES)) @ spread.T) for _ in range(500)]
    known = known_look(cases)
    distances = np.array([known.distance(case.look) for case in cases if case.look is not None])
    assert np.mean(distances**2) == pytest.approx(1, abs=0.01)
    assert np.mean(distances <= known.most) == pytest.approx(0.99, abs=0.003)


def test_a_scanner_gets_its_own_interval_and_look() -> None:
    rng = np.random.default_rng(4)
    limits = make_limits()
    images = [examined(float(rng.normal(3, 0.5)), 6 + rng.normal(size=len(FIGURES))) for _ in range(30)]
    found = calibrate(limits, [*images, examined(core=-5.0)])
    assert (found.n_images, found.n_refused, found.n_unlike) == (31, 1, 30)
    assert found.bias_mm == pytest.approx(3, abs=0.3)
    own = found.limits
    assert all(own.known.distance(case.look) <= own.known.most for case in images if case.look is not None)
    assert limits.known.distance(own.known.centre) > limits.known.most
    assert own.known.distance(limits.known.centre) > own.known.most, "the earlier look is unknown now"
    inside = [
        low <= case.true_hc_mm <= high
        for case in [examined(float(rng.normal(3, 0.5))) for _ in range(300)]
        for low, high in [own.interval_mm(case.hc_mm or 0.0, case.blur_mm, unlike=False)]
    ]
    assert 0.85 < np.mean(inside) < 0.99 and own.interval[1] < 0, "the interval lies where the truth is"
    assert (own.bounds, own.usual, own.most_doubt, own.error_mm) == (
        limits.bounds, limits.usual, limits.most_doubt, limits.error_mm,
    )  # fmt: skip
    said = describe(found, "clinic B")
    assert (
        "clinic B: 31 images, 1 refused" in said
        and "30 of 30 looked unlike" in said
        and f"{found.bias_mm:+.1f} mm" in said
    )
    assert "check the pixel sizes" in said
    fair = calibrate(limits, [examined(float(e), rng.normal(size=len(FIGURES))) for e in np.linspace(-2, 2, 25)])
    assert "check the pixel sizes" not in describe(fair, "clinic B") and fair.n_inside_before == 25


def test_too_few_images_of_a_scanner_are_refused_with_the_next_step() -> None:
    images = [examined(look=np.random.default_rng(i).normal(size=len(FIGURES))) for i in range(LEAST_IMAGES - 1)]
    with pytest.raises(UsageError, match=rf"19 of 22 images are shown.*needs {LEAST_IMAGES}\. Add.*--others"):
        calibrate(make_limits(), [*images, *[examined(core=-5.0)] * 3])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A tiny artifact with limits that refuse no phantom."""
    model = make_artifact(tmp_path / "own", of_phantoms=True)
    limits = make_limits(bounds={}, most_doubt=(1e9, 1e9))
    write_manifest(model, replace(load_manifest(model), quality={"limits": limits.to_json(), "from": {"title": "x"}}))
    return model


def test_the_command_calibrates_an_artifact(run: Run, own: Path, tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "clinic-b", count=24)
    before = read_limits(load_manifest(own).quality)
    assert before is not None
    signature_path(own).write_bytes(b"signed")
    call = ("export", "quality", "--scanner", "clinic B", "--data", data)
    done = run(*call, own)
    assert done.returncode == 0, done.stderr
    written = load_manifest(own).quality
    shown = 24 - written["scanner"].pop("n_refused")
    assert written["scanner"] == {"name": "clinic B", "n_images": 24} and shown >= 20
    assert f"clinic B: 24 images, {24 - shown} refused" in done.stdout
    assert f"written: {own.with_suffix('.json')}" in done.stdout
    assert written["from"] == {"title": "x"} and not signature_path(own).exists()
    after = read_limits(written)
    assert after is not None and after.bounds == before.bounds and after.interval != before.interval

    segmenter = Segmenter.load(own)
    samples = list(read_dataset(data).samples.values())
    results = [segmenter.measure(sample.frame(), sample.pixel_size_mm) for sample in samples]
    assert not any("not validated" in str(result.caution) for result in results)
    held = [
        r.interval_mm[0] <= s.hc_mm <= r.interval_mm[1] for r, s in zip(results, samples, strict=True) if r.interval_mm
    ]
    assert len(held) == shown and sum(held) >= shown - 2
    assert [c.kind for c in good_cases(segmenter, samples[:3], 0, 0)] == ["real"] * 3

    few = make_dataset(tmp_path / "few", count=12)
    manifest = own.with_suffix(".json").read_bytes()
    done = run(*call[:-1], few, own)
    assert done.returncode == 2 and " of 12 images are shown" in done.stderr and "Add images" in done.stderr
    assert own.with_suffix(".json").read_bytes() == manifest


def test_a_shipped_model_is_changed_only_with_write(monkeypatch: pytest.MonkeyPatch, phantom: Path, own: Path) -> None:
    calls: list[tuple[Path, bool]] = []
    monkeypatch.setattr(quality, "_calibrated", lambda *_: {})
    monkeypatch.setattr(quality, "write_limits", lambda model, _, write: calls.append((model, write)))
    for words in ([], ["edge-s"], ["edge-s", "--write"], [str(own)]):
        quality.main(["--scanner", "clinic B", "--data", str(phantom), *words])
    edge_s, edge_m = shipped_model("edge-s"), shipped_model("edge-m")
    assert calls == [(edge_m, False), (edge_s, False), (edge_s, True), (own, True)]


def test_the_command_records_what_limits_were_derived_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(5)
    bad = [examined(kind="flat", good=False, core=float(rng.normal(-3, 1)), skull=0.1) for _ in range(60)]
    bad.append(replace(bad[0], figures=None, hc_mm=None, look=None, reason="no image"))
    cases = {
        "train": [*drawn(rng, 150), *bad],
        "val": [*drawn(rng, 80), *(replace(c, kind=COMPOUND) for c in drawn(rng, 60))],
    }
    parts = {"train": [], "val": [None] * LEAST_IMAGES}
    monkeypatch.setattr(quality, "parts_of", lambda *_: parts)
    monkeypatch.setattr(quality, "check_samples", lambda *_: None)
    monkeypatch.setattr(quality, "gather", lambda _, samples, part: cases[part])
    segmenter = SimpleNamespace(manifest=SimpleNamespace(checkpoint={}))
    record = quality._derived(segmenter, SimpleNamespace(title="a set"), None)  # type: ignore[arg-type]
    limits, found = read_limits(record), record["from"]
    assert limits is not None and limits.bounds == derive(cases["train"], cases["val"], []).bounds
    assert (found["title"], found["others"], found["others_sha256"]) == ("a set", {}, None)
    frames = found["frames"]
    assert frames["train_bad"] == {"n": 61, "n_refused": 61} and frames["val_good"]["n"] == 60
    assert frames["train_real"]["n"] == 150 and frames["train_real"]["n_refused"] <= 3 and "val_bad" not in frames
    said = capsys.readouterr().out
    assert (
        "no frames from elsewhere" in said and "61 of    61 refused" in said and "times as wide for an unknown" in said
    )
    assert "warning" not in said
    for interval, wrong in (((0.3, 3.4), "small"), ((-3.0, -0.1), "large")):
        monkeypatch.setattr(quality, "derive", lambda *_, interval=interval: replace(limits, interval=interval))
        quality._derived(segmenter, SimpleNamespace(title="a set"), None)  # type: ignore[arg-type]
        assert f"warning: the network measures nearly all heads too {wrong}" in capsys.readouterr().out


def test_an_artifact_without_limits_cannot_be_calibrated(run: Run, phantom: Path, tmp_path: Path) -> None:
    model = make_artifact(tmp_path)
    done = run("export", "quality", "--scanner", "clinic B", "--data", phantom, model)
    assert done.returncode == 2 and "has no limits. Derive them first" in done.stderr
    assert json.loads(model.with_suffix(".json").read_text())["quality"] == {}


def test_too_few_validation_images_are_said_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "parts_of", lambda *_: {"train": [None] * 24, "val": [None] * 3})
    monkeypatch.setattr(quality, "gather", lambda *_: pytest.fail("measured first"))
    segmenter = SimpleNamespace(manifest=SimpleNamespace(checkpoint={}))
    with pytest.raises(UsageError, match=rf"has 3 images; an interval needs {LEAST_IMAGES}\. .*splits/val\.txt"):
        quality._derived(segmenter, SimpleNamespace(title="a set"), None)  # type: ignore[arg-type]


def test_a_folder_without_the_images_trained_on_is_named(phantom: Path) -> None:
    dataset = read_dataset(phantom)
    files = {"train": ["gone_1.png", "gone_2.png"], "val": [], "test": []}
    manifest = SimpleNamespace(name="mine", checkpoint={"data": {"title": dataset.title, "files": files}})
    with pytest.raises(UsageError, match="has none of the 2 images that mine was trained on"):
        parts_of(SimpleNamespace(manifest=manifest), dataset)  # type: ignore[arg-type]
