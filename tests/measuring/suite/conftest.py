"""A result of two artifacts whose rounds are set by hand, and changed copies of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.frames.pack import PHANTOM
from tests.helpers.tiny_model import make_artifact

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of two artifacts whose rounds are set by hand: their medians are 10.0, 10.1 and 10.2 ms."""
    folder = tmp_path_factory.mktemp("compared")
    for recipe in ("float32", "full_int8"):
        make_artifact(folder / "artifacts", recipe, of_phantoms=True)  # type: ignore[arg-type]
    out = folder / "result.json"
    call = ["run", str(folder / "artifacts"), "--frame-set", str(PHANTOM), "--frames", "2", "--rounds", "3"]
    assert main([*call, "--out", str(out)]) == 0

    def steady(document: dict[str, Any]) -> None:
        document["conditions"] |= {key: {"average_1min": 0.0, "busy": 0.0} for key in ("load_before", "load_after")}
        for found in document["results"]:
            found["unstable"] = False
            for i, one in enumerate(found["rounds"]):
                for name in ("total_p50_ms", "total_mean_ms", "total_p99_ms", "process_start_to_first_result_ms"):
                    one[name] = 10 + i / 10
                one["peak_memory_bytes"] = 50_000_000 + 1000 * i
                one["joules_per_frame"] = 0.02 + i / 10_000
                one["steps_p50_ms"] = {"invoke": 5 + i / 20}

    return changed(result=out, out=out, change=steady)


def changed(result: Path, out: Path, change: Change) -> Path:
    document = json.loads(result.read_text())
    change(document)
    out.write_text(json.dumps(document))
    return out
