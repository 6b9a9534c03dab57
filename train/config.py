"""Training settings: one frozen dataclass, and the protocols they come in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from edge_runtime.errors import ModelError, UsageError
from edge_runtime.frame.geometry import LINEAR, SAMPLED, STRETCH, ResizeRule
from train.data.hc18 import MaskKind
from train.data.splits import SplitName
from train.protocols import ANY_SCANNER, LEAK_FREE, PAPER, PAPER_FIRST, protocol_name

AugmentName = Literal["none", "paper", "reflected", "ours", "turned"]
Precision = Literal["float32", "bfloat16", "float16"]
LossName = Literal["bce", "bce_dice", "bce_dice_outline"]

MAX_LR = 10.0
MAX_BATCH = 4096
MAX_EPOCHS = 100_000
MAX_SEED = 2**31
MAX_LOOKS = 50
MAX_NEGATIVES = 10.0


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the result of a run, except the strategy and the data.

    Attributes:
        image_size: (height, width) of the input in pixels, multiples of 16.
        protocol: Name of the preset that the other settings started from.
        split: ``paper``, ``grouped`` or a fold of a cross-validation, ``fold-1`` to ``fold-5`` or ``cross-1`` to
            ``cross-5``.
        resize_rule: How a frame is fitted into the input, see :mod:`edge_runtime.frame.geometry`.
        mask: ``ellipse`` (interior of the reference ellipse) or ``contour`` (the paper's filled outline).
        augment: ``none``, ``paper``, ``reflected`` (as ``paper``, but no black corners), ``ours`` or ``turned`` (by any
            angle).
        calm: Share of the epochs, at the end, in which ``turned`` changes no more than ``ours``.
        looks: Altered looks of each image that are trained on too, see :mod:`train.frames.looks`.
        negatives: Frames without a head in each epoch, relative to those with one.
        loss: See :func:`train.networks.losses.segmentation_loss`.
        optimizer: ``adam`` or ``adamw`` (weight decay 0.01).
        schedule: ``constant`` or ``one_cycle`` (30% warm-up, cosine).
        lr: Learning rate, above 0; the peak if it varies.
        batch_size: Images per step.
        epochs: Passes over the training part.
        keep: ``last`` epoch, or ``best`` mean Dice on the validation part.
        encoder_weights: One of :data:`train.weights.SOURCES`, ``random`` or the path of a safetensors file.
        precision: ``float32``, or ``bfloat16`` or ``float16`` (autocast; the latter with a scaled loss, on CUDA alone).
        seed: Seed of initial weights, order and augmentation.
        judge_as_paper: Score the test part after every epoch as the paper did, with and without augmentation.
        start_sha256: Hash of the weights that training began with, see :mod:`train.start`; None for the strategy's own.
        batch_norm: Of several processes (:mod:`train.team`): ``synced`` over the batch, or ``local`` to each share.
        train_images: Train on this many images of the training part, drawn at random; None for all. The draw is the
            same for every strategy and seed, and a smaller set is part of each larger one.
    """

    image_size: tuple[int, int]
    protocol: str = ANY_SCANNER
    split: SplitName = "grouped"
    resize_rule: ResizeRule = SAMPLED
    mask: MaskKind = "ellipse"
    augment: AugmentName = "turned"
    calm: float = 0.25
    looks: int = 8
    negatives: float = 0.6
    loss: LossName = "bce_dice_outline"
    optimizer: Literal["adam", "adamw"] = "adamw"
    schedule: Literal["constant", "one_cycle"] = "one_cycle"
    lr: float = 1.5e-3
    batch_size: int = 8
    epochs: int = 30
    keep: Literal["last", "best"] = "last"
    encoder_weights: str = "imagenet"
    precision: Precision = "float32"
    seed: int = 0
    train_images: int | None = None
    judge_as_paper: bool = False
    start_sha256: str | None = None
    batch_norm: Literal["synced", "local"] = "synced"

    def __post_init__(self) -> None:
        if not 0 < self.lr <= MAX_LR:
            raise UsageError(f"--lr is {self.lr}; it must be above 0 and at most {MAX_LR:g}.")
        limits = (
            ("batch_size", 1, MAX_BATCH), ("epochs", 1, MAX_EPOCHS), ("seed", 0, MAX_SEED), ("looks", 0, MAX_LOOKS)
        )  # fmt: skip
        for name, low, high in limits:
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"--{name.replace('_', '-')} is {value}; it must be between {low} and {high}.")
        if not 0 <= self.negatives <= MAX_NEGATIVES:
            raise UsageError(f"negatives is {self.negatives}; it must be between 0 and {MAX_NEGATIVES:g}.")
        if not 0 <= self.calm <= 1:
            raise UsageError(f"calm is {self.calm}; it must be between 0 and 1, a share of the epochs.")
        if self.train_images is not None and self.train_images < 2:
            raise UsageError(f"--train-images is {self.train_images}; batch norm needs at least 2.")

    def to_json(self) -> dict[str, Any]:
        """As a plain dictionary."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> TrainConfig:
        """Back from :meth:`to_json`.

        Raises:
            ModelError: Fields are missing or unknown.
        """
        values = {**BEFORE, **values}
        known = {f.name for f in fields(TrainConfig)}
        if set(values) != known:
            raise ModelError(f"The checkpoint's settings differ from this version's: {sorted(set(values) ^ known)}.")
        protocol = protocol_name(values["protocol"], values["judge_as_paper"])
        return TrainConfig(**{**values, "image_size": tuple(values["image_size"]), "protocol": protocol})


BEFORE: dict[str, Any] = {
    "train_images": None,
    "judge_as_paper": False,
    "start_sha256": None,
    "batch_norm": "synced",
    "resize_rule": STRETCH,
    "looks": 0,
    "negatives": 0.0,
    "calm": 0.0,
}
"""What checkpoints of earlier versions were trained with and do not say."""

_HC18_ALONE: dict[str, Any] = {"resize_rule": STRETCH, "looks": 0, "negatives": 0.0, "calm": 0.0, "loss": "bce_dice"}

_PAPER: dict[str, Any] = {
    **_HC18_ALONE,
    "split": "paper",
    "mask": "contour",
    "augment": "paper",
    "loss": "bce",
    "optimizer": "adam",
    "schedule": "constant",
    "lr": 1e-4,
    "batch_size": 10,
    "epochs": 20,
    "keep": "last",
}

PROTOCOLS: dict[str, dict[str, Any]] = {
    ANY_SCANNER: {},
    LEAK_FREE: {**_HC18_ALONE, "augment": "ours", "keep": "best"},
    PAPER: {**_PAPER, "augment": "reflected", "resize_rule": LINEAR, "judge_as_paper": True},
    PAPER_FIRST: _PAPER,
}
"""What each protocol changes of the defaults above."""

FREE = (
    "resize_rule",
    "mask",
    "augment",
    "calm",
    "looks",
    "negatives",
    "loss",
    "optimizer",
    "schedule",
    "keep",
    "batch_norm",
)
"""Settings that have no option of their own on the command line."""


def read_setting(text: str) -> tuple[str, Any]:
    """Read one setting from ``NAME=VALUE``. Its range is checked with the others, by :class:`TrainConfig`.

    Raises:
        UsageError: There is no such setting, or the value is not of its kind.
    """
    name, _, value = text.partition("=")
    if name not in FREE or "=" not in text:
        raise UsageError(f"'{text}' is not NAME=VALUE with one of these names: {', '.join(FREE)}.")
    kind = get_type_hints(TrainConfig)[name]
    if options := get_args(kind):
        if value not in options:
            raise UsageError(f"{name} is '{value}'; it must be one of {', '.join(options)}.")
        return name, value
    try:
        return name, kind(value)
    except ValueError as error:
        needed = "a whole number" if kind is int else "a number"
        raise UsageError(f"{name} is '{value}'; it must be {needed}.") from error
