"""Quantize within a budget: try methods from the plainest upwards, and stop at the first whose loss is within it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.cli import say, shown
from edge_runtime.head.find_head import Head
from edge_runtime.metrics import ImageScore, summarize
from export.quantization.bias_correction import bias_shifts
from export.quantization.causes import Causes, only_values, only_weights
from export.quantization.ranges import METHODS, Seen, choose, observe
from export.quantization.settings import Settings, to_half
from export.quantization.side_by_side import logits
from export.quantization.stretches import stretch_costs, with_more_in_float
from export.recipes import MIXED_INT8, RECIPES, Budget, Recipe
from export.tflite.model import WEIGHTED, Model
from export.verification.parity import TorchAnswers, find_heads, hc_shifts_mm
from train.data.score import score_head
from train.divergence import DivergenceError

FEW_IMAGES = 16
"""Maximum number of calibration images on which parts of the network are compared."""

METHOD = "min-max"
"""How ranges are chosen for equalized channels: few values are outliers then, and clipping them shifts the HC more."""

CLIPPING = "percentile"
"""The alternative: in some networks, one image in a hundred gives values ten times as large as usual."""


@dataclass(frozen=True)
class Rung:
    """An attempt to quantize the network.

    Attributes:
        name: What was done.
        dice_drop_points: Drop of the mean Dice against torch, in points of 100, over clear images; None if no image is
            clear, as the next three.
        hc_shift_mm: Mean absolute change of the head circumference in mm, over clear images.
        dice_drop_at_most: Upper limit of the drop, see :func:`at_most`.
        hc_shift_at_most_mm: Upper limit of the change.
        holds: Whether both limits are within the budget. True if no image is clear, since nothing is known then.
    """

    name: str
    dice_drop_points: float | None
    hc_shift_mm: float | None
    dice_drop_at_most: float | None
    hc_shift_at_most_mm: float | None
    holds: bool


def at_most(values: Sequence[float]) -> float:
    """The upper end of the one-sided 95 % interval of a mean.

    Without it, a network whose mean is just below the budget would be as likely as not above it on other images. It
    holds for one attempt, of images like these; several attempts have several chances. The quantile of Student's
    distribution is that of Abramowitz and Stegun 26.7.5, within 1 % from five images on; for fewer it is tabulated.

    Args:
        values: One for each image. The limit of a single one is its value: nothing tells how far others are apart.
    """
    if len(values) < 2:
        return float(np.mean(values))
    z, freedom = 1.645, len(values) - 1
    quantile = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    quantile = {1: 6.314, 2: 2.920, 3: 2.353}.get(freedom, quantile)
    return float(np.mean(values)) + quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))


@dataclass(frozen=True)
class Candidate:
    """A quantized network.

    Attributes:
        name: What was done.
        data: The .tflite file's bytes.
        settings: How it was quantized.
        of_plain: Whether it was made from the network as trained, so that its settings can reproduce it.
    """

    name: str
    data: bytes
    settings: Settings
    of_plain: bool = True

    @property
    def recipe(self) -> Recipe:
        """Full int8 or mixed int8."""
        return MIXED_INT8 if self.settings.in_float else RECIPES["full_int8"]


@dataclass(frozen=True)
class Climb:
    """The result of all attempts.

    Attributes:
        candidate: The first candidate within the budget; if there is none, the full-int8 candidate that loses least.
        rungs: All attempts, in order.
        budget: The budget.
        own_difference_mm: Mean absolute difference of the head circumference from the reference in torch, over clear
            images; None if there is none.
        n_images: Number of images of the validation part.
        n_clear: How many of them are clear and counted; see :mod:`export.verification.parity`.
        causes: What the loss comes from; measured only if no full int8 is within the budget, as the next.
        noise_hc_shift_mm: What one grey level of noise does to the network in torch, in mm
            (:func:`export.verification.parity.under_noise`).
    """

    candidate: Candidate
    rungs: tuple[Rung, ...]
    budget: Budget
    own_difference_mm: float | None
    n_images: int
    n_clear: int
    causes: Causes | None = None
    noise_hc_shift_mm: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the candidate is within the budget."""
        return self.rungs[-1].holds

    def record(self) -> dict[str, Any]:
        """The record for a manifest."""
        return {
            "method": self.candidate.name,
            "budget": self.budget.to_json(),
            "own_hc_difference_mm": self.own_difference_mm,
            "noise_hc_shift_mm": self.noise_hc_shift_mm,
            "causes": None if self.causes is None else asdict(self.causes),
            "n_images": self.n_images,
            "n_clear": self.n_clear,
            "rungs": [asdict(rung) for rung in self.rungs],
            "settings": self.candidate.settings.to_json() if self.candidate.of_plain else None,
        }

    def table(self) -> str:
        """The attempts as a text table."""
        lines = [f"    {'quantization':<26} {'Dice drop':>9} {'at most':>7}  {'HC shift':>8} {'at most':>7}"]
        for rung in self.rungs:
            drop = f"{shown(rung.dice_drop_points, '+.3f', 9)} {shown(rung.dice_drop_at_most, '+.3f', 7)}"
            shift = f"{shown(rung.hc_shift_mm, '.3f', 8)} {shown(rung.hc_shift_at_most_mm, '.3f', 7)}"
            verdict = "within budget" if rung.holds else "loses too much"
            lines.append(f"    {rung.name:<26} {drop}  {shift}  {verdict}")
        allowed = f"allowed: {self.budget.max_dice_drop:g} points, "
        allowed += f"{self.budget.hc_shift_mm(self.own_difference_mm):.3g} mm"
        lines.append(f"    on {self.n_clear} images that it was not calibrated on; {allowed}")
        lines.append("    at most: upper end of the one-sided 95 % interval of the mean; it is held to the budget")
        if self.noise_hc_shift_mm is not None:
            lines.append(
                f"    for comparison: the network in float32 shifts HC by {self.noise_hc_shift_mm:.3f} mm "
                "when each pixel changes by at most one grey level"
            )
        lines += [f"    {line}" for line in self.causes.lines()] if self.causes else []
        return "\n".join(lines)


