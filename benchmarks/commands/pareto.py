"""``python -m benchmarks pareto``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.result_files import RESULTS
from benchmarks.search.front import table
from benchmarks.search.points import POINTS
from benchmarks.search.run import run_trials
from benchmarks.search.stopping import stopping_table
from benchmarks.search.trial import Trial, read_done, read_trial
from benchmarks.trainings.arguments import add_trainings
from benchmarks.trainings.jobs import result_path
from edge_runtime.common.arguments import at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_bytes, write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from edge_runtime.errors import UsageError

PARETO = RESULTS / "pareto"
"""One file for each point, and one with all speeds."""

LATENCY = "latency.json"
"""Speeds, in the folder of results, unless ``--speeds`` names another file."""

PICTURE = Path("docs/figures/pareto.svg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("names", nargs="*", metavar="POINT", help="a point that --list shows (default: all)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="show the points, and which are done")
    what.add_argument(
        "--latency", action="store_true", help=f"time all points untrained, write {LATENCY}, and train nothing"
    )
    parser.add_argument(
        "--speeds", type=Path, metavar="FILE.json",
        help=f"the file of speeds, to write or to read, of another CPU (default: {LATENCY} in --results)",
    )  # fmt: skip
    what.add_argument(
        "--table", action="store_true", help="print what has been measured, the fastest first, and train nothing"
    )
    what.add_argument(
        "--stopping",
        action="store_true",
        help="print what stopping trainings early would save and lose, and train nothing",
    )
    what.add_argument(
        "--picture",
        type=Path,
        nargs="?",
        const=PICTURE,
        metavar="FILE.svg",
        help=f"draw every result in --results, as .svg or .png, and train nothing (without a file: {PICTURE})",
    )
    parser.add_argument(
        "--rounds", type=at_least(2), default=60, metavar="N", help="runs of each network (default: %(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace speeds or the picture")
    add_trainings(parser, PARETO)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """List, time, train or print the points of the search."""
    trials = [_point(name) for name in dict.fromkeys(args.names)] or list(POINTS.values())
    if args.list:
        for trial in trials:
            done = result_path(trial.name, args.results).exists()
            size = "x".join(map(str, trial.strategy.image_size))
            say(f"{'done' if done else 'open'}  {trial.name:<44} {size}")
        return 0
    if args.latency:
        return _time(args, trials)
    if args.picture:
        return _draw(args)
    if args.stopping:
        say(stopping_table(read_done(args.results, trials)))
        return 0
    done = args.table or run_trials(args, trials)
    results = read_done(args.results, trials)
    if results and (args.speeds or _speeds(args).exists()):
        from benchmarks.search.latency import read_latency

        say(table(results, read_latency(_speeds(args))))
    elif not results:
        say(f"There are no results in {args.results} yet.")
    else:
        say(f"{len(results)} points are trained. Times are missing: python -m benchmarks pareto --latency")
    return 0 if done else 1


def _speeds(args: argparse.Namespace) -> Path:
    return Path(args.speeds or args.results / LATENCY)


def _time(args: argparse.Namespace, trials: list[Trial]) -> int:
    from benchmarks.search.latency import measure, speed_table

    out = _speeds(args)
    checked_out(out, args.overwrite, "--speeds" if args.speeds else "--results")
    require("torch")
    strategies = {trial.strategy.name: trial.strategy for trial in trials}  # one for those that differ in training
    found = measure(strategies, args.rounds, args.jobs or 1)
    say(speed_table(found))
    write_json(out, to_json(found))
    say(f"written: {out}")
    return 0


def _draw(args: argparse.Namespace) -> int:
    from benchmarks.pictures.pareto_plot import draw
    from benchmarks.search.elsewhere import PUBLISHED, strategies
    from benchmarks.search.latency import read_latency
    from benchmarks.study.results import load_all

    kind = args.picture.suffix.lower().removeprefix(".")
    if kind not in ("svg", "png"):
        raise UsageError(f"--picture is '{args.picture}'; its name must end with .svg or .png.")
    checked_out(args.picture, args.overwrite, "--picture")
    paths = [path for path in sorted(args.results.glob("*.json")) if path.name != LATENCY]
    results = [read_trial(path) for path in paths if not args.names or path.stem in args.names]
    if not results:
        raise UsageError(
            f"{args.results} holds no result to draw. Make some with: python -m benchmarks pareto --jobs 2"
        )
    latency = read_latency(_speeds(args))
    data = draw(results, latency, strategies(load_all()), PUBLISHED, kind)
    write_bytes(args.picture, data)
    untimed = [result.name for result in results if result.strategy.name not in latency.by_name()]
    say(f"written: {args.picture}, {len(results) - len(untimed)} networks")
    if untimed:
        say(f"left out, because {_speeds(args).name} lacks their speed: {', '.join(untimed)}")
    return 0


def _point(name: str) -> Trial:
    if name not in POINTS:
        raise UsageError(f"The search has no point '{name}'. Its points are:\n" + "\n".join(f"  {n}" for n in POINTS))
    return POINTS[name]
