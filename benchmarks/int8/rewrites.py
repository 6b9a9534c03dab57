"""``python -m benchmarks rewrites``: which exact rewrites of a network's graph this machine runs faster."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.common.arguments import add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import FetalHeadError
from export.conversion.rewrites import REWRITES, Rewrite, unfit
from train.strategies import Strategy, get_strategy

SCHEMA_VERSION = 1
TOLERANCE = 1e-3
"""Largest difference to torch, in standard deviations of its logits, that counts as exact."""
RECIPES = ("float32", "full_int8")


@dataclass(frozen=True)
class Timing:
    """What one rewrite does to one network.

    Attributes:
        rewrite: Its name.
        recipe: ``float32`` or ``full_int8``.
        ratio: Its time over that without it: the median over rounds of paired ratios.
        low: Lower quartile of these ratios.
        high: Upper quartile.
        difference: Largest difference of a float32 logit to torch, in standard deviations of torch's logits.
    """

    rewrite: str
    recipe: str
    ratio: float
    low: float
    high: float
    difference: float

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.difference > TOLERANCE:
            return "NOT EXACT"
        return "faster" if self.high < 1 else "slower" if self.low > 1 else "not decided"


def measure(strategy: Strategy, size: tuple[int, int], rounds: int) -> list[Timing]:
    """Time every rewrite that fits a network against the network without, in turns, one thread.

    The weights are random: they do not change the time.

    Args:
        strategy: Whose network.
        size: (h, w) of its input in pixels.
        rounds: Of each.

    Raises:
        ConversionError: A step failed.
    """
    import torch

    from export.tflite.interpreter import load_interpreter
    from train.model import HeadNet, make_predictor

    torch.manual_seed(0)
    model = HeadNet(strategy).eval()
    images = np.random.default_rng(0).integers(0, 256, (4, *size), dtype=np.uint8)
    expected = make_predictor(model, torch.device("cpu"))(images[0])
    chosen = [rewrite for rewrite in REWRITES.values() if unfit(rewrite, strategy, size) is None]
    differences: dict[str, float] = {}
    runners: dict[tuple[str, str], Any] = {}
    for rewrite in (None, *chosen):
        name = rewrite.name if rewrite else ""
        files, answer = _convert(model, size, images, rewrite)
        differences[name] = float(np.abs(answer - expected).max() / expected.std())
        for recipe, data in files.items():
            interpreter = load_interpreter(data)
            (details,) = interpreter.get_input_details()
            frame = images[:1, :, :, None]
            interpreter.set_tensor(details["index"], frame if recipe == "full_int8" else frame.astype(np.float32) / 255)
            interpreter.invoke()
            runners[name, recipe] = interpreter
        say(f"{strategy.name} {name or 'as it is'}: converted, largest difference to torch {differences[name]:.1e}")
    pairs = [(rewrite.name, recipe) for recipe in RECIPES for rewrite in chosen]
    ratios: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
    for _ in range(rounds):
        for name, recipe in pairs:  # side by side: a shared machine's speed drifts within a second
            plain = _seconds(runners["", recipe])
            ratios[name, recipe].append(_seconds(runners[name, recipe]) / plain)
    return [_timing(name, recipe, ratios[name, recipe], differences[name]) for name, recipe in pairs]


def _seconds(interpreter: Any) -> float:
    started = time.perf_counter()
    interpreter.invoke()
    return time.perf_counter() - started


def _timing(name: str, recipe: str, ratios: Sequence[float], difference: float) -> Timing:
    low, high = (float(q) for q in np.percentile(ratios, [25, 75]))
    return Timing(name, recipe, statistics.median(ratios), low, high, difference)


def _convert(model: Any, size: tuple[int, int], images: Any, rewrite: Rewrite | None) -> tuple[dict[str, bytes], Any]:
    """The network in both recipes, and the converted graph's logits (h, w) on the first image."""
    from export.conversion.steps import to_graph, to_saved_model, to_tflite
    from export.quantization.ladder import candidates
    from export.recipes import get_recipe
    from export.tflite.model import Model

    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        to_graph(model, Path(folder), (rewrite,) if rewrite else ())
        answer = to_saved_model(size, images[:1], Path(folder))[0]
        plain = to_tflite(Path(folder), get_recipe("float32"))
        return {"float32": plain, "full_int8": next(iter(candidates(Model(plain), images))).data}, answer


def table(timings: Sequence[Timing]) -> str:
    """A row a rewrite and recipe."""
    lines = [f"{'rewrite':<16} {'recipe':<10} {'time':>6}  {'quartiles':<14} verdict"]
    for t in timings:
        lines.append(f"{t.rewrite:<16} {t.recipe:<10} {t.ratio:>5.2f}x  {t.low:.2f} to {t.high:.2f}   {t.verdict}")
    return "\n".join([*lines, "time: over that of the network as it is; faster or slower: both quartiles are"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--strategy", default="decoder-all", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--size", nargs=2, type=at_least(1), metavar=("H", "W"), help="default: the strategy's")
    parser.add_argument("--rounds", type=at_least(1), default=60, metavar="N", help="of each; default: %(default)s")
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Time exact rewrites of a network's graph, in float32 and full int8, against the network as it is, in turns.

    What is faster here is exported with ``python -m export --rewrite NAME...``. Exits 1 where one is not exact.
    """
    checked_out(args.out, args.overwrite)
    strategy = get_strategy(args.strategy)
    require("torch")
    from train.model import check_image_size

    size = (args.size[0], args.size[1]) if args.size else strategy.image_size
    check_image_size(size)
    timings = measure(strategy, size, args.rounds)
    say(f"{strategy.name} at {size[0]}x{size[1]}, {args.rounds} rounds, one thread\n{table(timings)}")
    if args.out:
        document = {
            "schema_version": SCHEMA_VERSION,
            "strategy": strategy.name,
            "size": list(size),
            "rounds": args.rounds,
            "rewrites": [{**asdict(t), "verdict": t.verdict} for t in timings],
            "device": fingerprint(),
            "git_commit": git_commit(),
            "tools": tool_versions(("ai-edge-litert", "torch", "tensorflow", "onnx2tf")),
        }
        write_json(args.out, document)
        say(f"written: {args.out}")
    if any(t.difference > TOLERANCE for t in timings):
        raise FetalHeadError("A rewrite computes something else (table above). Report it; do not export with it.")
    return 0
