"""What phones are given to do: artifacts, frames and a plan; and how an output of theirs is judged."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np

from benchmarks.frames.images import Image, Images
from benchmarks.suite.artifacts import Artifact
from benchmarks.suite.modes import Plan
from benchmarks.suite.run import LATENCY_IMAGES
from edge_runtime.artifact.manifest import Manifest, read_model
from edge_runtime.artifact.network import Network, to_logits
from edge_runtime.errors import FetalHeadError
from edge_runtime.frame.preprocess import prepare, to_unit
from edge_runtime.head.mask import positive_at
from edge_runtime.metrics import ImageScore, overlap
from edge_runtime.quality.limits import Limits, read_limits
from edge_runtime.quality.verdict import weigh
from edge_runtime.stages import run_stages
from train.data.score import score_result
from train.data.splits import evenly_spaced


@dataclass(frozen=True)
class Task:
    """An artifact that phones run.

    Attributes:
        artifact: The artifact.
        manifest: Its manifest.
        model: Bytes of its .tflite file.
        network: It, in Python's interpreter.
        limits: Its own limits.
    """

    artifact: Artifact
    manifest: Manifest
    model: bytes
    network: Network
    limits: Limits | None

    def input_bytes(self, image: Image) -> bytes:
        """The input tensor of a frame, as the page hands it to LiteRT.js."""
        pixels = (image.pixel_size_mm, image.pixel_size_mm)
        prepared = prepare(image.frame(), self.manifest.size, pixels, self.manifest.preprocessing.resize_rule)
        return prepared.image.tobytes() if self.manifest.input.dtype == "uint8" else to_unit(prepared.image).tobytes()

    def describe(self) -> dict[str, Any]:
        """What the page needs to know of it."""
        spec, output = self.manifest.input, self.manifest.output
        return {"name": self.artifact.name, "shape": spec.shape, "dtype": spec.dtype, "output_bytes": _n_bytes(output)}


@dataclass(frozen=True)
class Answer:
    """An output of a phone, judged.

    Attributes:
        score: Against the reference, with the runtime's general limits.
        is_shown: Whether the runtime would show a circumference: the model's own limits count too.
        is_identical: Whether it is Python's output, byte for byte.
        mask_dice: Dice between its mask and Python's, at the network's size.
        message: What the page shows.
    """

    score: ImageScore
    is_shown: bool
    is_identical: bool
    mask_dice: float
    message: dict[str, Any]


@dataclass(frozen=True)
class Work:
    """All that phones are given to do.

    Attributes:
        artifacts: All artifacts, in order.
        tasks: Those that can be run, by name.
        errors: Why the others cannot, by name.
        images: The frames and what they are.
        timed: The indices of those that are timed.
        plan: How much is measured.
    """

    artifacts: Sequence[Artifact]
    tasks: dict[str, Task]
    errors: dict[str, str]
    images: Images
    timed: tuple[int, ...]
    plan: Plan
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def order(self) -> list[list[str]]:
        """Names of the tasks in the order in which a phone times them, for each round."""
        dice, found = random.Random(self.plan.seed), []
        for _ in range(self.plan.rounds):
            names = list(self.tasks)
            if self.plan.shuffled:
                dice.shuffle(names)
            found.append(names)
        return found

    def describe(self) -> dict[str, Any]:
        """It, for the page."""
        plan = self.plan
        return {
            "tasks": [task.describe() for task in self.tasks.values()],
            "frames": len(self.images.images),
            "timed": self.timed,
            "order": self.order(),
            "plan": {n: getattr(plan, n) for n in ("rounds", "frames", "seconds", "warmup", "cooldown_s", "threads")},
        }

    def judge(self, name: str, index: int, output: bytes) -> Answer:
        """Compare a phone's output with Python's on the same input, find the head in it, and score that.

        Args:
            name: Of the task.
            index: Of the frame.
            output: Bytes of the output tensor.

        Raises:
            ValueError: It has another length, or a value that is not finite.
            FetalHeadError: Python's interpreter failed.
        """
        task, image = self.tasks[name], self.images.images[index]
        spec = task.manifest.output
        if len(output) != _n_bytes(spec):
            raise ValueError(f"the output of {name} has {len(output)} bytes; it must have {_n_bytes(spec)}")
        stored = np.frombuffer(output, spec.dtype).reshape(spec.shape[1:3])
        if not np.isfinite(stored).all():
            raise ValueError(f"the output of {name} holds values that are not finite")
        logits, sizes = to_logits(stored, spec), (image.pixel_size_mm, image.pixel_size_mm)
        with self._turn:  # one frame at a time: this computer is not what is measured
            stages = run_stages(task.network, task.manifest, image.frame(), sizes, None, answer=logits)
            ours = task.network.output()
            shown = weigh(stages.head, stages.prepared, logits, sizes, task.limits)
        size, verdict = task.manifest.size, stages.verdict
        is_identical = ours.tobytes() == output
        ellipse = stages.head.ellipse if shown.head_circumference_mm is not None else None
        return Answer(
            score=score_result(image, stages.head, verdict.head_circumference_mm, verdict.reason),
            is_shown=shown.head_circumference_mm is not None,
            is_identical=is_identical,
            mask_dice=overlap(positive_at(logits, size), positive_at(to_logits(ours, spec), size))[0],
            message={
                "hc_mm": shown.head_circumference_mm,
                "interval_mm": shown.interval_mm,
                "reason": shown.reason,
                "ellipse": ellipse and astuple(ellipse),
                "identical": is_identical,
            },
        )


def make_work(artifacts: Sequence[Artifact], images: Images, plan: Plan) -> Work:
    """Load artifacts. What cannot be used is kept as an error, so that the others are still measured.

    Raises:
        FetalHeadError: None can be used.
    """
    tasks, errors = {}, {}
    for artifact in artifacts:
        try:
            tasks[artifact.name] = _load(artifact)
        except FetalHeadError as error:
            errors[artifact.name] = artifact.describe_error(error)
    if not tasks:
        raise FetalHeadError("No artifact can be used: " + " ".join(errors.values()))
    places = {image.name: i for i, image in enumerate(images.images)}
    timed = tuple(places[image.name] for image in evenly_spaced(images.images, LATENCY_IMAGES))
    return Work(artifacts, tasks, errors, images, timed, plan)


def _load(artifact: Artifact) -> Task:
    if artifact.manifest is None:
        raise FetalHeadError(artifact.error or "its manifest cannot be used")
    manifest, model = artifact.manifest, read_model(artifact.path, artifact.manifest)
    if "int8" in (manifest.input.dtype, manifest.output.dtype):
        raise FetalHeadError(f"{artifact.name} has int8 edges; LiteRT.js takes float32 and uint8.")
    return Task(artifact, manifest, model, Network(model, manifest), read_limits(manifest.quality))


def _n_bytes(spec: Any) -> int:
    return int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize
