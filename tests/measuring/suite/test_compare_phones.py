"""Results of phones: what tells them apart, and what is compared of a tool that runs the network alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.pages.report.sources import Source, machines_alike
from benchmarks.suite.compare import compare, differences
from benchmarks.suite.document import load_document
from benchmarks.suite.verdicts import NOT_COMPARED
from edge_runtime.errors import ModelError
from tests.measuring.suite.conftest import Change, changed


def phone(model: str | None, agent: str) -> Change:
    """Measured in a browser."""
    browser = {"user_agent": agent, "memory_gib": None, "isolated": True, "build": "simd", "clock_ms": 0.1}
    return lambda found: found["device"].update(model=model, cpu=None, governor=None, browser=browser)


@pytest.mark.parametrize(
    ("models", "agents", "said"),
    [
        (("P", "P"), ("Chrome 1", "Firefox 2"), "other engine"),
        (("P", "Q"), ("Chrome 1", "Chrome 1"), "other model"),
        ((None, None), ("Chrome 1", "Chrome 1"), "a phone without a name"),
        (("P", "P"), ("Chrome 1", "Chrome 1"), None),
    ],
)
def test_phones_and_browsers_are_told_apart(
    models: tuple[str | None, str | None], agents: tuple[str, str], said: str | None, result: Path, tmp_path: Path
) -> None:
    paths = [
        changed(result, tmp_path / f"{i}.json", phone(*told)) for i, told in enumerate(zip(models, agents, strict=True))
    ]
    found = compare(*map(load_document, paths), 0.05, ("a", "b"))
    reasons = {verdict.reason for verdict in found.verdicts if "median" in verdict.figure}
    assert reasons and all(said in (reason or "") if said else reason is None for reason in reasons)
    sources = [Source(key, path.name, load_document(path)) for key, path in zip("AB", paths, strict=True)]
    assert bool(machines_alike(sources)) is (said is None)


def test_a_throttled_device_is_told(result: Path, tmp_path: Path) -> None:
    def throttle(document: dict[str, Any]) -> None:
        document["device"]["throttled"] = "0x0"
        document["results"][0]["rounds"][1]["throttled"] = "0x5"

    hot = load_document(changed(result, tmp_path / "b.json", throttle))
    told = differences(load_document(result), hot)
    assert any("not this device's true speed" in text and "in B, " in text for text in told)


def tool(mean_ms: float, sha256: str = "a") -> Change:
    """Measured by LiteRT's tool alone, in three rounds."""
    names = ("count", "mean_ms", "sd_ms", "min_ms", "max_ms", "init_ms", "first_ms", "warmup_mean_ms")
    nothing = ("p5_ms", "median_ms", "p95_ms", "memory_init_mb", "memory_overall_mb", "peak_memory_mb")

    def change(document: dict[str, Any]) -> None:
        for found in document["results"]:
            runs = [dict.fromkeys(names, 3) | dict.fromkeys(nothing) | {"mean_ms": mean_ms + i / 100} for i in range(3)]
            status = [0, 0, 0]
            tool = {"tool": "benchmark_model", "tool_sha256": sha256, "input": "random", "thermal_status": status}
            found |= {"network_only": tool | {"runs": runs}, "rounds": None, "accuracy": None, "images": []}

    return change


@pytest.mark.parametrize(
    ("after_ms", "sha256", "word", "reason"),
    [
        (6.0, "a", "slower", None),
        (4.0, "a", "faster", None),
        (6.0, "b", NOT_COMPARED, "another build of the tool"),
    ],
)
def test_runs_of_a_phones_tool_are_compared(
    after_ms: float, sha256: str, word: str, reason: str | None, result: Path, tmp_path: Path
) -> None:
    before = load_document(changed(result, tmp_path / "a.json", tool(5.0)))
    after = load_document(changed(result, tmp_path / "b.json", tool(after_ms, sha256)))
    found = compare(before, after, 0.05, ("a", "b"))
    mean = next(verdict for verdict in found.verdicts if verdict.figure == "network alone, mean (ms)")
    assert (mean.word, mean.reason, mean.decides) == (word, reason, True)
    assert bool(found.regressions) is (word != "faster")
    with pytest.raises(ModelError, match="'mean_ms' is -5"):
        load_document(changed(result, tmp_path / "c.json", tool(-5.0)))
