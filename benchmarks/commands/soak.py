"""``python -m benchmarks soak``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.measured import here_and_now
from benchmarks.pictures.soak_plot import soak_figure
from benchmarks.runtime import link_soak, soak
from benchmarks.runtime.soak_frames import SIZES, WAYS, make_cases
from edge_runtime.common.arguments import above, add_model, add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_bytes, write_json
from edge_runtime.common.record import to_json
from edge_runtime.device.fingerprint import peak_memory_bytes
from edge_runtime.errors import UsageError
from edge_runtime.segmenter import Segmenter

PACKAGES = ("ai-edge-litert", "tflite-runtime", "numpy")
FIGURE = Path("docs/figures/soak.svg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_model(parser)
    parser.add_argument(
        "--frames", type=at_least(1), default=100_000, metavar="N", help="frames after the warm-up (default: 100,000)"
    )
    parser.add_argument(
        "--way", choices=list(WAYS), default="measure", help="what frames go through (default: %(default)s)"
    )
    parser.add_argument(
        "--link",
        type=above(0, 3600),
        metavar="SECONDS",
        help="instead, let another process send 60 images per second over OpenIGTLink for so long, after a warm-up",
    )
    add_out(parser)
    parser.add_argument("--figure", type=Path, metavar="FILE.svg", help="draw memory and latency over the frames here")
    parser.add_argument(
        "--draw", type=Path, metavar="FILE.json", help=f"only draw the figure of such a file (default: {FIGURE})"
    )
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Run the frames, write, draw and print. The exit code is 1 if a frame ever got another answer."""
    checked_out(args.out, args.overwrite)
    checked_out(args.figure, overwrite=True, option="--figure")
    if args.draw:
        figure = args.figure or FIGURE
        write_bytes(figure, soak_figure(soak.read_soak(args.draw), soak.GOAL_RISE_BYTES))
        say(f"written: {figure}")
        return 0
    if args.link:
        return _run_link(args)
    soak.rss_bytes()  # fails at once where memory cannot be read
    cases = make_cases()
    segmenter = Segmenter.load(args.model)
    way = WAYS[args.way](segmenter)
    say(f"{segmenter.manifest.name}, {args.frames:,} frames through {args.way}, {len(cases)} in a cycle")
    record = soak.soak(way, cases, args.frames)
    document = soak.SoakDocument(
        **here_and_now(soak.SCHEMA_VERSION, PACKAGES, segmenter.threads),
        model=segmenter.manifest.name,
        model_sha256=segmenter.manifest.model_sha256,
        backend=segmenter.backend,
        way=args.way,
        sizes=SIZES,
        warmup_frames=soak.WARMUP_CYCLES * len(cases),
        record=record,
        summary=soak.summarize(record),
        python=soak.trace(way, cases, min(soak.TRACED_CYCLES, record.frames // len(cases))),
        peak_memory_bytes=peak_memory_bytes(),
    )
    if args.out:
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    if args.figure:
        write_bytes(args.figure, soak_figure(document, soak.GOAL_RISE_BYTES))
    say(soak.verdict_text(document))
    return 1 if record.differing_answers else 0


def _run_link(args: argparse.Namespace) -> int:
    if args.figure:
        raise UsageError("--figure draws what soak measures without --link. Leave one of them out.")
    segmenter = Segmenter.load(args.model)
    rows, counts = link_soak.soak_link(segmenter, args.link)
    document = link_soak.LinkSoakDocument(
        **here_and_now(link_soak.SCHEMA_VERSION, (*PACKAGES, "pyigtl"), segmenter.threads),
        model=segmenter.manifest.name,
        model_sha256=segmenter.manifest.model_sha256,
        backend=segmenter.backend,
        fps=link_soak.FPS,
        sizes=SIZES,
        warmup_s=link_soak.WARMUP_S,
        columns=link_soak.COLUMNS,
        rows=rows,
        counts=counts,
        rise_bytes=rows[-1][1] - rows[0][1],
        most_rise_bytes=max(row[1] for row in rows) - rows[0][1],
    )
    if args.out:
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    say(link_soak.verdict_text(document))
    return 0
