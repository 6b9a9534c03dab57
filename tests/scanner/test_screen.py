"""What is said of a result: a number only where there is one, and words without figures or names elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edge_runtime import DeviceError, Frame, InputError, Segmenter, StreamResult, stream
from examples.scanner.screen import TOO_SLOW, Screen, in_words, measured, message_of
from train.data.phantom import make_phantom

PIXELS, _, PIXEL_SIZE_MM = make_phantom(3)
NO_HEAD = np.random.default_rng(0).integers(0, 255, PIXELS.shape, np.uint8)
TINY = np.random.default_rng(0).integers(15, 31, (508, 768)).astype(np.uint8)
TINY[200:240, 300:360] = Image.fromarray(PIXELS).resize((60, 40))


@pytest.fixture(scope="module")
def results() -> dict[str, StreamResult]:
    """A result of each kind, from a stream."""

    def one(item: object, **options: float) -> StreamResult:
        with stream(Segmenter.load(), iter([item]), **{"deadline_ms": 60_000, **options}) as given:
            return next(given)

    def silence() -> Iterator[Frame]:
        import time

        time.sleep(0.3)
        yield Frame(PIXELS)

    with stream(Segmenter.load(), iter([PIXELS, PIXELS[:400]]), 0.2, deadline_ms=60_000) as given:
        *_, other_size = given
    with stream(Segmenter.load(), silence(), stall_s=0.05) as given:
        stalled = next(given)
    head = Frame(PIXELS, PIXEL_SIZE_MM)
    return {
        "head": one(head),
        "late": one(head, deadline_ms=1e-6),
        "stalled": stalled,
        "no head": one(Frame(NO_HEAD, PIXEL_SIZE_MM)),
        "tiny head": one(Frame(TINY, PIXEL_SIZE_MM)),
        "no pixel size": one(Frame(PIXELS)),
        "impossible pixel size": one(Frame(PIXELS, 0.01)),
        "other size": other_size,
        "unreadable": one(InputError("SMITH_JANE_1987.png cannot be read")),
        "faulty": replace(one(InputError("x")), error=DeviceError("This device computes wrongly.")),
    }


def test_a_head_has_its_number_interval_outline_age_and_caution(results: dict[str, StreamResult]) -> None:
    message = message_of(results["head"], None)
    measurement = results["head"].measurement
    assert measurement and measurement.interval_mm and measurement.ellipse
    assert message["title"] == f"HC {measurement.head_circumference_mm:.0f} mm"
    assert message["text"] == "90% interval {:.0f} to {:.0f} mm".format(*measurement.interval_mm)
    assert message["caution"].startswith("CAUTION: not validated") and "distance" not in message["caution"]
    assert message["age"] == "age by HC alone 25 w 0 d ± 2 w 0 d"
    assert message["ellipse"][:2] == (measurement.ellipse.center_x, measurement.ellipse.center_y)
    assert "no dates" in message["growth"] and message["mark"][0] < 0  # left of the chart


@pytest.mark.parametrize(
    ("hc_mm", "said"),
    [(219.1, "percentile 50"), (229.7, "percentile 90"), (202.0, "below percentile 3"), (236.0, "above percentile 97")],
)
def test_the_percentile_is_told_for_an_age_by_dates(results: dict[str, StreamResult], hc_mm: float, said: str) -> None:
    assert results["head"].measurement
    message = measured(results["head"].measurement, hc_mm, 24.0)  # the percentiles are of INTERGROWTH-21st's table
    assert message["growth"] == f"{said} at 24 w 0 d" and 0 < message["mark"][0] < 300


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("late", "TOO SLOW"), ("stalled", "NO SIGNAL"), ("no head", "NOT MEASURED"), ("tiny head", "NOT MEASURED"),
        ("no pixel size", "NOT MEASURED"), ("impossible pixel size", "NOT MEASURED"), ("other size", "NOT MEASURED"),
        ("unreadable", "NOT MEASURED"), ("faulty", "FAULT"),
    ],
)  # fmt: skip
def test_what_is_refused_has_words_and_no_figure(results: dict[str, StreamResult], kind: str, title: str) -> None:
    message = message_of(results[kind], 24.0)
    assert message.keys() == {"state", "title", "text"} and message["title"] == title and message["text"]
    assert not any(c.isdigit() for c in message["title"] + message["text"])
    assert "SMITH" not in message["text"] and "Stream." not in message["text"]


def test_weeks_are_told_with_days() -> None:
    assert [in_words(w) for w in (24 + 3 / 7, 13.999, 20.0)] == ["24 w 3 d", "14 w 0 d", "20 w 0 d"]


def test_a_number_is_taken_back_when_nothing_follows_it(results: dict[str, StreamResult]) -> None:
    screen = Screen(None)
    screen.show(results["head"])
    number, message = screen.after(0)
    assert message["title"].startswith("HC") and message["picture"] == f"frames/{number}"
    assert screen.after(number) == (number, TOO_SLOW)
    screen.show(results["no head"])
    number, message = screen.after(number)
    assert message["title"] == "NOT MEASURED" and screen.after(number)[1] == message


def test_the_best_frame_is_none_without_a_head() -> None:
    assert Screen(None).best() is None
