"""``python -m benchmarks android``: measure on an Android phone over adb."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.arguments import add_shipped_places
from benchmarks.common.result_files import RESULTS, free_name
from benchmarks.common.tables import cells, number, text_table
from benchmarks.devices.android.adb import find_phone
from benchmarks.devices.android.measure import Plan, measure
from benchmarks.suite.artifacts import find_artifacts
from benchmarks.suite.document import Result
from benchmarks.suite.network_only import ToolRun
from edge_runtime.common.arguments import above, add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import UsageError
from edge_runtime.segmenter import MAX_THREADS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_shipped_places(parser)
    parser.add_argument(
        "--tool", type=Path, required=True, metavar="FILE", help="LiteRT's benchmark_model for Android (arm64)"
    )
    parser.add_argument("--serial", metavar="NAME", help="the phone, where there are several (adb devices)")
    parser.add_argument(
        "--threads", type=at_least(1, MAX_THREADS), default=1, metavar="N", help="CPU threads (default: %(default)s)"
    )
    for option, default, what in (
        ("rounds", 3, "rounds over all models, each in a fresh process"),
        ("runs", 200, "timed runs of the network in a round, at least"),
        ("warmup", 20, "runs before them"),
    ):
        parser.add_argument(
            f"--{option}", type=at_least(1), default=default, metavar="N", help=f"{what} (default: %(default)s)"
        )
    parser.add_argument(
        "--seconds", type=above(0, 3600), default=5, metavar="N", help="seconds they take (default: %(default)s)"
    )
    add_out(parser, "benchmarks/results/<machine>-<date>.json, numbered")
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print and write. The exit code is 1 if a model failed."""
    out = checked_out(args.out, args.overwrite)
    if not args.tool.is_file():
        raise UsageError(
            f"There is no file {args.tool}. Give LiteRT's benchmark_model with --tool; see docs/devices.md."
        )
    artifacts = find_artifacts(args.places)
    phone = find_phone(args.serial)
    plan = Plan(args.threads, args.rounds, args.runs, args.seconds, args.warmup)
    document = measure(phone, args.tool, artifacts, plan)
    say("")
    say(text_table(*cells(document.results, _COLUMNS)))
    say("The network alone, on random values: no frame is prepared, and no head is found.")
    for status in {s for r in document.results if r.network_only for s in r.network_only.thermal_status if s}:
        say(f"not this phone's true speed: Android's thermal status reached {status}")
    out = out or free_name(RESULTS, document.device, document.conditions.date, is_phantom=False)
    write_json(out, to_json(document))
    say(f"written: {out}")
    return 1 if any(result.error for result in document.results) else 0


def _runs(result: Result) -> tuple[ToolRun, ...]:
    return result.network_only.runs if result.network_only else ()


def _each(result: Result, name: str, digits: int) -> str:
    """A figure of each round, or why there is none."""
    if result.error:
        return "failed"
    return " / ".join(number(getattr(run, name), digits) for run in _runs(result))


_COLUMNS = (
    ("model", lambda r: r.artifact),
    ("mean of each round (ms)", lambda r: _each(r, "mean_ms", 2)),
    ("median (ms)", lambda r: _each(r, "median_ms", 2)),
    ("95th percentile (ms)", lambda r: _each(r, "p95_ms", 2)),
    ("load (ms)", lambda r: _each(r, "init_ms", 1)),
    ("peak memory (MB)", lambda r: _each(r, "peak_memory_mb", 0)),
)
