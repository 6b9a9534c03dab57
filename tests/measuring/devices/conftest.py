from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.measuring.devices.loopback import SSH, SSHD, Loopback, make_environment, make_stand_ins

Device = Callable[..., Loopback]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stand_ins(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def environment(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("environment") / "venv", wheels)


@pytest.fixture
def device(tmp_path: Path, wheels: Path, environment: Path) -> Iterator[Device]:
    """Start a device: ``device(variables={...})``. It must be as it was in the end."""
    if not (SSH and SSHD):
        if os.environ.get("CI"):
            pytest.fail("CI needs OpenSSH's client and server")
        pytest.skip("OpenSSH's server is not installed here")
    made: list[Loopback] = []

    def make(new_environment: bool = False, shell: str | None = None, **variables: str) -> Loopback:
        made.append(Loopback(tmp_path / "device", wheels, None if new_environment else environment, variables, shell))
        return made[-1]

    yield make
    for each in made:
        each.stop()
