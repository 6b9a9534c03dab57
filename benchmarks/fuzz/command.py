"""``python -m benchmarks fuzz``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.fuzz.campaign import KINDS, Tally, alarm, campaign, run_case
from benchmarks.fuzz.rig import make_rig
from edge_runtime.common.arguments import add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.device.fingerprint import fingerprint, usable_cores

SCHEMA_VERSION = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--cases", type=at_least(1), default=100_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=at_least(0), default=0, help="another seed, other cases; default: %(default)s")
    parser.add_argument(
        "--case", type=at_least(0), metavar="N", help="run this one alone, in this process, to look into it"
    )
    parser.add_argument(
        "--jobs", type=at_least(1), default=usable_cores(), metavar="N", help="processes; default: %(default)s"
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Abuse the runtime: frames, manifests, signatures, model files, image files, tables, all from one seed.

    A case fails where the process crashes or hangs, where an error is raised that is no FetalHeadError, where numpy
    warns of an invalid number, where something changed is loaded, where a circumference is not its ellipse's, or where
    a sound frame then gives another answer. Ends with 1 where one fails.
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
        write_json(args.out, document(tally, args.seed, args.jobs, seconds))
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


def document(tally: Tally, seed: int, jobs: int, seconds: float) -> dict[str, Any]:
    """The result, for a file."""
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": seed,
        "cases": tally.cases,
        "failures": tally.failures,
        "seconds": round(seconds, 1),
        "jobs": jobs,
        "kinds": {
            kind: {
                "cases": sum(counts.values()),
                "slowest_ms": round(tally.slowest_ms[kind], 1),
                "outcomes": dict(sorted(counts.items())),
            }
            for kind, counts in sorted(tally.outcomes.items())
        },
        "device": fingerprint(),
        "git_commit": git_commit(),
        "tools": tool_versions(("ai-edge-litert", "numpy", "pillow", "cryptography")),
    }
