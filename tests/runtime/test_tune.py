"""The choice of threads: only where it is surely faster, kept where it may be, never in the way."""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Segmenter, UsageError
from edge_runtime.device import thread_cache
from edge_runtime.device.thread_cache import CACHE_VARIABLE, cache_folder
from edge_runtime.timing import tune as tuning
from edge_runtime.timing.tune import MARGIN, choose, time_threads, tune
from tests.helpers.places import Run
from tests.helpers.tiny_model import make_artifact

times = st.lists(st.floats(1, 100), min_size=10, max_size=10)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [make_artifact(folder), make_artifact(folder, size=(48, 64), name="other")]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    for module in ("device.fingerprint", "device.thread_cache", "timing.tune"):
        monkeypatch.setattr(f"edge_runtime.{module}.usable_cores", lambda: 4)
    return tmp_path / "cache"


@pytest.fixture
def three_are_best(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {1: [20.0] * 30, 2: [15.0] * 30, 3: [9.0] * 30, 4: [8.9] * 30}
    monkeypatch.setattr(tuning, "time_threads", lambda segmenters, rounds: {n: found[n] for n in segmenters})


@given(st.dictionaries(st.integers(2, 8), times), times)
def test_more_threads_are_taken_only_where_they_beat_one(others: dict[int, list[float]], one: list[float]) -> None:
    found = {**others, 1: one}
    best = choose(found)
    if best != 1:
        ratios = [a / b for a, b in zip(found[best], one, strict=True)]
        assert statistics.median(ratios) <= 1 - MARGIN and sum(r < 1 for r in ratios) >= 8
    assert choose({1: one, 2: one, 3: [2 * ms for ms in one]}) == 1


@given(st.floats(0.01, 0.9), times)
def test_a_clear_gain_is_taken_and_one_within_the_margin_is_not(factor: float, one: list[float]) -> None:
    expected = 2 if factor <= 1 - MARGIN - 1e-9 else 1
    if abs(factor - (1 - MARGIN)) > 1e-6:
        assert choose({1: one, 2: [factor * ms for ms in one]}) == expected


def test_noise_is_not_taken_for_a_gain() -> None:
    rng = np.random.default_rng(0)
    taken = [choose({n: rng.lognormal(3, 0.3, 30).tolist() for n in (1, 2, 3, 4)}) != 1 for _ in range(400)]
    assert np.mean(taken) < 0.02
    fewer = {1: [20.0] * 30, 2: [10.0] * 30, 4: [9.8] * 30}
    assert choose(fewer) == 2, "the smaller number where the larger gives next to nothing"


def test_the_choice_is_kept_for_this_model_device_and_interpreter_only(
    models: list[Path], cache: Path, three_are_best: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Segmenter.load(models[0], threads="auto").threads == 1, "nothing was tuned yet"
    assert tune(models[0]).threads == 3 and tune(models[0]).kept
    (kept,) = cache.iterdir()
    assert json.loads(kept.read_text())["median_ms"] == {"1": 20, "2": 15, "3": 9, "4": 8.9}
    assert Segmenter.load(models[0], threads="auto").threads == 3
    assert Segmenter.load(models[0]).threads == 1 and Segmenter.load(models[1], threads="auto").threads == 1
    assert Segmenter.load(models[0], threads="auto", backend="tflite-runtime").threads == 1
    monkeypatch.setattr("edge_runtime.device.fingerprint._cores", lambda: 1000)
    assert Segmenter.load(models[0], threads="auto").threads == 1, "another number of cores is another device"


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "[" * 100_000, "\0" * 100, " " * 100_000, '{"schema_version": 1}', b"\xff\xfe", "threads",
     *(("threads", value) for value in (0, -1, 5, 64, True, "3", None, 3.0, [3])), ("schema_version", 2),
     ("tuned_for", {}), "folder", "fifo", "loop"],
    ids=lambda content: repr(content)[:24],
)  # fmt: skip
def test_a_damaged_cache_is_as_good_as_none(
    models: list[Path], cache: Path, three_are_best: None, content: object
) -> None:
    tune(models[0])
    (kept,) = cache.iterdir()
    if isinstance(content, tuple):
        kept.write_text(json.dumps({**json.loads(kept.read_text()), content[0]: content[1]}))
    elif isinstance(content, bytes):
        kept.write_bytes(content)
    elif content in ("folder", "fifo", "loop"):
        kept.unlink()
        {"folder": kept.mkdir, "fifo": lambda: os.mkfifo(kept), "loop": lambda: kept.symlink_to(kept)}[str(content)]()
    else:
        kept.write_text(str(content))
    assert Segmenter.load(models[0], threads="auto").threads == 1
    if content != "folder":
        assert tune(models[0]).kept and Segmenter.load(models[0], threads="auto").threads == 3, "and is replaced"
        assert [p.name for p in cache.iterdir()] == [kept.name], "nothing half-written stays"


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for xdg, wanted in (
        (str(tmp_path / "x"), tmp_path / "x"), ("", tmp_path / ".cache"), ("relative", tmp_path / ".cache")
    ):  # fmt: skip
        monkeypatch.setenv("XDG_CACHE_HOME", xdg)
        assert cache_folder() == wanted / "fetal-head-edge"
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert cache_folder() is None
    assert thread_cache.cached_threads("0" * 64, "ai-edge-litert") is None
    assert "no cache folder" in str(thread_cache.keep_threads("0" * 64, "ai-edge-litert", 2, {}))


def test_a_cache_that_cannot_be_written_is_said_and_no_failure(
    models: list[Path], tmp_path: Path, three_are_best: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    found = tune(models[0])
    assert not found.kept and CACHE_VARIABLE in str(found.problem)


def test_threads_are_timed_in_turns(models: list[Path]) -> None:
    found = time_threads({n: Segmenter.load(models[0], threads=n) for n in (1, 2)}, 12)
    assert {n: len(ms) for n, ms in found.items()} == {1: 12, 2: 12} and min(found[1] + found[2]) > 0
    with pytest.raises(UsageError, match="rounds is 9"):
        tune(models[0], rounds=9)
    with pytest.raises(UsageError, match="threads is 'many'"):
        Segmenter.load(models[0], threads="many")  # type: ignore[arg-type]


def test_the_commands(run: Run, models: list[Path], tmp_path: Path) -> None:
    env = {CACHE_VARIABLE: str(tmp_path / "cache")}
    done = run("edge_runtime", "tune", "--model", models[0], "--rounds", 10, "--json", env=env)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kept"] and found["median_ms"][str(found["threads"])] > 0
    done = run("edge_runtime", "bench", "--model", models[0], "--threads", "auto", "--frames", 2, "--json", env=env)
    assert json.loads(done.stdout)["results"][0]["threads"] == found["threads"]
    (tmp_path / "file").write_text("")
    table = run(
        "edge_runtime", "tune", "--model", models[0], "--rounds", 10, env={CACHE_VARIABLE: str(tmp_path / "file")}
    )
    assert table.returncode == 0 and "<- chosen" in table.stdout and "Not kept" in table.stdout
    for bad in (("tune", "--rounds", 3), ("bench", "--threads", "many"), ("tune", "--model", "no.tflite")):
        done = run("edge_runtime", *bad, env=env)
        assert done.returncode == 2 and "Traceback" not in done.stderr, bad
