"""The page on embedding: its examples run as they stand, and its commands are commands."""

from __future__ import annotations

import logging
import re
import shlex
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import edge_runtime
from edge_runtime import Measurement, Segmenter, StreamResult, Window
from edge_runtime.__main__ import build_parser
from tests.helpers.places import ROOT
from train.data.phantom import make_phantom

PAGE = (ROOT / "docs" / "embedding.md").read_text()
PHANTOM, _, PIXEL_SIZE_MM = make_phantom(0)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


class Probe:
    """Gives twelve pictures, the next when the screen was drawn, so that none is dropped; then begins again."""

    pixel_size_mm = PIXEL_SIZE_MM

    def __init__(self) -> None:
        self.drawn = threading.Semaphore(1)
        self.given = 0

    def grab(self) -> np.ndarray:
        return PHANTOM

    def wait(self) -> np.ndarray | None:
        self.drawn.acquire(timeout=20)
        self.given += 1
        if self.given % 13 == 0:
            self.drawn.release()
            return None
        return PHANTOM


class Screen:
    """Keeps what it was told."""

    closed = freeze_pressed = False

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.told: list[tuple[str, object]] = []

    def __getattr__(self, name: str):
        def tell(*what: object) -> None:
            self.told.append((name, what[0] if what else None))
            if name in ("number", "message"):
                self.probe.drawn.release()

        return tell


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("edge_runtime")
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers, logger.level = handlers, level


def test_the_examples_run(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("FETAL_HEAD_EDGE_CACHE", str(tmp_path))
    probe = Probe()
    screen = Screen(probe)
    scope: dict = {"probe": probe, "screen": screen}
    told, counts = [], []
    for n, block in enumerate(blocks("python")):
        screen.told.clear()
        probe.drawn, probe.given = threading.Semaphore(1), 0
        screen.freeze_pressed = "best()" in block
        # The first four frames have no summary to tell, and the probe waits to hear.
        block = block.replace("summary = result.summary\n", "summary = result.summary; probe.drawn.release()\n")
        block = block.replace("screen.freeze_pressed", "screen.freeze_pressed and summary")
        block = block.replace("deadline_ms=100", "deadline_ms=60_000")  # this machine may be busy
        exec(compile(block, f"embedding.md, example {n + 1}", "exec"), scope)
        told.append(list(screen.told))
        counts.append(scope["results"].counts if "results" in scope else None)
    alone = Segmenter.load().measure(PHANTOM, PIXEL_SIZE_MM).head_circumference_mm
    assert alone is not None and len(told) == 6
    one, streamed, called, summed, _, _ = told
    assert [name for name, _ in one] == ["number", "outline"]
    assert ("number", alone) in streamed and {"picture", "outline"} <= {name for name, _ in streamed}
    numbers = [value for name, value in called if name == "number"]
    assert len(numbers) == counts[2].received - counts[2].dropped + counts[2].stalls and counts[2].received == 12
    assert counts[2].accepted > 0 and counts[2].failed == 0
    assert summed[0][0] == "message" and str(summed[0][1]).startswith(
        f"median {alone:.0f} mm, half within 0.0 mm, 5 fr"
    )
    assert summed[-2:] == [("number", alone), ("outline", summed[-1][1])]


def test_what_it_names_is_there() -> None:
    commands = [
        line for block in blocks("sh") for line in block.splitlines() if line.startswith("python -m edge_runtime")
    ]
    assert len(commands) >= 5
    for line in commands:
        build_parser().parse_args(shlex.split(line, comments=True)[3:])
    for name in re.findall(r"`(\w+Error)`", PAGE):
        assert hasattr(edge_runtime, name), name
    fields = {f for kind in (Measurement, StreamResult, Window) for f in kind.__dataclass_fields__}
    for name in re.findall(r"(?:result|summary)\.(\w+)", PAGE):
        assert name in fields | set(edge_runtime.Summary.__dataclass_fields__) or hasattr(Measurement, name), name
