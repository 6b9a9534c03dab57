"""The networks that the search trains: each differs from another in one or two things, so that each thing is judged.

Names say encoder and the coarsest of its resolutions, then the input, then what is special:
``mobilenet-16-128x192-stem-4x4`` is MobileNetV2 to a 16th of an input of 128x192 behind a 4x4 stem.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.search.trial import SETTINGS, Trial
from train.networks.patch_shape import Encoder, PatchShape, lean
from train.strategies import Strategy, get_strategy

Size = tuple[int, int]

TO_16 = {"mobilenet_v2": tuple(range(3, 14)), "efficientnet_lite0": tuple(range(2, 11))}
TO_32 = {"mobilenet_v2": tuple(range(3, 18)), "efficientnet_lite0": tuple(range(2, 16))}
"""Blocks of the pretrained encoders from a quarter of the input to a 16th and to a 32nd."""

FEWER = {"mobilenet_v2": (3, 4, 5, 7, 8, 11, 12), "efficientnet_lite0": (2, 3, 4, 5, 6, 8, 9)}
"""The same to a 16th, with the last of the blocks that only add to their input left out."""

SMALL, MIDDLE, LARGE, LARGEST = (96, 144), (128, 192), (160, 240), (192, 288)
EIGHTH = ((8, 8, 32),)
"""A stem that goes to an eighth of the input at once, to MobileNetV2's blocks of 32 channels."""


def _point(name: str, size: Size, decoder: tuple[int, ...], shape: PatchShape) -> Trial:
    strategy = Strategy(
        name,
        "a point of the search",
        ("all",),
        architecture="patch-unet",
        decoder_channels=decoder,
        in_channels=1,
        upsampling="bilinear",
        image_size=size,
        patch=shape,
    )
    return Trial(name, strategy)


def _mobilenets() -> list[Trial]:
    deep, flat = PatchShape(), PatchShape(blocks=TO_16["mobilenet_v2"])
    found = [_point(f"mobilenet-32-{_text(s)}", s, (64, 48, 32), deep) for s in (MIDDLE, LARGE, LARGEST)]
    found += [_point(f"mobilenet-16-{_text(s)}", s, (48, 32), flat) for s in (SMALL, MIDDLE, LARGE, (144, 176))]
    base = f"mobilenet-16-{_text(MIDDLE)}"
    stems = {"4x4": ((4, 4, 24),), "8x8": ((8, 4, 24),), "twice-3x3": ((3, 2, 16), (3, 2, 24))}
    found += [_point(f"{base}-stem-{k}", MIDDLE, (48, 32), replace(flat, stem=stem)) for k, stem in stems.items()]
    decoders = {"32-24": (32, 24), "32-32": (32, 32), "64-48": (64, 48), "eighth": (48,)}
    found += [_point(f"{base}-decoder-{k}", MIDDLE, channels, flat) for k, channels in decoders.items()]
    found += [
        _point(f"{base}-separable", MIDDLE, (48, 32), replace(flat, separable=True)),
        _point(f"{base}-relu", MIDDLE, (48, 32), replace(flat, activation="relu")),
        _point(f"{base}-fewer-blocks", MIDDLE, (48, 32), replace(flat, blocks=FEWER["mobilenet_v2"])),
    ]
    shuffled = replace(flat, shuffle=2), replace(deep, shuffle=2)
    found += [
        _point(f"{base}-shuffle", MIDDLE, (48,), shuffled[0]),
        _point(f"mobilenet-32-{_text(LARGE)}-shuffle", LARGE, (64, 48), shuffled[1]),
    ]
    coarse = PatchShape(stem=EIGHTH, blocks=TO_16["mobilenet_v2"][2:])
    found += [_point(f"mobilenet-16-{_text(s)}-stem-8x8-by-8", s, (48,), coarse) for s in (MIDDLE, LARGE)]
    coarse = PatchShape(stem=EIGHTH, blocks=TO_32["mobilenet_v2"][2:])
    found += [_point(f"mobilenet-32-{_text(s)}-stem-8x8-by-8", s, (64, 48), coarse) for s in (LARGE, LARGEST)]
    return found


