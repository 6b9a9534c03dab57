from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.devices.phone.litert import read_litert
from edge_runtime.device.thread_cache import CACHE_VARIABLE
from tests.helpers.places import ROOT
from tests.measuring.devices.phone.desk import Desk

Start = Callable[..., Desk]


@pytest.fixture(scope="session")
def litert() -> Path:
    """A folder with LiteRT.js, fetched with npm once for each checkout. Left out where there is no npm."""
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs npm")
        pytest.skip("npm is not installed")
    cache = ROOT / ".cache" / "fetal-head-edge"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(cache))
        read_litert(None)
    return cache / "litertjs"


@pytest.fixture
def start(litert: Path) -> Iterator[Start]:
    """Start the command: ``start(model, "--rounds", 1)``. It is ended with the test."""
    desks: list[Desk] = []

    def call(*arguments: object, host: str = "127.0.0.1") -> Desk:
        desks.append(Desk(litert, *arguments, host=host))
        return desks[-1]

    yield call
    for desk in desks:
        desk.close()
