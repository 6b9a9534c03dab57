"""The report: what it shows of one result and of several, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.common.result_files import RESULTS
from benchmarks.suite.document import load_document
from edge_runtime.errors import ModelError, UsageError
from tests.measuring.report.conftest import Make, as_of_a_board, as_older, as_sustained


def report(out: Path, artifacts: Path | None, *arguments: object) -> str:
    """The Markdown page of a report."""
    places = ["--artifacts", str(artifacts)] if artifacts else ["--artifacts", str(out / "none")]
    assert main(["report", *map(str, arguments), "--out", str(out), *places]) == 0
    return (out / "report.md").read_text()


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(section: str, artifact: str) -> list[str]:
    """Rows of an artifact in the tables that are always shown."""
    section = re.sub(r"<details>.*?</details>", "", section, flags=re.DOTALL)
    return [line for line in section.splitlines() if line.startswith(f"| `{artifact}` |")]


@pytest.fixture(scope="module")
def page(result: Path, artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report of one result."""
    out = tmp_path_factory.mktemp("page")
    report(out, artifacts, result)
    return out


def test_the_numbers_are_those_of_the_result(result: Path, page: Path) -> None:
    found = sections((page / "report.md").read_text())
    for r in load_document(result).results:
        assert r.latency_ms and r.accuracy and r.mean_ms and r.frames_per_s
        total, dice = r.latency_ms.total, r.accuracy.dice
        (speed,) = rows(found["Speed, size and memory"], r.artifact)
        assert f"| {total.p50:.2f} / {total.p90:.2f} / {total.p99:.2f} | {total.max:.2f} |" in speed
        assert f"| {r.frames_per_s:.1f} |" in speed
        (scores,) = rows(found["Accuracy"], r.artifact)
        assert f"{100 * dice.mean:.2f} \\[{100 * dice.ci95_low:.2f}, {100 * dice.ci95_high:.2f}\\]" in scores
    assert "energy: not measured" in found["Energy"]
    profile = load_document(result).profile
    assert profile and f"{profile.whole_ms:.2f} ms for {profile.gmac:.2f} GMAC" in found["Where the time goes"]


def test_every_picture_is_there_and_has_a_text(page: Path) -> None:
    text = (page / "report.md").read_text()
    pictures = re.findall(r"!\[([^]]+)\]\((figures/[^)]+)\)", text)
    names = {Path(name).name for _, name in pictures}
    assert len(names) == len(pictures), "no picture replaces another"
    wanted = ("latency.svg", "parts.svg", "timed-1-dice.svg", "size-dice.svg", "recipe-dice.svg", "recipe-hc.svg")
    wanted += ("hc-1.svg", "overlay-best.png", "overlay-median.png", "overlay-worst.png", "operators.svg")
    for name in (*wanted, "roofline.svg"):
        assert any(found.endswith(name) for found in names), name
    assert all((page / name).stat().st_size > 1000 for _, name in pictures)
    assert "procedural phantom" in text and "do not publish" not in text


def test_pictures_are_light_or_dark_as_their_reader_is(page: Path) -> None:
    for path in (page / "figures").glob("*.svg"):
        text = path.read_text()
        assert "@media (prefers-color-scheme:dark)" in text and "var(--c0, #1a1b1c)" in text
        colors = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", text))
        assert not colors, f"{path.name} has colours that do not change: {colors}"


def test_devices_stand_side_by_side_where_they_were_timed_alike(
    result: Path, make: Make, artifacts: Path, tmp_path: Path
) -> None:
    found = sections(report(tmp_path, artifacts, result, make("board.json", as_of_a_board)))
    cells = [line.split("|")[2].strip() for line in rows(found["Speed, size and memory"], "tiny-float32")]
    assert len(cells) == 2 and cells[0].startswith("A: ") and cells[1] == "B: Board 5"
    assert found["Speed, size and memory"].count("### Timed on") == 1
    (shared,) = rows(found["Accuracy"], "tiny-float32")
    assert "| A, B |" in shared
    assert rows(found["Energy"], "tiny-float32")[0].startswith("| `tiny-float32` | B: Board 5 | 0.1234 | 5.50 |")
    assert re.search(r"^A: .*, energy: not measured", found["Energy"], re.MULTILINE)


