"""What the last seconds say together, and when they say nothing."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import DeviceError, Frame, Window
from edge_runtime.streaming.summary import Best, Recent, rank
from tests.helpers.simulated_probe import Simulation, frame, measured


def fed(values: list[float | None], window: Window = Window(), step: float = 0.1, start: float = 0.0) -> list:  # noqa: B008
    recent = Recent(window)
    return [recent.add(start + n * step, value) for n, value in enumerate(values)]


def test_nothing_until_there_are_enough_then_median_spread_and_count() -> None:
    summaries = fed([200.0, 210.0, 190.0, 300.0, 201.0])
    assert summaries[:4] == [None] * 4
    last = summaries[4]
    assert (last.head_circumference_mm, last.spread_mm, last.frames) == (201.0, 9.0, 5), "one bad frame moves it little"
    assert last.seconds == pytest.approx(0.4) and last.refused_share == 0


@given(
    st.lists(st.none() | st.floats(50, 400), max_size=60),
    st.floats(0.2, 3), st.integers(2, 12), st.integers(0, 30), st.floats(0, 1),
)  # fmt: skip
def test_it_is_the_median_of_what_the_window_holds(
    values: list[float | None], seconds: float, least: int, more: int, most_refused: float
) -> None:
    window = Window(seconds, least + more, least, 1.0, most_refused)
    recent, kept = Recent(window), []
    for n, value in enumerate(values):
        now = n * 0.1
        found = recent.add(now, value)
        kept = [(at, hc) for at, hc in [*kept, (now, value)] if now - at <= seconds][-window.most :]
        accepted = [hc for _, hc in kept if hc is not None]
        if len(kept) >= least and 1 - len(accepted) / len(kept) > most_refused:
            kept = []
            assert found is None
        elif found is None:
            assert len(accepted) < least or now - max(at for at, hc in kept if hc is not None) > 1.0
        else:
            median = statistics.median(accepted)
            assert found.head_circumference_mm == pytest.approx(median) and found.frames == len(accepted) >= least
            assert found.spread_mm == pytest.approx(statistics.median(abs(hc - median) for hc in accepted))


def test_it_forgets_by_age_number_gap_and_refusals() -> None:
    assert fed([100.0] * 5 + [200.0] * 20, Window(seconds=1.0))[-1].head_circumference_mm == 200
    assert fed([200.0] * 100, Window(most=7))[-1].frames == 7
    recent = Recent(Window(gap_s=0.5))
    assert [recent.add(at, 200.0) is None for at in (0, 0.1, 0.2, 0.3, 0.4, 0.95, 1.0)] == [True] * 4 + [
        False,
        True,
        True,
    ]
    refusing = fed([200.0] * 6 + [None] * 8 + [200.0] * 6)
    assert refusing[6] is not None and refusing[6].refused_share == pytest.approx(1 / 7), "one refused frame is no end"
    assert refusing[12:18] == [None] * 6, "more than half were refused: it begins again"
    assert refusing[-1] is not None


def test_a_median_of_old_frames_is_not_carried_through_refusals() -> None:
    summaries = fed([200.0] * 30 + [None] * 12, Window(gap_s=1.0, most_refused=0.9))
    assert summaries[39] is not None and summaries[41] is None, "no accepted frame for longer than a gap"


def test_another_view_begins_another_series() -> None:
    def of(items: list) -> list:
        run = Simulation([(n / 10, item) for n, item in enumerate(items, 1)], end_s=len(items) / 10)
        return [r.summary is None for r in run.stream]

    first, deeper = Frame(frame(1), 0.1), Frame(frame(1), 0.2)
    assert of([first] * 6 + [deeper] * 6) == ([True] * 4 + [False] * 2) * 2
    assert of([first] * 6 + [Frame(frame(1, (64, 64)), 0.1)] * 6) == ([True] * 4 + [False] * 2) * 2
    failed = of([first] * 6 + [None])
    assert failed[-1] is False, "a failed frame counts as one refused"


def test_the_frame_to_freeze_is_the_best_accepted_one() -> None:
    good, rough = measured(200.0, ellipse_residual=0.01), measured(200.0, ellipse_residual=0.05)
    pieces, refused = measured(200.0, ellipse_residual=0.001, regions=3), measured(None, ellipse_residual=0.0)
    assert rank(good) > rank(rough) > rank(pieces) > rank(refused)
    answers = {1: rough, 2: good, 3: rough, 4: refused, 5: pieces}
    run = Simulation(
        [(n / 10, frame(n)) for n in answers], answer=lambda pixels, size: answers[int(pixels[0, 0])], end_s=0.5
    )
    assert run.stream.best() is None
    list(run.stream)
    best = run.stream.best()
    assert best is not None and best.sequence == 2 and best.measurement is good and best.frame[0, 0] == 2
    run.now += 10
    assert run.stream.best() is None, "too old"
    assert rank(replace(good, quality=replace(good.quality, border_contact=0.2))) < rank(good)
    assert rank(replace(rough, interval_mm=(198.0, 202.0))) > rank(replace(good, interval_mm=(190.0, 210.0)))
    assert rank(replace(good, caution="less certain")) < rank(rough)


def test_nothing_that_a_broken_device_measured_is_kept() -> None:
    def answer(pixels: object, size: object):
        if run.now > 0.75:
            raise DeviceError("the canary failed")
        return measured(200.0)

    run = Simulation([(n / 10, frame(n)) for n in range(1, 9)], answer=answer, end_s=0.8)
    *before, last = run.stream
    assert before[-1].summary is not None and last.error is not None
    assert last.summary is None and run.stream.best() is None


@given(st.lists(st.tuples(st.floats(0.001, 0.9), st.integers(0, 5)), min_size=1, max_size=80))
def test_the_best_is_fresh_and_no_better_one_of_the_running_half_is_missed(offers: list[tuple[float, int]]) -> None:
    best: Best[tuple[float, int]] = Best(2.0)
    now, seen = 0.0, []
    for pause, score in offers:
        now += pause
        best.add(now, (float(score),), (now, score))
        seen.append((now, score))
        assert len(best._kept) <= 2, "however many came"
        found = best.get(now)
        assert found is not None and found in seen and now - found[0] <= 2.0
        half = [s for at, s in seen if at // 1.0 == now // 1.0]
        assert found[1] >= max(half)
