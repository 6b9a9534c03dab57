"""Do trials, each in a process of its own: ``python -m benchmarks.search.run FOLDER DATA CORES``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.common.stage import LOG, call_stage
from benchmarks.common.tables import number
from benchmarks.search.trial import Trial, TrialResult, read_trial, run_trial
from benchmarks.trainings.arguments import read_trainings
from edge_runtime.common.cli import run_command
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import from_json, to_json

TRIAL, RESULT = "trial.json", "result.json"


def run_trials(args: argparse.Namespace, trials: Sequence[Trial]) -> bool:
    """Train and measure those trials that have no result yet, with ``--epochs`` if that is given.

    Args:
        args: Of a command with :func:`benchmarks.trainings.arguments.add_trainings`.
        trials: The trials.

    Returns:
        False if a trial failed; its error has been told.

    Raises:
        UsageError: Shortened trials would be written beside the committed ones.
    """
    require("torch")
    trainings = read_trainings(args)
    if args.epochs:
        trials = [replace(trial, settings={**trial.settings, "epochs": args.epochs}) for trial in trials]
    return trainings.do([trainings.job(t.name, t.config.epochs, partial(_do, t), _summary) for t in trials])


def _do(trial: Trial, data: str, folder: Path, cores: int) -> TrialResult:
    write_json(folder / TRIAL, to_json(trial))
    call_stage(["benchmarks.search.run", str(folder), data, str(cores)], folder / LOG, cores)
    return read_trial(folder / RESULT)


def _summary(result: TrialResult) -> str:
    return f"Dice {result.int8.mean_dice:.2%}, ADF {number(result.int8.adf_mm, 2)} mm in full int8"


def main(arguments: list[str]) -> int:
    """In the new process."""
    folder, data, cores = Path(arguments[0]), arguments[1], int(arguments[2])
    trial = from_json(Trial, json.loads((folder / TRIAL).read_text()), folder / TRIAL)
    write_json(folder / RESULT, to_json(run_trial(trial, data, folder, cores)))
    return 0


if __name__ == "__main__":
    run_command(main)
