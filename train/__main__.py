"""``python -m train``: train networks."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.common.arguments import CommandParser, above, add_data, add_help, add_others, at_least
from edge_runtime.common.cli import run_command, say
from edge_runtime.common.optional import require
from train.config import FREE, MAX_BATCH, MAX_EPOCHS, MAX_LR, MAX_SEED, PROTOCOLS, TrainConfig, read_setting
from train.data.hc18 import find_data
from train.data.others import find_others, read_others, without_kinds
from train.data.pseudo_labels import read_pseudo_labels
from train.data.splits import CROSS, FOLDS, SPLITS
from train.protocols import ANY_SCANNER, PAPER, protocol_name
from train.strategies import STRATEGIES, Strategy, get_strategy
from train.weights import SOURCES

if TYPE_CHECKING:
    import torch


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    listing = "\n".join(f"  {s.name:<20} {s.summary}" for s in STRATEGIES.values())
    parser = CommandParser(prog="python -m train")
    add_help(
        parser,
        "Train fetal-head segmentation networks on HC18 and write checkpoints.",
        "python -m train --strategy edge --epochs 30",
        "python -m train --strategy edge --data phantom --epochs 1 --limit 8 --out try",
        "python -m train --strategy edge-m --start-from checkpoints/edge-m --data MINE --epochs 10 --out mine",
        "torchrun --standalone --nproc-per-node 2 -m train --strategy edge-m --out runs --resume",
        notes=f"strategies:\n{listing}\n\nother commands (--help shows their options):\n"
        "  python -m train.data.download   download HC18 from Zenodo\n"
        "  python -m train.weights         download the encoder's ImageNet weights\n"
        "  python -m train.pseudo_label    let networks outline images that nobody annotated",
    )
    parser.add_argument("--strategy", required=True, metavar="NAME", help="a strategy listed below, or 'all'")
    parser.add_argument(
        "--protocol", type=protocol_name, choices=PROTOCOLS, default=ANY_SCANNER,
        help="preset of all settings (default: %(default)s)",
    )  # fmt: skip
    add_data(parser)
    add_others(parser)
    parser.add_argument(
        "--leave-out",
        nargs="+",
        default=[],
        metavar="KIND",
        help="kinds of frames from elsewhere not to train on, such as not_heads/fetal_abdomen, to test on them",
    )
    parser.add_argument(
        "--pseudo-labels",
        type=Path,
        metavar="FILE.csv",
        help="train on outlines by networks too, as python -m train.pseudo_label writes them",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("checkpoints"),
        metavar="DIR",
        help="folder of checkpoints (default: %(default)s)",
    )
    parser.add_argument("--epochs", type=at_least(1, MAX_EPOCHS), metavar="N", help="default: the protocol's")
    parser.add_argument(
        "--image-size",
        type=at_least(1),
        nargs=2,
        metavar=("H", "W"),
        help="height and width of the network's input, multiples of 16 from 64 to 1024; default: the strategy's",
    )
    parser.add_argument("--batch-size", type=at_least(1, MAX_BATCH), metavar="N", help="default: the protocol's")
    parser.add_argument("--lr", type=above(0, MAX_LR), metavar="X", help="learning rate; default: the protocol's")
    parser.add_argument(
        "--encoder-weights",
        metavar="SOURCE",
        help=f"{', '.join(SOURCES)}, random or a .safetensors file; default: the strategy's",
    )
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="DIR",
        help="begin with the weights of this checkpoint of the same network: train it further, or on other data",
    )
    parser.add_argument("--seed", type=at_least(0, MAX_SEED), metavar="N", help="default: 0")
    parser.add_argument(
        "--split",
        choices=(*SPLITS, *FOLDS, *CROSS),
        help="fold-1 to fold-5: cross-validation on all exams but those of the grouped test part; cross-1 to cross-5: "
        "on all exams; default: the protocol's",
    )
    parser.add_argument(
        "--train-images", type=at_least(2), metavar="N", help="train on N images of the training part; default: all"
    )
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16", "float16"), default="auto", help="default: %(default)s"
    )
    parser.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto", help="default: %(default)s")
    parser.add_argument(
        "--limit", type=at_least(1), metavar="N", help="use only N images of each part, to try things out"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help=f"other settings, as train/config.py explains them: {', '.join(FREE)}",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--resume", action="store_true", help="go on with an interrupted run; skip a complete one")
    group.add_argument("--overwrite", action="store_true", help="start anew, and replace what --out holds")
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    strategies = list(STRATEGIES.values()) if args.strategy == "all" else [get_strategy(args.strategy)]
    require("torch")
    from train.device import pick_device, pick_precision
    from train.loop import check_folder, train
    from train.start import read_start
    from train.state import STATE, stored_precision
    from train.team import joined
    from train.weights import check_source

    device = pick_device(args.device)
    configs = {strategy.name: make_config(args, strategy, device) for strategy in strategies}
    if args.encoder_weights:
        check_source(args.encoder_weights)
    with joined(device) as (team, device):
        for strategy in strategies if team.leads else ():  # all of them now, not after hours of training the first
            check_folder(args.out / strategy.name, strategy.name, args.resume or args.overwrite)
        if args.resume and args.precision == "auto":
            for name, config in configs.items():
                if stored := team.tell(stored_precision(args.out / name / STATE) if team.leads else None):
                    precision: Any = pick_precision(stored, device)
                    configs[name] = replace(config, precision=precision)
        starts = {s.name: read_start(args.start_from, s) for s in strategies} if args.start_from else {}
        dataset = find_data(args.data)
        say(f"data: {dataset.summary}")
        place = args.others or (None if dataset.is_phantom else find_others())
        others = without_kinds(read_others(place) if place else [], args.leave_out)
        pseudo = read_pseudo_labels(args.pseudo_labels, dataset.root) if args.pseudo_labels else []
        for strategy in strategies:
            train(
                strategy,
                configs[strategy.name],
                dataset,
                args.out / strategy.name,
                device=device,
                resume=args.resume,
                overwrite=args.overwrite,
                limit=args.limit,
                others=others,
                pseudo=pseudo,
                start=starts.get(strategy.name),
                team=team,
            )
    return 0


def make_config(args: argparse.Namespace, strategy: Strategy, device: torch.device) -> TrainConfig:
    """The settings of one strategy: its own, those of the protocol, and those that were asked for.

    Raises:
        UsageError: A setting is out of its range.
    """
    from train.device import pick_precision
    from train.networks.model import check_image_size

    size = check_image_size(tuple(args.image_size) if args.image_size else strategy.image_size)
    asked = ("split", "epochs", "batch_size", "lr", "encoder_weights", "seed", "train_images")
    settings = {
        "encoder_weights": strategy.encoder_weights,
        "precision": pick_precision(args.precision, device, args.protocol == PAPER),
        **PROTOCOLS[args.protocol],
        **dict(map(read_setting, args.set)),
        **{name: value for name in asked if (value := getattr(args, name)) is not None},
    }
    return TrainConfig(image_size=size, protocol=args.protocol, **settings)


if __name__ == "__main__":
    run_command(main)
