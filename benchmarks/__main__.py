"""``python -m benchmarks``: the suite, the training study, what int8 costs, and the pages made of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.fuzz import command as fuzz
from benchmarks.int8 import export_cost, interpreters, ladder, operators, peers, rewrites
from benchmarks.pages import command as pages
from benchmarks.pages import report
from benchmarks.pictures import phantom
from benchmarks.runtime import overhead, quality, soak
from benchmarks.study import command as study
from benchmarks.study import training_speed
from benchmarks.suite import compare, run
from edge_runtime.common.arguments import add_data, add_out, at_least
from edge_runtime.common.cli import run_command
from train.data.splits import SPLITS

_EPILOG = """examples:
  python -m benchmarks run                            every artifact in artifacts/, on HC18's test images
  python -m benchmarks run --data phantom --frames 20 a quick look, without HC18
  python -m benchmarks report                         reports/report.html, the newest result; results.html, the training
  python -m benchmarks compare old.json new.json

exit codes: 0 done, 1 an artifact or a result file could not be used, 2 the call was wrong

Research use only; not a medical device."""


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure artifacts on this machine: latency, memory, size, accuracy, and what a recipe costs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub = parser.add_subparsers(dest="command", required=True)
    _add_run(sub.add_parser("run", help="measure artifacts and write one JSON document", description=run.run.__doc__))

    report_text = "turn results of this suite into Markdown and self-contained HTML pages"
    report_parser = sub.add_parser("report", help=report_text, description=report.run.__doc__)
    report_parser.add_argument(
        "results", nargs="*", type=Path, metavar="RESULT.json", help="default: the newest in benchmarks/results"
    )
    report_parser.add_argument(
        "--out", type=Path, default=Path("reports"), metavar="DIR", help="where to (default: %(default)s)"
    )
    report_parser.add_argument(
        "--data", metavar="DIR", help="for overlays: HC18's folder or 'phantom' (default: searched for, not downloaded)"
    )
    report_parser.add_argument(
        "--artifacts", type=Path, default=Path("artifacts"), metavar="DIR", help="for overlays (default: %(default)s)"
    )
    report_parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="of the study (default: %(default)s)",
    )
    report_parser.add_argument(
        "--overlay", metavar="NAME", help="artifact that overlays show (default: full_int8 of the highest Dice)"
    )
    report_parser.set_defaults(action=report.run)

    compare_parser = sub.add_parser("compare", help="compare two results, artifact by artifact")
    compare_parser.add_argument("before", type=Path, metavar="A.json")
    compare_parser.add_argument("after", type=Path, metavar="B.json")
    compare_parser.set_defaults(action=compare.run)

    study_text = "train every run behind docs/results.md, export it, write its result file"
    study.add_arguments(sub.add_parser("study", help=study_text, description=study.__doc__))

    speed_text = "images a second of the training loop, against a plain one"
    training_speed.add_arguments(sub.add_parser("train-speed", help=speed_text, description=training_speed.__doc__))

    operators_text = "where a model's time goes, operator by operator, and its share of the machine's peak"
    operators.add_arguments(sub.add_parser("operators", help=operators_text, description=operators.run.__doc__))
    peers_text = "this project's int8 against float32, ONNX Runtime's and OpenVINO's of the same weights"
    peers.add_arguments(sub.add_parser("peers", help=peers_text, description=peers.run.__doc__))

    interpreters_text = "how far tflite-runtime's answers lie from ai-edge-litert's"
    interpreters.add_arguments(
        sub.add_parser("interpreters", help=interpreters_text, description=interpreters.run.__doc__)
    )

    overhead_text = "what the runtime costs around the network, and what a fresh process costs"
    overhead.add_arguments(sub.add_parser("overhead", help=overhead_text, description=overhead.run.__doc__))

    ladder_text = "what each way of quantizing a network costs, up to the first within the budget"
    ladder.add_arguments(sub.add_parser("ladder", help=ladder_text, description=ladder.run.__doc__))
    rewrite_text = "which exact rewrites of a network's graph this machine runs faster"
    rewrites.add_arguments(sub.add_parser("rewrites", help=rewrite_text, description=rewrites.run.__doc__))
    cost_text = "time and memory of an export"
    export_cost.add_arguments(sub.add_parser("export-cost", help=cost_text, description=export_cost.run.__doc__))

    fuzz_text = "abuse the runtime with damaged and hostile input, from a seed"
    fuzz.add_arguments(sub.add_parser("fuzz", help=fuzz_text, description=fuzz.run.__doc__))
    soak_text = "memory, latency and answers over very many frames"
    soak.add_arguments(sub.add_parser("soak", help=soak_text, description=soak.run.__doc__))
    quality_text = "what is refused, the error of the rest, and whether intervals hold"
    quality.add_arguments(sub.add_parser("quality", help=quality_text, description=quality.run.__doc__))

    picture_parser = sub.add_parser("picture", help="draw the shipped model's outline on a phantom, for the README")
    picture_parser.add_argument("--out", type=Path, default=Path("docs/phantom.png"), help="default: %(default)s")
    picture_parser.set_defaults(action=phantom.run)

    pages_text = "write docs/results.md and the figures of README.md and MODEL_CARD.md from committed results"
    pages_parser = sub.add_parser("pages", help=pages_text)
    pages_parser.add_argument(
        "results", nargs="*", type=Path, metavar="RESULT.json",
        help="of one device, one for each test part (default: those the README names)",
    )  # fmt: skip
    pages_parser.set_defaults(action=pages.run)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "places",
        nargs="*",
        type=Path,
        default=[Path("artifacts")],
        metavar="FOLDER_OR_FILE",
        help="folders of artifacts, searched with what they hold, or .tflite files (default: artifacts)",
    )
    add_data(parser)
    parser.add_argument(
        "--split-part", choices=SPLITS, default="grouped", help="whose test part is scored (default: %(default)s)"
    )
    parser.add_argument(
        "--images",
        type=at_least(1),
        metavar="N",
        help="score N of its images, evenly spaced by head size (default: all)",
    )
    parser.add_argument("--frames", type=at_least(1), default=50, help="frames timed, a round (default: %(default)s)")
    parser.add_argument(
        "--warmup", type=at_least(0), default=5, help="frames before, untimed, a round (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=at_least(1), default=2, help="rounds over all artifacts (default: %(default)s)"
    )
    parser.add_argument("--threads", type=at_least(1), default=1, help="CPU threads (default: %(default)s)")
    add_out(parser, "benchmarks/results/<machine>-<date>.json, numbered")
    parser.set_defaults(action=run.run)


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    code: int = args.action(args)
    return code


if __name__ == "__main__":
    run_command(main)
