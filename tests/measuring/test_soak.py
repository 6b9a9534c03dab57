"""The soak sees what it is there to see: memory that grows, answers that change."""

from __future__ import annotations

import json
import mmap
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.commands import soak as command
from benchmarks.runtime import link_soak, soak
from benchmarks.runtime.soak_frames import WAYS, SoakFrame, make_cases
from edge_runtime import FetalHeadError, InputError, Segmenter, UsageError

EVERY_KIND = (0, 8, 12, 13, 14, 16, 18, 19)
"""A phantom, in colour, without a pixel size; black, noise; float, too small, an impossible pixel size."""


@pytest.fixture(scope="module")
def cases() -> list[SoakFrame]:
    made = make_cases()
    return [made[i] for i in EVERY_KIND]


@pytest.fixture(autouse=True)
def short(cases: list[SoakFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "make_cases", lambda: cases)
    monkeypatch.setattr(soak, "WARMUP_CYCLES", 2)
    monkeypatch.setattr(soak, "TRACED_CYCLES", 2)


@pytest.mark.parametrize("way", WAYS)
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


def test_both_ways_give_the_same_answers(cases: list[SoakFrame]) -> None:
    segmenter = Segmenter.load()
    answers = [[soak._answer(way(segmenter)(case)) for case in cases] for way in WAYS.values()]
    assert answers[0] == answers[1]
    reasons = {reason for hc, reason in answers[0] if hc is None}
    assert {"error: InputError", "error: UsageError", "no pixel size was given"} <= reasons


def test_a_leak_and_a_changed_answer_are_seen(cases: list[SoakFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[np.ndarray] = []

    def leaky(case: SoakFrame) -> FetalHeadError:
        kept.append(np.ones(100_000, np.uint8))
        return InputError("no") if len(kept) != 20 else FetalHeadError("another")

    monkeypatch.setattr(soak, "rss_bytes", lambda: 50_000_000 + sum(array.nbytes for array in kept))
    record = soak.soak(leaky, cases, 40)
    summary = soak.summarize(record)
    assert record.differing_answers == 1
    assert summary.rise_bytes == summary.most_rise_bytes == 4_000_000
    assert summary.slope_bytes_per_100000_frames == pytest.approx(100_000 * 100_000)
    assert soak.trace(leaky, cases, 2).growth_bytes >= 16 * 100_000
    assert soak.trace(lambda case: InputError("no"), cases, 2).growth_bytes < 100_000


def test_resident_memory_is_that_of_this_process() -> None:
    before = soak.rss_bytes()
    pages = 64_000_000 // mmap.PAGESIZE
    with mmap.mmap(-1, pages * mmap.PAGESIZE) as block:  # from the kernel: malloc may have as much to give again
        block[:: mmap.PAGESIZE] = bytes(pages)
        assert 60e6 < soak.rss_bytes() - before < 80e6
    assert soak.rss_bytes() - before < 20e6


def test_wrong_calls(tmp_path: Path) -> None:
    for call in (["--model", "no.tflite"], ["--draw", str(tmp_path / "no.json")]):
        with pytest.raises(FetalHeadError) as raised:
            main(["soak", *call])
        assert raised.value.exit_code == 2
    with pytest.raises(SystemExit, match="2"):
        main(["soak", "--frames", "0"])


def test_a_link_does_not_grow_while_more_images_arrive_than_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(link_soak.soak_link, "__defaults__", (2.0, link_soak.FPS))
    out = tmp_path / "link.json"
    assert main(["soak", "--link", "5", "--out", str(out)]) == 0
    assert "goal: resident memory rises by less than 1 MB over" in capsys.readouterr().out
    document = json.loads(out.read_text())
    counts = document["counts"]
    assert counts["accepted"] > 0 < counts["failed"] and counts["received"] > 60
    assert counts["received"] - sum(counts[name] for name in ("dropped", "failed", "accepted", "refused")) in (0, 1)
    assert len(document["rows"]) >= 5
    # one kept frame of 0.4 MB in each of these seconds would be seen; the allocator's own steps are smaller
    assert document["most_rise_bytes"] < 2e6
    with pytest.raises(UsageError, match="--figure draws"):
        main(["soak", "--link", "5", "--figure", str(tmp_path / "a.svg")])
