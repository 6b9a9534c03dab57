"""Made-up result files of training runs, for tests of what is made from them."""

from __future__ import annotations

import hashlib
import random
from dataclasses import asdict

from benchmarks.common.device import Device
from benchmarks.common.scores import Scores, scores_of
from benchmarks.study.exports import Accuracy, Export, MeanDegradation, ParityFigures, PartScores
from benchmarks.study.paper import TABLE
from benchmarks.study.results import (
    SCHEMA_VERSION,
    Data,
    Epoch,
    JudgedEpoch,
    Metrics,
    Parts,
    Pooled,
    RunFacts,
    Settings,
    TestedImage,
    TrainingDevice,
    TrainingResult,
    ValidatedEpoch,
)
from benchmarks.study.runs import STUDY, StudyRun
from edge_runtime.metrics import ImageScore
from export.recipes import Tolerance
from export.verification.accuracy import mean_degradation
from export.verification.figures import Parity
from train.protocols import LEAK_FREE
from train.protocols import PAPER as NOTEBOOKS
from train.strategies import get_strategy

GROUPED = [f"{i:03d}_HC.png" for i in range(5)]
PAPER = GROUPED + [f"{i:03d}_2HC.png" for i in range(20, 24)]
DEVICE = Device(None, "made up", "x86_64", 2, None, None, None, None, None, None, "Linux", {"numpy": "1"})
_FIGURES = (9, 9, 0.1, 0.01, 50.0, 0.999, 0.99, 0.999, 0.1, 0.2)
_PARITY = ParityFigures(*_FIGURES, "HC18", Tolerance(1.0, 1.0, None, 0.9, 1.0), Parity(*_FIGURES), Parity(*_FIGURES))


def make_result(run: StudyRun, dice: float | None = None) -> TrainingResult:
    """A result as the driver writes it, of a network with about this mean Dice (default: the paper's)."""
    rng = random.Random(run.name)
    dice = dice or (TABLE[run.strategy].dice[0] / 100 if run.strategy in TABLE else 0.97)
    grouped = run.protocol == LEAK_FREE
    split = "grouped" if grouped else "paper"

    def scores(shift: float) -> list[ImageScore]:
        images = random.Random(run.name)
        values = {n: images.gauss(dice, 0.01) + shift for n in (GROUPED if grouped else PAPER)}
        return [ImageScore(n, v, v - 0.02, v - 0.01, v, 2.0, 100 * (v - dice)) for n, v in values.items()]

    def export(recipe: str, shift: float) -> Export:
        lost = MeanDegradation(**mean_degradation(scores(shift), scores(0.0), "float32"))
        part = PartScores(**vars(scores_of(scores(shift))), degradation=lost)
        accuracy = Accuracy("HC18", None, {f"{split}_test": part})
        return Export(recipe, None, 7_000_000, "0" * 64, _PARITY, accuracy, None, {})

    def epoch(i: int) -> Epoch:
        facts = (i + 1, 1 / (i + 1), 20.0, 40.0)
        if run.protocol == NOTEBOOKS:
            figures = Pooled(*(dice - 0.1 / (i + 1),) * 4, dice - 0.1 / (i + 1) - 0.004)
            return JudgedEpoch(*facts, figures, figures)
        return ValidatedEpoch(*facts, 0.9 + i / 1000, 2.0, 0) if grouped else Epoch(*facts)

    base = scores(0.0)
    epochs = 30 if grouped else 20
    settings = (
        (run.protocol, "grouped", "ellipse", "ours", "bce_dice", "adamw", "one_cycle", 1.5e-3, 8, epochs, "best")
        if grouped
        else (run.protocol, "paper", "contour", "paper", "bce", "adam", "constant", 1e-4, 10, epochs, "last")
    )
    own: dict[str, Scores] = {split: scores_of(base)}
    recipes = (("float32", 0.0), ("float16", 0.0), ("dynamic_int8", -0.001), ("full_int8", -0.002))
    return TrainingResult(
        schema_version=SCHEMA_VERSION,
        run=RunFacts(name=run.name, command=run.command, **asdict(run)),
        strategy=get_strategy(run.strategy),
        checkpoint_sha256=hashlib.sha256(run.name.encode()).hexdigest(),
        config=Settings(
            run.image_size,
            *settings,
            "imagenet",
            "float32",
            run.seed,
            run.train_images,
            run.protocol == NOTEBOOKS or None,
        ),
        data=Data("HC18", split, "0" * 64, "0" * 64, Parts(run.train_images or 799, 82 if grouped else 0, 131), None),
        trainable_parameters=31_037_633 if run.strategy == "unet-scratch" else rng.randrange(5000, 6_000_000),
        kept_epoch=epochs,
        history=tuple(map(epoch, range(epochs))),
        seconds=1234.5,
        metrics=Metrics(Pooled(dice, dice, dice, dice), **own),
        per_image=tuple(
            TestedImage(**vars(score), reference_hc_mm=150.0 + i, exam_trained_on=score.image not in GROUPED)
            for i, score in enumerate(base)
        ),
        device=TrainingDevice("cpu", 1, "x86_64"),
        git_commit="0" * 40,
        tools={"torch": "2"},
        machine=DEVICE,
        exports=tuple(export(*recipe) for recipe in recipes) if run.exported else None,
    )


def make_all() -> dict[str, TrainingResult]:
    """One for every run of the study."""
    return {name: make_result(run) for name, run in STUDY.items()}
