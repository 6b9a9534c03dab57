"""Input sizes at which onnx2tf was seen to convert this project's networks rightly, or wrongly.

onnx2tf guesses layouts, and guesses wrong at some sizes, where a feature map's height or width is also a channel count.
Which sizes those are depends on the decoder's channels. ``sizes.json`` holds what was measured; measure more with

    python -m export sizes --strategy edge --size 160 240 --size 128 192
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from edge_runtime.files import write_json
from edge_runtime.provenance import tool_versions
from train.progress import say
from train.strategies import STRATEGIES, Strategy, get_strategy

TABLE = Path(__file__).with_name("sizes.json")
CONVERTERS = ("onnx2tf", "onnxsim", "tensorflow", "torch")

Size = tuple[int, int]


def network_key(strategy: Strategy) -> str:
    """What decides a conversion besides the size: architecture, decoder channels and upsampling."""
    if strategy.architecture == "plain-unet":
        return strategy.architecture
    return f"{strategy.architecture} {'-'.join(map(str, strategy.decoder_channels))} {strategy.upsampling}"


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text())
    return table


def measured(strategy: Strategy) -> dict[Size, bool]:
    """Whether each size measured for this network converts rightly."""
    sizes = _table()["right"].get(network_key(strategy), {})
    return {_parse(text): right for text, right in sizes.items()}


def _parse(text: str) -> Size:
    height, width = text.split("x")
    return int(height), int(width)


def nearest_right(strategy: Strategy, size: Size, count: int = 3) -> list[Size]:
    """The sizes measured right that are closest in height and width, nearest first; empty where none is known."""
    right = [s for s, is_right in measured(strategy).items() if is_right and s != size]
    return sorted(right, key=lambda s: (abs(s[0] - size[0]) + abs(s[1] - size[1]), s))[:count]


def hint(strategy: Strategy, size: Size) -> str:
    """The next step for someone whose conversion came out wrong."""
    text = f"onnx2tf {_table()['tools'].get('onnx2tf', '')} converts some input sizes wrongly"
    known = measured(strategy).get(size)
    if known is False:
        text += f"; {size[0]}x{size[1]} is known to be one for this network"
    near = ", ".join(f"{h} {w}" for h, w in nearest_right(strategy, size))
    if not near:
        return f"{text}. Train at another --image-size; try it first: python -m export sizes --help"
    first = near.split(",")[0]
    return f"{text}. Sizes near it (height width) that convert rightly: {near}. Train with --image-size {first}, say."


def measure(strategy: Strategy, size: Size) -> bool:
    """Convert a network with random weights at one size and compare it with torch on noise.

    Args:
        strategy: Whose network.
        size: (h, w) in pixels, multiples of 16.

    Returns:
        Whether the converted network computes what torch's does.
    """
    import numpy as np
    import torch

    from export.convert import to_saved_model
    from export.worker import ConversionError
    from train.loop import make_predictor
    from train.model import HeadNet, check_image_size

    check_image_size(size)
    torch.manual_seed(0)
    model = HeadNet(strategy).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, *size), dtype=np.uint8)
    predict = make_predictor(model, torch.device("cpu"))
    expected = np.stack([predict(image) for image in images])
    with tempfile.TemporaryDirectory() as folder:
        try:
            logits = to_saved_model(model, size, images, Path(folder))
        except ConversionError:
            return False
    return bool(np.abs(logits - expected).max() <= 1e-3 * max(expected.std(), 1e-3))


def main(argv: list[str]) -> int:
    """``python -m export sizes``."""
    parser = argparse.ArgumentParser(
        prog="python -m export sizes",
        description="Measure whether networks with random weights convert rightly at given sizes (some seconds each).",
    )
    parser.add_argument("--strategy", nargs="+", default=["edge"], metavar="NAME", help=f"of {', '.join(STRATEGIES)}")
    parser.add_argument(
        "--size", nargs=2, type=int, action="append", required=True, metavar=("H", "W"), help="repeatable"
    )
    parser.add_argument("--write", action="store_true", help=f"add what was measured to {TABLE.name}")
    args = parser.parse_args(argv)
    table: dict[str, Any] = _table()
    for strategy in map(get_strategy, args.strategy):
        known = table["right"].setdefault(network_key(strategy), {})
        for height, width in args.size:
            right = measure(strategy, (height, width))
            known[f"{height}x{width}"] = right
            say(f"{network_key(strategy):<44} {height}x{width}: {'right' if right else 'WRONG'}")
        table["right"][network_key(strategy)] = dict(sorted(known.items(), key=lambda item: _parse(item[0])))
    if args.write:
        write_json(TABLE, {**table, "tools": tool_versions(CONVERTERS)})
    return 0
