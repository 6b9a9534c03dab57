from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.short_run import content, go, in_epoch, interrupt
from train.data.hc18 import Dataset, read_dataset
from train.run import Run as TrainingRun


@pytest.fixture(scope="module")
def dataset(phantom: Path) -> Dataset:
    return read_dataset(phantom)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """A run that was interrupted after its first epoch; tests copy it."""
    folder = tmp_path_factory.mktemp("interrupted") / "edge"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingRun, "epoch", in_epoch(2, interrupt))
        with pytest.raises(KeyboardInterrupt):
            go(folder, dataset)
    assert content(folder) == ["resume.pt"]
    return folder


@pytest.fixture
def half(interrupted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(interrupted, tmp_path / "half" / "edge"))
