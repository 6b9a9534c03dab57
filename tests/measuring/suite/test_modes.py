"""The modes of run: what each measures, what it says of it, and what keeps a result from being official."""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.__main__ import build_parser, main
from benchmarks.common.intervals import mean_interval, spread, t95
from benchmarks.frames.pack import PHANTOM
from benchmarks.machine import state
from benchmarks.machine.energy import Meter
from benchmarks.machine.state import State
from benchmarks.machine.watch import Reading
from benchmarks.suite import latency, run
from benchmarks.suite.arguments import plan_of
from benchmarks.suite.artifacts import Artifact
from benchmarks.suite.document import SuiteDocument, load_document
from benchmarks.suite.modes import MODES, OFFICIAL_FRAMES, OFFICIAL_SECONDS, shortfall
from benchmarks.suite.pooled import Speed, Turn, pool
from benchmarks.suite.run import published
from benchmarks.suite.sustained import summarize, sustained_text
from benchmarks.suite.worker import Timed
from edge_runtime.errors import FetalHeadError, UsageError
from edge_runtime.stages import STEPS
from edge_runtime.timing.bench import Condition
from tests.helpers.tiny_model import make_artifact


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    for recipe in ("float32", "full_int8"):
        make_artifact(folder, recipe, of_phantoms=True)  # type: ignore[arg-type]
    return folder


def measured(artifacts: Path, out: Path, *arguments: str) -> SuiteDocument:
    call = ["run", str(artifacts), "--frame-set", str(PHANTOM), "--warmup", "1", "--cooldown", "0", *arguments]
    assert main([*call, "--out", str(out)]) == 0
    return load_document(out)


def plan(*arguments: str) -> Any:
    return plan_of(build_parser().parse_args(["run", *arguments]))


def test_official_asks_for_enough_frames_and_seconds_in_several_rounds() -> None:
    official = plan("--mode", "official")
    assert official.rounds * official.frames >= OFFICIAL_FRAMES == 1024
    assert official.rounds * official.seconds >= OFFICIAL_SECONDS == 60
    assert official.rounds >= 3 and official.shuffled and official.cooldown_s > 0 and official.warmup > 0
    assert plan() == MODES["quick"] and plan().seconds == 0 and not plan().shuffled
    assert plan("--mode", "sustained").seconds == 600 and plan("--mode", "sustained", "--minutes", "0.5").seconds == 30
    assert plan("--mode", "official", "--rounds", "7", "--cooldown", "0").rounds == 7
    with pytest.raises(UsageError, match="one long round"):
        plan("--mode", "sustained", "--rounds", "2")


def test_what_an_official_result_lacks() -> None:
    official = MODES["official"]
    assert shortfall(1024, 60.0, 2, official) is None and shortfall(1024, 60.0, 1, official) == "one round alone"
    assert shortfall(1023, 60.0, 5, official) == "1,023 of 1,024 frames"
    assert shortfall(10, 59.9, 5, official) == "10 of 1,024 frames and 59.9 of 60 s"
    at_once = replace(official, warmup=0, cooldown_s=0)
    assert shortfall(1024, 60.0, 5, at_once) == "no warm-up and no pause before it"


