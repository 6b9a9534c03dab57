"""Checkpoints: a folder with ``model.safetensors`` and ``checkpoint.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as safetensors_bytes

from edge_runtime.common.files import write_bytes, write_json
from edge_runtime.common.record import from_json
from edge_runtime.errors import ModelError, UsageError
from train.config import TrainConfig
from train.divergence import find_not_finite
from train.networks.model import HeadNet, load_safetensors
from train.strategies import Strategy

SCHEMA_VERSION = 1
WEIGHTS = "model.safetensors"
INFO = "checkpoint.json"
NEW = ".new"
"""Ending of files that are not complete yet."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and how it was trained.

    Attributes:
        folder: The folder it was read from.
        model: The network in evaluation mode, on the CPU, float32.
        config: Its training settings.
        info: All of ``checkpoint.json``.
        sha256: Hash of ``model.safetensors``.
    """

    folder: Path
    model: HeadNet
    config: TrainConfig
    info: dict[str, Any]
    sha256: str

    @property
    def strategy(self) -> Strategy:
        """What was trained."""
        return self.model.strategy

    @property
    def trained_on(self) -> dict[str, list[str]]:
        """Names of the images trained on, by data set; also of those that the network it began with was trained on."""
        data, before = self.info.get("data", {}), (self.info.get("started_from") or {}).get("trained_on", {})
        if "files" not in data:  # of an early version
            return dict(before)
        return {**before, data["title"]: sorted({*before.get(data["title"], ()), *data["files"]["train"]})}


def stored_dtype(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor as it is stored: weights of convolutions in float16, everything else (batch norm, biases) unchanged.

    Some of the encoder's running variances are below 1e-6, where float16 has almost no digits.
    """
    return tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor


def save_checkpoint(folder: Path, model: HeadNet, config: TrainConfig, facts: Mapping[str, Any]) -> None:
    """Write a checkpoint: both files or none. A checkpoint that is there stays until both are on the disk.

    Args:
        folder: Where to.
        model: The network.
        config: Its settings.
        facts: Everything else that ``checkpoint.json`` records: history, metrics, data and versions.

    Raises:
        UsageError: The folder cannot be written, or its disk is full.
    """
    tensors = {k: stored_dtype(v.detach().cpu()).contiguous() for k, v in model.net.state_dict().items()}
    data = safetensors_bytes(tensors)
    info = {
        "schema_version": SCHEMA_VERSION,
        "strategy": asdict(model.strategy),
        "input": {"channels": 1, "range": [0.0, 1.0], "scaling": "byte / 255", "size": list(config.image_size)},
        "weights": {"file": WEIGHTS, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)},
        "config": config.to_json(),
        **facts,
    }
    new = {folder / f".{name}{NEW}": folder / name for name in (WEIGHTS, INFO)}
    weights, document = new
    try:
        write_bytes(weights, data)
        write_json(document, info)
        for temporary, path in new.items():  # weights first: a folder with checkpoint.json is complete
            temporary.replace(path)
    finally:
        for temporary in new:
            temporary.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint. The hash of its weights is checked before they are parsed.

    Raises:
        UsageError: The folder holds no checkpoint.
        ModelError: It has another schema version, a file is damaged, the weights are those of another network, or they
            are not finite.
    """
    path = folder / INFO
    if not path.exists():
        raise UsageError(
            f"{folder} holds no checkpoint ({INFO} is missing). Train one: python -m train --strategy edge"
        )
    try:
        info = json.loads(path.read_text())
        version = info.get("schema_version")
        if version != SCHEMA_VERSION:
            raise ModelError(
                f"{path} has schema version {version!r}; this program reads {SCHEMA_VERSION}. "
                "Use the program's version that wrote it, or train again."
            )
        data = (folder / WEIGHTS).read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 != info["weights"]["sha256"]:
            raise ModelError(f"{folder / WEIGHTS} is not the file its {INFO} describes: sha256 {sha256}. Restore it.")
        model = HeadNet(from_json(Strategy, info["strategy"], path))
        model.net.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in load_safetensors(folder / WEIGHTS).items()}
        )
        config = TrainConfig.from_json(info["config"])
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError) as error:
        raise ModelError(f"{folder} is not a usable checkpoint: {type(error).__name__}: {error}") from error
    if bad := find_not_finite(model.net.state_dict()):
        raise ModelError(
            f"{folder}: the network itself answers NaN, because its weights are not finite ({bad}). Its training "
            f"diverged. Train again with a learning rate (--lr) below {config.lr:g}.",
            code="diverged",
        )
    return Checkpoint(folder, model.eval(), config, info, sha256)
