"""``python -m benchmarks fuzz``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.fuzz.campaign import KINDS, Tally, alarm, campaign, run_case
from benchmarks.fuzz.document import make_document
from benchmarks.fuzz.rig import make_rig
from edge_runtime.common.arguments import add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from edge_runtime.device.fingerprint import usable_cores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--cases", type=at_least(1), default=100_000, metavar="N", help="cases to run (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="each seed gives other cases (default: %(default)s)"
    )
    parser.add_argument(
        "--case", type=at_least(0), metavar="N", help="run only this case, in this process, to debug it"
    )
    parser.add_argument(
        "--jobs", type=at_least(1), default=usable_cores(), metavar="N", help="processes (default: %(default)s)"
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Attack the runtime with frames, manifests, signatures, model files, image files and tables made from one seed.

    A case fails if the process crashes or hangs, an error is raised that is not a FetalHeadError, numpy warns of an
    invalid number, something changed is loaded, a circumference does not fit its ellipse, or a sound frame then gets
    another answer. The exit code is 1 if a case fails.
    """
    checked_out(args.out, args.overwrite)
    require("PIL.Image")
    require("cryptography")
    if args.case is not None:
        return _one(args.seed, args.case)
    started = time.perf_counter()
    tally = campaign(args.seed, args.cases, args.jobs, say)
    seconds = time.perf_counter() - started
    say(table(tally))
    say(f"\n{tally.cases} cases in {seconds:.0f} s, {len(tally.failures)} failures (seed {args.seed})")
    if args.out:
        write_json(args.out, to_json(make_document(tally, args.seed, args.jobs, seconds)))
        say(f"written: {args.out}")
    return 1 if tally.failures else 0


def _one(seed: int, number: int) -> int:
    alarm()
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-fuzz-") as folder:
        kind, outcome, ms = run_case(seed, number, make_rig(Path(folder)))
    say(f"case {number} of seed {seed}, {kind}: {outcome} ({ms:.1f} ms)")
    return 1 if outcome.startswith("!") else 0


def table(tally: Tally) -> str:
    """Counts by kind and outcome."""
    lines = []
    for kind in KINDS:
        counts = tally.outcomes.get(kind)
        if counts:
            lines.append(f"{kind}: {sum(counts.values())} cases, the slowest {tally.slowest_ms[kind]:.0f} ms")
            lines += [f"  {count:>7}  {outcome}" for outcome, count in counts.most_common()]
    return "\n".join(lines)
