"""Pictures of measurements: what is drawn, what is not, and that it can be read on any frame."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from edge_runtime import Measurement, Segmenter
from edge_runtime.output import overlay
from edge_runtime.output.overlay import CAUTION, GOOD, REFUSED, draw_overlay
from tests.helpers.places import Run
from tests.helpers.regions import region_of
from train.data.phantom import make_phantom

FRAME, _, PIXEL_MM = make_phantom(0)


@pytest.fixture(scope="module")
def measured() -> Measurement:
    result = Segmenter.load().measure(FRAME, PIXEL_MM)
    assert result.head_circumference_mm is not None
    assert result.caution is not None and "not validated" in result.caution  # a phantom is no scanner's image
    return replace(result, caution=None)


def drawn(frame: np.ndarray, result: Measurement) -> np.ndarray:
    return np.asarray(draw_overlay(frame, result))


def near(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Where a colour is, (H, W)."""
    return np.abs(picture.astype(int) - color).max(axis=2) < 60


def on_ellipse(result: Measurement, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels of the ellipse that lie in the frame, as (rows, columns)."""
    x, y = np.rint(result.ellipse.outline(720)).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0])
    return y[inside], x[inside]


def texts(monkeypatch: pytest.MonkeyPatch, frame: np.ndarray, result: Measurement) -> str:
    """What is written on the picture."""
    lines: list[str] = []
    original = overlay._panel

    def panel(given, *args):
        lines[:] = [line.text for line in given]
        return original(given, *args)

    monkeypatch.setattr(overlay, "_panel", panel)
    draw_overlay(frame, result)
    return "\n".join(lines)


def test_a_good_frame_has_its_ellipse_circumference_and_interval(
    measured: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = drawn(FRAME, measured)
    assert picture.shape == (*FRAME.shape, 3) and picture.dtype == np.uint8
    assert near(picture, GOOD)[on_ellipse(measured, FRAME.shape)].mean() > 0.95
    y, x = round(measured.ellipse.center_y), round(measured.ellipse.center_x)
    assert (picture[y - 50 : y + 50, x - 50 : x + 50, 0] == FRAME[y - 50 : y + 50, x - 50 : x + 50]).all()
    written = texts(monkeypatch, FRAME, measured)
    low, high = measured.interval_mm
    assert f"HC {measured.head_circumference_mm:.1f} mm" in written and f"{low:.1f} to {high:.1f} mm" in written
    assert "not a medical device" in written and "CAUTION" not in written


def test_a_caution_differs_in_words_and_line(measured: Measurement, monkeypatch: pytest.MonkeyPatch) -> None:
    doubtful = replace(measured, caution="the outline is blurred")
    share = near(drawn(FRAME, doubtful), CAUTION)[on_ellipse(measured, FRAME.shape)].mean()
    assert 0.4 < share < 0.9  # dashed
    assert "CAUTION: the outline is blurred" in texts(monkeypatch, FRAME, doubtful)


def test_a_refused_frame_has_its_reason_and_nothing_like_a_result(
    measured: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = replace(
        measured, head_circumference_mm=None, interval_mm=None, ellipse=None, reason="no skull is seen (skull 0.11)"
    )
    picture = drawn(FRAME, refused)
    assert near(picture[:2], REFUSED).all() and near(picture[:, -2:], REFUSED).all()
    assert near(picture, GOOD).mean() < 0.001
    written = texts(monkeypatch, FRAME, refused)
    assert "NOT MEASURED" in written and "No skull is seen" in written
    assert "HC" not in written and not any(c.isdigit() for c in written)


def test_a_circumference_that_cannot_be_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    impossible = Segmenter.load().measure(FRAME, 10 * PIXEL_MM)
    assert impossible.reason and "mm" in impossible.reason
    written = texts(monkeypatch, FRAME, impossible)
    assert "That is not a fetal head circumference: check the pixel size" in written
    assert not any(c.isdigit() for c in written)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_text_has_a_ground_of_its_own(measured: Measurement, level: int) -> None:
    frame = np.full_like(FRAME, level)
    blank = replace(measured, region=region_of(np.zeros(FRAME.shape, bool)), ellipse=None)
    corner = drawn(frame, blank)[:60, :200].astype(int)
    assert corner.max() - corner.min() > 150


@pytest.mark.parametrize("size", [(200, 200), (540, 800), (2000, 3000), (200, 1500), (1500, 200)])
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_a_picture_has_the_frames_size(measured: Measurement, size: tuple[int, int], channels: int) -> None:
    grey = np.asarray(Image.fromarray(FRAME).resize(size[::-1]))
    mask = np.asarray(Image.fromarray(measured.mask).resize(size[::-1]))
    frame = grey if channels == 0 else np.repeat(grey[..., None], channels, axis=2)
    for result in (
        replace(measured, region=region_of(mask)),
        replace(
            measured, region=region_of(mask), head_circumference_mm=None, ellipse=None, reason="a long reason " * 8
        ),
    ):
        picture = drawn(frame, result)
        assert picture.shape == (*size, 3)
        assert (picture != (frame[..., :3] if channels > 1 else grey[..., None])).any()


def test_a_small_frame_is_enlarged(measured: Measurement) -> None:
    small = replace(measured, region=region_of(np.zeros((40, 50), bool)), ellipse=None)
    assert drawn(np.zeros((40, 50), np.uint8), small).shape == (200, 250, 3)
    strip = replace(measured, region=region_of(np.zeros((32, 4000), bool)), ellipse=None)
    assert drawn(np.zeros((32, 4000), np.uint8), strip).shape == (32, 4000, 3)


def test_the_text_leaves_the_head_free(measured: Measurement) -> None:
    mask = np.zeros(FRAME.shape, bool)
    mask[:300] = True
    picture = drawn(np.full_like(FRAME, 128), replace(measured, region=region_of(mask), ellipse=None))
    assert (picture[50:250, 50:-50] == 128).all() and (picture[-60:-20] != 128).any()


def test_an_older_pillow_writes_with_its_bitmap_font(measured: Measurement, monkeypatch: pytest.MonkeyPatch) -> None:
    with_outlines = drawn(FRAME, measured)
    bitmap = ImageFont.load_default_imagefont() if hasattr(ImageFont, "load_default_imagefont") else None
    if bitmap is None:
        pytest.skip("this Pillow does not give its bitmap font by name")
    overlay._font.cache_clear()
    monkeypatch.setattr(ImageFont, "load_default", lambda: bitmap)  # takes no size
    picture = drawn(FRAME, measured)
    overlay._font.cache_clear()
    assert picture.shape == with_outlines.shape and (picture != with_outlines).any()
    assert near(picture, GOOD)[:60, :300].sum() > 200


def test_measure_draws_and_says_what_it_said(run: Run, tmp_path: Path) -> None:
    Image.fromarray(FRAME).save(tmp_path / "good.jpg", quality=95)
    Image.fromarray(np.zeros_like(FRAME)).save(tmp_path / "black.png")
    (tmp_path / "bad.png").write_text("no image")
    images = [tmp_path / name for name in ("good.jpg", "black.png", "bad.png")]
    out = tmp_path / "out"
    done = run("edge_runtime", "measure", *images, "--pixel-size-mm", PIXEL_MM, "--overlay-dir", out, "--json")
    good, *_ = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 1 and good["head_circumference_mm"] is not None
    assert sorted(path.name for path in out.iterdir()) == ["black.png", "good.png"]
    assert near(np.asarray(Image.open(out / "good.png").convert("RGB")), CAUTION).any()
    assert near(np.asarray(Image.open(out / "black.png").convert("RGB"))[:2], REFUSED).all()
    text = run("edge_runtime", "measure", images[0], "--pixel-size-mm", PIXEL_MM, "--overlay-dir", out)
    assert f"Overlays are in {out}." in text.stdout and "Masks" not in text.stdout
    again = run("edge_runtime", "measure", images[0], "--pixel-size-mm", PIXEL_MM, "--overlay-dir", tmp_path)
    assert again.returncode == 2 and "own folder" in again.stderr


@pytest.mark.parametrize("command", ["measure", "stream"])
def test_help_shows_an_example(run: Run, command: str) -> None:
    done = run("edge_runtime", command, "--help")
    assert "example" in done.stdout and f"python -m edge_runtime {command} " in done.stdout
    assert "X[,Y]" in done.stdout and "--frame N" in done.stdout
