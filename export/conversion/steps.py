"""The steps of a conversion. Each runs in a separate process; their files go to a folder that the caller removes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from export.conversion.contract import PROXY_SIZE
from export.conversion.process import run_apart
from export.conversion.rewrites import Rewrite
from export.conversion.to_onnx import write_onnx
from export.recipes import RECIPES, Recipe
from export.tflite.model import Model
from train.networks.model import HeadNet

ONNX = "network.onnx"
GRAPH = "graph.pb"
SAVED_MODEL = "saved_model"


def to_graph(model: HeadNet, folder: Path) -> None:
    """Convert a network to a TensorFlow graph whose size can be set later, by way of ONNX and onnx2tf.

    Args:
        model: Network in evaluation mode, on the CPU.
        folder: Folder to write :data:`GRAPH` to.

    Raises:
        ConversionError: A step failed.
    """
    proxy = folder / "proxy.onnx"
    write_onnx(model, PROXY_SIZE, proxy)
    run_apart("onnx_to_graph", str(proxy), str(folder / GRAPH), log=folder / "onnx2tf.log")


def to_saved_model(
    size: tuple[int, int], images: NDArray[np.uint8], folder: Path, rewrites: Sequence[Rewrite] = ()
) -> NDArray[np.float32]:
    """Write the graph of :func:`to_graph`, rewritten, as a SavedModel with a fixed input size, and run it.

    Args:
        size: (h, w) of the input in pixels, multiples of 16.
        images: uint8 (N, h, w), to run the SavedModel on.
        folder: The folder given to :func:`to_graph`. :data:`SAVED_MODEL` is written there, and replaced if it exists.
        rewrites: Exact rewrites that fit the network.

    Returns:
        The SavedModel's logits on the images, float32 (N, h, w).

    Raises:
        ConversionError: The step failed.
    """
    answers = folder / "answers.npy"
    paths = (str(folder / GRAPH), str(folder / SAVED_MODEL))
    run_apart(
        "graph_to_saved_model", *paths, size, images, str(answers), tuple(rewrites), log=folder / "saved_model.log"
    )
    return np.asarray(np.load(answers))


def to_tflite(folder: Path, recipe: Recipe) -> bytes:
    """Convert the SavedModel of :func:`to_saved_model` by a recipe without calibration.

    Args:
        folder: The same folder.
        recipe: The recipe.

    Returns:
        The .tflite file's bytes.

    Raises:
        ConversionError: The converter failed.
    """
    target = folder / f"{recipe.name}.tflite"
    arguments = (str(folder / SAVED_MODEL), recipe, str(target))
    run_apart("saved_model_to_tflite", *arguments, log=folder / f"{recipe.name}.log")
    return target.read_bytes()


def to_float_model(model: HeadNet, images: NDArray[np.uint8], folder: Path, rewrites: Sequence[Rewrite] = ()) -> Model:
    """All steps to the network in float32, from which int8 is made. Arguments and errors are theirs.

    Args:
        model: Network in evaluation mode, on the CPU.
        images: uint8 (N, h, w) of the input's size, at least one.
        folder: Empty folder for temporary files.
        rewrites: Exact rewrites that fit the network.
    """
    to_graph(model, folder)
    to_saved_model((images.shape[1], images.shape[2]), images[:1], folder, rewrites)
    return Model(to_tflite(folder, RECIPES["float32"]))


class Conversions:
    """Converts recipes without calibration in the background, while earlier ones are measured.

    Leaving the context waits for the running conversion and cancels the others.

    Args:
        folder: The folder given to :func:`to_saved_model`.
        recipes: Recipes in the order in which they will be needed.
    """

    def __init__(self, folder: Path, recipes: Sequence[Recipe]) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._started = {recipe.name: self._pool.submit(to_tflite, folder, recipe) for recipe in recipes}

    def data(self, recipe: Recipe) -> bytes:
        """Wait for a recipe's .tflite file.

        Raises:
            ConversionError: The converter failed.
        """
        return self._started[recipe.name].result()

    def __enter__(self) -> Conversions:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
