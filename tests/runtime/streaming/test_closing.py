"""How a stream ends: every way of leaving it, sources that block or raise, and other threads."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge_runtime import InputError, SourceError, UsageError, stream
from edge_runtime.streaming.slot import Slot, fill
from tests.helpers.simulated_probe import Simulation, Stub, frame, measured


def endless(closed: threading.Event) -> Iterator[np.ndarray]:
    try:
        for n in itertools.count():
            time.sleep(0.001)
            yield frame(n)
    finally:
        closed.set()


@pytest.mark.parametrize("way", ["with", "close", "break", "raise", "unused"])
def test_however_it_is_left_the_thread_ends_and_the_generator_is_closed(way: str) -> None:
    closed = threading.Event()
    if way == "with":
        with stream(Stub(), endless(closed)) as results:  # type: ignore[arg-type]
            next(results)
        assert list(results) == []
    elif way == "close":
        results = stream(Stub(), endless(closed))  # type: ignore[arg-type]
        next(results)
        assert results.close() is True and results.close() is True and closed.is_set()
        with pytest.raises(StopIteration):
            next(results)
    elif way == "break":
        for _ in stream(Stub(), endless(closed)):  # type: ignore[arg-type]
            break
    elif way == "raise":
        with pytest.raises(KeyboardInterrupt), stream(Stub(), endless(closed)) as results:  # type: ignore[arg-type]
            for _ in results:
                raise KeyboardInterrupt
    else:
        stream(Stub(), endless(closed))  # type: ignore[arg-type]
    gc.collect()
    assert closed.wait(2)


def test_results_that_are_kept_do_not_keep_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = threading.Event()

    class Raises:
        def measure(self, pixels: np.ndarray, size: object, part: object = None):
            raise InputError("no")

    kept = []
    for result in stream(Raises(), endless(closed)):  # type: ignore[arg-type]
        kept.append(result)
        break
    assert closed.wait(2) and kept[0].error is not None


def test_a_source_that_blocks_for_ever_stalls_and_does_not_hold_up_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.streaming.stream.CLOSE_S", 0.02)
    release = threading.Event()

    def source() -> np.ndarray | None:
        release.wait(10)
        return frame()

    results = stream(Stub(), source, 0.1, stall_s=0.01)  # type: ignore[arg-type]
    assert next(results).stalled
    assert results.close() is False, "still blocked, and said"
    (reader,) = [t for t in threading.enumerate() if t.name == "edge_runtime.stream"]
    assert reader.daemon
    release.set()  # as closing the driver does
    reader.join(1)
    assert results.close() is True and results.counts.received == 0, "nothing is taken after the end"


def test_closing_from_another_thread_wakes_who_waits() -> None:
    never = threading.Event()
    results = stream(Stub(), lambda: never.wait(10) or None, stall_s=60)  # type: ignore[arg-type, return-value]
    threading.Timer(0.02, lambda: (never.set(), results.close())).start()
    started = time.monotonic()
    assert list(results) == [] and time.monotonic() - started < 5


def test_a_frame_measured_while_the_stream_is_closed_gives_no_result() -> None:
    run = Simulation([(0.1, frame())], answer=lambda pixels, size: (run.stream.close(), measured(200.0))[1])
    assert list(run.stream) == [] and run.stream.counts.accepted == 1


def test_whatever_ends_the_reader_reaches_the_screen() -> None:
    def source() -> Iterator[np.ndarray]:
        yield frame()
        raise SystemExit(3)

    results = stream(Stub(), source(), 0.1)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="SystemExit"):
        list(results)

    def clumsy() -> Iterator[np.ndarray]:
        try:
            yield frame()
            yield frame()
        finally:
            raise OSError("driver's own clean-up")

    slot, frames = Slot(), clumsy()
    slot.close()
    fill(slot, frames)  # does not raise


def test_a_second_thread_that_iterates_is_told_so_and_the_first_goes_on() -> None:
    go, told = threading.Event(), []

    def source() -> Iterator[np.ndarray]:
        yield frame(1)
        go.wait(10)
        yield frame(2)

    with stream(Stub(), source(), stall_s=60) as results:  # type: ignore[arg-type]
        assert next(results).sequence == 1
        first = threading.Thread(target=lambda: told.append(next(results).sequence))
        first.start()
        while not results._iterating.locked():
            time.sleep(0.001)
        with pytest.raises(UsageError, match="Another thread is iterating"):
            next(results)
        go.set()
        first.join(10)
    assert told == [2]
