"""Measure how much of its 256 levels a model's integer output uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import UsageError
from edge_runtime.frame.preprocess import prepare, to_unit
from export.tflite.apart import Apart
from export.tflite.model import Model
from export.tflite.own_run import Subject, Trial, loaded
from train.data import phantom
from train.data.hc18 import find_local, read_dataset
from train.data.splits import evenly_spaced

FRAMES = 16
"""Number of frames that the range is measured on."""
FEW_LEVELS = 128
"""An output that uses fewer of its 256 levels wastes at least one bit."""

Frames = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class OutputRange:
    """How an integer output uses its 256 levels, over some frames.

    Attributes:
        least: Minimum stored value.
        most: Maximum stored value.
        saturated: Share of values at either end of the dtype's range, 0 to 1.
    """

    least: int
    most: int
    saturated: float

    @property
    def levels(self) -> int:
        """Number of levels from minimum to maximum, both included."""
        return self.most - self.least + 1


def local_frames(data: str | None) -> tuple[list[NDArray[np.uint8]], str]:
    """Frames that are on this machine, and a title for them. Nothing is downloaded or written.

    Args:
        data: HC18's folder or ``phantom``; None to search for HC18, and draw phantoms if it is not found.

    Raises:
        UsageError: ``data`` is ``download``, or a folder without HC18's layout.
    """
    if data == "download":
        raise UsageError("--data is 'download', but an audit downloads nothing. Give HC18's folder, or 'phantom'.")
    place = Path(data) if data and data != "phantom" else None if data else find_local()
    if place is None:
        return [phantom.make_phantom(seed)[0] for seed in range(FRAMES)], "procedural phantom (not ultrasound)"
    dataset = read_dataset(place)
    samples = evenly_spaced(list(dataset.samples.values()), FRAMES)
    return [sample.frame() for sample in samples], dataset.title


def output_range(apart: Apart, model: Model, frames: Frames) -> OutputRange | None:
    """Measure how an integer output uses its levels.

    Args:
        apart: The process that holds the model.
        model: The same model.
        frames: Grey frames, uint8 (H, W).

    Returns:
        The result; None if there are no frames, the model does not take an image, or its output is not int8 or uint8.

    Raises:
        ModelError: LiteRT cannot run the model.
    """
    inputs, outputs = model.inputs, model.outputs
    if not frames or len(inputs) != 1 or len(outputs) != 1 or outputs[0].dtype not in ("int8", "uint8"):
        return None
    shape = inputs[0].shape
    if len(shape) != 4 or shape[0] != 1 or min(shape) < 1 or inputs[0].dtype not in ("float32", "int8", "uint8"):
        return None
    return OutputRange(*apart.call(measure_range, list(frames)))


def measure_range(subject: Subject, frames: Frames) -> tuple[int, int, float]:
    """Minimum and maximum stored value of the output, and the share of values at either end of the dtype's range."""
    interpreter = loaded(subject.data, Trial(0, 0))
    place, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    _, height, width, channels = (int(n) for n in place["shape"])
    values = []
    for frame in frames:
        grey = prepare(frame, (height, width)).image
        if place["dtype"] == np.int8:
            grey = (grey.astype(np.int16) - 128).astype(np.int8)
        elif place["dtype"] != np.uint8:
            grey = to_unit(grey).astype(place["dtype"])
        interpreter.set_tensor(place["index"], np.repeat(grey[None, :, :, None], channels, axis=3))
        interpreter.invoke()
        values.append(interpreter.get_tensor(target))
    stored = np.stack(values)
    if not stored.size:
        raise ValueError("the output is empty")
    ends = np.iinfo(stored.dtype)
    saturated = float(np.mean((stored == ends.min) | (stored == ends.max)))
    return int(stored.min()), int(stored.max()), saturated
