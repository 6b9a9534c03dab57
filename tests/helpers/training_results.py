"""Made-up result files of training runs, for tests of what is made from them."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from benchmarks.study.paper import TABLE
from benchmarks.study.results import SCHEMA_VERSION
from benchmarks.study.runs import STUDY, StudyRun
from edge_runtime.metrics import ImageScore, scores_to_json, summarize
from export.verification.accuracy import degradation

GROUPED = [f"{i:03d}_HC.png" for i in range(5)]
POOLED = ("paper_pixel_accuracy", "paper_dice", "paper_miou", "paper_dice_per_image")
PAPER = GROUPED + [f"{i:03d}_2HC.png" for i in range(20, 24)]


def make_result(run: StudyRun, dice: float | None = None) -> dict[str, Any]:
    """A document as the driver writes it, of a network with about this mean Dice (default: the paper's)."""
    rng = random.Random(run.name)
    dice = dice or (TABLE[run.strategy].dice[0] / 100 if run.strategy in TABLE else 0.97)
    grouped = run.protocol == "honest"
    split = "grouped" if grouped else "paper"

    def scores(shift: float) -> list[ImageScore]:
        images = random.Random(run.name)
        values = {n: images.gauss(dice, 0.01) + shift for n in (GROUPED if grouped else PAPER)}
        return [ImageScore(n, v, v - 0.02, v - 0.01, v, 2.0, 100 * (v - dice)) for n, v in values.items()]

    base = scores(0.0)
    exports = []
    for recipe, shift in (("float32", 0.0), ("float16", 0.0), ("dynamic_int8", -0.001), ("full_int8", -0.002)):
        part = {**summarize(scores(shift)), "degradation": degradation(scores(shift), base, "float32")}
        accuracy = {"title": "HC18", "parts": {f"{split}_test": part}}
        exports.append(
            {"recipe": recipe, "refused": None, "size_bytes": 7_000_000, "model_sha256": "0" * 64, "accuracy": accuracy}
        )
    epochs = 30 if grouped else 20
    return {
        "schema_version": SCHEMA_VERSION,
        "run": {"name": run.name, "command": run.command, "strategy": run.strategy, "protocol": run.protocol,
                "image_size": list(run.image_size), "train_images": run.train_images, "seed": run.seed},
        "checkpoint_sha256": hashlib.sha256(run.name.encode()).hexdigest(),
        "config": {"precision": "float32"},
        "data": {"split": split, "split_sha256": "0" * 64, "images": {"train": run.train_images or 799}},
        "trainable_parameters": 31_037_633 if run.strategy == "unet-scratch" else rng.randrange(5000, 6_000_000),
        "kept_epoch": epochs,
        "history": [{"epoch": i + 1, "loss": 1 / (i + 1), "val_dice": 0.9 + i / 1000} for i in range(epochs)],
        "seconds": 1234.5,
        "metrics": {
            split: summarize(base),
            "paper_pooled": dict.fromkeys(POOLED, dice),
        },
        "per_image": [
            {**score, "reference_hc_mm": 150.0 + i, "exam_trained_on": score["image"] not in GROUPED}
            for i, score in enumerate(scores_to_json(base))
        ],
        "device": {"threads": 1},
        "machine": {"cpu": "made up"},
        "git_commit": "0" * 40,
        "tools": {"torch": "2"},
        "exports": exports if run.exported else None,
    }  # fmt: skip


def make_all() -> dict[str, dict[str, Any]]:
    """One for every run of the study."""
    return {name: make_result(run) for name, run in STUDY.items()}