def test_an_official_run_is_whole_and_says_that_a_short_one_is_not_official(
    artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--mode", "official", "--frames", "4", "--seconds", "0.05", "--rounds", "4", "--seed", "3")
    document = measured(artifacts, tmp_path / "r.json", *few)
    conditions = document.conditions
    assert (conditions.mode, conditions.rounds, conditions.seconds, conditions.seed) == ("official", 4, 0.05, 3)
    assert conditions.load_before and conditions.load_after and conditions.frame_set_sha256
    assert conditions.shortfalls and set(conditions.shortfalls) == {"tiny-float32", "tiny-full_int8"}
    dice, names = random.Random(3), ["tiny-float32", "tiny-full_int8"]
    for of_round in conditions.order or ():
        expected = list(names)
        dice.shuffle(expected)
        assert of_round == tuple(expected)
    assert len(set(conditions.order or ())) == 2, "four rounds of seed 3 have both orders"
    for result in document.results:
        rounds = result.rounds or ()
        assert result.latency_ms and result.latency_ms.total.max and result.mean_ms and result.steps_ms
        assert result.latency_ms.total.p99 <= result.latency_ms.total.max
        assert set(result.steps_ms) == set(STEPS), "each step of a frame has its own figures"
        assert len(rounds) == 4 and all((one.frames or 0) >= 4 and (one.seconds or 0) >= 0.05 for one in rounds)
        assert result.timed_frames == sum(one.frames or 0 for one in rounds)
        assert result.frames_per_s == pytest.approx((result.timed_frames or 0) / (result.timed_seconds or 1))
        means = [one.total_mean_ms or 0 for one in rounds]
        assert result.mean_ms.value == pytest.approx(np.mean(means), rel=1e-5)
        assert (result.mean_ms.low or 0) <= result.mean_ms.value <= (result.mean_ms.high or 0)
        medians = [one.total_p50_ms for one in rounds]
        assert result.rounds_apart == pytest.approx(max(medians) / min(medians) - 1, abs=1e-4)  # medians are rounded
        assert result.unstable == (result.rounds_apart > 0.05)
        whole = sum(found.mean for found in result.steps_ms.values())
        assert whole == pytest.approx(result.latency_ms.total.mean, rel=0.01), "every frame reaches every step"
    printed = capsys.readouterr().out
    assert "not official: tiny-float32 has" in printed and "quality ms" in printed and "frames/s" in printed
    assert (
        document.profile
        and document.profile.artifact
        == max(document.results, key=lambda r: r.latency_ms.total.p50 if r.latency_ms else 0).artifact
    )


def test_the_profile_is_held_to_ceilings_of_the_same_run(
    artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--frames", "2", "--rounds", "1")
    found = measured(artifacts / "tiny-full_int8.tflite", tmp_path / "r.json", *few).profile
    assert found and found.arithmetic == "int8" and found.threads == 1
    ceilings = found.ceilings
    assert min(ceilings.int8_gmac_s, ceilings.float32_gmac_s, ceilings.memory_gb_s) > 0 and "numpy" in ceilings.how
    height, width = 96, 144
    convolutions = [operator for operator in found.operators if operator.kind == "CONV_2D"]
    assert [operator.macs for operator in convolutions] == [height * width * 2 * 9, height * width * 2]
    assert convolutions[1].moved_bytes > height * width * 3, "two channels in, one out, and the weights"
    for operator in found.operators:
        times = {
            "arithmetic": operator.macs / ceilings.int8_gmac_s / 1e6,
            "memory": operator.moved_bytes / ceilings.memory_gb_s / 1e6,
        }
        assert operator.bound_ms == pytest.approx(max(times.values()))
        assert times[operator.bound_by] == pytest.approx(operator.bound_ms)
        if operator.ms:
            assert operator.share == pytest.approx(operator.bound_ms / operator.ms)
    assert found.share == pytest.approx(sum(o.bound_ms for o in found.operators) / found.whole_ms)
    assert "ceilings:" in capsys.readouterr().out


def test_without_litert_there_is_no_profile_and_a_reason(
    artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> None:
        raise FetalHeadError("This needs the package 'ai-edge-litert'.")

    monkeypatch.setattr(run, "profile", missing)
    few = ("--frames", "2", "--rounds", "1")
    document = measured(artifacts / "tiny-full_int8.tflite", tmp_path / "r.json", *few)
    assert document.profile is None and "ai-edge-litert" in (document.profile_reason or "")
    assert "operators: not measured. This needs" in capsys.readouterr().out


def test_a_quick_run_keeps_the_order_and_has_no_profile_where_none_is_wanted(artifacts: Path, tmp_path: Path) -> None:
    document = measured(artifacts, tmp_path / "r.json", "--frames", "2", "--rounds", "1", "--profile", "none")
    assert document.profile is None and document.conditions.seed is None
    assert document.conditions.order == (("tiny-float32", "tiny-full_int8"),)
    for result in document.results:
        assert result.rounds_apart is None and result.unstable is None, "one round cannot tell"
        assert result.mean_ms and result.mean_ms.low is None and result.sustained is None


def test_a_sustained_run_keeps_latency_over_time(
    artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "SYS", tmp_path / "no such folder")  # a board without temperature and frequency files
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ("--mode", "sustained", "--minutes", "0.05")
    document = measured(artifacts / "tiny-full_int8.tflite", tmp_path / "r.json", *arguments)
    (result,) = document.results
    assert result.sustained and result.timed_seconds and result.timed_seconds >= 3
    points = result.sustained.points
    assert [point.start_s for point in points] == pytest.approx([0, 1, 2], abs=0.01)
    assert sum(point.frames for point in points) == result.timed_frames
    assert all(0 < point.p50_ms <= point.p90_ms <= point.max_ms for point in points)
    assert all(point.temperature_c is None and point.frequency_mhz is None for point in points)
    assert result.energy is None and "does not tell its energy" in (result.energy_reason or "")
    assert {"clock", "temperature"} <= set(document.conditions.not_told or ())
    printed = capsys.readouterr().out
    assert "it does not tell its clock, temperature" in printed and "temperature unknown" in printed


def test_joules_a_frame_come_from_the_meter(artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "find_meter", lambda: Meter("a stand-in", "W", lambda: 4.0))
    few = ("--seconds", "2.1", "--rounds", "1")
    document = measured(artifacts / "tiny-full_int8.tflite", tmp_path / "r.json", *few)
    (result,) = document.results
    assert result.energy and result.energy.source == "a stand-in" and result.energy_reason is None
    assert result.energy.watts == pytest.approx(4)
    assert result.energy.joules_per_frame == pytest.approx(4 / (result.frames_per_s or 0), rel=1e-6)
    assert (result.rounds or ())[0].joules_per_frame == pytest.approx(result.energy.joules_per_frame)


def test_rounds_too_short_for_energy_say_so(artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "find_meter", lambda: Meter("a stand-in", "W", lambda: 4.0))
    document = measured(artifacts / "tiny-full_int8.tflite", tmp_path / "r.json", "--frames", "2", "--rounds", "1")
    assert document.results[0].energy is None and "shorter than 2 s" in (document.results[0].energy_reason or "")


def test_artifacts_cool_down_in_between_and_one_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three artifacts, two rounds; the second artifact cannot be run."""
    done: list[str] = []

    def measure(artifact: Artifact, *_: object) -> Turn:
        done.append(artifact.name)
        if artifact.name == "b":
            raise FetalHeadError("it broke")
        steps = np.full((4, len(STEPS)), 2.0, np.float32)
        timed = Timed("ai-edge-litert", (1, 1), 1, 2, 3, 0.0, 0.05, None, Condition(None, None, None))
        return Turn(timed, np.arange(4, dtype=np.float32), steps, ())

    monkeypatch.setattr(latency, "_measure", measure)
    monkeypatch.setattr(latency.time, "sleep", lambda seconds: done.append(f"{seconds:g} s"))
    found = latency.measure_rounds(
        [Artifact(Path(f"{name}.tflite"), None) for name in "abc"], [], plan("--cooldown", "7", "--rounds", "2")
    )
    assert done == ["a", "7 s", "b", "7 s", "c", "7 s", "a", "7 s", "c"]
    assert found.order == (("a", "b", "c"), ("a", "c")) and found.by_name["b"] == "it broke"
    speed = found.by_name["a"]
    assert isinstance(speed, Speed) and speed.latency_ms.total.p50 == 2 * len(STEPS) and speed.timed_frames == 8
    assert speed.frames_per_s == pytest.approx(8 / 0.1) and speed.unstable is False


def test_a_step_that_no_frame_reached_has_no_figures() -> None:
    steps = np.full((4, len(STEPS)), 2.0, np.float32)
    steps[:, STEPS.index("ellipse")] = np.nan
    steps[0, STEPS.index("region")] = np.nan
    timed = Timed("ai-edge-litert", (1, 1), 1, 2, 3, 0.0, 1.0, 5, Condition(None, None, None))
    speed = pool([Turn(timed, np.arange(4, dtype=np.float32), steps, ())], "no meter", timeline=False)
    assert "ellipse" not in speed.steps_ms and speed.steps_ms["region"].p50 == 2
    assert speed.latency_ms.total.max == 2 * (len(STEPS) - 1) and speed.energy_reason == "no meter"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--minutes", "1"), "--minutes is for --mode sustained"),
        (("--mode", "sustained", "--minutes", "1", "--seconds", "5"), "Give one of them"),
    ],
)
def test_options_that_contradict_each_other_are_a_wrong_call(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan(*arguments)


def under_load(clocks: list[float | None], flags: str | None = None, slower: float = 1.0) -> Any:
    """Ten seconds of ten frames each, with a reading in each second."""
    at = np.arange(100, dtype=np.float32) / 10
    total = np.linspace(10, 10 * slower, 100).astype(np.float32)
    readings = [Reading(1000.5 + i, State(clock, 50.0 + i, flags), None) for i, clock in enumerate(clocks)]
    return summarize(at, total, 10.0, readings, 1000.0)


def test_a_lower_clock_is_throttling() -> None:
    found = under_load([2400.0] * 5 + [1500.0] * 5, slower=1.5)
    assert found.throttled is True and any("from 2400 to 1500 MHz" in text for text in found.findings)
    assert found.slowdown == pytest.approx(0.4, abs=0.02) and any("slower" in text for text in found.findings)
    assert [point.frames for point in found.points] == [10] * 10
    assert [point.temperature_c for point in found.points] == [50.0 + i for i in range(10)]
    assert "throttled" in sustained_text("it", found) and "59.0 degrees" in sustained_text("it", found)


def test_the_firmwares_word_is_throttling_but_not_what_was_long_ago() -> None:
    assert under_load([2400.0] * 10, flags="0x4").throttled is True
    before = under_load([2400.0] * 10, flags="0x50000")
    assert before.throttled is False and not before.findings


def test_throttling_between_readings_and_in_the_middle_is_not_missed() -> None:
    def run(flags: list[str], clocks: list[float], slow: float = 1.0) -> Any:
        at = np.arange(100, dtype=np.float32) / 10
        total = np.where((at >= 3) & (at < 7), 10 * slow, 10).astype(np.float32)
        state = [State(clock, None, flag) for clock, flag in zip(clocks, flags, strict=True)]
        return summarize(at, total, 10.0, [Reading(1000.1 + i / 10, s, None) for i, s in enumerate(state)], 1000.0)

    steady = [2400.0] * 100
    for middle in ("0x4", "0x40000"):  # of the moment, or of any time since the start
        flags = ["0x0"] * 100
        flags[33] = middle
        found = run(flags, steady)
        assert found.throttled and found.findings == ("the firmware says: throttled",)
        assert [point.throttled for point in found.points].count(middle) == 1
    dip = run(["0x0"] * 100, [2400.0] * 30 + [600.0] * 40 + [2400.0] * 30, slow=4)
    assert dip.throttled and dip.slowdown == pytest.approx(0) and "from 2400 to 600 MHz" in dip.findings[1]
    assert dip.findings[0] == "frames became slower: median 10.00 ms at first, 40.00 ms from 3 s on, 10.00 ms at last"


def test_a_device_that_tells_nothing_is_slower_but_not_called_throttled() -> None:
    found = under_load([None] * 10, slower=1.5)
    assert found.throttled is None and len(found.findings) == 1
    assert "does not tell whether it throttled" in sustained_text("it", found)
    assert under_load([None] * 10, slower=1.05).findings == ()


def test_intervals_over_rounds() -> None:
    found = mean_interval([9.0, 10.0, 11.0])
    assert found.value == 10
    assert (found.low, found.high) == pytest.approx((10 - 4.303 / 3**0.5, 10 + 4.303 / 3**0.5))
    assert mean_interval([3.0]).low is None
    assert (t95(1), t95(4.9), t95(1000)) == (12.706, 2.776, 2.086)
    assert spread([10.0, 10.5, 10.2]) == pytest.approx(0.05)


def test_results_hold_numbers_that_json_allows(artifacts: Path, tmp_path: Path) -> None:
    measured(artifacts, tmp_path / "r.json", "--frames", "2", "--rounds", "1")
    text = (tmp_path / "r.json").read_text()
    assert "NaN" not in text and json.loads(text)["schema_version"] == 1


def test_a_result_names_no_folder_of_its_user() -> None:
    call = argparse.Namespace(places=[Path("alice/secret/x.tflite")], out=Path("/home/alice/r.json"), data=".", runs=3)
    assert published(call) == {"places": ("x.tflite",), "out": "r.json", "data": ".", "runs": 3}
