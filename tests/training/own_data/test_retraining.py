"""docs/retraining.md, followed word for word: from a folder of images to a signed model with its own limits."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from edge_runtime import Segmenter
from edge_runtime.artifact.manifest import load_manifest
from edge_runtime.quality.limits import read_limits
from export.quality import cases
from tests.helpers.places import ROOT
from train.data.hc18 import TABLE, read_dataset
from train.data.splits import make_split

PAGE = (ROOT / "docs" / "retraining.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if not line.startswith("source ")  # the environment that the tests run in
]
STARTED_APART = "-m train.data.phantom", "-m benchmarks"
"""In a process of their own, as a user starts them; the others in this one, where torch is imported once."""


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder that the page's commands were run in, and what each printed."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "checkpoints").symlink_to(ROOT / "checkpoints")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    printed = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(cases, "BAD_EACH", dict.fromkeys(cases.PARTS, 1))  # of 40: they take most of the time
        patch.setattr(cases, "LOOKS_EACH", {"train": 2, "val": 2})
        for command in COMMANDS:
            if command.startswith("python -m ") and not any(text in command for text in STARTED_APART):
                _, _, module, *arguments = shlex.split(command)
                assert import_module(f"{module}.__main__").main(arguments) == 0, command
            else:
                done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
                assert done.returncode == 0, f"{command}\n{done.stderr}"
                printed[command] = done.stdout
    return folder, printed


@pytest.mark.slow
def test_the_page_ends_with_a_signed_model_that_has_its_own_limits(followed: tuple[Path, dict[str, str]]) -> None:
    folder, _ = followed
    model = folder / "artifacts" / "edge-s" / "edge-s-full_int8.tflite"
    manifest = load_manifest(model)
    assert manifest.recipe == "full_int8" and read_limits(manifest.quality) is not None
    assert manifest.quality["from"]["frames"]["val_real"]["n"] == 22
    segmenter = Segmenter.load(model, trusted_keys=[folder / "release.key.pub"])
    assert segmenter.signed_by
    dataset = read_dataset(folder / "mine")
    split = make_split(dataset, "grouped")
    assert (len(dataset.samples), len(split.val), len(split.test)) == (30, 22, 3)
    assert manifest.checkpoint["data"]["files"] == {p: list(getattr(split, p)) for p in ("train", "val", "test")}
    for sample in dataset.select(split.test):
        result = segmenter.measure(sample.frame(), sample.pixel_size_mm)
        assert result.head_circumference_mm == pytest.approx(sample.hc_mm, abs=10) and result.interval_mm


@pytest.mark.slow
def test_every_step_is_said_and_measured(followed: tuple[Path, dict[str, str]]) -> None:
    folder, printed = followed
    assert "30 phantoms (not ultrasound) are in mine" in "".join(printed.values())
    assert (folder / "mine.json").stat().st_size > 1000
    assert (folder / "mine" / TABLE).read_text().startswith("filename,pixel size(mm),head circumference (mm)")


def test_the_page_has_one_command_for_each_step() -> None:
    steps = ("train.data.phantom", "train", "export", "export quality", "export sign", "edge_runtime measure")
    for step in steps:
        assert sum(f"{command} ".startswith(f"python -m {step} ") for command in COMMANDS) >= 1, step
