"""The training runs behind the results page: what they are, by name."""

from __future__ import annotations

from dataclasses import dataclass

from edge_runtime.errors import UsageError
from train.config import PROTOCOLS, TrainConfig
from train.protocols import LEAK_FREE, PAPER, PAPER_FIRST
from train.strategies import STRATEGIES, get_strategy
from train.weights import TONYLINS

SQUARE = (256, 256)
"""Input of the strategies in the paper's setting, where nothing else is said."""
SMALL = (128, 128)
ASPECT = (160, 240)
"""Input of every strategy in the leak-free setting; it has the aspect of HC18's frames."""


CHANGES: dict[str, tuple[str, ...]] = {
    "tonylins": ("--encoder-weights", TONYLINS),
    "black-corners": ("--set", "augment=paper"),
    "area-average": ("--set", "resize_rule=area-stretch"),
}
"""What the first reading of the paper did otherwise, one thing at a time, as arguments of ``python -m train``; and
bfloat16, alone and with each of them, for a CPU."""
_IN_BFLOAT16 = {f"{name}-bfloat16": (*arguments, "--precision", "bfloat16") for name, arguments in CHANGES.items()}
CHANGES |= {"bfloat16": ("--precision", "bfloat16"), **_IN_BFLOAT16}

TORCHVISION = "torchvision"
"""What `edge` does otherwise in some runs: its encoder begins with the weights that the paper's networks began with."""
CHANGES[TORCHVISION] = ("--encoder-weights", "imagenet")


@dataclass(frozen=True)
class StudyRun:
    """One training run.

    Attributes:
        strategy: Name of the strategy.
        protocol: ``paper``, ``paper-first`` or ``leak-free``.
        image_size: (height, width) of the input in pixels.
        train_images: Images of the training part; None for all.
        seed: Seed of initial weights, order and augmentation.
        exported: It is exported in all recipes and measured.
        change: Name of the one thing in :data:`CHANGES` that is done otherwise; None for nothing.
    """

    strategy: str
    protocol: str
    image_size: tuple[int, int] = SQUARE
    train_images: int | None = None
    seed: int = 0
    exported: bool = True
    change: str | None = None

    @property
    def name(self) -> str:
        """``<strategy>-<protocol>``, then the size unless it is 256x256, and images and seed where they are given."""
        height, width = self.image_size
        parts = [self.strategy, self.protocol]
        if self.image_size != SQUARE:
            parts.append(str(height) if height == width else f"{height}x{width}")
        if self.train_images:
            parts.append(f"n{self.train_images}")
        if self.seed:
            parts.append(f"seed{self.seed}")
        if self.change:
            parts.append(self.change)
        return "-".join(parts)

    @property
    def arguments(self) -> list[str]:
        """Arguments of ``python -m train``."""
        arguments = ["--strategy", self.strategy, "--protocol", self.protocol]
        arguments += ["--image-size", *map(str, self.image_size)]
        if self.change:
            arguments += CHANGES[self.change]
        elif self.protocol != PAPER and get_strategy(self.strategy).encoder_weights != "random":
            arguments += ["--encoder-weights", TONYLINS]
        if self.train_images:
            arguments += ["--train-images", str(self.train_images)]
        if self.seed:
            arguments += ["--seed", str(self.seed)]
        return arguments

    @property
    def epochs(self) -> int:
        """Passes over the training part: those of the protocol."""
        return int(PROTOCOLS[self.protocol].get("epochs", TrainConfig.epochs))

    @property
    def command(self) -> str:
        """The command that trains it alone."""
        return " ".join(["python -m train", *self.arguments, "--out", f"runs/{self.name}"])


def _runs() -> list[StudyRun]:
    table = [s.name for s in STRATEGIES.values() if s.paper_row and s.name != "unet-scratch"] + ["full"]
    runs = [StudyRun(name, PAPER_FIRST) for name in table]
    runs += [StudyRun(s, PAPER_FIRST, SMALL, exported=False) for s in ("decoder-all", "encoder-only")]
    runs += [
        StudyRun(s, PAPER_FIRST, SMALL, train_images=n, exported=False)
        for n in (399, 239, 79)
        for s in ("decoder-all", "encoder-only")
    ]
    runs += [StudyRun("edge", LEAK_FREE, ASPECT, seed=seed) for seed in range(3)]
    runs += [StudyRun("edge", LEAK_FREE, ASPECT, None, seed, False, TORCHVISION) for seed in range(3)]
    runs += [StudyRun(s, LEAK_FREE, ASPECT) for s in ("decoder-all", "encoder-only", "full")]
    runs += [StudyRun("decoder-all", LEAK_FREE, ASPECT, seed=seed, exported=False) for seed in (1, 2)]
    runs += [StudyRun("unet-scratch", PAPER_FIRST, SMALL), StudyRun("decoder-all", PAPER_FIRST, (512, 512))]
    return runs


def _runs_by_the_notebooks() -> list[StudyRun]:
    """The paper's setting as its notebooks have it: the headline, the claims, and what each change is worth."""
    large, seeds = (512, 512), range(3)
    strategies = [s.name for s in STRATEGIES.values() if s.paper_row and s.name not in ("unet-scratch", "decoder-all")]
    runs = [StudyRun("decoder-all", PAPER, large, seed=seed) for seed in seeds]
    runs += [StudyRun(name, PAPER, large) for name in ("encoder-only", "full")]
    runs += [StudyRun(name, PAPER, seed=seed) for seed in seeds for name in ("decoder-all", *strategies, "full")]
    otherwise = [change for change in CHANGES if change != TORCHVISION]
    runs += [StudyRun("decoder-all", PAPER, exported=change == "tonylins", change=change) for change in otherwise]
    # where there is no GPU: on a CPU that multiplies bfloat16, it takes half the time of float32
    on_a_cpu = [("decoder-all", large, seed) for seed in seeds]
    on_a_cpu += [("encoder-only", large, 0), ("full", large, 0)]
    several = "decoder-all", "decoder-0-2", "encoder-only"
    on_a_cpu += [(name, SQUARE, seed) for seed in seeds for name in several]
    on_a_cpu += [(name, SQUARE, 0) for name in (*strategies, "full") if name not in several]
    runs += [StudyRun(name, PAPER, size, None, seed, False, "bfloat16") for name, size, seed in on_a_cpu]
    return runs


STUDY = {run.name: run for run in _runs()}
"""Every run by name, in the order in which they are trained."""


BY_THE_NOTEBOOKS = {run.name: run for run in _runs_by_the_notebooks()}
"""Runs of the protocol ``paper``, likewise. They are meant for a GPU."""

RUNS = STUDY | BY_THE_NOTEBOOKS


def get_run(name: str) -> StudyRun:
    """Look a run up.

    Raises:
        UsageError: No such run; the message lists those there are.
    """
    found = RUNS.get(name.replace("-honest-", f"-{LEAK_FREE}-"))  # their names in version 0.1
    if found is None:
        raise UsageError(f"The study has no run '{name}'. Its runs are:\n" + "\n".join(f"  {n}" for n in RUNS))
    return found
