"""The phones that have joined: what each has done so far. A phone that was away goes on where it was."""

from __future__ import annotations

import math
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from statistics import fmean, median
from typing import Any

from benchmarks.devices.phone.work import Answer, Work
from edge_runtime.common.cli import counted, say
from edge_runtime.errors import FetalHeadError

MOST = 100
"""Phones that one call takes, so that nobody can fill this computer's memory."""

SILENT_S = 10.0
"""A page that is open is heard of every 3 s. After this time it counts as away."""

GONE_S = 60.0
"""After so long without a word, the end of the command does not wait for a phone."""

_MOST_MS = 1e6


class Refused(Exception):
    """A request that cannot be taken. Its status says what the page does: only after 400 it sends again.

    Args:
        status: HTTP status.
        message: What is wrong.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


NAMELESS = "unknown phone"
"""The model that page.js sends if nothing was typed."""


@dataclass(frozen=True)
class Phone:
    """What a page says of its phone and browser.

    Attributes:
        model: As the browser tells it, or as it was typed.
        user_agent: Of the browser.
        platform: The architecture or the system, as the browser tells it.
        cores: Logical cores; a browser may tell fewer.
        memory_gib: Rounded and capped by the browser.
        isolated: Whether the page is cross-origin isolated.
        build: The WebAssembly build of LiteRT.js that it has loaded.
        threads: CPU threads that it uses.
        clock_ms: Smallest step of its clock, in ms.
    """

    model: str
    user_agent: str
    platform: str | None
    cores: int | None
    memory_gib: float | None
    isolated: bool
    build: str
    threads: int
    clock_ms: float | None

    def __post_init__(self) -> None:
        texts = (self.model, self.user_agent, self.platform or "-", self.build)
        if not all(text.strip() and text.isprintable() and len(text) <= 400 for text in texts):
            raise ValueError("a text is empty, too long, or not printable")
        numbers = (self.cores or 1, self.threads, self.memory_gib or 1, self.clock_ms or 1)
        if not all(math.isfinite(value) and 0 < value < 1e6 for value in numbers):
            raise ValueError("a number is out of range")

    @property
    def system(self) -> str:
        """The operating system, from the user agent."""
        found = re.search(r"\(([^)]+)\)", self.user_agent)
        return found[1] if found else "unknown"


@dataclass(frozen=True)
class Times:
    """One round of one artifact on a phone.

    Attributes:
        load_ms: Time to compile the model, in ms.
        ms: Time of the network for each frame, in ms.
    """

    load_ms: float
    ms: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(math.isfinite(ms) and 0 <= ms < _MOST_MS for ms in (self.load_ms, *self.ms)):
            raise ValueError("a time is negative, or not finite")
        if sum(self.ms) <= 0:
            raise ValueError("all times are 0")

    @property
    def seconds(self) -> float:
        """Time of all frames, in s."""
        return sum(self.ms) / 1e3


@dataclass
class Session:
    """One phone.

    Attributes:
        number: Counts phones from 1.
        key: Names it in requests.
        phone: What it is.
        date: When it joined, UTC, ISO 8601.
        page: Counts the times that its page was opened: only the last one is listened to.
        heard: When it was heard of last, by ``time.monotonic()``.
        is_away: Whether that was said to be too long ago.
        answers: What it answered, by artifact and frame.
        rounds: Its times, by artifact and round.
        errors: Why an artifact cannot be run in its browser.
        saved: What the page shows at the end; None until the result is written.
    """

    number: int
    key: str
    phone: Phone
    date: str
    page: int = 1
    heard: float = field(default_factory=time.monotonic)
    is_away: bool = False
    answers: dict[str, dict[int, Answer]] = field(default_factory=dict)
    rounds: dict[str, dict[int, Times]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    saved: dict[str, Any] | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """It, for people."""
        return f"phone {self.number} ({self.phone.model})"

    def describe(self) -> dict[str, Any]:
        """What it has done, for its page."""
        answers = {name: {i: answer.message for i, answer in of.items()} for name, of in self.answers.items()}
        rounds = {name: {i: times.ms for i, times in of.items()} for name, of in self.rounds.items()}
        return {
            "session": self.key, "page": self.page, "answers": answers, "rounds": rounds, "errors": self.errors
        }  # fmt: skip


class Sessions:
    """All phones, shared by the server's threads.

    Args:
        work: What they are given to do.
        save: Writes the result of a phone that is done; returns what its page shows.

    Attributes:
        work: The same.
        failure: Why a result could not be written; None if all could.
    """

    def __init__(self, work: Work, save: Callable[[Session], dict[str, Any]]) -> None:
        self.work, self._save = work, save
        self.failure: FetalHeadError | None = None
        self._all: dict[str, Session] = {}
        self._turn = threading.Lock()

    @property
    def all(self) -> list[Session]:
        """The phones that have joined, in order."""
        with self._turn:
            return list(self._all.values())

    @property
    def under_way(self) -> bool:
        """Whether a phone that was heard of lately has not done everything yet."""
        now = time.monotonic()
        return any(session.saved is None and now - session.heard < GONE_S for session in self.all)

    def join(self, phone: Phone, key: str | None) -> Session:
        """A page was opened: a new phone, or one that was here before.

        Raises:
            Refused: There are too many.
        """
        with self._turn:
            session = self._all.get(key or "")
            if session is not None and session.phone.threads == phone.threads:
                session.page += 1
                session.heard = time.monotonic()
                session.is_away = False
                say(f"{session.name} goes on")
                return session
            if len(self._all) >= MOST:
                raise Refused(503, "too many phones have joined")
            date = datetime.now(timezone.utc).isoformat(timespec="seconds")
            session = Session(len(self._all) + 1, secrets.token_urlsafe(12), phone, date)
            self._all[session.key] = session
        cores = "cores not told" if phone.cores is None else counted(phone.cores, "core")
        say(f"{session.name} has joined: {phone.system}, {cores}, {counted(phone.threads, 'thread')}")
        return session

    def find(self, key: str, page: int) -> Session:
        """The phone of a request, which shows that it is there.

        Raises:
            Refused: There is none of this key, or its page was opened again elsewhere.
        """
        with self._turn:
            session = self._all.get(key)
            if session is None:
                raise Refused(410, "this measurement has ended")
            if session.page != page:
                raise Refused(409, "the measurement goes on in another tab")
            session.heard = time.monotonic()
            if session.is_away:
                session.is_away = False
                say(f"{session.name} is back")
            return session

    def say_who_is_away(self) -> None:
        """Say once of each phone that is not done and was not heard of for a while."""
        for session in self.all:
            silent = time.monotonic() - session.heard
            if session.saved is None and not session.is_away and silent > SILENT_S:
                session.is_away = True
                say(
                    f"{session.name} was not heard of for {silent:.0f} s: was its browser closed, or the Wi-Fi lost? "
                    "What it did is kept. Waiting for it."
                )

    def answer(self, session: Session, name: str, index: int, output: bytes) -> dict[str, Any]:
        """Take an output; returns what the page shows.

        Raises:
            Refused: It is damaged.
        """
        try:
            found = self.work.judge(name, index, output)
        except ValueError as error:
            raise Refused(400, str(error)) from error
        with session.turn:
            of = session.answers.setdefault(name, {})
            is_last = index not in of and len(of) + 1 == len(self.work.images.images)
            of[index] = found
        if is_last:
            same, dice = sum(one.is_identical for one in of.values()), fmean(one.score.dice for one in of.values())
            say(f"{session.name}: {name:<26} {same} of {len(of)} outputs are Python's, Dice {dice:.2%}")
        return found.message

    def time(self, session: Session, name: str, index: int, times: Times) -> None:
        """Take a round.

        Raises:
            Refused: It is shorter than the plan, or not one of it.
        """
        plan = self.work.plan
        if not 0 <= index < plan.rounds:
            raise Refused(404, f"there is no round {index}")
        if len(times.ms) < plan.frames:
            raise Refused(400, f"the round has {len(times.ms)} frames; it must have {plan.frames}")
        with session.turn:
            session.rounds.setdefault(name, {})[index] = times
        p50 = median(times.ms)
        say(f"{session.name}: round {index + 1}/{plan.rounds}  {name:<26} network p50 {p50:8.2f} ms")

    def fail(self, session: Session, name: str, error: str) -> None:
        """Take that an artifact cannot be run in this browser."""
        text = " ".join(error.split())[:300] or "no reason is known"
        with session.turn:
            session.errors[name] = f"LiteRT.js cannot run it in this browser: {text}"
        say(f"{session.name}: error: {name}: {text}")

    def finish(self, session: Session) -> dict[str, Any]:
        """Write the result of a phone that has done everything; returns what its page shows.

        Raises:
            Refused: Something is missing, or the result cannot be written.
        """
        frames, rounds = len(self.work.images.images), self.work.plan.rounds
        with session.turn:
            for name in self.work.tasks:
                has = len(session.answers.get(name, ())), len(session.rounds.get(name, ()))
                if name not in session.errors and has != (frames, rounds):
                    text = f"{name} has {has[0]} of {frames} outputs and {has[1]} of {rounds} rounds"
                    raise Refused(409, text)
            if session.saved is None:
                try:
                    session.saved = self._save(session)
                except FetalHeadError as error:
                    self.failure = error
                    raise Refused(500, "the result could not be written on the computer") from error
            return session.saved
