"""A phone over adb: what is sent to it, what is made of its answers, and what is said where it fails."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.devices.android.phone_facts import parse_device
from benchmarks.devices.android.tool import parse_tool
from benchmarks.suite.document import load_document
from edge_runtime.errors import DeviceError, FetalHeadError
from edge_runtime.shipped import shipped_model
from tests.helpers.places import Run
from tests.measuring.devices.android import samples

Here = Callable[..., "tuple[int, str]"]

SERIAL = "R5CT1234"
STAND_IN = Path(__file__).with_name("stand_in_adb.py")


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    """A phone that works; tests spoil it."""
    place = tmp_path / "phone"
    (place / "bin").mkdir(parents=True)
    (place / "tmp").mkdir()
    (place / "devices.txt").write_text(f"{SERIAL}\tdevice\n")
    (place / "fate.txt").write_text("")
    cases = "\n".join(f"{name}) echo '{value}';;" for name, value in samples.PROPERTIES.items())
    _program(place / "bin" / "getprop", f'case "$1" in\n{cases}\nesac')
    thermal = samples.THERMAL.format(status=0)
    _program(place / "bin" / "dumpsys", f"[ $1 = battery ] && echo '{samples.BATTERY}' || echo '{thermal}'")
    _program(tmp_path / "adb-folder" / "adb", f'exec {sys.executable} {STAND_IN} "$@"')
    _program(tmp_path / "tool", f"cat <<'EOF'\n{samples.BENCHMARK_MODEL}EOF")
    return place


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def here(phone: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """Runs the command in this process, which is quicker; returns the exit code and the error."""
    monkeypatch.setenv("PATH", f"{phone.parent / 'adb-folder'}:{os.environ['PATH']}")
    monkeypatch.setenv("PHONE", str(phone))

    def call(*arguments: object) -> tuple[int, str]:
        try:
            command = ["android", shipped_model("edge-s"), "--tool", phone.parent / "tool", *arguments]
            return main(list(map(str, command))), ""
        except FetalHeadError as error:
            return error.exit_code, str(error)

    return call


def test_models_are_measured_in_turns_and_nothing_is_left(run: Run, phone: Path) -> None:
    out = phone.parent / "phone.json"
    environment = {"PATH": f"{phone.parent / 'adb-folder'}:{os.environ['PATH']}", "PHONE": str(phone)}
    call = ("android", "--tool", phone.parent / "tool", "--rounds", 2, "--threads", 4, "--out", out)
    done = run("benchmarks", *call, env=environment)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    document = load_document(out)
    assert {r.artifact for r in document.results} == {f"edge-{size}-full_int8" for size in "sml"}
    for result in document.results:
        assert result.error is None and result.network_only is not None
        assert result.latency_ms is None and result.accuracy is None and result.mean_ms is None
        assert [one.median_ms for one in result.network_only.runs] == [6.3, 6.3]
        assert result.network_only.thermal_status == (0, 0) and result.network_only.input == "random values"
    device = document.device
    assert (device.model, device.cpu, device.os) == ("Maker Phone 9", "QTI SM8550", "Android 15 (API 35)")
    assert device.temperature_c == 31.4 and device.cores and device.memory_bytes
    assert SERIAL not in out.read_text() and str(phone) not in out.read_text()
    assert list((phone / "tmp").iterdir()) == []
    sent = (phone / "sent.txt").read_text()
    runs = [line for line in sent.splitlines() if "--graph=" in line]
    assert [line.split("--graph=")[1].split()[0] for line in runs] == ["0.tflite", "1.tflite", "2.tflite"] * 2
    assert "--num_threads=4" in runs[0] and "--report_peak_memory_footprint=true" in runs[0]
    assert "6.30 / 6.30" in done.stdout and "not this phone's true speed" not in done.stdout
    page = phone.parent / "reports"
    assert run("benchmarks", "report", out, "--out", page).returncode == 0
    shown = (page / "report.md").read_text()
    assert "The network alone, by LiteRT's tool, with 4 threads" in shown and "not times of a whole frame" in shown
    (row,) = (line for line in shown.splitlines() if line.startswith("| `edge-s-full_int8` | 0.41 |"))
    assert " 6.30 |" in row


@pytest.mark.usefixtures("here")
def test_every_model_is_its_own_whatever_its_file_is_called(phone: Path, tmp_path: Path) -> None:
    name, sums = shipped_model("edge-s").name, tmp_path / "sums"
    for folder, size in (("a b; touch x", "edge-l"), ("c", "edge-m")):
        (tmp_path / folder).mkdir()
        for path in (shipped_model(size), shipped_model(size).with_suffix(".json")):
            shutil.copy(path, (tmp_path / folder / name).with_suffix(path.suffix))
    shutil.copy(shipped_model("edge-s"), tmp_path / "c" / name)  # beside the manifest of edge-m
    _program(tmp_path / "tool", f"cat *.tflite >>{sums}; cat <<'EOF'\n{samples.BENCHMARK_MODEL}EOF")
    out = tmp_path / "phone.json"
    places = [shipped_model("edge-s"), tmp_path / "a b; touch x", tmp_path / "c"]
    call = ["android", *places, "--tool", tmp_path / "tool", "--rounds", 1, "--out", out]
    assert main([str(word) for word in call]) == 1
    found = {result.artifact: result for result in load_document(out).results}
    assert "belongs to another manifest" in (found["edge-m-full_int8"].error or "")
    assert all(found[f"{size}-full_int8"].network_only for size in ("edge-s", "edge-l"))
    commands = [line for line in (phone / "sent.txt").read_text().splitlines() if "--graph=" in line]
    assert len(commands) == 2 and len({re.findall(r"--graph=\S+\.tflite ", line)[0] for line in commands}) == 2
    assert all(shipped_model(size).read_bytes() in sums.read_bytes() for size in ("edge-s", "edge-l"))


def test_a_phone_that_grows_warm_is_told(here: Here, phone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _program(phone / "bin" / "dumpsys", f"echo '{samples.THERMAL.format(status=3)}'")
    assert here("--rounds", 1, "--out", phone.parent / "phone.json") == (0, "")
    assert "thermal status reached 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("listed", "arguments", "code", "said"),
    [
        ("", (), 2, "adb finds no phone"),
        (
            f"{SERIAL}\tdevice\nemulator-5554\tdevice\n",
            (),
            2,
            "2 phones: R5CT1234, emulator-5554. Name one with --serial",
        ),
        (f"{SERIAL}\tdevice\n", ("--serial", "other"), 2, "no phone 'other'. It finds: R5CT1234"),
        (f"{SERIAL}\tunauthorized\n", (), 1, "does not trust this computer"),
        (f"{SERIAL}\toffline\n", (), 1, "is offline"),
        (f"{SERIAL}\tno permissions (user in plugdev group); see [http://x]\n", (), 1, "may not be used by this user"),
        (f"{SERIAL}\trecovery\n", (), 1, "in the state 'recovery'"),
    ],
)
def test_a_phone_that_cannot_be_used_is_named(
    here: Here, phone: Path, listed: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (phone / "devices.txt").write_text(listed)
    found, error = here(*arguments)
    assert found == code and said in error and "\n" not in error
    assert not (phone / "sent.txt").exists()


def test_one_of_two_phones_is_measured(here: Here, phone: Path) -> None:
    (phone / "devices.txt").write_text(f"emulator-5554\toffline\n{SERIAL}\tdevice\n")
    assert here("--serial", SERIAL, "--rounds", 1, "--out", phone.parent / "phone.json") == (0, "")


@pytest.mark.parametrize(
    ("fate", "said"),
    [
        ("lost:getprop", "The phone was lost"),
        ("lost:--graph", "The phone was lost"),
        ("full", "storage is full"),
        ("cut:--graph", "cut short"),
        ("cut:getprop", "cut short"),
    ],
)
def test_what_ends_a_run_is_said_and_nothing_is_left(here: Here, phone: Path, fate: str, said: str) -> None:
    (phone / "fate.txt").write_text(fate)
    out = phone.parent / "phone.json"
    code, error = here("--out", out)
    assert code == 1 and said in error and "\n" not in error
    assert not out.exists() and list((phone / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("echo 'ERROR: Failed to load model edge'; exit 1", "Failed to load model edge"),
        ("echo 'INFO: STARTING!'", "no timings"),
        ("exit 0", "it said nothing"),
        ("kill -9 $$", "no timings"),
    ],
)
def test_a_tool_that_fails_costs_its_model(here: Here, phone: Path, tool: str, said: str) -> None:
    _program(phone.parent / "tool", tool)
    out = phone.parent / "phone.json"
    assert here("--rounds", 2, "--out", out) == (1, "")
    (result,) = load_document(out).results
    assert result.error is not None and said in result.error and result.network_only is None


def test_bad_calls_are_refused(here: Here, phone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, said in (
        (("--tool", phone / "no-such"), "benchmark_model with --tool"),
        (("--out", phone.parent / "tool"), "already exists"),
    ):
        code, error = here(*arguments)
        assert code == 2 and said in error
    monkeypatch.setenv("PATH", str(phone))
    code, error = here()
    assert code == 2 and "Install Android's platform tools" in error and "\n" not in error


@pytest.mark.parametrize("text", [samples.BENCHMARK_MODEL, samples.PROFILED, samples.LOGCAT], ids=["new", "ops", "log"])
def test_recorded_output_is_read(text: str) -> None:
    found = parse_tool(text)
    assert (found.count, found.mean_ms, found.median_ms, found.p95_ms) == (789, 6.33925, 6.3, 6.6)
    assert (found.min_ms, found.max_ms, found.sd_ms, found.p5_ms) == (6.199, 9.05, 0.1405, 6.21)
    assert (found.init_ms, found.first_ms, found.warmup_mean_ms) == (21.5, 7.541, 6.4115)
    assert (found.memory_init_mb, found.memory_overall_mb, found.peak_memory_mb) == (4.25, 7.5, 11.75)


def test_what_an_older_tool_does_not_print_is_not_made_up() -> None:
    found = parse_tool(samples.OLDER)
    assert (found.count, found.mean_ms, found.max_ms, found.init_ms) == (50, 2950.34, 3189.954, 17.187)
    assert (found.median_ms, found.p5_ms, found.p95_ms, found.peak_memory_mb) == (None,) * 4
    assert (found.memory_init_mb, found.memory_overall_mb) == (4.92969, 138.809)


@pytest.mark.parametrize("lines", [0, 1, 5, 12, 14])
def test_output_cut_short_is_refused(lines: int) -> None:
    text = "\n".join(samples.BENCHMARK_MODEL.splitlines()[:lines])
    with pytest.raises(DeviceError, match="cut short"):
        parse_tool(text)


def test_a_phone_that_tells_nothing_is_still_a_device() -> None:
    found = parse_device("machine=aarch64\ncores=\nkhz=\n")
    assert (found.machine, found.os, found.cores, found.temperature_c) == ("aarch64", "Android", None, None)
    assert found.int8_instructions is None and found.model is None
    known = parse_device("machine=aarch64\nkhz=3187200\nFeatures\t: fp asimd asimddp i8mm\nMemTotal:  11534336 kB\n")
    assert known.int8_instructions == ("asimddp", "i8mm") and known.max_frequency_mhz == 3187.2
