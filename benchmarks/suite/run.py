"""``python -m benchmarks run``: measure artifacts on this machine and write one JSON document."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.common.device import this_device
from benchmarks.common.result_files import RESULTS, free_name
from benchmarks.common.scores import scores_of
from benchmarks.common.tables import cells, text_table
from benchmarks.suite.accuracy import against_float32, score
from benchmarks.suite.artifacts import Artifact, find_artifacts
from benchmarks.suite.columns import OVERVIEW
from benchmarks.suite.document import SCHEMA_VERSION, Argument, Conditions, Result, SuiteDocument
from benchmarks.suite.latency import Speed, measure_rounds
from edge_runtime.common.arguments import checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.provenance import git_commit
from edge_runtime.common.record import to_json
from edge_runtime.errors import FetalHeadError
from edge_runtime.timing.bench import BenchConfig
from train.data.check import check_samples
from train.data.hc18 import Dataset, Sample, cache, find_data, hash_samples
from train.data.splits import Split, evenly_spaced, make_split

LATENCY_IMAGES = 4
"""Test images whose frames are timed, so that the size of one head does not decide."""


@dataclass(frozen=True)
class ScoredImages:
    """What accuracy is measured on.

    Attributes:
        dataset: Where the images come from.
        split: How it is divided.
        samples: Those of its test part that are scored, each read once.
    """

    dataset: Dataset
    split: Split
    samples: list[Sample]

    @property
    def latency_samples(self) -> list[Sample]:
        """Those whose frames are timed."""
        return evenly_spaced(self.samples, LATENCY_IMAGES)


def run(args: argparse.Namespace) -> int:
    """Measure artifacts. One that fails is reported, the others are still measured, and the exit code is 1."""
    config = BenchConfig(frames=args.frames, warmup=args.warmup, threads=args.threads)
    artifacts = find_artifacts(args.places)
    out = checked_out(args.out, args.overwrite)
    images = _scored_images(args)
    device, conditions = this_device(), _conditions(args, images)
    say(f"data: {images.dataset.summary}; {len(images.samples)} of {args.split_part}'s test part are scored")
    say(f"latency: {len(artifacts)} artifacts, {args.rounds} rounds of {args.frames} frames")
    frames = [sample.frame() for sample in images.latency_samples]
    speeds = measure_rounds(artifacts, frames, config, args.rounds)
    say("accuracy:")
    results = [_result(artifact, speeds[artifact.name], images.samples, args.threads) for artifact in artifacts]
    costs = [against_float32(result, results) for result in results]
    results = [replace(r, degradation=c, degradation_reason=why) for r, (c, why) in zip(results, costs, strict=True)]
    out = out or free_name(RESULTS, device, conditions.date, conditions.is_phantom)
    write_json(out, to_json(SuiteDocument(SCHEMA_VERSION, device, conditions, tuple(results))))
    say("\n" + text_table(*cells(results, OVERVIEW)))
    failed = [result.artifact for result in results if result.error]
    say(f"\nwrote {out}" + (f"; {len(failed)} of {len(results)} failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _scored_images(args: argparse.Namespace) -> ScoredImages:
    dataset = find_data(args.data)
    split = make_split(dataset, args.split_part)
    samples = evenly_spaced(dataset.select(split.test), args.images or len(split.test))
    check_samples(dataset, samples)
    return ScoredImages(dataset, split, cache(samples))


def _conditions(args: argparse.Namespace, images: ScoredImages) -> Conditions:
    return Conditions(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        git_commit=git_commit(),
        arguments={key: _public(value) for key, value in vars(args).items() if not callable(value)},
        threads=args.threads,
        frames=args.frames,
        warmup=args.warmup,
        rounds=args.rounds,
        latency_images=tuple(sample.name for sample in images.latency_samples),
        load_average_1min=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        data=images.dataset.title,
        is_phantom=images.dataset.is_phantom,
        split=images.split.name,
        split_sha256=images.split.sha256,
        n_images=len(images.samples),
        n_images_in_test_part=len(images.split.test),
        images_sha256=hash_samples(images.samples),
    )


def _public(value: Any) -> Argument:
    """An argument as it may be published: of an absolute path only the last part."""
    if isinstance(value, list):
        return tuple(str(_public(item)) for item in value)
    if isinstance(value, (str, Path)):
        return Path(value).name if Path(value).is_absolute() else str(value)
    return value  # type: ignore[no-any-return]  # a number, a flag or None


def _result(artifact: Artifact, speed: Speed | str, samples: Sequence[Sample], threads: int) -> Result:
    """One entry of ``results``. A model that could not be run in its own process is not loaded into this one."""
    manifest = artifact.manifest
    result = Result(
        artifact=artifact.name,
        strategy=manifest.strategy if manifest else None,
        recipe=manifest.recipe if manifest else None,
        model_sha256=manifest.model_sha256 if manifest else None,
        checkpoint_sha256=manifest.checkpoint.get("sha256") if manifest else None,
        size_bytes=manifest.model_bytes if manifest else None,
        error=speed if isinstance(speed, str) else None,
        latency_ms=None,
        accuracy=None,
        images=(),
        degradation=None,
        degradation_reason=None,
    )
    if isinstance(speed, str):
        return result
    result = replace(result, **vars(speed))
    started = time.monotonic()
    try:
        scores, refused = score(artifact, samples, threads)
    except FetalHeadError as error:
        return replace(result, error=artifact.describe_error(error))
    accuracy, seconds = scores_of(scores), time.monotonic() - started
    say(f"  {artifact.name:<32} Dice {accuracy.dice.mean:.2%} over {len(scores)} images ({seconds:.0f} s)")
    return replace(result, accuracy=accuracy, images=tuple(scores), n_refused_on_device=refused)
