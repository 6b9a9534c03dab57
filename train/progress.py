"""Progress of long work: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from edge_runtime.common.cli import clock

PLAIN_INTERVAL_S = 30.0


class Progress:
    """Shows epoch, loss, images per second and the time left.

    Args:
        epochs: Number of epochs of the run.
        images: Images per epoch.
        done: Epochs that an earlier run finished.
    """

    def __init__(self, epochs: int, images: int, done: int = 0) -> None:
        self.epochs, self.images, self.done = epochs, images, done
        self.live = sys.stdout.isatty()
        self.started = self.shown = time.monotonic()
        self.seen = self.in_epoch = 0

    def step(self, count: int, loss: float) -> None:
        """Say that ``count`` more images were trained on; ``loss`` is the epoch's mean so far."""
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

    def epoch(
        self,
        loss: float,
        val_dice: float | None = None,
        val_adf_mm: float | None = None,
        paper_dice: float | None = None,
    ) -> None:
        """Say that an epoch ended.

        Args:
            loss: Mean loss over its steps.
            val_dice: Mean Dice on the validation part, if there is one.
            val_adf_mm: Mean absolute difference of the head circumference there; None if none was measured.
            paper_dice: Pooled Dice on the augmented test part, if the run is judged as in the paper.
        """
        self.done, self.in_epoch = self.done + 1, 0
        text = f"epoch {self.done}/{self.epochs}  loss {loss:.4f}"
        if val_dice is not None:
            text += f"  val Dice {val_dice:.2%}  ADF {'-' if val_adf_mm is None else f'{val_adf_mm:.2f} mm'}"
        if paper_dice is not None:
            text += f"  paper's Dice {paper_dice:.2%}"
        text = f"{text}  {self._speed(time.monotonic())}"
        print(f"\r{text:<100}" if self.live else text, flush=True)
