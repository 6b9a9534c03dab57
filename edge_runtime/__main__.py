"""``fetal-head-edge``, or ``python -m edge_runtime``: measure, archive, stream, link, send, bench, ..."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from edge_runtime import __version__
from edge_runtime.commands import archive, bench, info, link, measure, send, stream, tune, verify
from edge_runtime.common.arguments import CommandParser, add_help, add_json, add_model, at_least
from edge_runtime.common.cli import run_command
from edge_runtime.segmenter import MAX_THREADS

_NOTES = """Each command has its own --help.
exit codes: 0 done, 1 the work failed, 2 the call was wrong

Research use only; not a medical device."""


def _program() -> str:
    """What the user typed to get here, for the usage lines."""
    called = Path(sys.argv[0])
    return called.name if called.stem == "fetal-head-edge" or called.suffix == ".pyz" else "python -m edge_runtime"


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    program = _program()
    parser: argparse.ArgumentParser = CommandParser(prog=program)
    add_help(
        parser,
        "Measure fetal head circumference with a quantized network on this device's CPU.",
        "python -m edge_runtime measure frame.png --pixel-size-mm 0.15",
        "python -m edge_runtime measure *.png --pixel-size-csv sizes.csv --mask-dir masks --json",
        "python -m edge_runtime archive frames/ --out rows --pixel-size-csv sizes.csv",
        "python -m edge_runtime stream frames/ --pixel-size-mm 0.15 --fps 30",
        "python -m edge_runtime tune",
        "python -m edge_runtime bench --threads auto",
        notes=_NOTES,
    )
    parser.add_argument("--version", action="version", version=__version__)
    sub = parser.add_subparsers(dest="command", required=True, title="commands", metavar="COMMAND")

    model = argparse.ArgumentParser(add_help=False)
    add_model(model)
    trust = argparse.ArgumentParser(add_help=False)
    trust.add_argument(
        "--trusted-key",
        dest="trusted_keys",
        type=Path,
        action="append",
        metavar="FILE",
        help="refuse a model that this public key (PEM) did not sign; may be given several times",
    )
    add_json(model)
    runs = argparse.ArgumentParser(add_help=False)
    threads = "CPU threads; auto: the number that tune chose, else 1 (default: %(default)s)"
    runs.add_argument("--threads", type=_threads, default=1, metavar="N", help=threads)

    measure.add_arguments(
        sub.add_parser("measure", parents=[model, trust, runs], help="measure the head circumference in image files")
    )
    archive_text = "measure all images of an archive in many processes, and write Parquet"
    archive.add_arguments(sub.add_parser("archive", parents=[model, trust], help=archive_text))
    stream_text = "play image files at a probe's pace, and show what is measured, dropped and late"
    stream.add_arguments(sub.add_parser("stream", parents=[model, trust, runs], help=stream_text))
    link_text = "measure what PLUS, 3D Slicer and others send over OpenIGTLink, and answer"
    link.add_arguments(sub.add_parser("link", parents=[model, trust, runs], help=link_text))
    send.add_arguments(sub.add_parser("send", help="send DICOM files to a hospital's archive (PACS)"))
    bench.add_arguments(
        sub.add_parser("bench", parents=[trust, runs], help="measure latency and memory of models on this device")
    )
    tune_text = "find the number of CPU threads that is fastest here, for --threads auto"
    tune.add_arguments(sub.add_parser("tune", parents=[model], help=tune_text))
    info.add_arguments(sub.add_parser("info", parents=[model, trust], help="describe a model and this device"))
    verify_text = "check that this device gives the same answers as the machine that exported the model"
    verify.add_arguments(sub.add_parser("verify", parents=[model, trust], help=verify_text))
    for each in (parser, *sub.choices.values()):
        each.epilog = str(each.epilog).replace("python -m edge_runtime", program)
    return parser


def _threads(text: str) -> int | str:
    return text if text == "auto" else at_least(1, MAX_THREADS)(text)


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    code: int = args.run(args)
    return code


def command() -> NoReturn:
    """The console command ``fetal-head-edge``."""
    run_command(main)


if __name__ == "__main__":
    command()
