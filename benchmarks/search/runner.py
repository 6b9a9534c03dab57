"""Run trials, several at a time, each in a process of its own; what is done is skipped."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from benchmarks.common.arguments import cores_each
from benchmarks.search.trial import Trial, run_trial
from edge_runtime.common.cli import clock, ending_text, say
from edge_runtime.errors import FetalHeadError

LOG = "log.txt"


@dataclass
class Runner:
    """Trains and measures the trials that have no result yet.

    Attributes:
        data: As ``--data`` takes it.
        runs: Folder for checkpoints and logs.
        results: Folder for result files.
        jobs: Trials at a time, which share the cores.
        minutes: Start no trial after this time; None for no limit.
    """

    data: str | None
    runs: Path
    results: Path
    jobs: int = 1
    minutes: float | None = None
    failed: list[str] = field(default_factory=list)

    def run(self, trials: Sequence[Trial]) -> None:
        """Do the trials that are open. One that fails is reported, and the others still run.

        Raises:
            UsageError: There are not so many cores.
            FetalHeadError: A trial failed.
        """
        threads = cores_each(self.jobs)
        todo = [trial for trial in trials if not (self.results / f"{trial.name}.json").exists()]
        say(f"{len(todo)} of {len(trials)} trials to do, {self.jobs} at a time, to {self.results}")
        end = None if self.minutes is None else time.monotonic() + 60 * self.minutes
        with ThreadPoolExecutor(self.jobs) as pool:
            left = sum(pool.map(lambda trial: self._one(trial, threads, end), todo))
        if left:
            say(f"{left} trials were not started: --minutes is over. Call it again to go on.")
        if self.failed:
            raise FetalHeadError(f"{len(self.failed)} of {len(todo)} trials failed: {', '.join(self.failed)}")

    def _one(self, trial: Trial, threads: int, end: float | None) -> bool:
        """Do one trial. Returns whether there was no time to start it."""
        if end is not None and time.monotonic() > end:
            return True
        started = time.monotonic()
        log = self.runs / trial.name / LOG
        log.parent.mkdir(parents=True, exist_ok=True)
        say(f"{trial.name}: started; its progress is in {log}")
        process = get_context("spawn").Process(target=_child, args=(trial, self, threads, log))
        process.start()
        process.join()
        spent = clock(time.monotonic() - started)
        if process.exitcode:
            self.failed.append(trial.name)
            say(f"{trial.name}: its process {ending_text(process.exitcode)} after {spent}; see {log}")
        else:
            say(f"{trial.name}: done in {spent}")
        return False


def _child(trial: Trial, runner: Runner, threads: int, log: Path) -> None:
    """In the new process: send all output to the log, and run the trial."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        os.dup2(descriptor, number)
    try:
        run_trial(trial, runner.data, runner.runs / trial.name, runner.results, threads)
    except FetalHeadError as error:
        say(f"error: {error}")
        sys.exit(1)
