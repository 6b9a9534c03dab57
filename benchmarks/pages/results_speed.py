"""The part of the results page on how fast the training loop is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.render import Block, Heading, Paragraph, Table
from benchmarks.common.tables import number
from benchmarks.study.training_speed import PLAIN, SPEEDS, VARIANTS

GOAL = 3.0
"""Images a second of ours, over the plain loop's."""


def load_speeds(folder: Path = SPEEDS) -> list[dict[str, Any]]:
    """Every measurement of ``python -m benchmarks train-speed``, by file name."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def training_speed(speeds: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Images a second of each way to train, a column a strategy; nothing where it was not measured."""
    if not speeds:
        return []
    blocks: list[Block] = [
        Heading("How fast it trains"),
        Paragraph(
            "python -m benchmarks train-speed: images a second, forwards and backwards, paper setting at 256x256, the "
            "variants in alternating rounds; in brackets the median of the rounds' ratios to the plain loop. Goal: "
            f"{GOAL:g} times the plain loop."
        ),
    ]
    for speed in speeds:
        device, conditions, results = speed["device"], speed["conditions"], speed["results"]
        strategies = list(dict.fromkeys(result["strategy"] for result in results))
        found = {(result["strategy"], result["variant"]): result for result in results}
        rows = [
            [f"{variant}: {VARIANTS[variant]}", *(_rate(found[strategy, variant]) for strategy in strategies)]
            for variant in VARIANTS
        ]
        ours = [result["times_plain"] for result in results if result["variant"] == "ours"]
        precision = next(result["precision"] for result in results if result["variant"] == "ours")
        text = (
            f"{device['cpu']}, {device['cores']} cores, ours in {precision}, torch {device['tools'].get('torch')}, "
            f"{conditions['date'][:10]}: {number(min(ours), 2)} to {number(max(ours), 2)} times the plain loop, goal "
            f"{'met' if min(ours) >= GOAL else 'missed'}."
        )
        blocks += [Paragraph(text), Table(("loop", *strategies), rows, facts=True)]
    return blocks


def _rate(result: Mapping[str, Any]) -> str:
    rate = number(result["images_per_second"], 1)
    return rate if result["variant"] == PLAIN else f"{rate} ({number(result['times_plain'], 2)})"
