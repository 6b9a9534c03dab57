"""Progress of long work: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from edge_runtime.common.cli import clock

PLAIN_INTERVAL_S = 30.0


class Progress:
    """Images/s, loss and time left of a run.

    Args:
        epochs: Epochs in all.
        images: Images an epoch.
        done: Epochs done before (resumed).
    """

    def __init__(self, epochs: int, images: int, done: int = 0) -> None:
        self.epochs, self.images, self.done = epochs, images, done
        self.live = sys.stdout.isatty()
        self.started = self.shown = time.monotonic()
        self.seen = self.in_epoch = 0

    def step(self, count: int, loss: float) -> None:
        """Say that ``count`` more images were trained on, at this mean loss."""
        self.seen += count
        self.in_epoch += count
        now = time.monotonic()
        if now - self.shown < (0.5 if self.live else PLAIN_INTERVAL_S):
            return
        self.shown = now
        text = (
            f"epoch {self.done + 1}/{self.epochs}  {self.in_epoch}/{self.images}  loss {loss:.4f}  {self._speed(now)}"
        )
        print(f"\r{text:<100}" if self.live else text, end="" if self.live else "\n", flush=True)

    def _speed(self, now: float) -> str:
        rate = self.seen / max(now - self.started, 1e-9)
        left = (self.epochs - self.done) * self.images - self.in_epoch
        return f"{rate:.1f} images/s  {clock(left / max(rate, 1e-9))} left"

    def epoch(self, entry: dict[str, Any]) -> None:
        """Say that an epoch ended, with its history entry."""
        self.done, self.in_epoch = self.done + 1, 0
        text = f"epoch {self.done}/{self.epochs}  loss {entry['loss']:.4f}"
        if "val_dice" in entry:
            adf = entry["val_hc_absolute_difference_mm"]
            text += f"  val Dice {entry['val_dice']:.2%}  ADF {'-' if adf is None else f'{adf:.2f} mm'}"
        text = f"{text}  {self._speed(time.monotonic())}"
        print(f"\r{text:<100}" if self.live else text, flush=True)
