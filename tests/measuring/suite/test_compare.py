"""Verdicts on two results: what noise is, what a regression is, and what cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.common.intervals import ratio_interval
from benchmarks.suite.document import load_document
from benchmarks.suite.verdicts import NO_DIFFERENCE, NOT_COMPARED
from edge_runtime.errors import ModelError, UsageError
from tests.helpers.places import ROOT, Run
from tests.measuring.suite.conftest import Change, changed


def scaled(factor: float, *names: str) -> Change:
    """Figures of all rounds of the first artifact, times a factor."""

    def change(document: dict[str, Any]) -> None:
        for one in document["results"][0]["rounds"]:
            for name in names:
                one[name] *= factor

    return change


def verdicts(result: Path, tmp_path: Path, change: Change, *more: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """The exit code, the first artifact's verdicts by the first word of the figure, and the document."""
    after, out = changed(result, tmp_path / "b.json", change), tmp_path / "verdicts.json"
    code = main(["compare", str(result), str(after), "--out", str(out), "--overwrite", *more])
    found = json.loads(out.read_text())
    first = load_document(result).results[0].artifact
    words = {v["figure"]: v["word"] for v in found["verdicts"] if v["artifact"] == first}
    return code, {figure.split(" (")[0]: word for figure, word in words.items()}, found


