"""``python -m benchmarks run``: measure artifacts on this machine and write one JSON document."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.common.device import EMULATED, this_device
from benchmarks.common.result_files import RESULTS, free_name
from benchmarks.common.scores import scores_of
from benchmarks.common.tables import cells, text_table
from benchmarks.frames.images import Image, Images, images_of, samples_of
from benchmarks.machine.state import BUSY, Load, read_load, read_state
from benchmarks.roofline.profile import Profile, profile, profile_text
from benchmarks.suite import arguments
from benchmarks.suite.accuracy import score, with_costs
from benchmarks.suite.arguments import check_images, plan_of
from benchmarks.suite.artifacts import Artifact, find_artifacts
from benchmarks.suite.columns import OFFICIAL, OVERVIEW, STEP_MEDIANS
from benchmarks.suite.document import SCHEMA_VERSION, Argument, Conditions, Result, SuiteDocument
from benchmarks.suite.latency import Speeds, measure_rounds
from benchmarks.suite.modes import STABLE, Plan, shortfall
from benchmarks.suite.pooled import Speed
from benchmarks.suite.sustained import sustained_text
from edge_runtime.common.arguments import checked_out
from edge_runtime.common.cli import clock, counted, say
from edge_runtime.common.files import write_json
from edge_runtime.common.provenance import git_commit
from edge_runtime.common.record import to_json
from edge_runtime.errors import FetalHeadError
from export.tflite.report import read_model
from train.data.splits import evenly_spaced

LATENCY_IMAGES = 4
"""Test images whose frames are timed, so that the size of one head does not decide."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    arguments.add_arguments(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Measure artifacts. One that fails is reported, the others are still measured, and the exit code is 1."""
    plan = plan_of(args)
    check_images(args)
    artifacts = find_artifacts(args.places)
    out = checked_out(args.out, args.overwrite)
    images = images_of(args.frame_set) if args.frame_set else samples_of(args.data, args.split_part, args.images)[2]
    timed = evenly_spaced(images.images, LATENCY_IMAGES)
    date, before = datetime.now(timezone.utc).isoformat(timespec="seconds"), read_load()
    device, not_told = this_device(), read_state().unknown
    say(f"data: {images.summary}")
    say(_announcement(plan, len(artifacts)))
    say(f"machine: {before.text}" + (f"; it does not tell its {', '.join(not_told)}" if not_told else ""))
    if before.is_high:
        say(f"warning: {BUSY}.")
    speeds = measure_rounds(artifacts, timed, plan)
    after = read_load()
    say(f"machine afterwards: {after.text}")
    if after.is_high and not before.is_high:
        say(f"warning: {BUSY}.")
    say("accuracy:")
    results = [_result(artifact, speeds.by_name[artifact.name], images.images, plan.threads) for artifact in artifacts]
    results = with_costs(results)
    found = _profile(args.profile, artifacts, results)
    conditions = _conditions(args, plan, images, timed, speeds, date, (before, after), not_told)
    document = SuiteDocument(
        SCHEMA_VERSION,
        device,
        conditions,
        tuple(results),
        profile=found if isinstance(found, Profile) else None,
        profile_reason=found if isinstance(found, str) else None,
    )
    out = out or free_name(RESULTS, device, date, images.is_phantom)
    write_json(out, to_json(document))
    say("\n" + _summary(document))
    failed = [result.artifact for result in results if result.error]
    say(f"\nwrote {out}" + (f"; {len(failed)} of {len(results)} failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _announcement(plan: Plan, artifacts: int) -> str:
    """What will be measured, and about how long it takes at least."""
    turns = plan.rounds * artifacts
    least = turns * plan.seconds + (turns - 1) * plan.cooldown_s
    text = f"latency, {plan.mode}: {counted(artifacts, 'artifact')}, {counted(plan.rounds, 'round')} of "
    text += f"{plan.frames} frames" if plan.seconds == 0 else f"{plan.seconds:g} s and {plan.frames} frames at least"
    text += f" after {plan.warmup} of warm-up"
    text += f", {plan.cooldown_s:g} s of pause in between" if plan.cooldown_s else ""
    return text + (f"; this takes {clock(least)} or more" if least > 60 else "")


def _conditions(
    args: argparse.Namespace,
    plan: Plan,
    images: Images,
    timed: Sequence[Image],
    speeds: Speeds,
    date: str,
    loads: tuple[Load, Load],
    not_told: tuple[str, ...],
) -> Conditions:
    measured = {name: speed for name, speed in speeds.by_name.items() if isinstance(speed, Speed)}
    lacks = {
        name: shortfall(speed.timed_frames, speed.timed_seconds, plan.rounds, plan) for name, speed in measured.items()
    }
    return Conditions(
        date=date,
        git_commit=git_commit(),
        arguments=published(args),
        threads=plan.threads,
        frames=plan.frames,
        warmup=plan.warmup,
        rounds=plan.rounds,
        latency_images=tuple(image.name for image in timed),
        load_average_1min=loads[0].average_1min,
        data=images.data,
        is_phantom=images.is_phantom,
        split=images.split,
        split_sha256=images.split_sha256,
        n_images=len(images.images),
        n_images_in_test_part=images.n_in_test_part,
        images_sha256=images.images_sha256,
        mode=plan.mode,
        seconds=plan.seconds,
        cooldown_s=plan.cooldown_s,
        seed=plan.seed if plan.shuffled else None,
        order=speeds.order,
        shortfalls={name: lack for name, lack in lacks.items() if lack},
        load_before=loads[0],
        load_after=loads[1],
        not_told=not_told,
        frame_set_sha256=images.frame_set_sha256,
    )


def published(args: argparse.Namespace) -> dict[str, Argument]:
    """The arguments of a command as a result file may name them."""
    return {key: _public(value) for key, value in vars(args).items() if not callable(value)}


def _public(value: Any) -> Argument:
    """An argument as it may be published: of a path only the last part."""
    if isinstance(value, list):
        return tuple(str(_public(item)) for item in value)
    if isinstance(value, (str, Path)):
        return Path(value).name or str(value)
    return value  # type: ignore[no-any-return]  # a number, a flag or None


def unmeasured(artifact: Artifact, error: str | None = None) -> Result:
    """An entry of ``results`` without figures, and why there are none."""
    manifest = artifact.manifest
    return Result(
        artifact=artifact.name,
        strategy=manifest.strategy if manifest else None,
        recipe=manifest.recipe if manifest else None,
        model_sha256=manifest.model_sha256 if manifest else None,
        checkpoint_sha256=manifest.checkpoint.get("sha256") if manifest else None,
        size_bytes=manifest.model_bytes if manifest else None,
        error=error,
        latency_ms=None,
        accuracy=None,
        images=(),
        degradation=None,
        degradation_reason=None,
    )


def _result(artifact: Artifact, speed: Speed | str, images: Sequence[Image], threads: int) -> Result:
    """One entry of ``results``. A model that could not be run in its own process is not loaded into this one."""
    if isinstance(speed, str):
        return unmeasured(artifact, speed)
    result = replace(unmeasured(artifact), **vars(speed))
    started = time.monotonic()
    try:
        scores, refused = score(artifact, images, threads)
    except FetalHeadError as error:
        return replace(result, error=artifact.describe_error(error))
    accuracy, seconds = scores_of(scores), time.monotonic() - started
    say(f"  {artifact.name:<32} Dice {accuracy.dice.mean:.2%} over {len(scores)} images ({seconds:.0f} s)")
    return replace(result, accuracy=accuracy, images=tuple(scores), n_refused_on_device=refused)


def _profile(wanted: str, artifacts: Sequence[Artifact], results: Sequence[Result]) -> Profile | str | None:
    """The profile of the slowest artifact; the reason why there is none; or None where none is wanted."""
    if wanted == "none":
        return None
    timed = [(r.latency_ms.total.p50, a) for r, a in zip(results, artifacts, strict=True) if r.latency_ms]
    if not timed:
        return "no artifact could be measured"
    slowest = max(timed, key=lambda pair: pair[0])[1]
    say(f"operators of {slowest.name}, the slowest:")
    try:
        return profile(read_model(slowest.path), slowest.name)
    except FetalHeadError as error:
        return slowest.describe_error(error)


def _summary(document: SuiteDocument) -> str:
    """What ``run`` prints at its end."""
    results, conditions = document.results, document.conditions
    parts = [text_table(*cells(results, OVERVIEW))]
    if conditions.mode == "official":
        parts += [text_table(*cells(results, OFFICIAL)), text_table(*cells(results, STEP_MEDIANS))]
    parts.append(_judged(document))
    parts += [sustained_text(r.artifact, r.sustained) for r in results if r.sustained]
    reason = next((r.energy_reason for r in results if r.energy_reason), None)
    if reason and conditions.mode != "quick":
        parts.append(f"energy: not measured, because {reason}")
    if document.profile:
        parts.append(profile_text(document.profile))
    if document.profile_reason:
        parts.append(f"operators: not measured. {document.profile_reason}")
    if document.device.emulated:
        parts.append(f"warning: {EMULATED}.")
    return "\n\n".join(filter(None, parts))


def _judged(document: SuiteDocument) -> str:
    """What keeps an official run from being official, and what keeps times from being true, a line each."""
    lacks = (document.conditions.shortfalls or {}) if document.conditions.mode == "official" else {}
    lines = [f"not official: {name} has {lack}" for name, lack in lacks.items()]
    apart = {r.artifact: r.rounds_apart for r in document.results if r.unstable and r.rounds_apart is not None}
    lines += [f"unstable: the rounds of {name} are {share:.1%} apart" for name, share in apart.items()]
    lines += document.slowed
    if apart:
        lines.append(f"{STABLE:.0%} are allowed. Let the machine rest, end other programs, and measure again.")
    return "\n".join(lines)
