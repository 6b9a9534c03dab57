"""A Ray cluster of two nodes with one core each, on this computer."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.nodes.sessions import end
from tests.helpers.places import ROOT

NODE = ("--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats")


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder of short name, where all others are made too: the paths of Ray's sockets have to be short."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        patch.setenv("TMPDIR", folder)
        yield Path(folder)


@contextmanager
def two_nodes(folder: Path) -> Iterator[tuple[str, int]]:
    """Its address, and the session of the second node; ``folder`` is for its files."""
    nodes = []

    def ray_start(*options: str) -> None:
        call = [sys.executable, "-m", "ray.scripts.scripts", "start", *options, *NODE]
        with (folder / "said").open("w+") as said:
            nodes.append(subprocess.Popen(call, stdout=said, stderr=said, start_new_session=True))
            assert nodes[-1].wait(300) == 0, (folder / "said").read_text()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_worker_niceness", "0")
        try:
            ray_start("--head", "--port=0", "--include-dashboard=false", f"--temp-dir={folder}/ray")
            address = (folder / "ray" / "ray_current_cluster").read_text()
            ray_start(f"--address={address}")
            yield address, nodes[1].pid
        finally:
            for node in nodes:
                end(node.pid)
