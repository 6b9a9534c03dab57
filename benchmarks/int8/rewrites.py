"""Which exact rewrites of a network's graph a machine runs faster."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from edge_runtime.common.cli import say
from export.conversion.rewrites import REWRITES, unfit
from train.strategies import Strategy

SCHEMA_VERSION = 1
TOLERANCE = 1e-3
"""Largest difference from torch, in standard deviations of its logits, that counts as exact."""

RECIPES = ("float32", "full_int8")


@dataclass(frozen=True)
class Timing:
    """What one rewrite does to one network.

    Attributes:
        rewrite: Its name.
        recipe: ``float32`` or ``full_int8``.
        ratio: Time with the rewrite over time without it, the median over rounds.
        low: Lower quartile of these ratios.
        high: Upper quartile.
        difference: Largest difference of a float32 logit from torch, in standard deviations of torch's logits.
        verdict: ``faster`` or ``slower`` if both quartiles are, ``not decided``, or ``NOT EXACT``.
    """

    rewrite: str
    recipe: str
    ratio: float
    low: float
    high: float
    difference: float
    verdict: str


@dataclass(frozen=True, kw_only=True)
class RewritesDocument(Measured):
    """Every rewrite that fits a network, in both recipes.

    Attributes:
        strategy: Name of the strategy.
        size: (height, width) of the network's input, in pixels.
        rounds: Times each was run.
        rewrites: One for each rewrite and recipe.
    """

    strategy: str
    size: tuple[int, int]
    rounds: int
    rewrites: tuple[Timing, ...]


def read_rewrites(path: Path) -> RewritesDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, RewritesDocument, SCHEMA_VERSION, "python -m benchmarks rewrites")


def measure(strategy: Strategy, size: tuple[int, int], rounds: int) -> tuple[Timing, ...]:
    """Time every rewrite that fits a network against the network without it, in turns, on one thread.

    The weights are random, because the time does not depend on them.

    Args:
        strategy: Its network is measured.
        size: (h, w) of the network's input in pixels.
        rounds: Times each is run.

    Raises:
        ConversionError: A step failed.
    """
    import torch

    from benchmarks.int8.convert import convert
    from export.tflite.interpreter import load_interpreter
    from train.networks.model import HeadNet, make_predictor

    torch.manual_seed(0)
    model = HeadNet(strategy).eval()
    images = np.random.default_rng(0).integers(0, 256, (4, *size), dtype=np.uint8)
    expected = make_predictor(model, torch.device("cpu"))(images[0])
    chosen = [rewrite for rewrite in REWRITES.values() if unfit(rewrite, strategy, size) is None]
    differences: dict[str, float] = {}
    runners: dict[tuple[str, str], Any] = {}
    ways = [(), *((rewrite,) for rewrite in chosen)]
    for rewrites, found in zip(ways, convert(model, images, ways), strict=True):
        name = rewrites[0].name if rewrites else ""
        differences[name] = float(np.abs(found.answer - expected).max() / expected.std())
        for recipe in RECIPES:
            interpreter = load_interpreter(getattr(found, recipe))
            (details,) = interpreter.get_input_details()
            frame = images[:1, :, :, None]
            interpreter.set_tensor(details["index"], frame if recipe == "full_int8" else frame.astype(np.float32) / 255)
            interpreter.invoke()
            runners[name, recipe] = interpreter
        say(
            f"{strategy.name} {name or 'as it is'}: converted, largest difference from torch {differences[name]:.1e} SD"
        )
    pairs = [(rewrite.name, recipe) for recipe in RECIPES for rewrite in chosen]
    ratios: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
    for _ in range(rounds):
        for name, recipe in pairs:  # side by side: a shared machine's speed drifts within a second
            plain = _seconds(runners["", recipe])
            ratios[name, recipe].append(_seconds(runners[name, recipe]) / plain)
    return tuple(timing(name, recipe, ratios[name, recipe], differences[name]) for name, recipe in pairs)


def _seconds(interpreter: Any) -> float:
    started = time.perf_counter()
    interpreter.invoke()
    return time.perf_counter() - started


def timing(name: str, recipe: str, ratios: Sequence[float], difference: float) -> Timing:
    """Sum up the rounds of one rewrite in one recipe."""
    low, high = (float(q) for q in np.percentile(ratios, [25, 75]))
    if difference > TOLERANCE:
        verdict = "NOT EXACT"
    else:
        verdict = "faster" if high < 1 else "slower" if low > 1 else "not decided"
    return Timing(name, recipe, statistics.median(ratios), low, high, difference, verdict)


def table(timings: Sequence[Timing]) -> str:
    """A row for each rewrite and recipe, for a terminal."""
    lines = [f"{'rewrite':<16} {'recipe':<10} {'time':>6}  {'quartiles':<14} verdict"]
    for t in timings:
        lines.append(f"{t.rewrite:<16} {t.recipe:<10} {t.ratio:>5.2f}x  {t.low:.2f} to {t.high:.2f}   {t.verdict}")
    note = "Times are relative to the network as it is. Faster or slower means that both quartiles are."
    return "\n".join([*lines, note])
