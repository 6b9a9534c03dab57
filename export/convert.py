"""The steps of a conversion, each in its own process, inside a folder the caller removes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.recipes import Recipe
from export.to_onnx import write_onnx
from export.worker import run_apart
from train.model import HeadNet

ONNX = "network.onnx"
SAVED_MODEL = "saved_model"


def to_saved_model(
    model: HeadNet, size: tuple[int, int], images: NDArray[np.uint8], folder: Path
) -> NDArray[np.float32]:
    """Convert a network to ONNX and on to a SavedModel: once, whatever the recipes.

    Args:
        model: In evaluation mode, on the CPU.
        size: (h, w) of the input in pixels.
        images: uint8 (N, h, w), to ask the converted network.
        folder: Takes :data:`ONNX` and :data:`SAVED_MODEL`.

    Returns:
        The SavedModel's logits on the images, float32 (N, h, w).

    Raises:
        ConversionError: A step failed.
    """
    write_onnx(model, size, folder / ONNX)
    answers = folder / "answers.npy"
    paths = (str(folder / ONNX), str(folder / SAVED_MODEL))
    run_apart("onnx_to_saved_model", *paths, images, str(answers), log=folder / "onnx2tf.log")
    return np.asarray(np.load(answers))


def to_tflite(folder: Path, recipe: Recipe, calibration: NDArray[np.uint8] | None) -> bytes:
    """Convert the SavedModel of :func:`to_saved_model` as a recipe says.

    Args:
        folder: The same one.
        recipe: How.
        calibration: Calibration images uint8 (N, h, w), where the recipe needs them.

    Returns:
        The .tflite file's bytes.

    Raises:
        ConversionError: The converter failed.
    """
    target = folder / f"{recipe.name}.tflite"
    images = calibration if recipe.calibrated else None
    arguments = (str(folder / SAVED_MODEL), recipe, images, str(target))
    run_apart("saved_model_to_tflite", *arguments, log=folder / f"{recipe.name}.log")
    return target.read_bytes()
