"""The soak sees what it is there to see: memory that grows, answers that change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import soak
from benchmarks.__main__ import main
from edge_runtime import FetalHeadError, InputError, Segmenter

EVERY_KIND = (0, 8, 12, 13, 14, 16, 18, 19)
"""A phantom, in colour, without a pixel size; black, noise; float, too small, an impossible pixel size."""


@pytest.fixture(scope="module")
def cases() -> list[soak.Case]:
    made = soak.make_cases()
    return [made[i] for i in EVERY_KIND]


@pytest.fixture(autouse=True)
def short(cases: list[soak.Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "make_cases", lambda: cases)
    monkeypatch.setattr(soak, "WARMUP_CYCLES", 2)
    monkeypatch.setattr(soak, "TRACED_CYCLES", 2)


@pytest.mark.parametrize("way", soak.WAYS)
def test_frames_are_run_recorded_and_drawn(way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, figure = tmp_path / "soak.json", tmp_path / "soak.svg"
    assert main(["soak", "--frames", "20", "--way", way, "--out", str(out), "--figure", str(figure)]) == 0
    told = capsys.readouterr().out
    assert "MB resident" in told and "goal: resident memory rises by less than 1 MB over 24 frames" in told
    document = json.loads(out.read_text())
    record = document["record"]
    assert record["frames"] == 24 and [row[0] for row in record["rows"]] == [0, 8, 16, 24]
    assert record["differing_answers"] == 0 and record["cycle"] == {"cases": 8, "accepted": 2, "errors": 3}
    for row in record["rows"][1:]:
        _, rss, p50, p90, p99, most = row
        assert rss > 10e6 and 0 < p50 <= p90 <= p99 <= most
    assert document["python"]["frames"] == 16 and document["python"]["peak_bytes"] > 540 * 800
    again = tmp_path / "again.svg"
    assert main(["soak", "--draw", str(out), "--figure", str(again)]) == 0
    assert again.read_bytes() == figure.read_bytes()


def test_both_ways_give_the_same_answers() -> None:
    segmenter, cases = Segmenter.load(), soak.make_cases()
    answers = [[soak._answer(way(segmenter)(case)) for case in cases] for way in soak.WAYS.values()]
    assert answers[0] == answers[1]
    reasons = {reason for hc, reason in answers[0] if hc is None}
    assert {"error: InputError", "error: UsageError", "no pixel size was given"} <= reasons


def test_a_leak_and_a_changed_answer_are_seen() -> None:
    kept: list[np.ndarray] = []

    def leaky(case: soak.Case) -> FetalHeadError:
        kept.append(np.full(1_000_000, len(kept) % 255 + 1, np.uint8))
        return InputError("no") if len(kept) != 20 else FetalHeadError("another")

    record = soak.soak(leaky, soak.make_cases(), 40)
    assert record["differing_answers"] == 1
    assert 35e6 < soak.summarize(record)["rise_bytes"] < 60e6
    assert soak.trace(leaky, soak.make_cases(), 2)["growth_bytes"] > 16e6
    assert soak.trace(lambda case: InputError("no"), soak.make_cases(), 2)["growth_bytes"] < 100_000


def test_wrong_calls(tmp_path: Path) -> None:
    for call in (["--frames", "0"], ["--model", "no.tflite"], ["--draw", str(tmp_path / "no.json")]):
        with pytest.raises(FetalHeadError) as raised:
            main(["soak", *call])
        assert raised.value.exit_code == 2
