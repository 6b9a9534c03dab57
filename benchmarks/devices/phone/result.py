"""The result file of a phone: what it timed, and what this computer made of its outputs."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.common.device import Browser, Device
from benchmarks.common.intervals import spread
from benchmarks.common.scores import scores_of
from benchmarks.common.tables import Columns, mean, several
from benchmarks.devices.phone.litert import NAME, VERSION
from benchmarks.devices.phone.session import NAMELESS, Phone, Session, Times
from benchmarks.devices.phone.work import Answer, Task, Work
from benchmarks.suite.accuracy import with_costs
from benchmarks.suite.document import SCHEMA_VERSION, Agreement, Conditions, Result, SuiteDocument
from benchmarks.suite.modes import STABLE, shortfall
from benchmarks.suite.rounds import Round
from benchmarks.suite.run import published, unmeasured
from edge_runtime.artifact.golden import LEAST_DICE
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.timing.bench import percentiles

STEP = "invoke"
"""The only step that a phone times. The others are done here, in Python."""

_NO_ENERGY = "a browser does not tell it"
_NOT_TOLD = ("clock", "temperature", "throttling flags", "load", "memory of a process")

_OURS = ("host", "minutes")
"""Arguments that are nobody's business, or that the command does not have."""

SUMMARY: Columns[Result] = (
    ("artifact", lambda r: r.artifact),
    ("network p50 ms", lambda r: several(_network(r)[:1], 2)),
    ("as Python's", lambda r: f"{r.agreement.n_identical} of {r.agreement.n_frames}" if r.agreement else ""),
    ("Dice %", lambda r: mean(r.accuracy and r.accuracy.dice, 2, 100)),
    ("ADF mm", lambda r: mean(r.accuracy and r.accuracy.hc_absolute_difference_mm, 2)),
    ("p90 / p99 ms", lambda r: several(_network(r)[1:], 2)),
)
"""What is shown at the end, on the phone and here."""


def _network(result: Result) -> list[float | None]:
    found = (result.steps_ms or {}).get(STEP)
    return [found.p50, found.p90, found.p99] if found else [None] * 3


def document_of(work: Work, session: Session, args: argparse.Namespace) -> SuiteDocument:
    """The result of a phone that has done everything."""
    results = [_result(work, session, artifact.name) for artifact in work.artifacts]
    return SuiteDocument(
        SCHEMA_VERSION, _device(session.phone), _conditions(work, session, results, args), tuple(with_costs(results))
    )


def _device(phone: Phone) -> Device:
    return Device(
        model=None if phone.model == NAMELESS else phone.model,
        cpu=None,
        machine=phone.platform or "unknown",
        cores=phone.cores,
        max_frequency_mhz=None,
        memory_bytes=None,  # a browser tells it rounded and capped: see below
        governor=None,
        frequency_mhz=None,
        temperature_c=None,
        throttled=None,
        os=phone.system,
        tools={NAME: VERSION},
        browser=Browser(phone.user_agent, phone.memory_gib, phone.isolated, phone.build, phone.clock_ms),
    )


def _result(work: Work, session: Session, name: str) -> Result:
    artifact = next(artifact for artifact in work.artifacts if artifact.name == name)
    error = work.errors.get(name) or session.errors.get(name)
    if error:
        return unmeasured(artifact, error)
    task, answers = work.tasks[name], [session.answers[name][i] for i in range(len(work.images.images))]
    agreement = _agreement(task, answers)
    if agreement.mask_dice < LEAST_DICE:
        # a model that LiteRT.js fails to prepare can still run, and return anything
        error = (
            f"this browser computes wrongly: its masks have a Dice of {agreement.mask_dice:.4f} with Python's; it must "
            f"be at least {LEAST_DICE}. Its times are not kept."
        )
        return replace(unmeasured(artifact, error), agreement=agreement)
    rounds = [session.rounds[name][i] for i in range(work.plan.rounds)]
    scores = [answer.score for answer in answers]
    medians = [statistics.median(times.ms) for times in rounds]
    apart = spread(medians) if len(medians) > 1 and min(medians) > 0 else None
    return replace(
        unmeasured(artifact),
        backend="LiteRT.js",
        input_size=task.manifest.size,
        agreement=agreement,
        accuracy=scores_of(scores),
        images=tuple(scores),
        n_refused_on_device=sum(not answer.is_shown for answer in answers),
        steps_ms={STEP: percentiles([ms for times in rounds for ms in times.ms])},
        load_ms=statistics.median(times.load_ms for times in rounds),
        rounds=tuple(_round(times) for times in rounds),
        timed_frames=sum(len(times.ms) for times in rounds),
        timed_seconds=sum(times.seconds for times in rounds),
        rounds_apart=apart,
        unstable=None if apart is None else apart > STABLE,
        energy_reason=_NO_ENERGY,
    )


def _round(times: Times) -> Round:
    return Round(
        total_p50_ms=None,
        time_to_first_result_ms=None,
        process_start_to_first_result_ms=None,
        load_ms=times.load_ms,
        peak_memory_bytes=None,
        frequency_mhz=None,
        temperature_c=None,
        throttled=None,
        frames=len(times.ms),
        seconds=times.seconds,
        steps_p50_ms={STEP: statistics.median(times.ms)},
    )


def _agreement(task: Task, answers: Sequence[Answer]) -> Agreement:
    dice, backend = [answer.mask_dice for answer in answers], task.network.backend
    return Agreement(
        n_frames=len(answers),
        n_identical=sum(answer.is_identical for answer in answers),
        mask_dice=statistics.fmean(dice),
        worst_mask_dice=min(dice),
        backend=f"{backend} {tool_versions([backend]).get(backend, '')}".strip(),
    )


def _conditions(work: Work, session: Session, results: Sequence[Result], args: argparse.Namespace) -> Conditions:
    images, plan = work.images, work.plan
    lacks = {
        r.artifact: shortfall(r.timed_frames, r.timed_seconds or 0, len(r.rounds or ()), work.plan)
        for r in results
        if r.timed_frames
    }
    return Conditions(
        date=session.date,
        git_commit=git_commit(),
        arguments={name: value for name, value in published(args).items() if name not in _OURS},
        threads=session.phone.threads,
        frames=plan.frames,
        warmup=plan.warmup,
        rounds=plan.rounds,
        latency_images=tuple(images.images[i].name for i in work.timed),
        load_average_1min=None,
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
        order=tuple(map(tuple, work.order())),
        shortfalls={name: lack for name, lack in lacks.items() if lack},
        not_told=_NOT_TOLD,
        frame_set_sha256=images.frame_set_sha256,
        timed_steps=(STEP,),
    )