def test_figures_of_other_conditions_get_tables_and_pictures_of_their_own(
    result: Path, make: Make, artifacts: Path, tmp_path: Path
) -> None:
    def two_threads(document: dict[str, Any]) -> None:
        document["conditions"]["threads"] = 2

    paths = result, make("threads.json", two_threads), make("old.json", as_older), make("long.json", as_sustained)
    found = sections(report(tmp_path, artifacts, *paths))
    speed = found["Speed, size and memory"]
    assert "timed in 4 different ways" in speed and speed.count("### Timed on") == 4
    for part in speed.split("### Timed on")[1:]:
        keys = set(re.findall(r"\| ([A-D]): ", "\n".join(rows(part, "tiny-float32"))))
        assert len(keys) == 1, "one kind of conditions, one result"
    assert found["Accuracy"].count("### Scored on") == 2
    assert "Not measured: max (ms), mean \\[95% interval\\] (ms), frames/s." in speed
    assert "### HC of 8 images of HC18" in found["Agreement of the head circumference"]


def test_what_differs_within_a_table_is_said(result: Path, make: Make, artifacts: Path, tmp_path: Path) -> None:
    def quick(document: dict[str, Any]) -> None:
        document["conditions"].update(mode="quick", rounds=2)
        document["results"][0]["model_sha256"] = "0" * 64
        document["results"][0]["unstable"] = True
        document["results"][0]["rounds_apart"] = 0.31

    speed = sections(report(tmp_path, artifacts, result, make("quick.json", quick)))["Speed, size and memory"]
    assert "mode differs: A official, B quick." in speed and "rounds differs: A 3, B 2." in speed
    assert "Not the same model file in all results: `tiny-float32`." in speed
    assert "`tiny-float32 · B` (31%)" in speed and "A is not official: `tiny-float32`, for one, has" in speed


def test_two_results_of_one_device_are_told_apart(result: Path, make: Make, artifacts: Path, tmp_path: Path) -> None:
    def next_day(document: dict[str, Any]) -> None:
        document["conditions"]["date"] = "2031-01-02T00:00:00+00:00"

    text = sections(report(tmp_path, artifacts, result, make("next.json", next_day)))["Results"]
    assert "A and B were measured on one device, or on devices of one kind." in text
    assert "| 2031-01-02 |" in text and "`next.json`" in text


def test_a_result_of_an_emulator_says_that_its_times_are_not_its_devices(
    result: Path, make: Make, artifacts: Path, tmp_path: Path
) -> None:
    def emulated(document: dict[str, Any]) -> None:
        document["device"].update(model=None, cpu="4x Cortex-A72", machine="aarch64", emulated=True)

    assert "emulator" not in report(tmp_path, artifacts, result)
    text = report(tmp_path, artifacts, result, make("emulated.json", emulated))
    said = "B was measured in an emulator, so none of its times is that of the CPU it names."
    assert said in text.partition("## Results")[0]
    assert said in sections(text)["Speed, size and memory"]
    assert "B: 4x Cortex-A72, emulated" in rows(sections(text)["Speed, size and memory"], "tiny-float32")[1]
    assert "| A: " in text and "A was measured in an" not in text


def test_a_sustained_run_is_drawn_over_time(make: Make, artifacts: Path, tmp_path: Path) -> None:
    found = sections(report(tmp_path, artifacts, make("long.json", as_sustained)))
    section = found["Under load for minutes"]
    assert "It throttled. The clock fell from 2400 to 1500 MHz." in section
    assert "| 300 | 500 | 30.00 | 33.00 | 44.00 | 1500 | 65.0 | 0x4 |" in section
    assert "figures/a-over-time-1.svg" in section
    assert "Operators: not measured" in found["Where the time goes"]


