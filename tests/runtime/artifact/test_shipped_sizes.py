"""The shipped sizes are loaded by name, and what is missing is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime import Segmenter, UsageError, shipped
from edge_runtime.shipped import DEFAULT_MODEL, DEFAULT_SIZE, SIZES, find_model
from tests.helpers.places import Run
from tests.helpers.tiny_model import make_artifact


def test_a_name_is_a_size_and_anything_else_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_model(None) == find_model(DEFAULT_SIZE) == find_model(Path(DEFAULT_SIZE)) == DEFAULT_MODEL
    assert find_model("own/edge-s") == Path("own/edge-s") and find_model("edge") == Path("edge")
    monkeypatch.chdir(tmp_path)
    Path("edge-s").write_bytes(b"")
    assert find_model("edge-s") == Path("edge-s")


@pytest.mark.parametrize("size", SIZES)
def test_every_size_measures_or_says_where_it_can_be_had(
    size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "MODELS", tmp_path)
    with pytest.raises(UsageError, match=f"The model {size} is not in this installation, which has none"):
        Segmenter.load(size)
    make_artifact(tmp_path, "full_int8", name=size)
    assert Segmenter.load(size).manifest.name == f"{size}-full_int8"


def test_commands_take_a_size(run: Run) -> None:
    done = run("edge_runtime", "info", "--model", DEFAULT_SIZE)
    assert done.returncode == 0 and f"{DEFAULT_SIZE}-full_int8" in done.stdout
    done = run("edge_runtime", "info", "--model", "edge-xl")
    assert done.returncode == 2 and "edge-xl" in done.stderr
