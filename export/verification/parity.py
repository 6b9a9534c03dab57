"""Compare a converted network with torch on real images: logits, masks and head circumference.

Only such a comparison reveals a wrong conversion: onnx2tf 1.29.24 converts some input sizes wrongly without an error.

Logits are compared on every image. Masks and head circumferences must meet a tolerance on *clear* images only. An image
is clear if torch's own answer is definite: the runtime would report its circumference, and few pixels are near the
threshold. After one epoch, a network answers nearly 0 everywhere. Rounding to int8 then flips many pixels, which says
nothing about the conversion. The artifacts of such a network only need to pass on their logits, and the manifest has
``n_clear`` 0. A wrong layout is found even so, because the SavedModel that all artifacts are made from is float32 and
must meet the tolerance of float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.manifest import Manifest
from edge_runtime.errors import FetalHeadError
from edge_runtime.head.find_head import Head, find_head
from edge_runtime.metrics import overlap
from edge_runtime.quality.verdict import judge
from export.images import Images
from export.recipes import Tolerance
from export.verification.figures import Parity
from train.data.hc18 import Sample
from train.data.score import Predict
from train.divergence import DivergenceError, find_fault

UNDECIDED = 0.1
"""A pixel is undecided if the magnitude of its logit is below this share of the image's root mean square.

The limit is relative because rounding is: a network whose last layer is frozen has small logits, but knows where the
head is.
"""

MAX_UNDECIDED = 0.05
"""An image with a larger share of undecided pixels is not clear. Trained networks leave 1 to 2 % undecided; of values
with a normal distribution around 0, 8 % would be.
"""

MAX_SQNR_DB = 200.0
"""Stands for infinity (identical logits), which JSON lacks."""


class ParityError(FetalHeadError):
    """An artifact differs from torch by more than its recipe allows.

    Attributes:
        manifest: All measurements, if a recipe loses too much; None if the conversion itself is wrong.
    """

    manifest: Manifest | None = None


@dataclass(frozen=True)
class TorchAnswers:
    """Torch's answers.

    Attributes:
        images: The images.
        logits: float32 (N, h, w).
        heads: The heads that the runtime finds in the logits.
        clear: bool (N,), whether each image is clear.
    """

    images: Images
    logits: NDArray[np.float32]
    heads: tuple[Head, ...]
    clear: NDArray[np.bool_]


def run_on(predict: Predict, images: Images) -> NDArray[np.float32]:
    """Run a network on images. Returns its logits, float32 (N, h, w)."""
    return np.stack([predict(x) for x in images.inputs])


def ask_torch(predict: Predict, images: Images) -> TorchAnswers:
    """Run torch on the images, once for all artifacts.

    Args:
        predict: The network in torch.
        images: The images.

    Raises:
        DivergenceError: The answers are not finite, far too large, or the same everywhere. Then no conversion can be
            held to them.
    """
    logits = run_on(predict, images)
    if fault := find_fault(logits):
        raise DivergenceError(
            f"the network itself {fault}, in torch, before any conversion. "
            "Its training diverged or was too short: train again, with a lower learning rate (--lr) if it diverged."
        )
    heads = find_heads(logits, images)
    clear = [
        judge(head, x, None)[1] is None and _undecided(y) <= MAX_UNDECIDED
        for head, x, y in zip(heads, images.prepared, logits, strict=True)
    ]
    return TorchAnswers(images, logits, heads, np.array(clear))


def _undecided(logits: NDArray[np.float32]) -> float:
    """Share of undecided pixels, 0 to 1, of an image's logits (h, w)."""
    return float(np.mean(np.abs(logits) < UNDECIDED * np.sqrt(np.mean(np.square(logits)))))


def find_heads(logits: NDArray[np.float32], images: Images) -> tuple[Head, ...]:
    """The heads that the runtime finds in logits, float32 (N, h, w)."""
    return tuple(find_head(y, x.geometry) for y, x in zip(logits, images.prepared, strict=True))


def compare(torch_answers: TorchAnswers, logits: NDArray[np.float32]) -> Parity:
    """Compare an artifact's logits with torch's.

    Args:
        torch_answers: Torch's answers.
        logits: The artifact's logits on the same images, float32 (N, h, w).
    """
    clear = torch_answers.clear
    difference = np.abs(logits.astype(np.float64) - torch_answers.logits)
    heads = find_heads(logits, torch_answers.images)
    dice = np.array([overlap(b.mask, a.mask)[0] for a, b in zip(torch_answers.heads, heads, strict=True)])
    shifts = hc_shifts_mm(torch_answers, heads)
    return Parity(
        n_images=len(heads),
        n_clear=int(clear.sum()),
        max_logit_difference=float(difference.max()),
        mean_logit_difference=float(difference.mean()),
        sqnr_db=sqnr_db(torch_answers.logits, logits),
        mask_dice_mean=float(dice.mean()),
        mask_dice_worst=float(dice.min()),
        clear_mask_dice_mean=float(dice[clear].mean()) if shifts else None,
        hc_shift_mean_mm=float(np.mean(shifts)) if shifts else None,
        hc_shift_max_mm=max(shifts) if shifts else None,
    )