class Judge:
    """Measures what candidates lose against torch.

    Args:
        torch_answers: Torch's answers on the validation part.
        budget: The budget.
    """

    def __init__(self, torch_answers: TorchAnswers, budget: Budget) -> None:
        self.torch_answers, self.budget = torch_answers, budget
        self._own = self._scores(torch_answers.heads)
        self.own_difference_mm: float | None = None
        if self._own:
            self.own_difference_mm = summarize(self._own)["hc_absolute_difference_mm"]["mean"]

    def _scores(self, heads: Sequence[Head]) -> list[ImageScore]:
        """Of clear images."""
        images = self.torch_answers.images
        asked = zip(images.samples, images.prepared, heads, self.torch_answers.clear, strict=True)
        return [score_head(s, x, head, distances=False) for s, x, head, clear in asked if clear]

    def rung(self, name: str, logits: NDArray[np.float32]) -> Rung:
        """Measure what a candidate loses, from its logits float32 (N, h, w)."""
        heads = find_heads(logits, self.torch_answers.images)
        shifts = hc_shifts_mm(self.torch_answers, heads)
        if not shifts:
            return Rung(name, None, None, None, None, holds=True)
        pairs = zip(self._own, self._scores(heads), strict=True)
        drops = [100 * (own.dice - its.dice) for own, its in pairs]
        most = at_most(drops), at_most(shifts)
        holds = most[0] <= self.budget.max_dice_drop and most[1] <= self.allowed_hc_shift_mm
        return Rung(name, float(np.mean(drops)), float(np.mean(shifts)), *most, holds)

    @property
    def allowed_hc_shift_mm(self) -> float:
        """The larger of the budget's two limits for this network."""
        return self.budget.hc_shift_mm(self.own_difference_mm)


def climb(
    plain: Model,
    calibration: NDArray[np.uint8],
    judge: Judge,
    run: Callable[[Candidate], NDArray[np.float32]],
    fine_tune: Callable[[], Model] | None = None,
    threads: int = 1,
) -> Climb:
    """Try one method after the other, until one is within the budget. Layers stay in float32 beside the way of full
    int8 that loses least.

    Args:
        plain: The network in float32.
        calibration: Calibration images, uint8 (N, h, w).
        judge: Measures what a candidate loses.
        run: Returns a candidate's logits on the judge's images, float32 (N, h, w).
        fine_tune: Returns the network in float32 after training in simulated int8. This is the last resort, as it takes
            long; None to do without.
        threads: Number of CPU threads.
    """
    rungs: list[Rung] = []
    full: list[tuple[float, Candidate]] = []

    def first_within(found: Iterable[Candidate]) -> Candidate | None:
        for candidate in found:
            rungs.append(judge.rung(candidate.name, run(candidate)))
            if rungs[-1].holds:
                return candidate
            if not candidate.settings.in_float:
                full.append((_cost(rungs[-1], judge), candidate))
        return None

    taken, causes = first_within(candidates(plain, calibration, threads)), None
    if taken is None:
        best = _cheapest(full)
        causes = find_causes(plain, best, calibration, judge, threads)
        taken = first_within(partly_in_float(plain, best.settings, causes.stretch_costs))
    if taken is None and fine_tune:
        taken = first_within(fine_tuned(fine_tune, calibration, threads))
    clear = judge.torch_answers.clear
    return Climb(
        taken or _cheapest(full), tuple(rungs), judge.budget, judge.own_difference_mm, len(clear), int(clear.sum()),
        causes,
    )  # fmt: skip


