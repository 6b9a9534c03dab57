from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import FetalHeadError, InputError, Segmenter, UsageError, stream
from edge_runtime.artifact.network import BACKENDS, load_backend
from edge_runtime.common.optional import require
from edge_runtime.head.ellipse import Ellipse
from tests.helpers.tiny_model import make_artifact
from train.data.phantom import make_phantom


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {recipe: make_artifact(folder, recipe) for recipe in ("float32", "full_int8")}  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["float32", "full_int8"])
def segmenter(request: pytest.FixtureRequest, models: dict[str, Path]) -> Segmenter:
    return Segmenter.load(models[request.param])


def head_frame(size: tuple[int, int] = (270, 400)) -> np.ndarray:
    """A dark ellipse on a bright ground: what the tiny model calls a head, semi-axes 0.3 of the width and 0.35 of H."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    inside = ((x - size[1] / 2) / (0.3 * size[1])) ** 2 + ((y - size[0] / 2) / (0.35 * size[0])) ** 2 < 1
    return np.where(inside, 10, 160).astype(np.uint8)


@pytest.mark.parametrize("size", [(270, 400), (540, 800), (96, 144), (61, 333), (900, 500)])
def test_masks_have_the_frames_size_and_the_ellipse_is_in_frame_pixels(
    segmenter: Segmenter, size: tuple[int, int]
) -> None:
    frame = head_frame(size)
    mask = segmenter.segment(frame)
    assert mask.shape == size and mask.dtype == bool
    truth = frame < 80
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.93


def test_circumference_in_mm_and_its_scale(segmenter: Segmenter) -> None:
    frame = head_frame((540, 800))
    for across, down in ((0.15, 0.15), (0.20, 0.15), (0.15, 0.20)):
        result = segmenter.measure(frame, pixel_size_mm=(across, down))
        truth = Ellipse(0, 0, 0.3 * 800 * across, 0.35 * 540 * down, 0).perimeter
        assert result.head_circumference_mm == pytest.approx(truth, rel=0.02)
        assert result.reason is None and result.ellipse is not None
        assert result.latency_ms.total > 0


def test_the_shape_is_judged_in_mm(segmenter: Segmenter) -> None:
    found = segmenter.measure(head_frame((540, 800)), pixel_size_mm=(0.15, 0.30))
    assert found.reason is None and found.quality.axis_ratio == pytest.approx(72 / (2 * 56.7), rel=0.02)
    long = segmenter.measure(head_frame((540, 800)), pixel_size_mm=(0.30, 0.15))  # 144 by 56.7 mm
    assert long.head_circumference_mm is None and "not shaped like a head" in str(long.reason)


def test_gray_colour_and_strided_frames_agree(segmenter: Segmenter) -> None:
    gray = head_frame()
    wanted = segmenter.segment(gray)
    spaced = np.repeat(np.repeat(gray, 2, axis=0), 2, axis=1)[::2, ::2]
    locked = gray.copy()
    locked.setflags(write=False)
    for frame in (gray[:, :, None], np.stack([gray] * 3, 2), np.stack([gray] * 4, 2), spaced, locked):
        assert np.array_equal(segmenter.segment(frame), wanted)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (np.zeros((540, 800), np.uint8), "no image: the frame is almost uniform"),
        (np.full((540, 800), 255, np.uint8), "no image: the frame is almost uniform"),
        (np.random.default_rng(0).integers(100, 256, (540, 800)).astype(np.uint8), "no head found"),
    ],
    ids=["black", "white", "noise"],
)
def test_frames_without_a_head_are_refused_with_a_reason_never_zero(
    segmenter: Segmenter, frame: np.ndarray, said: str
) -> None:
    result = segmenter.measure(frame, pixel_size_mm=0.1)
    assert result.head_circumference_mm is None and result.ellipse is None
    assert result.reason is not None and result.reason.startswith(said)


def test_without_pixel_size_there_is_an_ellipse_and_no_circumference(segmenter: Segmenter) -> None:
    result = segmenter.measure(head_frame())
    assert result.ellipse is not None
    assert result.head_circumference_mm is None and result.reason == "no pixel size was given"


def test_a_circumference_no_fetus_has_is_refused(segmenter: Segmenter) -> None:
    result = segmenter.measure(head_frame(), pixel_size_mm=5.0)
    assert result.head_circumference_mm is None and "check the pixel size" in str(result.reason)


@pytest.mark.parametrize("size", [0, -0.1, float("nan"), float("inf"), "wide", (0.1, 0), (0.1,), (1, 2, 3)])
def test_an_impossible_pixel_size_is_an_error(segmenter: Segmenter, size: object) -> None:
    with pytest.raises(UsageError, match="pixel_size_mm is"):
        segmenter.measure(head_frame(), pixel_size_mm=size)  # type: ignore[arg-type]


def test_what_is_no_frame_is_an_error(segmenter: Segmenter) -> None:
    for frame in (np.zeros((1, 1), np.uint8), np.zeros((99, 99)), np.zeros((99, 99), np.uint16)):
        with pytest.raises(InputError):
            segmenter.measure(frame)


def from_threads(count: int, work: Callable[[int], None]) -> list[BaseException]:
    """Let threads work at once, switching as often as they can; what they raised."""
    errors: list[BaseException] = []

    def run(index: int) -> None:
        try:
            work(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return errors


@pytest.mark.parametrize(("backend", "turns"), [("ai-edge-litert", 20), ("tflite-runtime", 2)])
def test_threads_that_share_a_segmenter_get_their_own_frames_answers(backend: str, turns: int) -> None:
    segmenter = Segmenter.load(backend=backend, canary_every=3)
    frames = [make_phantom(i)[0] for i in range(2)]
    wanted = [segmenter.measure(frame, 0.2) for frame in frames]
    assert wanted[0].head_circumference_mm != wanted[1].head_circumference_mm
    logits = [segmenter.logits(frame) for frame in frames]

    def work(index: int) -> None:
        for turn in range(turns):
            frame = frames[index % 2]
            result = segmenter.measure(frame, 0.2)
            assert result.head_circumference_mm == wanted[index % 2].head_circumference_mm
            assert np.array_equal(result.mask, wanted[index % 2].mask)
            assert np.array_equal(segmenter.logits(frame), logits[index % 2])
            if turn == index == 0:
                golden = segmenter.check_golden()
                assert segmenter.check_canary() and golden is not None and golden.holds

    assert from_threads(4, work) == []


def test_threads_with_a_segmenter_each_get_the_same_answers() -> None:
    frames = [make_phantom(i)[0] for i in range(2)]
    wanted = [Segmenter.load().measure(frame, 0.2).head_circumference_mm for frame in frames]

    def work(index: int) -> None:
        segmenter = Segmenter.load()
        assert {segmenter.measure(frames[index % 2], 0.2).head_circumference_mm for _ in range(20)} == {
            wanted[index % 2]
        }

    assert from_threads(4, work) == []


def test_a_stream_and_other_threads_share_a_segmenter() -> None:
    segmenter = Segmenter.load()
    frames = [make_phantom(i)[0] for i in range(2)]
    wanted = [segmenter.measure(frame, 0.2).head_circumference_mm for frame in frames]

    def work(index: int) -> None:
        if index == 0:
            with stream(segmenter, iter([frames[0]] * 60), pixel_size_mm=0.2, deadline_ms=1e6) as results:
                assert {result.head_circumference_mm for result in results} == {wanted[0]}
        else:
            assert {segmenter.measure(frames[1], 0.2).head_circumference_mm for _ in range(40)} == {wanted[1]}

    assert from_threads(3, work) == []


def test_int8_and_float_agree(models: dict[str, Path]) -> None:
    frame = make_phantom(2)[0]
    masks = [Segmenter.load(path).segment(frame) for path in models.values()]
    assert 2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum()) > 0.98


def test_both_backends_run_the_same_model(models: dict[str, Path]) -> None:
    frame = head_frame()
    masks = [
        Segmenter.load(models["full_int8"], backend=b).segment(frame) for b in ("ai-edge-litert", "tflite-runtime")
    ]
    assert 2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum()) > 0.999


def test_litert_comes_first_tflite_runtime_second_and_neither_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_backend()[0] == "ai-edge-litert"
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    assert load_backend()[0] == "tflite-runtime"
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(FetalHeadError, match="pip install ai-edge-litert") as error:
        load_backend()
    assert f"This is Python {platform.python_version()} on {platform.system()} {platform.machine()}." in str(
        error.value
    )


@pytest.mark.parametrize("stopped", [KeyboardInterrupt(), SystemExit(143)])
def test_a_stop_while_an_interpreter_starts_is_not_taken_for_a_missing_one(
    stopped: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"starts_{type(stopped).__name__}"
    (tmp_path / f"{module}.py").write_text(
        f"try:\n    raise {stopped!r}\n"
        "except BaseException as stop:\n    raise ImportError('as pybind11 does') from stop\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(BACKENDS, "ai-edge-litert", module)
    for load in (load_backend, lambda: require(module)):
        with pytest.raises(type(stopped)):
            load()


def test_tflite_runtime_is_not_started_with_a_numpy_it_was_not_built_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.artifact.network.np.__version__", "2.4.6")
    with pytest.raises(FetalHeadError, match=r"NumPy 1, but NumPy 2\.4\.6 is installed: pip install 'numpy<2'"):
        load_backend("tflite-runtime")
    assert load_backend()[0] == "ai-edge-litert"


@pytest.mark.parametrize("threads", [0, -1, 1000])
def test_a_thread_count_out_of_range_is_an_error(models: dict[str, Path], threads: int) -> None:
    with pytest.raises(UsageError, match="between 1 and 64"):
        Segmenter.load(models["float32"], threads=threads)
