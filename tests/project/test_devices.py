"""What a device says of itself, and docs/devices.md, which leads to it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.__main__ import main
from edge_runtime.artifact.golden import golden_frames
from edge_runtime.device import fingerprint as device
from edge_runtime.frame.image_files import read_image
from tests.helpers.places import ROOT
from train.data.phantom import make_phantom

DOC = (ROOT / "docs" / "devices.md").read_text()
WHEELS = json.loads((ROOT / "benchmarks" / "results" / "runtime" / "wheels.json").read_text())


def pretend(monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """Let the system's files say something else: their last name, and what is in them."""
    monkeypatch.setattr(device, "_read", lambda path: files.get(path.name))


def cpuinfo(cpu: str) -> str:
    return subprocess.run([ROOT / ".ci" / "cpuinfo", cpu], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("cpu", "name", "int8"), [("cortex-a72", "4x Cortex-A72", []), ("cortex-a76", "4x Cortex-A76", ["asimddp"])]
)
def test_arm_cores_have_names_and_say_whether_they_multiply_int8_fast(
    cpu: str, name: str, int8: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, cpuinfo=cpuinfo(cpu), model="Raspberry Pi\0")
    found = device.fingerprint()
    assert (found["cpu"], found["int8_instructions"]) == (name, int8)


def test_a_phones_two_kinds_of_cores_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cpuinfo="CPU part : 0xd05\n" * 6 + "CPU part : 0xd0d\nCPU part : 0xfff\n")
    assert device.fingerprint()["cpu"] == "6x Cortex-A55 + 1x Cortex-A77 + 1x part 0xfff"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "no table",
        "processor\t: 0\n",
        "processor : 0\nmodel name :\nflags :\nCPU part :\n",
        "flags\nFeatures",
        ":\n:\n",
    ],
    ids=["no file", "no table", "no figures", "blank figures", "no values", "colons"],
)
def test_a_cpu_that_says_nothing_is_unknown_and_not_without_int8_instructions(
    text: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device.platform, "processor", lambda: "")
    pretend(monkeypatch, **({} if text is None else {"cpuinfo": text}))
    found = device.fingerprint()
    assert found["cpu"] is None and found["int8_instructions"] is None
    assert device.cpu_text(found) == "unknown CPU (int8 instructions: unknown)"
    assert main(["info"]) == 0
    assert "int8 instructions: unknown" in capsys.readouterr().out
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["device"]["int8_instructions"] is None


def test_a_cpu_that_lists_its_instructions_and_has_none_of_ours_says_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cpuinfo="model name : an old CPU\nflags : fpu sse sse2\n")
    found = device.fingerprint()
    assert found["int8_instructions"] == []
    assert device.cpu_text(found) == "an old CPU (int8 instructions: none)"


@pytest.mark.parametrize(
    "text", [None, "", "MemTotal:", "MemTotal: much kB", "MemTotal: 0 kB", "VmHWM:\t- kB", "0", "nan", "inf", "x"]
)
def test_what_the_system_says_nonsensically_is_unknown(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_read", lambda path: text)
    monkeypatch.setattr(device.os, "cpu_count", lambda: None)
    monkeypatch.delattr(device.os, "sched_getaffinity", raising=False)
    found = device.fingerprint()
    unknown = {"cores", "memory_bytes", "max_frequency_mhz", "frequency_mhz", "int8_instructions"}
    assert {name for name in unknown if found[name] is not None} == set()
    assert found["temperature_c"] == (0 if text == "0" else None)
    assert device.peak_memory_bytes() is None and device.usable_cores() == 1
    assert "unknown number of cores, unknown memory" in device.device_text(found)
    json.dumps(found, allow_nan=False)


def test_memory_is_found_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, meminfo="MemFree: 5 kB\nMemTotal:        1000 kB\n", status="Name: x\nVmHWM:\t  2000 kB\n")
    assert device.fingerprint()["memory_bytes"] == 1_024_000 and device.peak_memory_bytes() == 2_048_000


@pytest.mark.parametrize(
    ("text", "flags", "words"),
    [
        ("0", "0x0", None),
        (
            "50005",
            "0x50005",
            "the supply voltage is too low, throttled, the supply voltage was too low at some time since boot",
        ),
        ("nonsense", None, None),
        (None, None, None),
    ],
)
def test_throttling_in_words(
    text: str | None, flags: str | None, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.shutil, "which", lambda name: None)
    monkeypatch.setattr(device, "_read", lambda path: text)
    assert device.throttling() == flags
    said = device.throttling_text(flags)
    assert said is None if words is None else said is not None and said.startswith(words)