def find_causes(
    plain: Model, candidate: Candidate, calibration: NDArray[np.uint8], judge: Judge, threads: int = 1
) -> Causes:
    """Divide the loss of a candidate in full int8. The other arguments are those of :func:`climb`."""
    settings = candidate.settings
    level, images = settings.level(plain), judge.torch_answers.images.inputs
    weights, values = (
        judge.rung(candidate.name, logits(only(level, settings), images, threads)).hc_shift_mm
        for only in (only_weights, only_values)
    )
    n_layers = sum(operator.kind in WEIGHTED for operator in plain.operators)
    costs = stretch_costs(plain, settings, _few(calibration), threads)
    return Causes(candidate.name, weights, values, n_layers, costs)


def _cheapest(tried: Sequence[tuple[float, Candidate]]) -> Candidate:
    return min(tried, key=lambda one: one[0])[1]


def _cost(rung: Rung, judge: Judge) -> float:
    """The larger of the two shares of the budget that an attempt uses up."""
    tiny = 1e-9  # a budget may be 0
    if rung.dice_drop_at_most is None or rung.hc_shift_at_most_mm is None:
        return 0.0  # no image was clear: nothing was measured, and nothing speaks against it
    return max(
        rung.dice_drop_at_most / max(judge.budget.max_dice_drop, tiny),
        rung.hc_shift_at_most_mm / max(judge.allowed_hc_shift_mm, tiny),
    )


def candidates(plain: Model, calibration: NDArray[np.uint8], threads: int = 1) -> Iterator[Candidate]:
    """Yield candidates in full int8, the plainest first. Each is computed only when it is requested.

    The arguments are those of :func:`climb`.
    """
    seen = observe(plain, calibration, threads)
    for method in METHODS:
        yield _candidate(method, plain, Settings(choose(plain, seen, method)))
    few = _few(calibration)
    level, level_seen, equalized = _equalized(plain, seen, calibration, threads)
    found = _candidate("equalized", plain, equalized)
    yield found
    yield _candidate("bias-corrected", plain, replace(equalized, bias_shift=_shifts(level, found, few, threads)))
    clipped = replace(equalized, ranges=choose(level, level_seen, CLIPPING))
    shifts = _shifts(level, _candidate(CLIPPING, plain, clipped), few, threads)
    yield _candidate(f"bias-corrected, {CLIPPING}", plain, replace(clipped, bias_shift=shifts))


def partly_in_float(plain: Model, settings: Settings, costs: Sequence[float]) -> Iterator[Candidate]:
    """Yield candidates with more and more layers in float32.

    Args:
        plain: The network in float32.
        settings: How its other layers are quantized.
        costs: What each stretch of layers costs in int8.
    """
    for count, partly in with_more_in_float(plain, settings, costs):
        yield _candidate(f"{count} layers in float32", plain, partly)


def fine_tuned(fine_tune: Callable[[], Model], calibration: NDArray[np.uint8], threads: int = 1) -> Iterator[Candidate]:
    """Yield candidates after training in simulated int8; none if that diverges, which is said.

    The arguments are those of :func:`climb`.
    """
    try:
        tuned = fine_tune()
    except DivergenceError as error:
        say(f"  {error}")
        return
    seen = observe(tuned, calibration, threads)
    # First without equalizing channels, as the training simulated it.
    plainest = _candidate("fine-tuned", tuned, Settings(choose(tuned, seen, METHOD)))
    yield replace(plainest, of_plain=False)
    _, _, equalized = _equalized(tuned, seen, calibration, threads)
    yield replace(_candidate("fine-tuned, equalized", tuned, equalized), of_plain=False)


def _few(calibration: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Some of the images, evenly spread."""
    chosen: NDArray[np.uint8] = calibration[
        np.linspace(0, len(calibration) - 1, min(FEW_IMAGES, len(calibration))).astype(int)
    ]
    return chosen


def _candidate(name: str, plain: Model, settings: Settings) -> Candidate:
    return Candidate(name, settings.apply(plain), settings)


def _equalized(
    plain: Model, seen: Mapping[str, Seen], calibration: NDArray[np.uint8], threads: int
) -> tuple[Model, Mapping[str, Seen], Settings]:
    """The network in float32 with equalized channels, the values of its tensors, and the settings to quantize it."""
    settings = Settings({}, {name: to_half(found.loudness) for name, found in seen.items()})
    level = settings.level(plain)
    found = observe(level, calibration, threads)
    return level, found, replace(settings, ranges=choose(level, found, METHOD))


def _shifts(level: Model, found: Candidate, few: NDArray[np.uint8], threads: int) -> dict[int, NDArray[np.float16]]:
    return {index: to_half(shift) for index, shift in bias_shifts(level, Model(found.data), few, threads).items()}
