"""Export one checkpoint to its verified artifacts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from edge_runtime.artifact.golden import take_golden
from edge_runtime.artifact.manifest import Manifest
from edge_runtime.common.cli import say
from edge_runtime.metrics import ImageScore
from export.artifact import Artifact, artifact_path, kept_limits, new_artifact, read_artifact, write_artifact
from export.conversion.process import ConversionError
from export.conversion.steps import ONNX, Conversions, to_float_model, to_graph, to_saved_model
from export.conversion.to_onnx import onnx_predictor, write_onnx
from export.images import load_images
from export.job import Job, Options, plan, request_sha256
from export.quantization.int8 import make_int8
from export.recipes import MIXED_INT8, RECIPES, Recipe, Tolerance
from export.tflite.model import Model
from export.verification.accuracy import Exam, accuracy, make_exam, take
from export.verification.figures import Parity
from export.verification.parity import (
    ParityError,
    TorchAnswers,
    ask_torch,
    check,
    compare,
    no_tighter_than,
    run_on,
    under_noise,
)
from train.checkpoint import Checkpoint
from train.data.check import check_samples
from train.data.hc18 import Dataset
from train.divergence import DivergenceError
from train.networks.model import make_predictor

FLOAT32 = RECIPES["float32"]
WRONG = "Report it with the checkpoint. python -m export sizes shows whether its architecture converts correctly."
UNSUITED = (
    "The conversion is correct up to the float32 SavedModel, so this recipe loses too much on this network. "
    "Use another recipe (--recipes), or train longer."
)

LOOSE = "differs from torch by more than usual, but by less than one grey level of noise in the frame does"


@dataclass(frozen=True)
class Bench:
    """What every artifact of a checkpoint is compared with.

    Attributes:
        torch_answers: Torch's answers.
        onnx: How far ONNX differs from them.
        saved_model: How far the SavedModel differs from them.
        exam: The images on which accuracy is measured; None if there are no unseen test images.
    """

    torch_answers: TorchAnswers
    onnx: Parity
    saved_model: Parity
    exam: Exam | None


def _raise(error: ParityError) -> NoReturn:
    raise error


def export_checkpoint(
    checkpoint: Checkpoint, dataset: Dataset, options: Options, failed: Callable[[ParityError], None] = _raise
) -> dict[Path, Manifest]:
    """Export a checkpoint in every requested recipe. If all artifacts are up to date, nothing is converted.

    Args:
        checkpoint: What to export.
        dataset: The source of the calibration and test images.
        options: What to make.
        failed: Called with the error, which carries the measurements, if a recipe loses too much on this network. If it
            returns, the export goes on with the next recipe.

    Returns:
        Manifests of all requested artifacts, by .tflite file.

    Raises:
        ConversionError: A converter failed.
        DivergenceError: The network's answers are useless even before it is converted.
        ParityError: The conversion is wrong before any recipe is applied, or (raised by ``failed``) a recipe loses too
            much. That artifact is not written; earlier ones are.
        UsageError: The folder of artifacts cannot be written.
    """
    job = plan(checkpoint, dataset, options)
    requests = {recipe.name: request_sha256(job, recipe) for recipe in options.recipes}
    names = [*requests, *([MIXED_INT8.name] if any(recipe.calibrated for recipe in options.recipes) else [])]
    paths = [artifact_path(options.out, job.name, name) for name in names]
    found = {path: manifest for path in paths if (manifest := read_artifact(path))}
    current = {path: manifest for path, manifest in found.items() if manifest.request_sha256 in requests.values()}
    if {manifest.request_sha256 for manifest in current.values()} == set(requests.values()) and not options.force:
        say(f"{job.name}: {len(current)} artifacts are up to date (--force exports them again)")
        return current
    if found:
        say(f"{job.name}: {len(found)} artifacts are of an earlier export; what is made anew replaces them")
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        made = _export(job, requests, Path(folder), failed)
    for path in found.keys() - made.keys():
        say(f"  {path} is of the earlier export, and stays")
    return made


def _export(
    job: Job, requests: Mapping[str, str], folder: Path, failed: Callable[[ParityError], None]
) -> dict[Path, Manifest]:
    torch_answers, answers = _convert_exactly(job, folder)
    against = f"{job.name}-{FLOAT32.name}"
    baseline: dict[str, ImageScore] = {}
    manifests: dict[Path, Manifest] = {}

    @cache
    def noise() -> Parity:
        return under_noise(make_predictor(job.checkpoint.model, torch.device("cpu")), torch_answers)

    plain = [FLOAT32, *(r for r in job.options.recipes if not r.calibrated and r != FLOAT32)]
    with Conversions(folder, plain) as conversions:
        bench = _hold(job, torch_answers, answers, folder)
        if FLOAT32 not in job.options.recipes:
            against, baseline = f"{job.name} in float32 (ONNX)", take(onnx_predictor(folder / ONNX), bench.exam)
        for asked in job.options.recipes:
            started = time.monotonic()
            artifact, refusal = _convert(job, asked, conversions, folder)
            recipe = MIXED_INT8 if artifact.manifest.recipe == MIXED_INT8.name else asked
            network = artifact.network(job.options.threads)
            parity = compare(bench.torch_answers, run_on(network, bench.torch_answers.images))
            tolerance, error = _held_to(artifact.manifest.name, recipe, parity, noise)
            refusal = refusal or error
            if tolerance != recipe.tolerance and not refusal:
                say(f"  {artifact.manifest.name}: {LOOSE}")
            scores = take(network, bench.exam)
            baseline = baseline or scores  # if float32 was requested, it is the first recipe
            manifest = replace(
                artifact.manifest,
                parity=_parity_record(job, tolerance, parity, bench),
                accuracy=accuracy(bench.exam, scores, baseline, against),
                golden=take_golden(network, artifact.manifest.preprocessing),
                rewrites=tuple(rewrite.name for rewrite in job.rewrites),
                quality=kept_limits(
                    artifact.manifest.model_sha256, artifact_path(job.options.out, job.name, artifact.manifest.recipe)
                ),
                request_sha256=requests[asked.name],
            )
            if refusal:
                refusal.manifest = manifest
                failed(refusal)
                continue
            path = write_artifact(Artifact(manifest, artifact.data), job.options.out)
            say(
                f"  {manifest.name}: {manifest.model_bytes / 1e6:.2f} MB, "
                f"made, verified and measured in {time.monotonic() - started:.1f} s"
            )
            manifests[path] = manifest
    return manifests


def _held_to(
    name: str, recipe: Recipe, parity: Parity, noise: Callable[[], Parity]
) -> tuple[Tolerance, ParityError | None]:
    """Hold an artifact to its recipe's tolerance; where it is beyond it, to what noise does to the network in torch.

    Args:
        name: Name of the artifact.
        recipe: How it was made.
        parity: How far it differs from torch.
        noise: Returns what noise does.

    Returns:
        What it was held to, and the error if it differs by more.

    Raises:
        ParityError: It is float32, which the others are measured against, and differs by more.
    """
    try:
        check(name, parity, recipe.tolerance, UNSUITED)
        return recipe.tolerance, None
    except ParityError:
        if recipe == FLOAT32:
            raise
    loose = no_tighter_than(noise(), recipe.tolerance)
    try:
        check(name, parity, loose, UNSUITED)
    except ParityError as error:
        return loose, error
    return loose, None


def _convert(job: Job, recipe: Recipe, conversions: Conversions, folder: Path) -> tuple[Artifact, ParityError | None]:
    """Convert one recipe, without measuring it. The error is given if full int8 exceeds its budget."""
    if not recipe.calibrated:
        return new_artifact(conversions.data(recipe), job.checkpoint, recipe), None
    plain = Model(conversions.data(FLOAT32))
    made = make_int8(job, plain, (lambda: _tuned(job, folder)) if job.options.fine_tune_epochs else None)
    if made.table and len(made.quantization["rungs"]) > 1:
        say(made.table)
    artifact = new_artifact(made.data, job.checkpoint, made.recipe, made.calibration, made.quantization)
    if made.holds:
        return artifact, None
    return artifact, ParityError(
        f"{job.name}-{recipe.name} costs more than its budget with every way of quantizing (see the table above). It "
        "was not written. Raise the budget (--max-dice-drop, --max-hc-shift-mm or --max-hc-shift-share), use another "
        "recipe, or train longer. python -m export explain shows the loss layer by layer."
    )


def _tuned(job: Job, folder: Path) -> Model:
    """The network in float32 after more training in simulated int8."""
    from export.quantization.fine_tune import fine_tune

    samples = job.dataset.select(job.split.train)
    check_samples(job.dataset, samples)
    images = load_images(samples, job.size, job.resize_rule).inputs
    model = fine_tune(job.checkpoint.model, images, job.options.fine_tune_epochs)
    place = folder / "fine-tuned"
    place.mkdir()
    return to_float_model(model, images, place, job.rewrites)


def _convert_exactly(job: Job, folder: Path) -> tuple[TorchAnswers, NDArray[np.float32]]:
    """Run torch, convert the network to ONNX and to the SavedModel that all recipes start from, and run the latter."""
    predict = make_predictor(job.checkpoint.model, torch.device("cpu"))
    try:
        torch_answers = ask_torch(predict, load_images(job.parity, job.size, job.resize_rule))
    except DivergenceError as error:
        raise DivergenceError(f"{job.name}: {error}") from error
    say(
        f"{job.name} at {job.size[0]}x{job.size[1]}: {job.dataset.title}, split {job.split.name}; "
        f"{len(job.calibration)} images to calibrate on, {len(job.parity)} to compare with torch "
        f"({int(torch_answers.clear.sum())} clear)"
    )
    started = time.monotonic()
    try:
        write_onnx(job.checkpoint.model, job.size, folder / ONNX)
        to_graph(job.checkpoint.model, folder)
        answers = to_saved_model(job.size, torch_answers.images.inputs, folder, job.rewrites)
    except ConversionError as error:
        raise ConversionError(f"{job.name}: {error}") from error
    say(f"  ONNX and onnx2tf in {time.monotonic() - started:.1f} s")
    return torch_answers, answers


def _hold(job: Job, torch_answers: TorchAnswers, answers: NDArray[np.float32], folder: Path) -> Bench:
    """Check that ONNX and the SavedModel (by its answers) agree with torch before anything is measured."""
    onnx = compare(torch_answers, run_on(onnx_predictor(folder / ONNX), torch_answers.images))
    saved_model = compare(torch_answers, answers)
    check(f"{job.name} as ONNX", onnx, FLOAT32.tolerance, "torch's exporter is wrong: report it with the checkpoint.")
    check(f"{job.name} as converted by onnx2tf", saved_model, FLOAT32.tolerance, WRONG)
    say(f"  agrees with torch: maximum logit difference {saved_model.max_logit_difference:.1e}")
    exam = (
        make_exam(job.dataset, job.parts, job.size, job.resize_rule, job.options.accuracy_images) if job.parts else None
    )
    return Bench(torch_answers, onnx, saved_model, exam)


def _parity_record(job: Job, tolerance: Tolerance, parity: Parity, bench: Bench) -> dict[str, Any]:
    """The manifest's record of parity: the figures, the images they were measured on, and the tolerance."""
    return {
        "title": job.dataset.title,
        "images": [sample.name for sample in job.parity],
        **asdict(parity),
        "tolerance": asdict(tolerance),
        "onnx": asdict(bench.onnx),
        "saved_model": asdict(bench.saved_model),
    }