def test_a_board_without_clock_and_temperature_is_drawn_without_them(
    make: Make, artifacts: Path, tmp_path: Path
) -> None:
    def silent(document: dict[str, Any]) -> None:
        as_sustained(document)
        run = document["results"][0]["sustained"]
        run.update(throttled=None, findings=[])
        for point in run["points"]:
            point.update(frequency_mhz=None, temperature_c=None, throttled=None)

    section = sections(report(tmp_path, artifacts, make("silent.json", silent)))["Under load for minutes"]
    assert "whether it throttled is not known. Not told by the device: clock and temperature." in section
    assert "Not measured: clock (MHz), temperature (degrees C)." in section


def test_what_was_not_measured_is_said_and_is_not_zero(make: Make, tmp_path: Path) -> None:
    def forget(document: dict[str, Any]) -> None:
        document.pop("profile", None)
        for r in document["results"]:
            r.update(latency_ms=None, accuracy=None, degradation=None, degradation_reason="x", images=[])
            for name in ("energy_reason", "rounds", "steps_ms", "mean_ms"):
                r.pop(name, None)

    found = sections(report(tmp_path, None, make("empty.json", forget)))
    for title, said in (
        ("Speed, size and memory", "Latency: not measured"),
        ("Accuracy", "Accuracy: not measured"),
        ("What each recipe costs", "Degradation by recipe: not measured"),
        ("Size and latency against Dice", "Not measured: a picture needs two"),
        ("Agreement of the head circumference", "HC: not measured"),
        ("Best, median and worst image", "Dice: not measured"),
        ("Under load for minutes", "Latency over time: not measured"),
        ("Where the time goes", "Operators: not measured"),
        ("Energy", "energy: not measured"),
    ):
        assert said in found[title], title
    assert not (tmp_path / "figures").exists()


def test_an_older_result_is_shown_with_what_it_has(tmp_path: Path) -> None:
    older, newer = RESULTS / "latency" / "amd-epyc-avx512-vnni.json", RESULTS / "shipped-avx512-vnni-paper.json"
    text = report(tmp_path, None, older, newer)
    assert "| mode | not recorded |" in text and "Latency over time: not measured" in text
    assert "timed in 2 different ways" in text and "scored on 2 sets of images" in text


def test_names_in_a_result_become_neither_markup_nor_formulas(make: Make, tmp_path: Path) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["results"][0]["artifact"] = "<script>alert(1)</script>|`x`"
        document["results"][1]["artifact"] = r"$\frac{1}$"
        document["device"]["model"] = "<b>board</b>"

    text = report(tmp_path, None, make("r.json", spoil))
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and "<b>" not in page and "\\<script\\>" in text


