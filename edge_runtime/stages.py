"""One frame through the network: the only measuring pipeline, with the time and the result of each stage.

:class:`edge_runtime.Segmenter` measures with it, ``python -m export quality`` derives a model's limits with it, and
``python -m benchmarks overhead`` times it, so all three see the same.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.manifest import Manifest
from edge_runtime.artifact.network import Network
from edge_runtime.frame.geometry import Box
from edge_runtime.frame.preprocess import Prepared, check_frame, check_part, prepare
from edge_runtime.frame.scratch import borrow
from edge_runtime.head.find_head import Head, find_head
from edge_runtime.quality.limits import Limits
from edge_runtime.quality.verdict import Verdict, weigh

STEPS = ("prepare", "invoke", "logits", "region", "ellipse", "quality")
"""The steps a frame goes through, in order."""


@dataclass(frozen=True)
class Stages:
    """The results of all stages for one frame.

    Attributes:
        prepared: The network's input, and where the frame lies in it.
        logits: float32 (h, w), the network's output. The next frame overwrites it.
        head: The head that was found.
        verdict: The circumference, or why there is none.
        step_ms: Time of each of :data:`STEPS`, in ms. A step that was not reached is missing. If threads share a
            network, "prepare" includes the wait for it.
    """

    prepared: Prepared
    logits: NDArray[np.float32]
    head: Head
    verdict: Verdict
    step_ms: dict[str, float]


def run_stages(
    network: Network,
    manifest: Manifest,
    frame: NDArray[np.uint8],
    pixel_size_mm: tuple[float, float] | None,
    limits: Limits | None,
    *,
    part: Box | None = None,
    answer: NDArray[np.float32] | None = None,
) -> Stages:
    """Take one frame through all stages.

    Args:
        network: The interpreter with the model.
        manifest: The model's manifest.
        frame: A frame, as :func:`edge_runtime.frame.preprocess.check_frame` accepts it.
        pixel_size_mm: (x, y) in mm. None if unknown.
        limits: The model's own limits. None to apply only the wide ones.
        part: The part of the frame to measure, as :func:`edge_runtime.frame.preprocess.check_part` accepts it.
        answer: float32 (h, w), used in place of the network's logits. It serves to time the steps after the network
            when the network is untrained.

    Raises:
        InputError: The frame or its part is not valid.
        ModelError: The interpreter failed.
    """
    step_ms: dict[str, float] = {}
    before = time.perf_counter()

    def done(step: str) -> None:
        nonlocal before
        now = time.perf_counter()
        step_ms[step] = (now - before) * 1e3
        before = now

    check_part(part, check_frame(frame))
    prepared = prepare(frame, manifest.size, pixel_size_mm, manifest.preprocessing.resize_rule, part)
    with network.turn:
        network.set_input(prepared.image)
        done("prepare")
        network.invoke()
        done("invoke")
        logits = network.logits(borrow(3, manifest.output_size))
        done("logits")
    logits = logits if answer is None else answer
    head = find_head(logits, prepared.geometry, pixel_size_mm, manifest.threshold, done)
    verdict = weigh(head, prepared, logits, pixel_size_mm, limits)
    done("quality")
    return Stages(prepared, logits, head, verdict, step_ms)
