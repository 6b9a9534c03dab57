"""The section of the results page on how fast the training loop is."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.render import Block, Heading, Paragraph, Table, code
from benchmarks.common.tables import number
from benchmarks.study.loops import PLAIN
from benchmarks.study.training_memory import TrainingMemory
from benchmarks.study.training_speed import Speed, SpeedDocument

GOAL = 3.0
"""Images per second of ours, over the plain loop's."""


def training_speed(speeds: Sequence[SpeedDocument]) -> list[Block]:
    """Images per second of each way to train, a column for each strategy; nothing where it was not measured."""
    if not speeds:
        return []
    blocks: list[Block] = [
        Heading("How fast it trains"),
        Paragraph(
            "Images per second, forward and backward, in the paper's setting; the variants ran in alternating rounds "
            "(`python -m benchmarks train-speed`). In brackets: the ratio to the plain loop, as the median over "
            f"rounds. The goal is {GOAL:g} times the plain loop for every strategy."
        ),
    ]
    for speed in speeds:
        device, conditions, results = speed.device, speed.conditions, speed.results
        strategies = list(dict.fromkeys(result.strategy for result in results))
        found = {(result.strategy, result.variant): result for result in results}
        rows = [
            [f"{variant}: {meaning}", *(_rate(found[strategy, variant]) for strategy in strategies)]
            for variant, meaning in conditions.variants.items()
        ]
        ours = [result for result in results if result.variant == "ours"]
        ratios = [result.times_plain for result in ours]
        sizes = sorted({"{}x{}".format(*result.image_size) for result in results})
        text = (
            f"{device.text}; input {', '.join(sizes)}; ours in {ours[0].precision}; torch "
            f"{device.tools.get('torch')}; {conditions.date[:10]}. Ours trains {number(min(ratios), 2)} to "
            f"{number(max(ratios), 2)} times as fast as the plain loop: goal "
            f"{'met' if min(ratios) >= GOAL else 'missed'}."
        )
        blocks += [
            Paragraph(text),
            Table(("loop", *map(code, strategies)), rows, facts=True),
            *_memory(speed.memory or ()),
        ]
    return blocks


def _memory(found: Sequence[TrainingMemory]) -> list[Block]:
    """What a training takes, a column for each strategy; nothing where it was not measured."""
    if not found:
        return []
    strategies = list(dict.fromkeys(one.strategy for one in found))
    peaks = {(one.strategy, one.variant): one.peak_bytes / 1e6 for one in found}
    rows = [
        [variant, *(f"{peaks[strategy, variant]:.0f}" for strategy in strategies)]
        for variant in dict.fromkeys(one.variant for one in found)
    ]
    text = (
        f"Peak memory of a process that trains, in MB, batches of {found[0].batch_size}. Of it "
        f"{max(one.start_bytes for one in found) / 1e6:.0f} MB are torch and its libraries, before the network is made."
    )
    return [Paragraph(text), Table(("loop", *map(code, strategies)), rows, facts=True)]


def _rate(result: Speed) -> str:
    rate = number(result.images_per_second, 1)
    return rate if result.variant == PLAIN else f"{rate} ({number(result.times_plain, 2)})"
