"""Jobs as tasks of a Ray cluster. A task whose node or process is lost is done again, from its last epoch on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.common.stage import StageKilled
from edge_runtime.common.cli import counted
from edge_runtime.common.ray_cluster import last_line, running
from edge_runtime.errors import FetalHeadError, UsageError

LOST = 5
"""So often may a job's process or node be lost before the job fails."""


@contextmanager
def cluster(address: str, cores: int, gpus: int) -> Iterator[tuple[Callable[[Callable[[int], Any]], Any], int]]:
    """How a job's work is done on a cluster, and how many jobs it has room for.

    Args:
        address: As ``ray.init`` takes it.
        cores: Of each job.
        gpus: Of each job.

    Raises:
        FetalHeadError: Ray is not installed, or the cluster cannot be reached.
        UsageError: No node is large enough.
    """
    with running(address) as ray:
        options = {"num_cpus": cores, "num_gpus": gpus, "max_retries": LOST, "retry_exceptions": [StageKilled]}
        task = ray.remote(**options)(_answer)

        asked: set[Any] = set()
        calls, over = threading.Condition(), threading.Event()

        def do(work: Callable[[int], Any]) -> Any:
            with calls:
                if over.is_set():
                    raise FetalHeadError("stopped")
                answer = task.remote(work, cores)
                asked.add(answer)
            try:
                while not ray.wait([answer], timeout=0.2)[0]:
                    if over.is_set():
                        raise FetalHeadError("stopped")
                result, error = ray.get(answer)
            except ray.exceptions.RayTaskError as failed:
                raise failed.cause from None
            except ray.exceptions.RayError as lost:
                raise FetalHeadError(
                    f"Ray failed ({type(lost).__name__}): {last_line(lost)}. What is done stays done: run it again."
                ) from None
            finally:
                with calls:
                    asked.discard(answer)
                    calls.notify_all()
            if error is not None:
                raise FetalHeadError(error)
            return result

        try:
            yield do, _room(ray.nodes(), cores, gpus)
        finally:  # a thread that waits for Ray while it is shut down can end this process
            with calls:
                over.set()
                calls.wait_for(lambda: not asked)


def _answer(work: Callable[[int], Any], cores: int) -> tuple[Any, str | None]:
    """In the task: the result, or the error, which Ray would wrap in a traceback; a killed stage is done again."""
    try:
        return work(cores), None
    except StageKilled:
        raise
    except FetalHeadError as error:
        return None, str(error)


def _room(nodes: list[dict[str, Any]], cores: int, gpus: int) -> int:
    has = [node["Resources"] for node in nodes if node["Alive"]]
    rooms = [int(min(r.get("CPU", 0) // cores, r.get("GPU", 0) // gpus if gpus else float("inf"))) for r in has]
    if not sum(rooms):
        wanted = counted(cores, "core") + (f" and {counted(gpus, 'GPU')}" if gpus else "")
        raise UsageError(f"No node of the cluster has {wanted}. Give less with --cores and --gpus; see: ray status")
    return sum(rooms)