def test_where_the_kernel_has_no_flags_the_firmwares_command_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text("#!/bin/sh\necho throttled=0x20000\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    pretend(monkeypatch)
    assert device.throttling_text(device.throttling()) == "the clock was capped at some time since boot"


def test_bench_says_that_a_throttled_devices_figures_are_not_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--frames", "2", "--warmup", "0"]) == 0
    assert "true speed" not in capsys.readouterr().out
    monkeypatch.setattr("edge_runtime.timing.bench.throttling", lambda: "0x4")
    assert main(["bench", "--frames", "2", "--warmup", "0"]) == 0
    assert "Not this device's true speed: throttled." in capsys.readouterr().out


def test_the_pages_figures_are_those_of_the_committed_result() -> None:
    rows = [row for row in WHEELS["environments"] if row["backend"] == "ai-edge-litert"]
    disk = [row["installed_bytes"] / 1e6 for row in rows]
    memory = [row["peak_memory_bytes"] / 1e6 for row in rows]
    wanted = {
        "disk": f"{WHEELS['wheel']['size_bytes'] / 1e6:.1f} MB for the wheel with its model, "
        f"{min(disk):.0f} to {max(disk):.0f} MB with NumPy, LiteRT and Pillow",
        "memory": f"{min(memory):.0f} to {max(memory):.0f} MB at its peak",
    }
    assert dict(re.findall(r"<!-- wheels: (\w+) -->(.*?)<!-- end -->", DOC)) == wanted
    assert all(row["golden"]["n_identical"] == row["golden"]["n_frames"] for row in rows)


def test_the_pages_first_circumference_is_the_one_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r'python -c "\n(.*?)"\n', DOC, flags=re.DOTALL)
    assert code is not None
    subprocess.run([sys.executable, "-c", code[1]], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)
    assert (read_image(tmp_path / "phantom.png") == golden_frames()[0]).all()
    main(["measure", str(tmp_path / "phantom.png"), "--pixel-size-mm", "0.5"])
    printed = re.search(r"HC +[\d.]+ mm", capsys.readouterr().out)
    assert printed is not None and f"`{printed[0]}`" in DOC


def test_the_pages_program_measures_what_its_folder_is_given(tmp_path: Path) -> None:
    from PIL import Image

    code = re.search(r"<!-- tested: file scanner.py -->\n```python\n(.*?)```", DOC, flags=re.DOTALL)
    assert code is not None
    (tmp_path / "frames").mkdir()
    Image.fromarray(make_phantom(0)[0]).save(tmp_path / "frames" / "a.png")
    (tmp_path / "frames" / "b.png").write_bytes(b"not an image")
    call = [sys.executable, "-c", code[1], "frames", "0.15"]
    environment = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(call, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(2)]
        program.terminate()
    assert re.fullmatch(r"a\.png \d+\.\d+\n", lines[0]) and "cannot be read as an image" in lines[1]


def test_the_page_names_only_commands_and_files_that_exist() -> None:
    for name in re.findall(r"`(\.ci/\w+|benchmarks/[\w/.]+)`", DOC):
        assert (ROOT / name).exists(), name
    for anchor in re.findall(r"\]\(#([\w-]+)\)", DOC):
        assert re.search(rf"^#+ {anchor.replace('-', ' ')}", DOC, flags=re.MULTILINE | re.IGNORECASE), anchor


@pytest.mark.parametrize(
    ("process", "kernel", "wanted"),
    [
        ("aarch64", "x86_64", True),
        ("x86_64", "aarch64", True),
        ("aarch64", "aarch64", False),
        ("armv7l", "aarch64", False),
        ("armv8l", "aarch64", False),
        ("i686", "x86_64", False),
        ("aarch64", None, None),
        ("aarch64", "nonsense", None),
        ("", "x86_64", None),
    ],
)
def test_a_process_of_another_architecture_than_its_kernel_is_emulated(
    process: str, kernel: str | None, wanted: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.platform, "machine", lambda: process)
    pretend(monkeypatch, **({} if kernel is None else {"arch": kernel}))
    found = device.fingerprint()
    assert found["emulated"] is wanted
    assert device.device_text(found).endswith(", emulated") is (wanted is True)


def test_bench_says_that_an_emulated_devices_times_are_not_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "is_emulated", lambda: True)
    assert main(["bench", "--frames", "2", "--warmup", "0"]) == 0
    assert "Not this device's true speed: emulated." in capsys.readouterr().out
