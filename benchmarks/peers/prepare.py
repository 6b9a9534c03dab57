"""What every engine gets: one network in the forms that engines read, and the same images."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np

from benchmarks.peers.source import ARTIFACTS, CALIBRATION, CHECKPOINT, IMAGES, ONNX, PROGRAM
from edge_runtime.artifact.manifest import load_manifest, manifest_path, write_manifest
from edge_runtime.common.files import write_bytes
from edge_runtime.shipped import shipped_model
from export.artifact import Artifact, new_artifact
from export.conversion.steps import to_graph, to_saved_model, to_tflite
from export.conversion.to_onnx import write_onnx
from export.images import Images, load_images
from export.job import Job
from export.quantization.ladder import candidates
from export.recipes import RECIPES
from export.tflite.model import Model
from train.data.hc18 import cache


def prepare_source(job: Job, folder: Path) -> Images:
    """Write a network and its images for all engines.

    This project's int8 is the shipped file where that was made of this checkpoint, else quantized in the plainest way,
    by minimum and maximum.

    Args:
        job: The checkpoint, with the images that int8 is calibrated on and those that judge.
        folder: An empty folder.

    Returns:
        The images that judge, in the order of :data:`benchmarks.peers.source.IMAGES`.

    Raises:
        ConversionError: A step of this project's own conversion failed.
    """
    images = load_images(cache(next(iter(job.parts.values()))), job.size, job.resize_rule)
    calibration = load_images(job.calibration, job.size, job.resize_rule).inputs
    np.save(folder / IMAGES, images.inputs)
    np.save(folder / CALIBRATION, calibration)
    shutil.copytree(job.checkpoint.folder, folder / CHECKPOINT)
    write_onnx(job.checkpoint.model, job.size, folder / ONNX)
    _write_program(job, folder / PROGRAM)
    steps = folder / "steps"
    steps.mkdir()
    to_graph(job.checkpoint.model, steps)
    to_saved_model(job.size, calibration[:1], steps, job.rewrites)
    plain = to_tflite(steps, RECIPES["float32"])
    _write(new_artifact(plain, job.checkpoint, RECIPES["float32"]), folder / ARTIFACTS["float32"])
    shipped = shipped_model(job.name)
    if shipped.is_file() and load_manifest(shipped).checkpoint.get("sha256") == job.checkpoint.sha256:
        shutil.copy(shipped, folder / ARTIFACTS["int8"])
        shutil.copy(manifest_path(shipped), manifest_path(folder / ARTIFACTS["int8"]))
    else:
        full = next(iter(candidates(Model(plain), calibration)))
        _write(new_artifact(full.data, job.checkpoint, full.recipe), folder / ARTIFACTS["int8"])
    return images


def _write(artifact: Artifact, path: Path) -> None:
    write_bytes(path, artifact.data)
    write_manifest(path, artifact.manifest)


def _write_program(job: Job, path: Path) -> None:
    """Write the network as torch's exported program, folded to one channel as the ONNX file is."""
    import torch

    from train.networks.model import single_channel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(single_channel(job.checkpoint.model), (torch.zeros(1, 1, *job.size),))
        torch.export.save(program, path)
