"""``python -m benchmarks overhead``: that it measures what it says and judges by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.runtime.overhead import find_frames, load, start_ms
from benchmarks.runtime.overhead_document import AROUND, Overhead, goals, read_overhead
from edge_runtime import Segmenter
from edge_runtime.quality.limits import read_limits
from edge_runtime.shipped import DEFAULT_MODEL
from edge_runtime.stages import STEPS, run_stages
from tests.helpers.places import Run


def test_the_command_measures_the_shipped_model(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "overhead.json"
    few = ("--data", "phantom", "--frames", 1, "--rounds", 2, "--processes", 1)
    done = run("benchmarks", "overhead", *few, "--out", out)
    assert done.returncode == 0 and done.stderr == ""
    found = json.loads(out.read_text())
    (row,) = found["artifacts"]
    assert row["artifact"] == DEFAULT_MODEL.stem and set(row["step_ms"]) == set(AROUND)
    assert all(v > 0 for v in row["step_ms"].values()) and row["invoke_ms"] > 0.1  # not seconds
    # two rounds: the median of sums is the sum of medians
    assert row["around_ms"] == pytest.approx(sum(row["step_ms"].values()))
    steps = read_overhead(out).artifacts[0].fresh
    assert row["start_ms"] == pytest.approx(start_ms(steps)) and row["start_ms"] > steps["import numpy"].ms > 1
    assert 3e7 < row["peak_memory_bytes"] < 2e8
    for verdict in found["goals"]:
        word = "met" if verdict["value"] <= verdict["at_most"] else "MISSED"
        assert f"goal: {verdict['goal']}, at most {verdict['at_most']:g}: {verdict['value']:.3g}, {word}" in done.stdout
    assert str(tmp_path.parent) not in out.read_text()


def test_measure_and_the_steps_are_one_pipeline() -> None:
    title, frames = find_frames("phantom", 1)
    assert title == "phantom"
    network, manifest = load(DEFAULT_MODEL)
    limits = read_limits(manifest.quality)
    stages = run_stages(network, manifest, frames[0], (0.1, 0.1), limits)
    assert tuple(stages.step_ms) == STEPS and min(stages.step_ms.values()) > 0
    measured = Segmenter.load().measure(frames[0], 0.1)
    assert stages.verdict.head_circumference_mm == measured.head_circumference_mm is not None
    assert stages.verdict.quality == measured.quality and np.array_equal(stages.head.mask, measured.mask)
    other = run_stages(network, manifest, frames[0], (0.1, 0.1), limits, answer=np.full(manifest.size, -9, np.float32))
    assert other.verdict.reason == "no head found" and tuple(other.step_ms) == (
        "prepare",
        "invoke",
        "logits",
        "region",
        "quality",
    )


def row(**values: Any) -> Overhead:
    plain: dict[str, Any] = {
        "artifact": "a", "model_sha256": "", "input_size": (160, 240), "is_the_papers_network": False,
        "step_ms": {"prepare": 0.1, "logits": 0.1},
        "invoke_ms": 10.0, "around_ms": 1.0, "around_p90_ms": 1.0, "around_min_ms": 1.0, "fresh": {},
        "start_ms": 90.0, "peak_memory_bytes": 7e7,
    }  # fmt: skip
    return Overhead(**{**plain, **values})


def test_goals_are_met_up_to_their_limit_and_missed_above() -> None:
    def met(*rows: Overhead) -> list[bool]:
        return [goal.met for goal in goals(rows)]

    assert met(row()) == [True] * 5
    assert met(row(around_ms=6.1)) == [False, True, True, True, True]  # 16.1 over 10 ms
    assert met(row(step_ms={"prepare": 0.2, "logits": 0.21})) == [True, True, False, True, True]
    assert met(row(start_ms=91.0, peak_memory_bytes=7.01e7)) == [True, True, True, False, False]
    papers = row(artifact="paper's", is_the_papers_network=True, around_ms=1.51, start_ms=1000.0)
    assert met(row(), papers) == [True] * 5 + [False]


@pytest.mark.parametrize("wrong", [("--rounds", 0), ("no-such.tflite",), ("--data", "no-such-folder")])
def test_a_wrong_call_ends_with_2_and_a_word(run: Run, wrong: tuple[object, ...]) -> None:
    done = run("benchmarks", "overhead", *wrong)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "error: " in done.stderr.splitlines()[-1]
