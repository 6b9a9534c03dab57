"""Do jobs that have no result yet, several at a time, and write each one's result file as soon as it is there."""

from __future__ import annotations

import json
import platform
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common.stage import add_to_log, end_stages
from benchmarks.trainings import on_ray
from edge_runtime.common.cli import clock, counted, say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import FetalHeadError, UsageError

Work = Callable[[int], Any]
"""Given a number of cores, gives a result record. It is pickled, so that a node of a cluster can do it. If it is done
again, it goes on with what is there."""


@dataclass(frozen=True)
class Job:
    """A training, and what is made of it.

    Attributes:
        name: Unique; the name of its result file.
        log: Where its progress is.
        work: Does it.
        summary: One phrase about its result record.
        asked: What its result file has to say of its settings, see :func:`settings_of`.
    """

    name: str
    log: Path
    work: Work
    summary: Callable[[Any], str]
    asked: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Places:
    """Where jobs run, and where their results go.

    Attributes:
        results: Folder of result files.
        cores: Of each job.
        jobs: So many at a time; None for as many as the cluster has room for.
        minutes: No job is started after this time; None for no limit.
        address: Of a Ray cluster; None for this computer.
        gpus: Of each job, on the cluster.
    """

    results: Path
    cores: int
    jobs: int | None
    minutes: float | None = None
    address: str | None = None
    gpus: int = 0

    @contextmanager
    def open(self) -> Iterator[tuple[Callable[[Job], Any], int]]:
        """How a job is done, and how many at a time."""
        if self.address is None:
            yield lambda job: job.work(self.cores), self.jobs or 1
        else:
            with on_ray.cluster(self.address, self.cores, self.gpus) as (do, room):
                yield lambda job: do(shared(job)), min(self.jobs or room, room)


def shared(job: Job) -> Work:
    """A job's work, for a node that must see the folder in which its log is begun here."""
    add_to_log(job.log, "")
    return partial(_where_seen, job.work, job.log)


def _where_seen(work: Work, log: Path, cores: int) -> Any:
    if not log.exists():
        raise FetalHeadError(
            f"the node {platform.node()} does not see {log}: give a --runs that is the same folder on all nodes"
        )
    return work(cores)


def run_jobs(jobs: Sequence[Job], places: Places) -> bool:
    """Do the jobs that have no result file. One that fails is named, and the others are still done.

    Returns:
        False if a job failed.

    Raises:
        UsageError: A result file is that of other settings.
        FetalHeadError: The cluster cannot be reached.
    """
    jobs = list({job.name: job for job in jobs}.values())
    todo = [job for job in jobs if not _is_done(job, result_path(job.name, places.results))]
    say(f"{len(todo)} of {counted(len(jobs), 'training')} to do; results go to {places.results}")
    if not todo:
        return True
    end = None if places.minutes is None else time.monotonic() + 60 * places.minutes
    crew = _Crew(places.results, end, len(todo))
    with places.open() as (do, at_a_time):
        pool = ThreadPoolExecutor(at_a_time)
        try:
            list(pool.map(lambda job: crew.one(job, do), todo))
        except BaseException:  # Ctrl-C: its threads would wait for the trainings
            crew.stopped = True
            pool.shutdown(wait=False, cancel_futures=True)
            end_stages()
            raise
    if crew.not_started:
        say(f"{counted(crew.not_started, 'training')} not started: --minutes is over. The same call goes on.")
    if crew.failed:
        say(f"{len(crew.failed)} of {counted(len(todo), 'training')} failed: {', '.join(crew.failed)}")
    return not crew.failed


def result_path(name: str, results: Path) -> Path:
    """The result file of a job."""
    return results / f"{name}.json"


def settings_of(result: Mapping[str, Any]) -> dict[str, object]:
    """What a result file says of its training: number of epochs, title of the data, most images of a part."""
    data = result["data"]
    title, limit = (data, None) if isinstance(data, str) else (data["title"], data["limit"])
    return {"epochs": result["config"]["epochs"], "data": title, "limit": limit}


def _is_done(job: Job, path: Path) -> bool:
    if not path.exists():
        return False
    try:
        found = settings_of(json.loads(path.read_text())) if job.asked else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a result file ({error!r}). Move it away, or name another --results.") from None
    for name, asked in job.asked.items():
        if found[name] != asked:
            raise UsageError(
                f"{path} is the result of another call: {name} {found[name]} there, {asked} in this call. Name another "
                "--results, repeat the first call, or move the file away."
            )
    return True


class _Crew:
    """What threads that do jobs count together."""

    def __init__(self, results: Path, end: float | None, left: int) -> None:
        self._results, self._end, self._left, self._lock = results, end, left, threading.Lock()
        self.failed: list[str] = []
        self.not_started = 0
        self.stopped = False

    def one(self, job: Job, do: Callable[[Job], Any]) -> None:
        if self._end is not None and time.monotonic() > self._end:
            with self._lock:
                self.not_started += 1
            return
        say(f"{job.name}: started; its progress is in {job.log}")
        started = time.monotonic()
        try:
            result = do(job)
            write_json(result_path(job.name, self._results), to_json(result))
            told = f"{job.summary(result)}, done in {clock(time.monotonic() - started)}"
        except Exception as error:  # the others are still done
            if self.stopped:
                return
            told = f"failed: {str(error).rstrip('.')}"
            if not isinstance(error, FetalHeadError):
                told = f"failed by a fault of this program ({error!r:.200}); see {job.log}"
                add_to_log(job.log, traceback.format_exc())
        with self._lock:
            if told.startswith("failed"):
                self.failed.append(job.name)
            self._left -= 1
            say(f"{job.name}: {told}; {self._left} left")
