"""``python -m benchmarks study``: train every run of the study, export it, and write its result file at once."""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common.arguments import add_trainings, cores_each
from benchmarks.common.device import this_device
from benchmarks.common.stage import call_stage
from benchmarks.study.results import SCHEMA_VERSION, TRAINING, TrainingResult, result_path
from benchmarks.study.runs import RUNS, StudyRun, get_run
from edge_runtime.common.arguments import above, at_least
from edge_runtime.common.cli import clock, say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import from_json, to_json
from edge_runtime.errors import FetalHeadError, UsageError
from train.data.hc18 import Dataset, find_data
from train.protocols import LEAK_FREE, PAPER, PAPER_FIRST

LOG = "log.txt"
PLAIN = ("--max-dice-drop", "inf", "--max-hc-shift-mm", "inf", "--rewrite", "none")
"""Full int8 by minimum and maximum, with the graph unchanged: what quantization costs each network is a result here and
is not improved."""


def run(args: argparse.Namespace) -> int:
    """Do the runs that have no result yet. One that fails is reported and the others still run; exit code 1."""
    chosen = _chosen(args)
    started = time.monotonic()
    if args.list:
        for each in chosen:
            say(
                f"{'done' if result_path(each.name, args.results).exists() else 'open'}  {each.name:<32} {each.command}"
            )
        return 0
    threads = cores_each(args.jobs)
    dataset = find_data(args.data)
    shortened = args.epochs or args.limit or dataset.is_phantom
    if shortened and args.results.resolve() == TRAINING.resolve():
        raise UsageError(
            f"Results of {dataset.title} with --epochs {args.epochs} and --limit {args.limit} do not belong beside the "
            "study's own: give --results another folder."
        )
    todo = [each for each in chosen if not result_path(each.name, args.results).exists()]
    say(f"data: {dataset.title}; {len(todo)} of {len(chosen)} runs to do, {args.jobs} at a time, to {args.results}")
    failed = []

    def one(each: StudyRun) -> None:
        if args.minutes and time.monotonic() - started > 60 * args.minutes:
            say(f"{each.name}: not started, {args.minutes:g} minutes are over")
            return
        try:
            _do(each, dataset, args, threads=threads)
        except FetalHeadError as error:
            failed.append(each.name)
            say(f"{each.name}: failed: {error}")

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(one, todo))
    if failed:
        say(f"{len(failed)} of {len(todo)} runs failed: {', '.join(failed)}")
    return 1 if failed else 0


def _chosen(args: argparse.Namespace) -> list[StudyRun]:
    """The runs that were named, or all, that the other arguments leave.

    Raises:
        UsageError: There is none.
    """
    size = tuple(args.image_size) if args.image_size else None
    found = [
        run
        for run in ([get_run(name) for name in args.names] or RUNS.values())
        if (not args.protocol or run.protocol == args.protocol)
        and (size is None or run.image_size == size)
        and (args.seeds is None or run.seed in args.seeds)
    ]
    if not found:
        raise UsageError("The study has no such run. All of them: python -m benchmarks study --list")
    return found


def _do(each: StudyRun, dataset: Dataset, args: argparse.Namespace, threads: int) -> None:
    folder = args.runs / each.name
    checkpoint = folder / each.strategy
    log = folder / LOG
    started = time.monotonic()
    say(f"{each.name}: started; its progress is in {log}")
    data = ["--data", str(dataset.root)]
    extra = ["--epochs", str(args.epochs)] if args.epochs else []
    extra += ["--limit", str(args.limit)] if args.limit else []
    extra += ["--device", args.device] if args.device else []
    call_stage(["train", *each.arguments, *extra, *data, "--out", str(folder), "--resume"], log, threads)
    exports = None
    if each.exported:
        artifacts = ["--out", str(folder / "artifacts"), "--json", *PLAIN]
        call = ["export", "--checkpoint", str(checkpoint), *artifacts, *data]
        exports = call_stage(call, log, threads, allowed=(0, 1))
    document = result_document(each, checkpoint, json.loads(exports) if exports else None, dataset)
    write_json(result_path(each.name, args.results), to_json(document))
    say(f"{each.name}: Dice {document.scores.dice.mean:.2%}, done in {clock(time.monotonic() - started)}")


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
    parser.add_argument("--minutes", type=above(0), metavar="N", help="start nothing after this time")
    parser.add_argument("--device", choices=("cuda", "mps", "cpu"), help="where to train (default: the best there is)")
    add_trainings(parser, TRAINING)
    parser.add_argument("--limit", type=at_least(1), metavar="N", help="only N images of each part, to try things out")
    parser.set_defaults(action=run)
