"""The command, with real pyigtl programs and OpenIGTLink's own library at the other end, killed and started again."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest

from tests.runtime.openigtlink import programs
from tests.runtime.openigtlink.programs import Program, free_port
from tests.runtime.openigtlink.speaker import DEVICE, HC_MM, SIZE, SPACING_MM


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every program ends with its test."""
    made: list[Program] = []
    original = Program.__init__

    def init(self: Program, *command: object) -> None:
        original(self, *command)
        made.append(self)

    monkeypatch.setattr(Program, "__init__", init)
    yield
    for program in made:
        program.kill()


pytestmark = pytest.mark.usefixtures("started")


def with_hc(line: str) -> bool:
    return bool(json.loads(line).get("head_circumference_mm"))


def of_type(kind: str, wanted: Callable[[dict[str, Any]], object] = bool) -> Callable[[str], object]:
    return lambda line: json.loads(line)["type"] == kind and wanted(json.loads(line))


def check_answers(speaker: Program) -> None:
    told = json.loads(speaker.line(of_type("STRING", lambda line: line["head_circumference_mm"])))
    assert told["device"] == f"{DEVICE}_hc" and told["image"] == DEVICE
    assert told["head_circumference_mm"] == pytest.approx(HC_MM, rel=0.03) == told["measured_mm"]
    assert told["pixel_size_mm"] == pytest.approx([SPACING_MM, SPACING_MM])
    assert told["timestamp"] == pytest.approx(told["timestamp_s"], abs=1e-6) and told["timestamp_s"] >= 1000
    mask = json.loads(speaker.line(of_type("IMAGE", lambda line: line["inside"])))
    assert mask["device"] == f"{DEVICE}_mask" and mask["size"] == [1, *SIZE] and mask["values"] == [0, 255]
    assert np.allclose(mask["matrix"], np.diag([SPACING_MM] * 3 + [1]), atol=1e-4)
    assert mask["inside"] * SPACING_MM**2 == pytest.approx(HC_MM**2 / (4 * np.pi), rel=0.1)


def test_a_server_and_the_link_are_killed_and_started_again() -> None:
    port = free_port()
    server, link = programs.speaker("server", port), programs.link(f"127.0.0.1:{port}")
    check_answers(server)
    server.kill()
    link.hears("disconnected")
    link.line(lambda line: json.loads(line)["stalled"])
    link.hears("no connection")
    again = programs.speaker("server", port)
    check_answers(again)
    link.kill()
    link = programs.link(f"127.0.0.1:{port}")
    link.line(with_hc)
    check_answers(again)
    assert link.stop() == 0
    last = json.loads(link.line(lambda line: "done" in json.loads(line)))
    assert last["counts"]["accepted"] > 0 == last["counts"]["failed"] and last["shown_a_second"] > 0


def test_a_client_is_killed_and_another_takes_its_place() -> None:
    port = free_port()
    link = programs.link("--listen", port)
    link.hears("listening")
    first = programs.speaker("client", port)
    check_answers(first)
    first.kill()
    link.hears("disconnected")
    check_answers(programs.speaker("client", port))
    assert link.stop() == 0 and not [line for line in link.said if "Traceback" in line]


def test_openigtlinks_own_library_reads_every_answer(tmp_path: Path) -> None:
    if not (which("g++") and Path("/usr/include/openigtlink").is_dir()):
        if os.environ.get("CI"):
            pytest.fail("CI needs g++ and libopenigtlink-dev")
        pytest.skip("g++ or libopenigtlink-dev is not installed")
    reader, source = tmp_path / "reader", Path(__file__).with_name("reader.cxx")
    libraries = ["-I/usr/include/openigtlink", "-lOpenIGTLink", "-lpthread"]
    subprocess.run(["g++", "-O0", source, *libraries, "-o", reader], check=True, timeout=120)
    port = free_port()
    link = programs.link("--listen", port)
    link.hears("listening")
    programs.speaker("client", port)
    link.line(with_hc)
    read = subprocess.run([reader, "127.0.0.1", str(port), "24"], capture_output=True, text=True, timeout=30)
    assert read.returncode == 0, read.stdout[-300:]
    rows = [line.split("\t") for line in read.stdout.splitlines()]
    at = next(n for n, row in enumerate(rows) if row[0] == "STATUS" and row[4] == "measured")
    text, status, outline, mask = rows[at - 1 : at + 3]
    assert [row[:2] for row in (text, outline, mask)] == [
        ["STRING", f"{DEVICE}_hc"], ["POLYDATA", f"{DEVICE}_head"], ["IMAGE", f"{DEVICE}_mask"]
    ]  # fmt: skip
    hc_mm = json.loads(text[3])["head_circumference_mm"]
    assert len({row[2] for row in (text, status, outline, mask)}) == 1 and status[3] == "1"
    points = np.array([[float(v) for v in point.split(",")] for point in outline[3].split()])
    assert len(points) == 361 and (points[0] == points[-1]).all()
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).sum() == pytest.approx(hc_mm, rel=1e-3)
    assert mask[3] == f"{SIZE[1]} {SIZE[0]} 1" and mask[4].split() == [f"{SPACING_MM:.6f}"] * 2
    assert int(mask[5]) * SPACING_MM**2 == pytest.approx(hc_mm**2 / (4 * np.pi), rel=0.1)


def test_nothing_listens_and_ctrl_c_ends_with_a_summary() -> None:
    address = f"127.0.0.1:{free_port()}"
    link = programs.link(address)
    assert address in link.hears("next try in 0.5 s") and "refused" in link.hears("next try in 1 s")
    assert link.stop() == 0
    assert json.loads(link.line(lambda line: "done" in json.loads(line)))["counts"]["received"] == 0
    assert not [line for line in link.said if "Traceback" in line]


def test_a_port_in_use_is_one_line() -> None:
    with programs.socket.create_server(("127.0.0.1", 0)) as other:
        link = programs.link("--listen", other.getsockname()[1])
        assert link.process.wait(20) == 2
        assert "in use" in link.hears("error: ") and len(link.said) == 1