def test_overlays_need_the_images_that_were_measured(
    make: Make, artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def other_frames(document: dict[str, Any]) -> None:
        document["conditions"]["frame_set_sha256"] = "0" * 64

    text = report(tmp_path, artifacts, make("r.json", other_frames))
    assert "Not drawn: the phantom's frame set is not the one" in text
    assert "no overlays of tiny-full_int8" in capsys.readouterr().out
    assert "so the differences are in order" in text, "HC without references is shown all the same"

    def other_names(document: dict[str, Any]) -> None:
        for score in document["results"][0]["images"] + document["results"][1]["images"]:
            score["image"] = "x" + score["image"]

    assert "lacks frames that it was measured on" in report(tmp_path, artifacts, make("n.json", other_names))


def test_a_page_that_shows_hc18_says_it_must_stay_here(hc18: Path, artifacts: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    few = ("--images", "3", "--frames", "3", "--warmup", "1", "--rounds", "2", "--split-part", "paper")
    model = artifacts / "tiny" / "tiny-full_int8.tflite"
    assert main(["run", str(model), "--data", str(hc18), "--out", str(out), *few]) == 0
    text = report(tmp_path, artifacts, out, "--data", hc18)
    for page in (text, (tmp_path / "report.html").read_text()):
        assert "do not publish or commit" in page and "phantom" not in page


def test_a_new_report_keeps_no_figure_of_the_one_before_and_replaces_nothing_else(
    result: Path, make: Make, artifacts: Path, tmp_path: Path
) -> None:
    text = report(tmp_path, artifacts, result)
    figures = tmp_path / "figures"
    first = {path.name for path in figures.iterdir()}
    assert first and all(f"](figures/{name})" in text for name in first)
    (figures / "mine.png").write_bytes(b"of the user")
    other = make("other.json", lambda document: document["results"].pop())
    text = report(tmp_path, None, other)
    left = {path.name for path in figures.iterdir()}
    assert {name for name in left if f"](figures/{name})" not in text} == {"mine.png"}
    assert any("overlay" in name for name in first) and not any("overlay" in name for name in left)
    for name in ("report.md", "report.html"):
        (tmp_path / name).write_text("# Report of the ward")
        with pytest.raises(UsageError, match=rf"{name} is no report, so it is not replaced"):
            report(tmp_path, artifacts, result)
        assert (tmp_path / name).read_text() == "# Report of the ward"
        (tmp_path / name).unlink()


def test_bad_results_are_named(result: Path, make: Make, tmp_path: Path) -> None:
    def later(document: dict[str, Any]) -> None:
        document["schema_version"] = 99

    cut = tmp_path / "cut.json"
    cut.write_bytes(result.read_bytes()[:-200])
    copy = tmp_path / "copy.json"
    copy.write_bytes(result.read_bytes())
    empty = make("empty.json", lambda document: document.update(results=[]))
    out = tmp_path / "page"
    for paths, kind, said in (
        ([result, cut], ModelError, "cut.json is not a JSON document"),
        ([result, make("later.json", later)], ModelError, "later.json has schema version 99; this program reads 1"),
        ([empty], ModelError, "empty.json holds no artifact"),
        ([result, copy], UsageError, "result.json and .*copy.json hold the same result. Give each result once"),
        ([result, result], UsageError, "hold the same result"),
        ([tmp_path / "none.json"], UsageError, "There is no result file"),
        ([result] * 27, UsageError, "27 results were given; a report takes 1 to 26"),
        ([result, "--overlay", "nobody"], UsageError, "--overlay nobody is not an artifact with scores"),
    ):
        with pytest.raises(kind, match=said):
            main(["report", *map(str, paths), "--out", str(out)])
    assert not out.exists(), "nothing half-written"


def test_artifacts_that_failed_are_listed(make: Make, artifacts: Path, tmp_path: Path) -> None:
    def fail(document: dict[str, Any]) -> None:
        document["results"][1].update(error="its model is damaged", latency_ms=None, accuracy=None, images=[])

    found = sections(report(tmp_path, artifacts, make("r.json", fail)))
    assert "| A | `tiny-full_int8` | its model is damaged |" in found["Results"]
    assert not rows(found["Speed, size and memory"], "tiny-full_int8")


def test_each_table_has_its_conditions_one_click_away(result: Path, page: Path) -> None:
    text = (page / "report.html").read_text()
    conditions = json.loads(result.read_text())["conditions"]
    opened = [part.split("</details>")[0] for part in text.split("<details>")[1:]]
    times = next(part for part in opened if "Conditions of these times" in part)
    assert f"{conditions['frames']} frames" in times and conditions["date"] in times
    assert f"random in each round, seed {conditions['seed']}" in times
    scores = next(part for part in opened if "Conditions of these scores" in part)
    assert conditions["images_sha256"][:16] in scores
