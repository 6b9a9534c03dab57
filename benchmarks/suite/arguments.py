"""The options of ``python -m benchmarks run``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common.arguments import DEFAULT_PART, add_places, add_test_part
from benchmarks.suite.modes import MODES, OFFICIAL_FRAMES, OFFICIAL_SECONDS, SUSTAINED_MINUTES, Mode, Plan
from edge_runtime.common.arguments import above, add_data, add_out, at_least
from edge_runtime.errors import UsageError
from edge_runtime.segmenter import MAX_THREADS

PLAN_OPTIONS = {
    "mode": None,
    "minutes": None,
    "frames": None,
    "seconds": None,
    "warmup": None,
    "rounds": None,
    "cooldown": None,
    "seed": 0,
    "threads": 1,
    "profile": "slowest",
}
"""Names and defaults of what :func:`add_plan` adds; a mode is always named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments, except its action."""
    add_places(parser)
    add_plan(parser)
    add_data(parser)
    parser.add_argument("--frame-set", type=Path, metavar="FILE.frames", help="the images of such a file, made by pack")
    add_test_part(parser)
    add_out(parser, "benchmarks/results/<machine>-<date>.json, numbered")


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add what says how much is measured, and how."""
    parser.add_argument(
        "--mode",
        choices=list(MODES),
        default="quick",
        help=f"quick; official: at least {OFFICIAL_FRAMES:,} frames and {OFFICIAL_SECONDS:.0f} s an artifact, in "
        "random order with pauses; sustained: one long round an artifact, over time "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--minutes", type=above(0, 24 * 60), metavar="N",
        help=f"sustained: minutes an artifact (default: {SUSTAINED_MINUTES})",
    )  # fmt: skip
    add_lengths(parser, MODES)
    parser.add_argument(
        "--profile", choices=["slowest", "none"], default="slowest",
        help="time the operators of the slowest artifact against the machine's peak (default: %(default)s)",
    )  # fmt: skip


def add_lengths(parser: argparse.ArgumentParser, modes: Iterable[Mode]) -> None:
    """Add what changes the plan of these modes."""
    for option, kind, what in (
        ("frames", at_least(2), "frames to time in a round, at least"),
        ("seconds", above(0, 86_400), "seconds to time in a round, at least"),
        ("warmup", at_least(0), "untimed frames before"),
        ("rounds", at_least(1), "rounds over all artifacts"),
        ("cooldown", at_least(0, 86_400), "seconds of pause between artifacts"),
    ):
        parser.add_argument(f"--{option}", type=kind, metavar="N", help=f"{what} ({_defaults(option, modes)})")
    parser.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="of official's random order (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=at_least(1, MAX_THREADS), default=1, metavar="N", help="CPU threads (default: %(default)s)"
    )


def options_of(args: argparse.Namespace) -> tuple[str, ...]:
    """What :func:`add_plan` was given, as words of a command line."""
    given = {name: getattr(args, name) for name in PLAN_OPTIONS}
    changed = {name: value for name, value in given.items() if value not in (None, PLAN_OPTIONS[name])}
    return tuple(word for name, value in changed.items() for word in (f"--{name}", str(value)))


def plan_of(args: argparse.Namespace) -> Plan:
    """The mode's plan with what the call changes.

    Raises:
        UsageError: Options contradict each other.
    """
    plan = MODES[args.mode]
    if args.minutes is not None and args.mode != "sustained":
        raise UsageError(f"--minutes is for --mode sustained; --mode {args.mode} takes --seconds.")
    if args.minutes is not None and args.seconds is not None:
        raise UsageError("--minutes and --seconds both say how long a round takes. Give one of them.")
    if plan.timeline and args.rounds not in (None, 1):
        raise UsageError(
            f"--rounds is {args.rounds}; --mode sustained is one long round. Give --minutes for a longer one."
        )
    seconds = args.seconds if args.minutes is None else 60 * args.minutes
    given: dict[str, Any] = {
        "frames": args.frames,
        "seconds": seconds,
        "warmup": args.warmup,
        "rounds": args.rounds,
        "cooldown_s": args.cooldown,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    return replace(plan, seed=args.seed, threads=args.threads, **changed)


def check_images(args: argparse.Namespace) -> None:
    """Check that the images have one source.

    Raises:
        UsageError: They have two.
    """
    if args.frame_set and (args.data or args.images or args.split_part != DEFAULT_PART):
        raise UsageError("--frame-set brings its own images: leave out --data, --images and --split-part.")


def _defaults(option: str, modes: Iterable[Mode]) -> str:
    name = "cooldown_s" if option == "cooldown" else option
    return ", ".join(f"{mode} {getattr(MODES[mode], name):g}" for mode in modes)