def test_a_result_equals_itself(result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, words, found = verdicts(result, tmp_path, lambda _: None)
    assert code == 0 and not found["differences"] and not found["regressions"] and not found["missing"]
    assert set(words.values()) == {NO_DIFFERENCE, "the same"}
    assert {"median", "99th percentile", "peak memory", "energy of a frame", "size", "Dice", "invoke, median"} <= set(
        words
    )
    printed = capsys.readouterr().out
    assert "no regression" in printed and "warning" not in printed


@pytest.mark.parametrize(
    ("name", "figure", "less", "more"),
    [
        ("total_p50_ms", "median", "faster", "slower"),
        ("total_p99_ms", "99th percentile", "faster", "slower"),
        ("process_start_to_first_result_ms", "process start to first result", "faster", "slower"),
        ("joules_per_frame", "energy of a frame", "less", "more"),
    ],
)
def test_a_shift_of_all_rounds_is_a_verdict(
    name: str, figure: str, less: str, more: str, result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words, found = verdicts(result, tmp_path, scaled(1.2, name))
    assert code == 1 and words[figure] == more and len(found["regressions"]) == 1
    assert f"regression: tiny-float32: {figure}" in capsys.readouterr().out
    assert [word for key, word in words.items() if key != figure and word not in (NO_DIFFERENCE, "the same")] == []
    code, words, _ = verdicts(result, tmp_path, scaled(0.8, name))
    assert code == 0 and words[figure] == less


def test_a_shift_below_the_margin_is_none(result: Path, tmp_path: Path) -> None:
    assert verdicts(result, tmp_path, scaled(1.04, "total_p50_ms"))[:2][1]["median"] == NO_DIFFERENCE
    code, words, _ = verdicts(result, tmp_path, scaled(1.04, "total_p50_ms"), "--margin", "2")
    assert code == 1 and words["median"] == "slower"
    assert verdicts(result, tmp_path, scaled(1.5, "total_p50_ms"), "--margin", "60")[0] == 0


def test_a_large_ratio_of_noisy_rounds_is_no_verdict(result: Path, tmp_path: Path) -> None:
    def noisy(document: dict[str, Any]) -> None:
        for one, value in zip(document["results"][0]["rounds"], (9.0, 10.0, 22.0), strict=True):
            one["total_p50_ms"] = value

    code, words, _ = verdicts(result, tmp_path, noisy)
    assert code == 0 and words["median"] == NO_DIFFERENCE, "a third more on average, by one round"


def test_a_single_step_is_told_but_decides_nothing(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def slower(document: dict[str, Any]) -> None:
        for one in document["results"][0]["rounds"]:
            one["steps_p50_ms"]["invoke"] *= 2

    code, words, _ = verdicts(result, tmp_path, slower)
    assert code == 0 and words["invoke, median"] == "slower"
    assert "invoke, median" in capsys.readouterr().out


def test_one_round_has_unknown_noise(result: Path, tmp_path: Path) -> None:
    def one_round(document: dict[str, Any]) -> None:
        for found in document["results"]:
            del found["rounds"][1:]

    _, words, found = verdicts(result, tmp_path, one_round)
    assert words["median"] == NOT_COMPARED and words["Dice"] == "the same"
    assert "one round" in next(v["reason"] for v in found["verdicts"] if v["figure"] == "median (ms)")


def test_memory_and_size_are_judged_too(result: Path, tmp_path: Path) -> None:
    code, words, _ = verdicts(result, tmp_path, scaled(2, "peak_memory_bytes"))
    assert code == 1 and words["peak memory"] == "more"

    def larger(document: dict[str, Any]) -> None:
        document["results"][0]["size_bytes"] *= 2

    code, words, _ = verdicts(result, tmp_path, larger)
    assert code == 1 and words["size"] == "larger"


def scores(change: Callable[[int, dict[str, Any]], None]) -> Change:
    """Change each image's scores of the first artifact."""

    def all_of_them(document: dict[str, Any]) -> None:
        for i, score in enumerate(document["results"][0]["images"]):
            change(i, score)

    return all_of_them


def test_scores_are_compared_image_by_image(result: Path, tmp_path: Path) -> None:
    code, words, _ = verdicts(result, tmp_path, scores(lambda _, s: s.update(dice=s["dice"] - 0.01)))
    assert code == 1 and words["Dice"] == "worse" and words["error of HC"] == "the same"
    code, words, _ = verdicts(result, tmp_path, scores(lambda _, s: s.update(dice=s["dice"] + 0.01)))
    assert code == 0 and words["Dice"] == "better"
    code, words, _ = verdicts(result, tmp_path, scores(lambda _, s: s.update(dice=s["dice"] - 0.0005)))
    assert code == 0 and words["Dice"] == NO_DIFFERENCE, "0.05 points matter to nobody"
    code, words, _ = verdicts(result, tmp_path, scores(lambda i, s: s.update(dice=s["dice"] + (0.02, -0.03)[i % 2])))
    assert code == 0 and words["Dice"] == NO_DIFFERENCE, "half a point worse on average, but half of the images gain"


def test_an_unstable_result_is_named(result: Path, tmp_path: Path) -> None:
    code, _, found = verdicts(result, tmp_path, lambda d: d["results"][1].update(unstable=True))
    assert code == 0
    assert found["differences"] == ["unstable in B, so that little can be shown: tiny-full_int8."]


def test_an_artifact_that_refuses_everything_is_worse(result: Path, tmp_path: Path) -> None:
    def refuse(_: int, score: dict[str, Any]) -> None:
        score.update(hc_difference_mm=None, reason="no")

    code, words, _ = verdicts(result, tmp_path, scores(refuse))
    assert code == 1 and words["refused"] == "worse" and words["error of HC"] == NOT_COMPARED


@pytest.mark.parametrize(
    ("part", "name", "value", "times", "dice"),
    [
        ("device", "cpu", "Cortex-A76", NOT_COMPARED, "the same"),
        ("conditions", "threads", 4, NOT_COMPARED, "the same"),
        ("conditions", "latency_images", ["other.png"], NOT_COMPARED, "the same"),
        ("conditions", "images_sha256", "0" * 64, NO_DIFFERENCE, NOT_COMPARED),
        ("conditions", "warmup", 99, NO_DIFFERENCE, "the same"),
        ("device", "governor", None, NO_DIFFERENCE, "the same"),
    ],
)
def test_what_differs_is_named_and_not_compared(
    part: str, name: str, value: Any, times: str, dice: str, result: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    changed(result, result, lambda d: d["device"].update(governor="performance"))
    code, words, found = verdicts(result, tmp_path, lambda d: d[part].update({name: value}))
    assert (words["median"], words["Dice"]) == (times, dice) and code == 0
    assert any(text.startswith(f"{name} differs") for text in found["differences"])
    assert f"warning: {name} differs" in capsys.readouterr().out


def test_a_slower_machine_is_no_regression_but_its_ratio_is_shown(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def other(document: dict[str, Any]) -> None:
        document["device"]["cpu"] = "Cortex-A53"
        scaled(3, "total_p50_ms")(document)

    assert verdicts(result, tmp_path, other)[0] == 0
    assert "3.00x  not compared: other cpu" in capsys.readouterr().out


@pytest.mark.parametrize("both", [False, True])
def test_times_of_an_emulator_are_not_compared(both: bool, result: Path, tmp_path: Path) -> None:
    def emulated(document: dict[str, Any]) -> None:
        document["device"]["emulated"] = True
        scaled(3, "total_p50_ms")(document)

    before = changed(result, tmp_path / "a.json", emulated if both else lambda _: None)
    code, words, found = verdicts(before, tmp_path, emulated)
    assert code == 0 and (words["median"], words["Dice"]) == (NOT_COMPARED, "the same")
    reasons = {v["reason"] for v in found["verdicts"] if v["word"] == NOT_COMPARED}
    assert reasons == {"emulated"}
    assert [text[:20] for text in found["differences"]] == ["A was measured in an"] * both + ["B was measured in an"]


def test_nothing_that_could_be_compared_is_not_a_success(result: Path, tmp_path: Path) -> None:
    def other(document: dict[str, Any]) -> None:
        document["conditions"].update(threads=4, images_sha256="0" * 64)

    code, _, found = verdicts(result, tmp_path, other)
    assert code == 1 and found["regressions"] == ["nothing could be compared, so nothing is known"]


def test_an_artifact_that_b_lacks_is_a_regression_and_one_that_a_lacks_is_not(result: Path, tmp_path: Path) -> None:
    code, _, found = verdicts(result, tmp_path, lambda d: d["results"].pop(1))
    assert code == 1 and found["regressions"] == ["tiny-full_int8 is in A alone"]
    shorter = changed(result, tmp_path / "a.json", lambda d: d["results"].pop(1))
    code, _, found = verdicts(
        shorter, tmp_path, lambda d: d["results"].append(json.loads(result.read_text())["results"][1])
    )
    assert code == 0 and found["missing"] == {"tiny-full_int8": "tiny-full_int8 is in B alone"}
    code, _, found = verdicts(result, tmp_path, lambda d: d["results"][1].update(error="it broke"))
    assert code == 1 and found["regressions"] == ["tiny-full_int8 could not be measured in B: it broke"]


def test_results_that_cannot_be_read_are_named(result: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "cut.json").write_bytes(result.read_bytes()[:-300])
    changed(result, tmp_path / "later.json", lambda d: d.update(schema_version=2))
    for name, message in (("cut.json", "not a JSON document"), ("later.json", "schema version 2")):
        with pytest.raises(ModelError, match=message) as caught:
            main(["compare", str(result), str(tmp_path / name)])
        assert name in str(caught.value)
    done = run("benchmarks", "compare", result, tmp_path / "cut.json")
    assert done.returncode == 1 and "cut.json" in done.stderr and "Traceback" not in done.stderr


def test_verdicts_are_not_written_over(result: Path, tmp_path: Path) -> None:
    (tmp_path / "there.json").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        main(["compare", str(result), str(result), "--out", str(tmp_path / "there.json")])
    assert (tmp_path / "there.json").read_text() == "mine"


def test_the_ratio_of_rounds_and_its_interval() -> None:
    found = ratio_interval([10.0, 10.0], [20.0, 20.0])
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))
    wide = ratio_interval([10.0, 12.0], [10.0, 12.0])
    assert wide.value == pytest.approx(1) and wide.low is not None and wide.high is not None
    assert wide.low == pytest.approx(1 / wide.high) and wide.high > 1.4, "two rounds a side: t is 4.3"
    assert ratio_interval([10.0], [20.0]).low is None


def test_the_verdict_names_what_could_not_be_compared(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def one_round(document: dict[str, Any]) -> None:
        for found in document["results"]:
            found["rounds"] = found["rounds"][:1]

    code, words, _ = verdicts(result, tmp_path, one_round)
    printed = capsys.readouterr().out
    assert code == 0 and words["median"] == NOT_COMPARED
    assert "no regression in what could be compared; not compared: " in printed and "median (ms)" in printed


def test_a_busy_machine_is_told(result: Path, tmp_path: Path) -> None:
    def busy(document: dict[str, Any]) -> None:
        document["conditions"]["load_after"] = {"average_1min": 2.0, "busy": 0.97}

    _, _, found = verdicts(result, tmp_path, busy)
    (said,) = (text for text in found["differences"] if "other work" in text)
    assert "in B" in said and "97% afterwards" in said


def test_a_result_is_never_replaced_by_its_comparison(result: Path, tmp_path: Path) -> None:
    other = changed(result, tmp_path / "b.json", lambda _: None)
    with pytest.raises(UsageError, match="one of the two results"):
        main(["compare", str(result), str(other), "--out", str(other), "--overwrite"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("total_p50_ms", "1e999", "too large a number"),
        ("total_p50_ms", "9" * 400, "too large a number"),
        ("total_p50_ms", "-3", "must be between 1e-09 and 1e"),
        ("total_mean_ms", "1e308", "must be between"),
        ("total_p99_ms", "1e-320", "must be between"),
        ("peak_memory_bytes", "-5", "must be between"),
        ("steps_p50_ms", '{"region": -1}', "'steps_p50_ms.region' is -1"),
        ("throttled", '"zz"', "must be hexadecimal"),
    ],
)
def test_figures_that_cannot_be_are_refused(result: Path, tmp_path: Path, name: str, value: str, said: str) -> None:
    def mark(document: dict[str, Any]) -> None:
        document["results"][0]["rounds"][0][name] = "HERE"

    path = changed(result, tmp_path / "b.json", mark)
    path.write_text(path.read_text().replace('"HERE"', value))
    with pytest.raises(ModelError, match=said):
        load_document(path)


def test_a_result_of_another_command_and_one_with_an_artifact_twice_are_named(result: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is the result of another command"):
        main(["compare", str(result), str(ROOT / "benchmarks" / "results" / "peers" / "avx512-vnni.json")])
    twice = changed(result, tmp_path / "b.json", lambda found: found["results"].append(found["results"][0]))
    with pytest.raises(ModelError, match="float32 2 times"):
        load_document(twice)
