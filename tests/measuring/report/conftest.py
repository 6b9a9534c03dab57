"""A result of tiny artifacts on the phantom's frame set, and results of other devices made from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.frames.pack import PHANTOM
from tests.helpers.tiny_model import make_artifact

Change = Callable[[dict[str, Any]], object]
Make = Callable[..., Path]


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    for recipe in ("float32", "full_int8"):
        make_artifact(folder / "tiny", recipe, of_phantoms=True)  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="session")
def result(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that a run can tell: three rounds, steps, and a profile."""
    out = tmp_path_factory.mktemp("results") / "result.json"
    much = ("--mode", "official", "--rounds", "3", "--frames", "4", "--seconds", "0.01", "--cooldown", "0")
    assert main(["run", str(artifacts), "--frame-set", str(PHANTOM), "--out", str(out), "--warmup", "1", *much]) == 0
    return out


@pytest.fixture
def make(result: Path, tmp_path: Path) -> Make:
    """A changed copy of the result: ``make("pi.json", change)``."""

    def changed(name: str, change: Change) -> Path:
        document = json.loads(result.read_text())
        change(document)
        path = tmp_path / name
        path.write_text(json.dumps(document))
        return path

    return changed


def as_of_a_board(document: dict[str, Any]) -> None:
    """The same on another device, which tells energy, clock and throttling, in a sustained run."""
    document["device"].update(model="Board 5", machine="aarch64", cores=4)
    for result in document["results"]:
        result.pop("energy_reason", None)
        result["energy"] = {"joules_per_frame": 0.1234, "watts": 5.5, "source": "its power chip"}


def as_sustained(document: dict[str, Any]) -> None:
    """A sustained run of ten minutes that throttles half-way."""
    as_of_a_board(document)
    document["conditions"]["mode"] = "sustained"
    document.pop("profile", None)
    points = [
        {
            "start_s": 10.0 * i,
            "frames": 500,
            "p50_ms": 20.0 if i < 30 else 30.0,
            "p90_ms": 33.0,
            "max_ms": 44.0,
            "frequency_mhz": 2400.0 if i < 30 else 1500.0,
            "temperature_c": 50.0 + i / 2,
            "throttled": "0x0" if i < 30 else "0x4",
        }
        for i in range(60)
    ]
    found = {"points": points, "slowdown": 0.5, "throttled": True, "findings": ["the clock fell from 2400 to 1500 MHz"]}
    del document["results"][1:]
    document["results"][0]["sustained"] = found


def as_older(document: dict[str, Any]) -> None:
    """A result from before the modes, with other images."""
    newer = ("mode", "seconds", "cooldown_s", "seed", "order", "shortfalls", "load_before", "load_after", "not_told")
    for name in (*newer, "frame_set_sha256"):
        document["conditions"].pop(name, None)
    document["conditions"].update(data="HC18", is_phantom=False, split="grouped", images_sha256="0" * 64)
    document.pop("profile", None)
    for result in document["results"]:
        for name in ("steps_ms", "mean_ms", "frames_per_s", "rounds_apart", "unstable", "energy_reason"):
            result.pop(name, None)
        for stage in result["latency_ms"].values():
            stage.pop("max", None)
