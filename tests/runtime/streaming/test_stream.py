"""The stream: what is measured, dropped, late, refused, and what a screen is told."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edge_runtime import Frame, InputError, Segmenter, SourceError, StreamResult, UsageError, Window, stream
from edge_runtime.commands.replay import Shot, replay
from tests.helpers.places import Run
from tests.helpers.simulated_probe import Simulation, Stub, frame, measured
from train.data.phantom import make_phantom

seconds = st.floats(0.001, 0.3)


@settings(max_examples=200, deadline=None)
@given(st.lists(seconds, min_size=1, max_size=40), st.lists(seconds, min_size=1, max_size=40), seconds)
def test_the_newest_frame_wins_and_every_frame_is_counted_once(
    pauses: list[float], costs: list[float], deadline: float
) -> None:
    times = list(itertools.accumulate(pauses))
    arrivals = [(at, frame(n)) for n, at in enumerate(times)]
    run = Simulation(
        arrivals, lambda n: costs[n % len(costs)], end_s=times[-1], stall_s=1000.0, deadline_ms=deadline * 1e3
    )
    results = list(run.stream)
    taken = [r.sequence for r in results]
    assert taken == sorted(set(taken)) and taken[-1] == len(times), "in order, none twice, the last one is never lost"
    for n, (result, (began, value)) in enumerate(zip(results, run.calls, strict=True)):
        assert value == (result.sequence - 1) % 256
        newer = [at for at in times[result.sequence :] if at <= began]
        assert not newer, "a newer frame was there"
        age = began + costs[(n + 1) % len(costs)] - times[result.sequence - 1]
        assert result.age_ms == pytest.approx(age * 1e3)
        assert result.age_ms <= 1e3 * (max(costs) * 2) + 1e-6, "it never lags by more than the frame before"
        assert result.late == (result.age_ms > deadline * 1e3)
        assert (result.head_circumference_mm is None) == result.late and bool(result.reason) == result.late
        counts = result.counts
        measured_so_far = counts.accepted + counts.refused + counts.failed
        assert measured_so_far == n + 1 and counts.received - counts.dropped - measured_so_far in (0, 1)
    last = run.stream.counts
    assert last.received == len(times) == last.dropped + last.accepted
    assert last.late == sum(r.late for r in results) and last.stalls == 0


def test_a_cpu_that_keeps_up_drops_nothing_and_a_slow_one_shows_what_it_can() -> None:
    arrivals = [(n / 30, frame(n)) for n in range(1, 61)]
    fast = list(Simulation(arrivals, lambda n: 0.02, end_s=2.0).stream)
    assert [r.sequence for r in fast] == list(range(1, 61)) and not any(r.late for r in fast)
    slow = Simulation(arrivals, lambda n: 0.13, end_s=2.0, deadline_ms=170)
    results = list(slow.stream)
    assert len(results) == 17 and slow.stream.counts.dropped == 43
    assert not any(r.late for r in results[:-1]), "while frames come, none waits longer than it takes the next to come"


def test_a_late_number_is_not_the_present_one_and_stays_in_its_measurement() -> None:
    run = Simulation([(0.1, frame())], lambda n: 0.15, deadline_ms=100, end_s=0.1)
    (result,) = run.stream
    assert result.late and result.head_circumference_mm is None and "150 ms old; at most 100 ms" in str(result.reason)
    assert result.measurement is not None and result.measurement.head_circumference_mm == 200
    best = run.stream.best()
    assert best is not None and best.measurement.head_circumference_mm == 200


def test_silence_is_told_again_and_again_until_frames_come_back() -> None:
    arrivals = [(n * 0.1, frame(n)) for n in range(1, 8)] + [(3.0, frame(8))]
    run = Simulation(arrivals, end_s=3.0, stall_s=0.5)
    results = list(run.stream)
    stalled = [r for r in results if r.stalled]
    assert [r.stalled for r in results] == [False] * 7 + [True] * 4 + [False]
    assert [r.age_ms for r in stalled] == pytest.approx([500, 1000, 1500, 2000])
    for r in stalled:
        assert r.head_circumference_mm is r.measurement is r.frame is r.summary is r.arrived_s is None
        assert r.sequence == 7 and "no frame for" in str(r.reason)
    assert results[6].summary is not None and results[-1].summary is None, "what was before the silence is forgotten"
    assert results[-1].counts.stalls == 4


def test_a_source_that_never_begins_is_silence_too() -> None:
    results = itertools.islice(Simulation([]).stream, 2)
    assert [(r.stalled, r.sequence, r.age_ms) for r in results] == [(True, 0, 500), (True, 0, 1000)]


def test_bad_frames_are_results_and_the_stream_goes_on() -> None:
    def answer(pixels: np.ndarray, size: object):
        if pixels[0, 0] == 6:
            raise InputError("a bad one")
        if pixels[0, 0] == 7:
            raise ZeroDivisionError("a bug")
        return measured(200.0)

    items = [frame(1), np.zeros((40, 40)), "frame", np.zeros((3, 3), np.uint8), InputError("torn"), frame(6), frame(7),
             np.full((32, 48), np.nan, np.float32), None, Frame(frame(8), -1.0), Frame(frame(9), float("nan")),
             frame(10)]  # fmt: skip
    run = Simulation([(n / 10, item) for n, item in enumerate(items, 1)], answer=answer, end_s=1.2)
    results = list(run.stream)
    assert len(results) == len(items)
    good = [r.sequence for r in results if r.head_circumference_mm == 200]
    assert good == [1, 12]
    for r in results[1:-1]:
        assert r.error is not None and r.measurement is None and str(r.error) in str(r.reason)
    said = " ".join(str(r.error) for r in results)
    assert all(text in said for text in ("float64", "not str", "torn", "a bad one", "ZeroDivisionError: a bug", "nan"))
    assert run.stream.counts.failed == 10 and run.stream.counts.accepted == 2


def test_frames_bring_their_own_pixel_size() -> None:
    seen: list[object] = []

    def answer(pixels: np.ndarray, size: object):
        seen.append(size)
        return measured(200.0)

    items = [frame(), Frame(frame(), 0.2), Frame(frame(), (0.2, 0.3)), Frame(frame()), frame()]
    run = Simulation([(n / 10, item) for n, item in enumerate(items)], answer=answer, end_s=0.4)
    assert all(r.error is None for r in run.stream)
    assert seen == [(0.1, 0.1), (0.2, 0.2), (0.2, 0.3), None, (0.1, 0.1)]


def test_a_pixel_size_is_not_taken_for_frames_of_another_size() -> None:
    """A probe that halves its picture doubles its pixels: 200 mm would become 100 without a word."""
    other = frame(2, (64, 96))
    items = [frame(1), other, Frame(other, 0.05), frame(3)]
    run = Simulation([(n / 10, item) for n, item in enumerate(items, 1)], end_s=0.4)
    first, changed, own, back = run.stream
    assert first.head_circumference_mm and own.head_circumference_mm
    for result in (changed, back):
        assert result.head_circumference_mm is None, "the depth may have changed in between"
        assert all(said in str(result.reason) for said in ("48x32", "96x64", "Stream.set_pixel_size()"))
        assert result.measurement is not None and result.measurement.mask.any()
        assert result.measurement.pixel_size_mm is result.measurement.interval_mm is None
    assert run.stream.counts.refused == 2 and run.stream.counts.failed == 0 and run.stream.best() is None
    run = Simulation([(0.1, frame(1)), (0.2, other)], end_s=0.2, pixel_size_mm=None)
    assert [r.error for r in run.stream] == [None, None], "without a pixel size any size will do"


def test_a_pixel_size_that_is_set_again_holds_for_the_frames_that_it_was_set_for() -> None:
    seen: list[object] = []

    def answer(pixels: np.ndarray, size: object):
        seen.append(size)
        return measured(200.0)

    sizes = [(32, 48), (64, 96), (64, 96), (64, 96), (32, 48), (32, 48)]
    run = Simulation([(n / 10, frame(n, size)) for n, size in enumerate(sizes)], answer=answer, end_s=0.5)
    results = []
    for result in run.stream:
        results.append(result)
        if result.sequence == 2:
            assert result.frame is not None
            run.stream.set_pixel_size((0.05, 0.06), result.frame.shape[:2])
        if result.sequence == 5:
            run.stream.set_pixel_size(0.1, (48, 32))  # height and width exchanged: refused, not used
    assert [r.head_circumference_mm for r in results] == [200, None, 200, 200, None, None]
    assert seen == [(0.1, 0.1), None, (0.05, 0.06), (0.05, 0.06), None, None]
    assert "frames of 96x64 pixels, and one of 48x32" in str(results[4].reason)
    assert "frames of 32x48 pixels, and one of 48x32" in str(results[5].reason)


def test_a_pixel_size_is_not_taken_for_a_frame_that_was_waiting_when_it_was_set() -> None:
    """The first measurement takes so long that the second frame, of the earlier depth, waits meanwhile."""
    seen: list[object] = []

    def answer(pixels: np.ndarray, size: object):
        seen.append(size)
        return measured(200.0)

    items = [(0.1, frame(1)), (0.15, frame(2)), (0.5, frame(3))]
    run = Simulation(items, lambda n: 0.1, answer=answer, end_s=0.5)
    for result in run.stream:
        if result.sequence == 1:
            run.stream.set_pixel_size(0.3, (32, 48))
    assert seen == [(0.1, 0.1), (0.1, 0.1), (0.3, 0.3)]


def test_a_dropped_frame_of_another_size_and_a_late_one_ask_for_the_pixel_size_too() -> None:
    items = [(0.1, frame(1)), (0.15, frame(2, (64, 96))), (0.16, frame(3))]
    run = Simulation(items, lambda n: 0.2, end_s=0.16, deadline_ms=150)
    first, last = run.stream
    assert first.late and "late" in str(first.reason)
    assert last.sequence == 3 and last.late and "one of 96x64 has arrived" in str(last.reason)
    run = Simulation([(0.1, frame(1))], end_s=0.1, pixel_size_mm=None)
    run.stream.set_pixel_size(0.2, (32, 48))
    assert [r.head_circumference_mm for r in run.stream] == [200], "it may be given first after the start"


@pytest.mark.parametrize("wrong", [(32, 48, 3), (0, 48), (32.5, 48), 32, None, "ab"])
def test_a_pixel_size_is_not_set_for_an_impossible_size(wrong: object) -> None:
    run = Simulation([])
    with pytest.raises(UsageError, match=r"frame_size is .*frame.shape\[:2\]"):
        run.stream.set_pixel_size(0.2, wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="pixel_size_mm is 0"):
        run.stream.set_pixel_size(0, (32, 48))


def test_a_changed_dtype_or_channels_mid_stream() -> None:
    colour, wide = np.zeros((32, 48, 3), np.uint8), np.zeros((32, 48), np.uint16)
    run = Simulation([(0.1, frame()), (0.2, colour), (0.3, wide), (0.4, frame())], end_s=0.4)
    assert [r.error is None for r in run.stream] == [True, True, False, True]


def test_a_source_that_ends_gives_its_last_frame_and_one_that_raises_an_error_after_it() -> None:
    broken = Simulation([(0.1, frame())], end_s=0.2, failure=OSError("usb gone"))
    results = []
    with pytest.raises(SourceError, match="OSError: usb gone") as raised:
        results.extend(broken.stream)
    assert isinstance(raised.value.__cause__, OSError)
    assert not results or len(results) == 1
    assert list(broken.stream) == [], "told once, then at its end"


def test_a_driver_may_reuse_its_memory_and_a_result_cannot_be_altered() -> None:
    buffer = frame(0)

    def source() -> Iterator[np.ndarray]:
        for n in range(1, 6):
            buffer[:] = n
            yield buffer
            buffer[:] = 255  # the driver's next picture, half written

    class Look:
        def measure(self, pixels: np.ndarray, size: object, part: object = None):
            seen.append(int(pixels.min()) if pixels.min() == pixels.max() else -1)
            return measured(float(pixels[0, 0]))

    seen: list[int] = []
    with stream(Look(), source(), 0.1) as results:  # type: ignore[arg-type]
        kept = list(results)
    assert set(seen) <= {1, 2, 3, 4, 5} and seen[-1] == 5
    shown = kept[-1].frame
    assert shown is not None and not np.shares_memory(shown, buffer)
    with pytest.raises(ValueError, match="read-only"):
        shown[0, 0] = 0
    with pytest.raises(AttributeError):
        kept[-1].late = True  # type: ignore[misc]


def test_a_source_is_an_iterable_a_generator_or_a_function() -> None:
    for source in ([frame()], iter([frame()]), (frame() for _ in range(1)), iter([frame(), None]).__next__):
        results = list(stream(Stub(), source, 0.1))  # type: ignore[arg-type]
        assert [r.head_circumference_mm for r in results] == [200]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"source": frame()}, "This source is an array"),
        ({"source": 5}, "not int"),
        ({"source": [], "pixel_size_mm": 0}, "pixel_size_mm is 0"),
        ({"source": [], "deadline_ms": 0}, "deadline_ms is 0"),
        ({"source": [], "deadline_ms": float("nan")}, "deadline_ms is nan"),
        ({"source": [], "stall_s": "soon"}, "stall_s is 'soon'"),
    ],
)
def test_wrong_calls_are_refused_at_once(call: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        stream(Stub(), **call)


@pytest.mark.parametrize(
    "wrong", [{"seconds": 0}, {"least": 1}, {"least": 99}, {"gap_s": float("nan")}, {"most_refused": 2}]
)
def test_wrong_windows_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match=f"Window.{next(iter(wrong))}"):
        Window(**wrong)


def test_events_hold_figures_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "edge_runtime"):
        list(Simulation([(0.6, frame()), (0.7, np.zeros(3))], end_s=0.7).stream)
    events = [json.loads(record.message) for record in caplog.records]
    assert [e["event"] for e in events] == ["stream_stalled", "stream_frame_failed", "stream_closed"]
    assert events[1] | {"reason": "input", "sequence": 2} == events[1]
    assert events[-1] | {"received": 2, "accepted": 1, "failed": 1, "stalls": 1} == events[-1]


def test_frames_are_replayed_at_the_probes_pace(tmp_path: Path) -> None:
    Image.fromarray(frame(9)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image")
    images = [Shot(tmp_path / "a.png"), Shot(tmp_path / "b.png")]
    started = time.monotonic()
    items = list(replay(images, lambda image: 0.5, 200, 4, 60))
    assert 0.035 <= time.monotonic() - started < 5
    assert len(items) == 8 and isinstance(items[1], InputError)
    assert isinstance(items[0], Frame) and items[0].pixel_size_mm == 0.5
    assert isinstance(next(replay(images, lambda image: 0.5, 200, 1, 60, one_size=True)), np.ndarray), (
        "the stream has it"
    )
    assert len(list(replay(images[:1], lambda image: None, 200, 1000, 0.03))) <= 7


def test_a_shipped_model_on_real_images_as_a_stream(run: Run, hc18: Path, tmp_path: Path) -> None:
    names = [f"{n:03d}_HC.png" for n in (1, 3, 5)]
    for name in names:
        (tmp_path / name).write_bytes((hc18 / "training_set" / name).read_bytes())
    (tmp_path / "001_HC_Annotation.png").write_bytes(b"not a frame")
    (tmp_path / "zz.png").write_text("not an image")
    sizes = tmp_path / "sizes.csv"
    sizes.write_text((hc18 / "training_set_pixel_size_and_HC.csv").read_text() + "zz.png,0.1,1\n")
    call = ("stream", tmp_path, "--pixel-size-csv", sizes, "--fps", 1, "--deadline-ms", 5000, "--stall-s", 5)
    call += ("--model", "edge-l")  # the smaller ones refuse 001_HC.png, a head of 56.8 mm
    done = run("edge_runtime", *call, "--json")
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr  # one file is no image
    assert [line["image"] for line in lines] == [*names, "zz.png"]
    measure = run(
        "edge_runtime", "measure", *(tmp_path / n for n in names), "--pixel-size-csv", sizes, "--json", *call[-2:]
    )
    alone = [json.loads(line)["head_circumference_mm"] for line in measure.stdout.splitlines()]
    assert [line["head_circumference_mm"] for line in lines[:3]] == alone and all(alone)
    assert lines[3]["failed"] and lines[3]["head_circumference_mm"] is None and "zz.png" in lines[3]["reason"]
    assert last["done"] and last["counts"] | {"received": 4, "accepted": 3, "failed": 1, "dropped": 0} == last["counts"]
    for bad in (("--fps", 0), ("--loop", 0), ("--deadline-ms", -1), ("--seconds", "nan")):
        done = run("edge_runtime", "stream", tmp_path, *bad)
        assert done.returncode == 2 and "Traceback" not in done.stderr, bad


def test_a_real_stream_of_phantoms_at_30_a_second() -> None:
    frames = [make_phantom(seed) for seed in range(3)]

    def probe() -> Iterator[Frame]:
        for n in range(15):
            pixels, _, size_mm = frames[n // 5]
            time.sleep(1 / 30)
            yield Frame(pixels, size_mm)

    with stream(Segmenter.load(), probe(), deadline_ms=10_000) as results:
        shown: list[StreamResult] = list(results)
        best = results.best()
    alone = [Segmenter.load().measure(f, s).head_circumference_mm for f, _, s in frames]
    assert [r.head_circumference_mm for r in shown] == [alone[(r.sequence - 1) // 5] for r in shown]
    assert results.counts.received == 15 and shown[-1].sequence == 15
    assert best is not None and best.frame.shape == (540, 800) and best.sequence > 10, "of this view, not the last one"
