"""``python -m benchmarks study``: train every run of the study, export it, and write its result file at once."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common.device import this_device
from benchmarks.common.stage import LOG, call_stage
from benchmarks.study.results import SCHEMA_VERSION, TRAINING, TrainingResult
from benchmarks.study.runs import RUNS, StudyRun, get_run
from benchmarks.trainings.arguments import add_trainings, read_trainings
from benchmarks.trainings.jobs import result_path
from edge_runtime.common.arguments import at_least
from edge_runtime.common.cli import say
from edge_runtime.common.record import from_json, to_json
from edge_runtime.errors import FetalHeadError, UsageError
from train.data.hc18 import Dataset, find_data
from train.protocols import LEAK_FREE, PAPER, PAPER_FIRST

PLAIN = ("--max-dice-drop", "inf", "--max-hc-shift-mm", "inf", "--rewrite", "none")
"""Full int8 by minimum and maximum, with the graph unchanged: what quantization costs each network is a result here and
is not improved."""


def run(args: argparse.Namespace) -> int:
    """Do the runs that have no result yet. One that fails is reported and the others still run; exit code 1."""
    chosen = _chosen(args)
    if args.list:
        for each in chosen:
            done = result_path(each.name, args.results).exists()
            say(f"{'done' if done else 'open'}  {each.name:<32} {each.command}")
        return 0
    trainings = read_trainings(args)
    options = {"--epochs": args.epochs, "--limit": args.limit, "--device": args.device}
    extra = [word for name, value in options.items() if value for word in (name, str(value))]
    jobs = [trainings.job(each.name, each.epochs, partial(_do, each, extra), _summary) for each in chosen]
    return 0 if trainings.do(jobs) else 1


def _chosen(args: argparse.Namespace) -> list[StudyRun]:
    """The runs that were named, or all, that the other arguments leave.

    Raises:
        UsageError: There is none.
    """
    size = tuple(args.image_size) if args.image_size else None
    found = [
        run
        for run in ([get_run(name) for name in dict.fromkeys(args.names)] or RUNS.values())
        if (not args.protocol or run.protocol == args.protocol)
        and (size is None or run.image_size == size)
        and (args.seeds is None or run.seed in args.seeds)
    ]
    if not found:
        raise UsageError("The study has no such run. All of them: python -m benchmarks study --list")
    return found


def _do(each: StudyRun, extra: list[str], data: str, folder: Path, threads: int) -> TrainingResult:
    checkpoint, log = folder / each.strategy, folder / LOG
    call_stage(["train", *each.arguments, *extra, "--data", data, "--out", str(folder), "--resume"], log, threads)
    exports = None
    if each.exported:
        artifacts = ["--out", str(folder / "artifacts"), "--json", *PLAIN]
        call = ["export", "--checkpoint", str(checkpoint), *artifacts, "--data", data]
        if not (printed := call_stage(call, log, threads, allowed=(0, 1))).strip():
            raise FetalHeadError(f"the export ended before it measured anything; see {log}")
        exports = json.loads(printed)
    return result_document(each, checkpoint, exports, find_data(data))


def _summary(result: TrainingResult) -> str:
    return f"Dice {result.scores.dice.mean:.2%}"


def result_document(
    each: StudyRun, checkpoint: Path, exports: dict[str, Any] | None, dataset: Dataset
) -> TrainingResult:
    """The result file of a run: what its checkpoint says, and what became of it in every recipe.

    Args:
        each: The run.
        checkpoint: Folder of its checkpoint.
        exports: What ``python -m export --json`` printed; None where it is not exported.
        dataset: The images, with their reference circumferences and exams.

    Raises:
        ModelError: The checkpoint lacks something, or the export does.
        FetalHeadError: The export failed before a recipe was measured.
    """
    info = json.loads((checkpoint / "checkpoint.json").read_text())
    exams = {dataset.samples[name].exam for name in info["data"]["files"]["train"]}
    samples = {score["image"]: dataset.samples[score["image"]] for score in info["per_image"]}
    values = {
        **info,
        "schema_version": SCHEMA_VERSION,
        "run": {"name": each.name, "command": each.command, **asdict(each)},
        "checkpoint_sha256": info["weights"]["sha256"],
        "machine": to_json(this_device()),
        "exports": None if exports is None else _exports(exports),
        "per_image": [
            {**score, "reference_hc_mm": sample.hc_mm, "exam_trained_on": sample.exam in exams}
            for score in info["per_image"]
            for sample in (samples[score["image"]],)
        ],
    }
    return from_json(TrainingResult, json.loads(json.dumps(values)), checkpoint)


def _exports(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The exports that ``python -m export --json`` wrote, and those it refused to write after measuring them.

    Raises:
        FetalHeadError: It failed before a recipe was measured.
    """
    made = [_export(artifact["manifest"], None) for artifact in document["artifacts"]]
    refused = [_export(f["manifest"], f["error"]) for f in document["failures"] if f["manifest"]]
    if unmeasured := [f["error"] for f in document["failures"] if not f["manifest"]]:
        raise FetalHeadError(unmeasured[0])
    return made + refused


def _export(manifest: dict[str, Any], refused: str | None) -> dict[str, Any]:
    return {**manifest, "refused": refused, "size_bytes": manifest["model_bytes"]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``study``."""
    parser.add_argument("names", nargs="*", metavar="RUN", help="a run that --list shows (default: all)")
    parser.add_argument("--list", action="store_true", help="show the runs, which are done, and the command of each")
    parser.add_argument("--protocol", choices=(PAPER, PAPER_FIRST, LEAK_FREE), help="only runs of this protocol")
    parser.add_argument("--image-size", type=at_least(1), nargs=2, metavar=("H", "W"), help="only runs of this size")
    parser.add_argument("--seeds", type=at_least(0), nargs="+", metavar="N", help="only runs with one of these seeds")
    parser.add_argument("--device", choices=("cuda", "mps", "cpu"), help="where to train (default: the best there is)")
    add_trainings(parser, TRAINING)
    parser.add_argument("--limit", type=at_least(1), metavar="N", help="only N images of each part, to try things out")
    parser.set_defaults(action=run)
