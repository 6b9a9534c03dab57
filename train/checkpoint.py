"""Checkpoints: ``model.safetensors`` and ``checkpoint.json`` in one folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as safetensors_bytes

from edge_runtime.common.files import write_bytes, write_json
from edge_runtime.errors import ModelError, UsageError
from train.config import TrainConfig
from train.model import HeadNet, load_safetensors
from train.strategies import Strategy

SCHEMA_VERSION = 1
WEIGHTS = "model.safetensors"
INFO = "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and how it came to be.

    Attributes:
        folder: Where it lies.
        model: In evaluation mode, on the CPU, float32.
        config: Its training settings.
        info: All of ``checkpoint.json``.
        sha256: Of ``model.safetensors``.
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


def stored_dtype(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor as it is stored: convolution weights in float16, all else (batch norm, biases) as it is.

    Some of the encoder's running variances lie below 1e-6, where float16 has almost no digits.
    """
    return tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor


def save_checkpoint(folder: Path, model: HeadNet, config: TrainConfig, facts: dict[str, Any]) -> None:
    """Write a checkpoint, weights first: a folder with ``checkpoint.json`` is complete.

    Args:
        folder: Where to.
        model: The network.
        config: Its settings.
        facts: Everything else that ``checkpoint.json`` records: history, metrics, data and versions.
    """
    tensors = {k: stored_dtype(v.detach().cpu()).contiguous() for k, v in model.net.state_dict().items()}
    data = safetensors_bytes(tensors)
    write_bytes(folder / WEIGHTS, data)
    info = {
        "schema_version": SCHEMA_VERSION,
        "strategy": asdict(model.strategy),
        "input": {"channels": 1, "range": [0.0, 1.0], "scaling": "byte / 255", "size": list(config.image_size)},
        "weights": {"file": WEIGHTS, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)},
        "config": config.to_json(),
        **facts,
    }
    write_json(folder / INFO, info)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint; its hash is checked before its weights are parsed.

    Raises:
        UsageError: The folder holds no checkpoint.
        ModelError: Another schema version, a damaged file, or weights of another network.
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
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in info["strategy"].items()}
        model = HeadNet(Strategy(**fields))
        model.net.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in load_safetensors(folder / WEIGHTS).items()}
        )
        config = TrainConfig.from_json(info["config"])
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError) as error:
        raise ModelError(f"{folder} is not a usable checkpoint: {type(error).__name__}: {error}") from error
    return Checkpoint(folder, model.eval(), config, info, sha256)
