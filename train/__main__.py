"""``python -m train``: train strategies."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from edge_runtime.common.arguments import CommandParser, above, add_data, add_help, at_least
from edge_runtime.common.cli import run_command, say
from edge_runtime.common.optional import require
from train.config import PROTOCOLS, TrainConfig
from train.data.hc18 import find_data
from train.protocols import LEAK_FREE, protocol_name
from train.strategies import STRATEGIES, get_strategy


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    listing = "\n".join(f"  {s.name:<20} {s.summary}" for s in STRATEGIES.values())
    parser = CommandParser(prog="python -m train")
    add_help(
        parser,
        "Train fetal-head segmentation networks on HC18 and write checkpoints.",
        "python -m train --strategy edge --epochs 30",
        "python -m train --strategy edge --data phantom --epochs 1 --limit 8 --out try",
        notes=f"strategies:\n{listing}\n\nother commands (--help shows their options):\n"
        "  python -m train.data.download   download HC18 from Zenodo\n"
        "  python -m train.weights         download the encoder's ImageNet weights",
    )
    parser.add_argument("--strategy", required=True, metavar="NAME", help="one of those below, or 'all'")
    parser.add_argument(
        "--protocol", type=protocol_name, choices=PROTOCOLS, default=LEAK_FREE,
        help="preset of all settings (default: %(default)s)",
    )  # fmt: skip
    add_data(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("checkpoints"), help="folder of checkpoints (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=at_least(1), help="default: the protocol's")
    parser.add_argument(
        "--image-size", type=at_least(1), nargs=2, metavar=("H", "W"), help="multiples of 16; default: the strategy's"
    )
    parser.add_argument("--batch-size", type=at_least(1), help="default: the protocol's")
    parser.add_argument("--lr", type=above(0, 10), metavar="X", help="learning rate; default: the protocol's")
    parser.add_argument("--encoder-weights", metavar="SOURCE", help="imagenet, random or a .safetensors file")
    parser.add_argument("--seed", type=at_least(0), help="default: 0")
    parser.add_argument(
        "--train-images", type=at_least(1), metavar="N", help="train on N of the training part's images; default: all"
    )
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="default: %(default)s"
    )
    parser.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto", help="default: %(default)s")
    parser.add_argument("--limit", type=at_least(1), metavar="N", help="only N images of each part, to try things out")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--resume", action="store_true", help="go on where an interrupted run stopped; skip complete ones"
    )
    group.add_argument("--overwrite", action="store_true", help="replace checkpoints that are there")
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    strategies = list(STRATEGIES.values()) if args.strategy == "all" else [get_strategy(args.strategy)]
    require("torch")
    from train.loop import pick_device, pick_precision, train
    from train.model import check_image_size

    device = pick_device(args.device)
    dataset = find_data(args.data)
    say(f"data: {dataset.summary}")
    for strategy in strategies:
        size = check_image_size(tuple(args.image_size) if args.image_size else strategy.image_size)
        config = TrainConfig(
            image_size=size,
            protocol=args.protocol,
            encoder_weights=strategy.encoder_weights,
            precision=pick_precision(args.precision, device),  # type: ignore[arg-type]
        )
        asked = ("epochs", "batch_size", "lr", "encoder_weights", "seed", "train_images")
        config = replace(
            config, **{**PROTOCOLS[args.protocol], **{k: v for k in asked if (v := getattr(args, k)) is not None}}
        )
        train(
            strategy,
            config,
            dataset,
            args.out / strategy.name,
            device=device,
            resume=args.resume,
            overwrite=args.overwrite,
            limit=args.limit,
        )
    return 0


if __name__ == "__main__":
    run_command(main)
