"""Several processes on Ray: one of them killed, the command killed, a node of a cluster killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.nodes.ray_cluster import short_folder, two_nodes
from tests.helpers.nodes.sessions import end, gone, in_session
from tests.runtime.archive.conftest import Rows, links, start

pytestmark = pytest.mark.slow
Make = Callable[..., Rows]


def reports(process: subprocess.Popen[str], count: int) -> list[dict[str, Any]]:
    assert process.stdout is not None
    return [json.loads(process.stdout.readline()) for _ in range(count)]


def listening(session: int) -> set[str]:
    """The addresses at which a session's processes listen, as the system writes them."""
    sockets = set()
    for process in in_session(session):
        for descriptor in Path(f"/proc/{process}/fd").glob("*"):
            with contextlib.suppress(OSError):
                sockets.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {line[1].split(":")[0] for line in lines if line[3] == "0A" and line[9] in sockets}


@pytest.fixture(scope="module", autouse=True)
def short_tmp() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def test_a_killed_process_and_then_a_killed_command_lose_and_double_nothing(
    archive: Make, folder: Path, tmp_path: Path
) -> None:
    many = links(folder, 200)
    process = start(many, tmp_path / "out", "--processes", 2)
    try:
        seen = reports(process, 2)
        assert {address[-8:] for address in listening(process.pid)} == {"0100007F"}  # 127.0.0.1
        os.kill(seen[-1]["process"], signal.SIGKILL)
        seen += reports(process, 3)
        process.kill()
        _, said = process.communicate()
        assert said == "" and seen[-1]["done"] == 5 * 8
        assert gone({report["process"] for report in seen})
    finally:
        end(process.pid)
    assert 5 <= len([*(tmp_path / "out" / "rows").glob("*.parquet")]) < 25
    assert [{**row, "latency_ms": None} for row in archive(many)] == [
        {**row, "latency_ms": None} for row in archive(many, out=tmp_path / "here")
    ]


@pytest.fixture(scope="module")
def cluster(short_tmp: Path) -> Iterator[tuple[str, int]]:
    with two_nodes(short_tmp) as found:
        yield found


def test_a_killed_node_of_a_cluster_loses_nothing_and_doubles_nothing(
    cluster: tuple[str, int], archive: Make, folder: Path, tmp_path: Path
) -> None:
    address, second = cluster
    source, out = links(folder, 400), tmp_path / "out"
    # the nodes work in other folders than the caller
    process = start(Path(source.name), Path(out.name), "--address", address, cwd=source.parent)
    while reports(process, 1)[0]["process"] not in in_session(second):
        pass
    end(second)
    printed, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (0, "")
    assert json.loads(printed.splitlines()[-1])["done"] == 400
    before = sorted((out / "rows").iterdir())
    assert len(archive(source)) == 400 and sorted((out / "rows").iterdir()) == before


def test_a_cluster_that_is_not_there(many: Path, tmp_path: Path) -> None:
    nobody = start(many, tmp_path / "out", "--address", "127.0.0.1:9")
    _, said = nobody.communicate(timeout=120)
    assert nobody.returncode == 1 and said.startswith("error: The cluster 127.0.0.1:9 cannot be reached")
    assert said.count("\n") == 1