def _efficientnets() -> list[Trial]:
    name: Encoder = "efficientnet_lite0"
    flat, fewer, deep = (PatchShape(encoder=name, blocks=of[name]) for of in (TO_16, FEWER, TO_32))
    return [
        _point(f"lite0-16-{_text(MIDDLE)}", MIDDLE, (48, 32), flat),
        _point(f"lite0-16-{_text(MIDDLE)}-fewer-blocks", MIDDLE, (48, 32), fewer),
        _point(f"lite0-32-{_text(LARGE)}", LARGE, (64, 48, 32), deep),
    ]


def _residual(*stages: tuple[int, int], stem: tuple[int, int] = (6, 4), shuffle: int = 1) -> PatchShape:
    """A residual encoder of (channels, pairs of convolutions) behind a stem of (kernel, stride)."""
    return PatchShape(((*stem, stages[0][0]),), "residual", blocks=(), stages=stages, shuffle=shuffle)


def _residuals() -> list[Trial]:
    """Encoders of 3x3 convolutions, which start at random."""
    stages = (32, 1), (64, 2), (128, 2)
    plain = _residual(*stages)
    base = f"residual-16-{_text(MIDDLE)}"
    coarse = _residual((64, 2), (128, 2), (192, 2), stem=(8, 8))
    return [
        *(_point(f"residual-16-{_text(s)}", s, (64, 32), plain) for s in (SMALL, MIDDLE, LARGE)),
        _point(f"{base}-relu", MIDDLE, (64, 32), replace(plain, activation="relu")),
        _point(f"{base}-head-1x1", MIDDLE, (64, 32), replace(plain, head_kernel=1)),
        _point(f"{base}-shuffle", MIDDLE, (64,), replace(plain, shuffle=2)),
        _point(f"{base}-stem-12x12", MIDDLE, (64, 32), _residual(*stages, stem=(12, 4))),
        _point(f"residual-32-{_text(LARGE)}-stem-8x8-by-8", LARGE, (96, 64), coarse),
    ]


def _leans() -> list[Trial]:
    """The same with all that saved time: stems of whole patches, and logits of 2x2 places at once."""
    flat, deep = lean((32, 1), (64, 2), (128, 2)), lean((32, 1), (64, 2), (96, 2), (128, 2))
    sizes = SMALL, MIDDLE, LARGE, LARGEST
    base = f"lean-16-{_text(LARGE)}"
    variants = {
        "narrow": lean((32, 1), (48, 2), (64, 2)),
        "wide": lean((48, 1), (96, 2), (160, 2)),
        "more-pairs": lean((32, 2), (64, 3), (128, 4)),
        "deeper": lean((32, 1), (64, 4), (96, 3)),
    }
    large = lean((48, 2), (96, 3), (192, 3))
    coarse = _residual((64, 2), (128, 2), (192, 2), stem=(24, 8), shuffle=2)
    return [
        *(_point(f"lean-16-{_text(s)}", s, (64,), flat) for s in sizes),
        *(_point(f"lean-32-{_text(s)}", s, (64, 64), deep) for s in sizes[1:]),
        *(_point(f"{base}-{k}", LARGE, (64,), each) for k, each in variants.items()),
        *(_point(f"lean-32-{_text(s)}-stem-24x24-by-8", s, (96, 64), coarse) for s in (LARGE, LARGEST)),
        _point(f"lean-16-{_text(LARGEST)}-large", LARGEST, (96,), large),
    ]


OURS = ("edge", "edge-s", "edge-m")
"""Strategies among the points."""

LONG = (
    "lean-16-96x144", "lean-16-128x192", "lean-16-160x240", "lean-16-192x288", "lean-32-192x288",
    "lean-16-160x240-narrow", "lean-16-160x240-wide", "lean-16-192x288-large", "mobilenet-16-128x192",
    "lite0-16-128x192",
)  # fmt: skip
"""Points that are trained for four times as many epochs, too: an encoder that starts at random needs them."""


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _all() -> dict[str, Trial]:
    ours = [Trial(name, get_strategy(name)) for name in OURS]
    found = {trial.name: trial for trial in (*ours, *_mobilenets(), *_efficientnets(), *_residuals(), *_leans())}
    settings = {"epochs": 4 * SETTINGS["epochs"]}
    longer = [replace(found[name], name=f"{name}-long", settings=settings) for name in LONG]
    return found | {trial.name: trial for trial in longer}


POINTS = _all()
"""Every point by name."""
