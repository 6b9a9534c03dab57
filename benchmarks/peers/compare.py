"""One network in every engine: converted, judged and timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.peers.document import Compared, Measurement
from benchmarks.peers.judge import Judged, judge
from benchmarks.peers.prepare import prepare_source
from benchmarks.peers.process import Ready
from benchmarks.peers.rounds import Plan, measure
from benchmarks.peers.rows import REFERENCE, Row
from edge_runtime.artifact.golden import LEAST_DICE
from edge_runtime.common.cli import say
from edge_runtime.errors import FetalHeadError
from export.job import Job
from train.data.hc18 import hash_samples


def compare(job: Job, pythons: Mapping[str, Path | str], rows: Sequence[Row], plan: Plan, folder: Path) -> Compared:
    """Compare engines. One that fails costs its row, with the reason.

    Args:
        job: The checkpoint and its images.
        pythons: By the row's name the Python of its environment, or why there is none.
        rows: What to compare.
        plan: How much to time.
        folder: An empty folder to work in.

    Raises:
        ConversionError: This project's own conversion failed.
    """
    say(f"{job.name}: writing it for all engines")
    source = folder / "source"
    source.mkdir()
    images = prepare_source(job, source)
    found: dict[str, Measurement] = {}
    judged: dict[str, Judged] = {}
    ready: list[Ready] = []
    for row in rows:
        blank = Measurement(row.name, row.engine, row.precision)
        try:
            python = pythons[row.name]
            if isinstance(python, str):
                raise FetalHeadError(python)
            target = folder / row.name
            target.mkdir()
            one = Ready(row, python, source, target)
            facts = one.call("convert")
            answers = one.call("answer")
            height, width = answers["shape"]
            judged[row.name] = judge(target.with_suffix(".f32"), (height, width), images)
        except FetalHeadError as error:
            found[row.name] = replace(blank, error=_public(error, folder))
            say(f"  {row.name:<24} error: {found[row.name].error}")
            continue
        scores = judged[row.name].scores
        found[row.name] = replace(
            blank,
            **facts,
            peak_memory_bytes=answers["peak_memory_bytes"],
            dice=scores.dice,
            hc_absolute_difference_mm=scores.hc_absolute_difference_mm,
            n_hc_refused=scores.n_hc_refused,
        )
        ready.append(one)
        say(f"  {row.name:<24} Dice {scores.dice.mean:.2%} on {scores.n_images} images")
    for name in judged if REFERENCE in judged else ():
        found[name] = _agreeing(found[name], judged[name].agreement(judged[REFERENCE]))
    for name, latencies in measure([one for one in ready if not found[one.row.name].error], plan).items():
        if isinstance(latencies, str):
            found[name] = replace(found[name], error=latencies)
        else:
            found[name] = replace(found[name], latencies=latencies)
    part = next(iter(job.parts))
    return Compared(
        strategy=job.name,
        checkpoint_sha256=job.checkpoint.sha256,
        size=job.size,
        data=job.dataset.title,
        part=part,
        n_images=len(images.samples),
        images_sha256=hash_samples(images.samples),
        n_calibration=len(job.calibration),
        rows=tuple(found[row.name] for row in rows),
    )


def _agreeing(found: Measurement, mask_dice: float) -> Measurement:
    """A row with its agreement; float32 that does not agree is another network, and costs its row."""
    error = None
    if found.precision == "float32" and mask_dice < LEAST_DICE:
        error = f"its masks are not torch's (Dice {mask_dice:.4f}): it was not converted or not called rightly"
        say(f"  {found.name:<24} error: {error}")
    return replace(found, mask_dice=mask_dice, error=error)


def _public(error: FetalHeadError, folder: Path) -> str:
    """An error's text without this machine's folders."""
    return str(error).replace(f"{folder}/", "").replace(str(folder), "")
