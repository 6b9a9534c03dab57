"""The training loops that are compared: this project's, and plain ones that lack what makes it fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from train.data.hc18 import Sample
from train.strategies import get_strategy

if TYPE_CHECKING:  # they need torch
    from torch import nn

    from train.config import TrainConfig

PLAIN = "plain"
VARIANTS = {
    PLAIN: "float32, channels first, the library's decoder; each image is read and resized when it is needed",
    "in memory": "like plain, with the prepared images in memory",
    "channels last": "like in memory, with channels last",
    "ours": "`python -m train`: like channels last, with the fast decoder block; bfloat16 on CPUs fast at it",
    "ours, a run a core": "`python -m benchmarks study --jobs N`: one of our runs on each core, with one thread each",
}
Step = Callable[[], None]


def config_of(strategy: str) -> TrainConfig:
    """The paper's setting at the strategy's own size, from random weights."""
    from train.config import PROTOCOLS, TrainConfig

    config = TrainConfig(image_size=get_strategy(strategy).image_size, encoder_weights="random")
    return replace(config, **PROTOCOLS["paper"])


def make_loop(variant: str, strategy: str, samples: Sequence[Sample]) -> Step:
    """A function that trains on all samples once."""
    import torch

    from train.device import pick_precision
    from train.frames.pool import make_pool
    from train.networks.losses import unpack
    from train.progress import Progress
    from train.run import Run

    config = config_of(strategy)
    device = torch.device("cpu")
    if variant == "ours":
        config = replace(config, precision=pick_precision("auto", device))  # type: ignore[arg-type]  # one of the two
    run = Run(get_strategy(strategy), config, device)
    if variant != "ours":
        _make_plain(run.model, channels_last=variant == "channels last")
    pool = None if variant == PLAIN else make_pool(samples, [], config)

    def ours() -> None:
        assert pool is not None
        run.epoch(pool, Progress(1, len(samples)))

    def plain() -> None:
        from train.augment import AUGMENTS

        generator = torch.Generator().manual_seed(0)
        run.model.train()
        for start in range(0, len(samples), config.batch_size):
            batch = slice(start, start + config.batch_size)
            drawn = make_pool(samples[batch], [], config) if pool is None else pool
            images, masks = (drawn.images, drawn.masks) if pool is None else (drawn.images[batch], drawn.masks[batch])
            x, y = AUGMENTS[config.augment](torch.from_numpy(images)[:, None].float() / 255, unpack(masks), generator)
            if variant == "channels last":
                x = x.contiguous(memory_format=torch.channels_last)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(run.model(x), y[:, :1])
            run.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            run.optimizer.step()

    return ours if variant == "ours" else plain


def _make_plain(model: nn.Module, channels_last: bool) -> None:
    """Take away what makes our networks fast."""
    import torch
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoderBlock

    from train.networks.fast_decoder import FastDecoderBlock

    model.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    for module in model.modules():
        if isinstance(module, FastDecoderBlock):
            module.__class__ = UnetDecoderBlock