def hc_shifts_mm(torch_answers: TorchAnswers, heads: Sequence[Head]) -> list[float]:
    """How far the head circumference of each clear image moves from torch's answers to these heads, in mm."""
    asked = zip(torch_answers.heads, heads, torch_answers.images.samples, torch_answers.clear, strict=True)
    return [abs(_hc_mm(b, sample) - _hc_mm(a, sample)) for a, b, sample, clear in asked if clear]


def under_noise(predict: Predict, torch_answers: TorchAnswers, seed: int = 0) -> Parity:
    """What noise does to a network: how loose it is before anything is rounded.

    Args:
        predict: The network in torch.
        torch_answers: Its answers.
        seed: Seed of the noise.

    Returns:
        How far its answers differ when each pixel changes by at most one grey level.
    """
    rng = np.random.default_rng(seed)
    noisy = (np.clip(x + rng.integers(-1, 2, x.shape), 0, 255).astype(np.uint8) for x in torch_answers.images.inputs)
    return compare(torch_answers, np.stack([predict(x) for x in noisy]))


def no_tighter_than(noise: Parity, tolerance: Tolerance) -> Tolerance:
    """A tolerance, widened to what noise does to the network in torch: no rounding can be held to less.

    Args:
        noise: What it does, see :func:`under_noise`.
        tolerance: The recipe's.
    """
    dice, mm = noise.clear_mask_dice_mean, noise.hc_shift_mean_mm
    most, least = tolerance.max_logit_difference, tolerance.sqnr_db
    return Tolerance(
        None if most is None else max(most, noise.max_logit_difference),
        max(tolerance.mean_logit_difference, noise.mean_logit_difference),
        None if least is None else min(least, noise.sqnr_db),
        tolerance.mask_dice if dice is None else min(tolerance.mask_dice, dice),
        tolerance.hc_shift_mm if mm is None else max(tolerance.hc_shift_mm, mm),
    )


def _hc_mm(head: Head, sample: Sample) -> float:
    return head.ellipse.perimeter * sample.pixel_size_mm if head.ellipse else 0.0


def sqnr_db(wanted: NDArray[np.float32], values: NDArray[np.float32]) -> float:
    """Signal-to-quantization-noise ratio: variance of ``wanted`` divided by the mean squared difference, in dB.

    It is at most :data:`MAX_SQNR_DB`, which also stands for no difference.
    """
    noise = float(np.mean((values.astype(np.float64) - wanted) ** 2))
    signal = float(wanted.astype(np.float64).var())
    if noise == 0:
        return MAX_SQNR_DB
    return min(MAX_SQNR_DB, 10 * math.log10(max(signal, 1e-30) / noise))


def check(name: str, parity: Parity, tolerance: Tolerance, hint: str) -> None:
    """Refuse an artifact that differs too much from torch.

    Args:
        name: Name of the artifact.
        parity: How far it differs.
        tolerance: How far it may differ.
        hint: The next step, appended to the message.

    Raises:
        ParityError: A figure is out of its tolerance, or NaN.
    """
    limits = (
        ("largest logit difference", parity.max_logit_difference, "at most", tolerance.max_logit_difference, ""),
        ("mean logit difference", parity.mean_logit_difference, "at most", tolerance.mean_logit_difference, ""),
        ("logit SQNR", parity.sqnr_db, "at least", tolerance.sqnr_db, " dB"),
        ("mean mask Dice", parity.clear_mask_dice_mean, "at least", tolerance.mask_dice, ""),
        ("mean HC shift", parity.hc_shift_mean_mm, "at most", tolerance.hc_shift_mm, " mm"),
    )
    failed = [
        f"{what} {value:.4g}{unit} (allowed: {word} {limit:g}{unit})"
        for what, value, word, limit, unit in limits
        if value is not None
        and limit is not None
        and not (value <= limit if word == "at most" else value >= limit)  # NaN fails both
    ]
    if failed:
        raise ParityError(
            f"{name} does not compute what torch does, on {parity.n_images} images: {'; '.join(failed)}. "
            f"It was not written. {hint}"
        )
