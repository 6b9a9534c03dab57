"""``python -m edge_runtime``: measure, stream, bench, tune, info, verify."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_runtime import __version__
from edge_runtime.commands import bench, info, measure, stream, tune, verify
from edge_runtime.common.arguments import add_json, add_model
from edge_runtime.common.cli import run_command

_EPILOG = """examples:
  python -m edge_runtime measure frame.png --pixel-size-mm 0.15
  python -m edge_runtime measure *.png --pixel-size-csv sizes.csv --mask-dir masks --json
  python -m edge_runtime stream frames/ --pixel-size-mm 0.15 --fps 30
  python -m edge_runtime tune
  python -m edge_runtime bench --threads auto

Research use only; not a medical device."""


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m edge_runtime",
        description="Measure fetal head circumference with a quantized network on this device's CPU.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    sub = parser.add_subparsers(dest="command", required=True)

    model = argparse.ArgumentParser(add_help=False)
    add_model(model)
    trust = argparse.ArgumentParser(add_help=False)
    trust.add_argument(
        "--trusted-key",
        dest="trusted_keys",
        type=Path,
        action="append",
        metavar="FILE",
        help="refuse a model that this public key (PEM) did not sign; may come several times",
    )
    add_json(model)
    runs = argparse.ArgumentParser(add_help=False)
    threads = "CPU threads, or auto: what tune chose, else 1 (default: %(default)s)"
    runs.add_argument("--threads", type=_threads, default=1, metavar="N", help=threads)

    measure.add_arguments(
        sub.add_parser("measure", parents=[model, trust, runs], help="masks and head circumferences of image files")
    )
    stream_text = "image files as a probe gives them, at 30 a second: what is measured, dropped and late"
    stream.add_arguments(sub.add_parser("stream", parents=[model, trust, runs], help=stream_text))
    bench.add_arguments(
        sub.add_parser("bench", parents=[trust, runs], help="latency and memory of models on this device")
    )
    tune_text = "how many CPU threads are fastest here; kept for --threads auto"
    tune.add_arguments(sub.add_parser("tune", parents=[model], help=tune_text))
    info.add_arguments(sub.add_parser("info", parents=[model, trust], help="what a model is, and what this device is"))
    verify_text = "does this device answer as the one did where the model was exported?"
    verify.add_arguments(sub.add_parser("verify", parents=[model, trust], help=verify_text))
    return parser


def _threads(text: str) -> int | str:
    if text != "auto" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor auto")
    return text if text == "auto" else int(text)


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    code: int = args.run(args)
    return code


if __name__ == "__main__":
    run_command(main)
