"""The state of an unfinished run, ``resume.pt``: written after every epoch, checked before a run goes on from it."""

from __future__ import annotations

import io
import os
import shutil
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edge_runtime.common.files import write_bytes
from edge_runtime.common.record import from_json
from edge_runtime.errors import FetalHeadError, ModelError, UsageError
from train.config import TrainConfig
from train.divergence import find_not_finite

STATE = "resume.pt"
SCHEMA_VERSION = 2
"""Version 1, which had no number, did not record the data."""


@dataclass(frozen=True)
class Epoch:
    """What ``checkpoint.json`` and the state record of an epoch.

    Attributes:
        epoch: Its number, from 1.
        loss: Mean loss over its steps.
        seconds: Time it took, validation included.
        images_per_second: Images and frames that it was trained on in the epoch over ``seconds``.
        val_dice: Mean Dice on the validation part; None if there is no such part, like the next two.
        val_hc_absolute_difference_mm: Mean absolute difference of the head circumference; None if none was measured.
        val_hc_refused: Images whose circumference was refused.
        paper_augmented: :func:`edge_runtime.metrics.paper_pooled` of the test part, augmented as in training: what the
            paper's table averages over its epochs 6 to 20. None if the run is not judged so, like the next.
        paper_plain: The same without augmentation.
    """

    epoch: int
    loss: float
    seconds: float
    images_per_second: float
    val_dice: float | None = None
    val_hc_absolute_difference_mm: float | None = None
    val_hc_refused: int | None = None
    paper_augmented: dict[str, float] | None = None
    paper_plain: dict[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is stored: without the figures of a judgement that was not made."""
        without = {"val_": self.val_dice is None, "paper_": self.paper_augmented is None}
        missing = tuple(prefix for prefix, left_out in without.items() if left_out)
        return {k: v for k, v in asdict(self).items() if not k.startswith(missing)}


@dataclass(frozen=True)
class DataRecord:
    """The images of a run, as ``checkpoint.json`` records them.

    Attributes:
        title: Name of the data set.
        split: Name of the split.
        split_sha256: Hash of the split's three lists.
        sha256: Hash of the images used, their annotations and table values; see ``hash_samples``.
        images: Number of images of each part.
        files: Names of the images of each part.
        limit: The cap on each part, or None.
        others: Number of frames from elsewhere, by kind.
        others_sha256: Hash of these frames; None if there are none.
        pseudo_labels: Number of outlines by networks.
        pseudo_labels_sha256: Hash of these images and outlines; None if there are none.
    """

    title: str
    split: str
    split_sha256: str
    sha256: str
    images: dict[str, int]
    files: dict[str, list[str]]
    limit: int | None
    others: dict[str, int] = field(default_factory=dict)
    others_sha256: str | None = None
    pseudo_labels: int = 0
    pseudo_labels_sha256: str | None = None


@dataclass(frozen=True)
class Identity:
    """What a run must have in common with the state that it goes on from."""

    strategy: str
    config: TrainConfig
    data: DataRecord

    def differences(self, other: Identity) -> list[str]:
        """What ``other`` has otherwise, each as ``name: other's value, then this one's``."""
        pairs = [("strategy", other.strategy, self.strategy)]
        pairs += [(f.name, getattr(other.config, f.name), getattr(self.config, f.name)) for f in fields(TrainConfig)]
        names = [f.name for f in fields(DataRecord) if f.name not in ("title", "split", "files")]
        pairs += [(f"data {name}", getattr(other.data, name), getattr(self.data, name)) for name in names]
        return [f"{name}: {_short(a)}, now {_short(b)}" for name, a, b in pairs if a != b]


@dataclass(frozen=True)
class State:
    """What a run needs to go on.

    Attributes:
        history: The epochs that are done.
        model: State of the network.
        optimizer: State of the optimizer.
        best: State of the network after the best epoch; None if no epoch was judged.
        best_dice: Mean Dice of the validation part then; -1 if none.
        seconds: Time all epochs took.
        scaler: State of the loss's scale; empty unless the precision is float16.
    """

    history: list[Epoch]
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    best: dict[str, Tensor] | None
    best_dice: float
    seconds: float
    scaler: dict[str, Any] = field(default_factory=dict)


def save_state(path: Path, state: State, identity: Identity) -> None:
    """Write a state, whole or not at all: an earlier one stays until then.

    Raises:
        FetalHeadError: The disk is full, or cannot be written any more.
    """
    buffer = io.BytesIO()
    values = {
        "schema_version": SCHEMA_VERSION,
        "strategy": identity.strategy,
        "config": identity.config.to_json(),
        "data": asdict(identity.data),
        "model": state.model,
        "optimizer": state.optimizer,
        "history": [epoch.to_json() for epoch in state.history],
        "best": state.best,
        "best_dice": state.best_dice,
        "seconds": state.seconds,
        "scaler": state.scaler,
    }
    torch.save(values, buffer)
    try:
        write_bytes(path, buffer.getvalue())
    except UsageError as error:
        raise write_failed(path, error) from error


def write_failed(path: Path, error: Exception) -> FetalHeadError:
    """The error for a file that could not be written in the middle of a run: names the file, its disk and the room."""
    disk = next(p for p in path.absolute().parents if os.path.ismount(p) or p == p.parent)
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    state = path.parent / STATE
    kept, advice = "nothing was kept", "start the run again"
    if state.exists():
        kept, advice = f"{state} keeps the finished epochs", "go on with --resume"
    return FetalHeadError(
        f"{path} cannot be written: {getattr(cause, 'strerror', None) or cause}. Its disk ({disk}) has "
        f"{shutil.disk_usage(disk).free / 1e6:.0f} MB free. No incomplete file is left; {kept}. "
        f"Make room, then {advice}."
    )


def load_state(path: Path, identity: Identity, device: torch.device) -> State:
    """Read a state and check it: nothing in the file is executed, and every byte is covered by its checksums.

    Args:
        path: The file.
        identity: The run that is to go on.
        device: Where its tensors go.

    Raises:
        ModelError: The file is damaged, is something else, or was written by an earlier version.
        UsageError: It was saved under other settings or with other data.
    """
    values = _read(path, device)
    try:
        theirs = Identity(
            values["strategy"],
            TrainConfig.from_json(values["config"]),
            from_json(DataRecord, values["data"], path),
        )
        state = State(
            history=[from_json(Epoch, epoch, path) for epoch in values["history"]],
            model=_tensors(values["model"]),
            optimizer=dict(values["optimizer"]),
            best=None if values["best"] is None else _tensors(values["best"]),
            best_dice=float(values["best_dice"]),
            seconds=float(values["seconds"]),
            scaler=dict(values.get("scaler", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError, FetalHeadError) as error:
        raise unusable(path, f"it is not a complete training state ({error})") from error
    if changed := identity.differences(theirs):
        raise UsageError(
            f"{path} was saved under other settings or with other data ({'; '.join(changed)}). "
            "Resume with the same ones, or start anew with --overwrite."
        )
    if [epoch.epoch for epoch in state.history] != list(range(1, len(state.history) + 1)):
        raise unusable(path, "its epochs are not in order")
    if len(state.history) > identity.config.epochs:
        raise unusable(path, f"it holds {len(state.history)} epochs of {identity.config.epochs}")
    bad = find_not_finite(state.model) or find_not_finite(state.best or {})
    if bad:
        raise unusable(path, f"{bad}: the training had diverged when it was saved")
    return state


def stored_precision(path: Path) -> str | None:
    """The precision of the run that a state is of; None if there is no state, or none that can be read."""
    try:
        return str(_read(path, torch.device("cpu"))["config"]["precision"])
    except (FetalHeadError, KeyError, TypeError):  # going on from it tells what is wrong
        return None


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch writes checksums, and does not check them
        if damaged:
            raise unusable(path, f"its checksum of {damaged} is wrong")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = torch.load(path, map_location=device, weights_only=True)
    except FetalHeadError:
        raise
    except Exception as error:  # foreign bytes make zipfile and torch raise nearly anything
        raise unusable(path, f"it is damaged or is no training state ({type(error).__name__})") from error
    if not isinstance(values, dict) or not {"model", "optimizer", "history"} <= set(values):
        raise unusable(path, "it holds something else")
    if values.get("schema_version") != SCHEMA_VERSION:
        version = values.get("schema_version", 1)
        raise unusable(
            path,
            f"its schema version is {version!r}, this program reads {SCHEMA_VERSION}; version 1 does not say which "
            "data it was trained on. The program's version that wrote it can finish it",
        )
    return values


def _tensors(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in values.items()):
        raise TypeError("weights are not tensors")
    return dict(values)


def unusable(path: Path, why: str) -> ModelError:
    """The error for a state that cannot be used."""
    return ModelError(f"{path} cannot be resumed: {why}. Start anew with --overwrite.")


def _short(value: object) -> str:
    """A value for a message: hashes and lists are cut."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:12]}..." if " " not in text else f"{text[:57]}..."
