"""Run cases: one by its number, or all of them in separate processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.fuzz import artifacts, files, frames
from benchmarks.fuzz.rig import Rig, check_unchanged, make_rig

Case = Callable[[np.random.Generator, Rig], str]

KINDS: dict[str, tuple[Case, float]] = {
    "frames": (frames.frame_case, 0.56),
    "manifest, bytes": (artifacts.manifest_bytes_case, 0.10),
    "manifest, sealed anew": (artifacts.manifest_values_case, 0.14),
    "signature": (artifacts.signature_case, 0.03),
    "model": (artifacts.model_case, 0.05),
    "model, sealed anew": (artifacts.resealed_model_case, 0.01),
    "links, pipes, folders": (artifacts.place_case, 0.01),
    "image files": (files.image_case, 0.07),
    "pixel-size tables": (files.table_case, 0.03),
}
"""What is attacked, how, and its share of the cases."""

CASE_LIMIT_S = 20
"""A case that takes longer is taken to hang. The slowest takes a few seconds on a busy machine."""

SILENCE_LIMIT_S = 60
"""A worker that says nothing for longer is stuck where Python cannot interrupt it."""

TELL_EVERY = 5000

WORKER = (sys.executable, "-m", "benchmarks.fuzz")

UNCHANGED_EVERY = 50
"""The reference frame is measured again after this many cases."""


@dataclass(frozen=True)
class Failure:
    """A case that failed.

    Attributes:
        case: Its number.
        kind: Its kind.
        error: The traceback, or how the process died.
    """

    case: int
    kind: str
    error: str


@dataclass
class Tally:
    """What the cases gave.

    Attributes:
        outcomes: Cases by kind and outcome.
        failures: Those that failed.
        slowest_ms: Time of the slowest case by kind, in ms.
    """

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    slowest_ms: dict[str, float] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        """How many have run, including those that failed."""
        return sum(sum(counts.values()) for counts in self.outcomes.values())

    def add(self, number: int, kind: str, outcome: str, ms: float) -> None:
        """Count a case; an outcome that begins with ``!`` is a failure."""
        if outcome.startswith("!"):
            self.failures.append(Failure(number, kind, outcome[1:]))
            outcome = "FAILURE"
        self.outcomes.setdefault(kind, Counter())[outcome] += 1
        self.slowest_ms[kind] = max(self.slowest_ms.get(kind, 0.0), ms)


class _TooSlow(BaseException):
    """Not an Exception, so that what is tested does not catch it."""


def kind_of(seed: int, number: int) -> tuple[str, np.random.Generator]:
    """The kind of a case, and the generator that makes the rest of it."""
    rng = np.random.default_rng([seed, number])
    names = list(KINDS)
    return names[rng.choice(len(names), p=[KINDS[name][1] for name in names])], rng


def run_case(seed: int, number: int, rig: Rig) -> tuple[str, str, float]:
    """Run one case: its kind, its outcome (``!`` and the traceback if it failed), and its time in ms."""
    kind, rng = kind_of(seed, number)
    started = perf_counter()
    signal.setitimer(signal.ITIMER_REAL, CASE_LIMIT_S)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # a number from an overflow or 0 / 0 is wrong
            outcome = KINDS[kind][0](rng, rig)
            if number % UNCHANGED_EVERY == 0:
                check_unchanged(rig)
    except _TooSlow:
        outcome = f"!hangs: more than {CASE_LIMIT_S} s"
    except Exception:
        outcome = f"!{traceback.format_exc()}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if kind not in ("frames", "image files", "pixel-size tables"):
            artifacts.restore(rig)
    return kind, outcome, (perf_counter() - started) * 1e3


def alarm() -> None:
    """Let a case that takes too long end as a failure."""

    def too_slow(*_: Any) -> None:
        raise _TooSlow

    signal.signal(signal.SIGALRM, too_slow)


def work(seed: int, first: int, last: int) -> None:
    """In a worker: run cases first to last - 1, and write a line for each to stdout at once, so a crash hides none."""
    alarm()
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-fuzz-") as folder:
        rig = make_rig(Path(folder))
        for number in range(first, last):
            kind, outcome, ms = run_case(seed, number, rig)
            line = "\t".join((str(number), kind, f"{ms:.3f}", outcome.replace("\n", "\\n").replace("\t", " ")))
            os.write(1, f"{line[:4000]}\n".encode())


def campaign(seed: int, cases: int, jobs: int, tell: Callable[[str], None], worker: Sequence[str] = WORKER) -> Tally:
    """Run cases 0 to ``cases`` - 1. If a worker dies, its case has failed, and another worker goes on.

    Args:
        seed: Seed of all cases.
        cases: How many to run.
        jobs: Processes at a time.
        tell: Called with the progress now and then, and with each failure and how to repeat it.
        worker: The command that runs :func:`work`.
    """
    tally, lock, stopped = Tally(), threading.Lock(), threading.Event()
    bounds = np.linspace(0, cases, jobs + 1).astype(int)

    def share(first: int, last: int) -> None:
        while first < last and not stopped.is_set():
            for number, kind, ms, outcome in _lines(worker, seed, first, last, stopped):
                with lock:
                    tally.add(number, kind, outcome, ms)
                    if outcome.startswith("!"):
                        tell(f"FAILURE, {kind}: python -m benchmarks fuzz --seed {seed} --case {number}\n{outcome[1:]}")
                    if tally.cases % TELL_EVERY == 0:
                        tell(f"  {tally.cases} of {cases} cases")
                first = number + 1

    threads = [threading.Thread(target=share, args=(int(a), int(b))) for a, b in pairwise(bounds)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:  # Ctrl-C: the workers go too
        stopped.set()
        raise
    tally.failures.sort(key=lambda failure: failure.case)
    return tally


def _lines(
    command: Sequence[str], seed: int, first: int, last: int, stopped: threading.Event
) -> Iterator[tuple[int, str, float, str]]:
    """What a worker reports. The case on which it died or went silent is added as a failure."""
    call = [*command, str(seed), str(first), str(last)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:
        assert worker.stdout is not None
        left, following, heard = b"", first, perf_counter()
        while True:
            if stopped.is_set() or perf_counter() - heard > SILENCE_LIMIT_S:
                worker.kill()
            if not select.select([worker.stdout], [], [], 1.0)[0]:
                continue
            heard = perf_counter()
            got = os.read(worker.stdout.fileno(), 1 << 16)
            *whole, left = (left + got).split(b"\n")
            for line in whole:
                number, kind, ms, outcome = line.decode(errors="replace").split("\t", 3)
                following = int(number) + 1
                yield int(number), kind, float(ms), outcome.replace("\\n", "\n")
            if not got:
                break
    if following < last and not stopped.is_set():
        code = worker.returncode
        why = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        yield following, kind_of(seed, following)[0], 0.0, f"!the process died: {why}"
