"""The strategies: which parts of which network are trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edge_runtime.common.record import LEFT_OUT
from edge_runtime.errors import UsageError
from train.networks.patch_shape import PatchShape, lean

PAPER_DECODER = (256, 128, 64, 32, 16)
NARROW_DECODER = (64, 32, 24, 16, 8)
PATCH_DECODER = (64, 48, 32)


@dataclass(frozen=True)
class Strategy:
    """One way to train one network.

    Attributes:
        name: Its name, as ``--strategy`` takes it.
        summary: One line for people.
        trainable: Parts that learn: ``encoder``, ``decoder`` (all of it), ``decoder.0`` to ``decoder.4`` (one block
            each), ``head``, or ``all``. The other parts keep their initial weights.
        architecture: ``mobilenet_v2-unet`` (segmentation-models-pytorch), ``plain-unet`` (Ronneberger 2015, with batch
            norm) or ``patch-unet`` (:mod:`train.networks.patch_unet`).
        encoder_weights: ``imagenet`` or ``random``: what the encoder starts from.
        decoder_channels: Channels of the decoder blocks, deepest first. ``mobilenet_v2-unet`` has five, ``patch-unet``
            at most as many as its encoder halves the resolution, and ``plain-unet`` does not use them.
        in_channels: 3 (the grey frame three times, as in the paper) or 1.
        upsampling: ``nearest`` or ``bilinear``, in the decoder. That of ``patch-unet`` is always bilinear.
        frozen_batch_norm: What batch norm of frozen parts does during training. ``track``: its running mean and
            variance follow the data, as in the paper, which only sets ``requires_grad=False``. ``fixed``: they stay.
        image_size: Default (height, width) of the network's input in pixels, multiples of 16.
        paper_row: The row of the paper's table that it reproduces, or None.
        patch: Stem and encoder of ``patch-unet``; None for the standard one.
    """

    name: str
    summary: str
    trainable: tuple[str, ...]
    architecture: Literal["mobilenet_v2-unet", "plain-unet", "patch-unet"] = "mobilenet_v2-unet"
    encoder_weights: Literal["imagenet", "random"] = "imagenet"
    decoder_channels: tuple[int, ...] = PAPER_DECODER
    in_channels: Literal[1, 3] = 3
    upsampling: Literal["nearest", "bilinear"] = "nearest"
    frozen_batch_norm: Literal["track", "fixed"] = "track"
    image_size: tuple[int, int] = (256, 256)
    paper_row: str | None = None
    patch: PatchShape | None = field(default=None, metadata=LEFT_OUT)

    def __post_init__(self) -> None:
        allowed = {"all", "encoder", "decoder", "head", *(f"decoder.{i}" for i in range(5))}
        unknown = set(self.trainable) - allowed
        if unknown or not self.trainable:
            raise ValueError(f"{self.name}: trainable parts {sorted(unknown)} are not among {sorted(allowed)}")
        if self.architecture == "patch-unet":
            self.shape.logits_stride(len(self.decoder_channels))

    @property
    def shape(self) -> PatchShape:
        """Stem and encoder of a ``patch-unet``."""
        return self.patch or PatchShape()

    @property
    def encoder(self) -> str | None:
        """Name of the encoder that ImageNet weights are for; None if the network has no such encoder."""
        if self.architecture == "patch-unet":
            return None if self.shape.encoder == "residual" else self.shape.encoder
        return None if self.architecture == "plain-unet" else "mobilenet_v2"

    @property
    def logits_stride(self) -> int:
        """Pixels of the input to a logit, along each side."""
        if self.architecture != "patch-unet":
            return 1
        return self.shape.logits_stride(len(self.decoder_channels))


_ALL = (
    Strategy(
        "unet-scratch",
        "a plain U-Net of 31 million parameters, nothing pretrained: the paper's baseline",
        ("all",),
        architecture="plain-unet",
        encoder_weights="random",
        paper_row="U-Net baseline",
    ),
    Strategy("decoder-all", "all decoder blocks; encoder frozen", ("decoder", "head"), paper_row="D 0-4"),
    Strategy("encoder-only", "the encoder; decoder frozen at random", ("encoder",), paper_row="E"),
    Strategy("decoder-0", "decoder block 0 alone", ("decoder.0",), paper_row="D 0"),
    Strategy("decoder-0-1", "decoder blocks 0 and 1", ("decoder.0", "decoder.1"), paper_row="D 0,1"),
    Strategy("decoder-0-2", "decoder blocks 0 to 2", ("decoder.0", "decoder.1", "decoder.2"), paper_row="D 0,1,2"),
    Strategy("decoder-2-4", "decoder blocks 2 to 4", ("decoder.2", "decoder.3", "decoder.4"), paper_row="D 2,3,4"),
    Strategy("decoder-4", "decoder block 4 alone", ("decoder.4",), paper_row="D 4"),
    Strategy(
        "decoder-all-random",
        "control: decoder-all with a random frozen encoder",
        ("decoder", "head"),
        encoder_weights="random",
        paper_row="D 0-4, random encoder",
    ),
    Strategy(
        "encoder-only-random",
        "control: encoder-only with a random encoder",
        ("encoder",),
        encoder_weights="random",
        paper_row="E, random encoder",
    ),
    Strategy("full", "ours: the paper's network, nothing frozen", ("all",)),
    Strategy(
        "edge",
        "ours: nothing frozen, a narrow bilinear decoder, one input channel, the frame's aspect",
        ("all",),
        decoder_channels=NARROW_DECODER,
        in_channels=1,
        upsampling="bilinear",
        image_size=(160, 240),
    ),
    Strategy(
        "edge-s",
        "ours: the smallest of the fast networks: 3x3 convolutions behind patches of 12x12 pixels, nothing pretrained",
        ("all",),
        architecture="patch-unet",
        encoder_weights="random",
        decoder_channels=(64,),
        in_channels=1,
        upsampling="bilinear",
        image_size=(160, 240),
        patch=lean((32, 1), (48, 2), (64, 3)),
    ),
    Strategy(
        "edge-m",
        "ours: MobileNetV2 from an eighth to a 16th of the input, behind a first convolution of 16x16 pixels",
        ("all",),
        architecture="patch-unet",
        decoder_channels=(64,),
        in_channels=1,
        upsampling="bilinear",
        image_size=(160, 240),
        patch=PatchShape(((16, 8, 32),), blocks=tuple(range(5, 14)), shuffle=2),
    ),
    Strategy(
        "edge-l",
        "ours: as edge, but a first convolution of 6x6 pixels and logits at a quarter of the input",
        ("all",),
        architecture="patch-unet",
        decoder_channels=PATCH_DECODER,
        in_channels=1,
        upsampling="bilinear",
        image_size=(160, 240),
    ),
)

STRATEGIES: dict[str, Strategy] = {strategy.name: strategy for strategy in _ALL}
"""Every strategy by name."""


def get_strategy(name: str) -> Strategy:
    """Look a strategy up.

    Raises:
        UsageError: There is no such strategy. The message lists them all.
    """
    try:
        return STRATEGIES[name]
    except KeyError:
        known = "\n".join(f"  {s.name:<20} {s.summary}" for s in STRATEGIES.values())
        raise UsageError(f"There is no strategy '{name}'. The strategies are:\n{known}") from None
