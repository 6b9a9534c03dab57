"""Sections of the results page on the honest setting and on what quantization costs."""

from __future__ import annotations

from benchmarks import training_plots
from benchmarks.findings import Documents
from benchmarks.render import Block, Figure, Heading, Paragraph, Table
from benchmarks.scores import OWN, Document, own
from benchmarks.tables import interval, number, pick
from edge_runtime.metrics import summarize_values
from train.strategies import STRATEGIES

RECIPES = ("float32", "float16", "dynamic_int8", "full_int8")


def honest(documents: Documents) -> list[Block]:
    """The strategies in the honest setting."""
    runs = {n: d for n, d in documents.items() if d["run"]["protocol"] == "honest" and d["run"]["seed"] == 0}
    if not runs:
        return []
    runs = dict(sorted(runs.items(), key=lambda item: -item[1]["metrics"]["grouped"]["dice"]["mean"]))
    rows = [
        [
            run["run"]["strategy"],
            f"{run['trainable_parameters']:,}",
            *own(run),
            interval(run["metrics"]["grouped"]["hausdorff_mm"], 2),
            number(run["metrics"]["grouped"]["mean_iou"]["mean"], 2, 100),
            str(run["kept_epoch"]),
        ]
        for run in runs.values()
    ]
    header = ("strategy", "parameters that learn", *OWN, "Hausdorff (mm)", "mean IoU (%)", "epoch kept")
    curve = {d["run"]["strategy"]: d["history"] for d in runs.values()}
    best = next(iter(runs.values()))
    return [
        Heading("The honest setting"),
        Paragraph("The 69 test images are of exams that no network has seen. Seed 0."),
        Table(header, rows),
        Figure("honest-curves.svg", training_plots.curves(curve, "val_dice"), "Validation Dice over epochs",
               "Mean Dice on the validation part, in the honest setting."),
        Figure("bland-altman.svg", training_plots.bland_altman(best["run"]["name"], best["per_image"]),
               "Bland-Altman plot of head circumference",
               f"Bland-Altman plot of HC, {best['run']['name']} in float32 against the reference: a dot is an image, "
               "the lines are the mean difference and the 95 % limits of agreement."),
    ]  # fmt: skip


def seeds(documents: Documents) -> list[Block]:
    """How much one seed differs from another."""
    rows = []
    for strategy in ("decoder-all", "edge"):
        runs = [d for d in documents.values() if (d["run"]["protocol"], d["run"]["strategy"]) == ("honest", strategy)]
        if len(runs) < 2:
            continue
        scores = [d["metrics"]["grouped"] for d in runs]
        dice = summarize_values([100 * s["dice"]["mean"] for s in scores])
        adf = summarize_values([s["hc_absolute_difference_mm"]["mean"] for s in scores])
        rows.append([
            strategy,
            str(len(runs)),
            ", ".join(f"{100 * s['dice']['mean']:.2f}" for s in scores),
            f"{dice['mean']:.2f} +- {dice['sd']:.2f}",
            ", ".join(f"{s['hc_absolute_difference_mm']['mean']:.2f}" for s in scores),
            f"{adf['mean']:.2f} +- {adf['sd']:.2f}",
        ])  # fmt: skip
    if not rows:
        return []
    header = ("strategy", "seeds", "Dice (%)", "mean and SD", "ADF (mm)", "mean and SD")
    return [Heading("Seeds"), Paragraph("The same run with other seeds, honest setting."), Table(header, rows)]


def recipes(documents: Documents) -> list[Block]:
    """What became of each network in every recipe."""
    rows, costs = [], {}
    for run in sorted(documents.values(), key=lambda d: (d["run"]["protocol"], _rank(d), d["run"]["name"])):
        exports = {export["recipe"]: export for export in run["exports"] or []}
        if not exports:
            continue
        # the run's own test part comes first
        parts = {recipe: next(iter(export["accuracy"]["parts"].values())) for recipe, export in exports.items()}
        loss = {recipe: part["degradation"] for recipe, part in parts.items()}
        int8, name = parts.get("full_int8"), run["run"]["name"]
        rows.append(
            [
                name,
                " / ".join(number(pick(exports.get(r), "size_bytes"), 2, 1e-6) for r in RECIPES),
                *(number(pick(parts.get(r), "dice", "mean"), 2, 100) for r in ("float32", "full_int8")),
                " / ".join(number(pick(loss.get(r), "dice_points"), 3, sign=True) for r in RECIPES[1:]),
                " / ".join(number(pick(loss.get(r), "hc_absolute_shift_mm"), 3) for r in RECIPES[1:]),
                number(pick(int8, "mean_iou", "mean"), 2, 100),
                number(pick(int8, "pixel_accuracy", "mean"), 2, 100),
                interval(pick(int8, "hc_absolute_difference_mm"), 2),
            ]
        )
        costs |= {(name, r): (v["dice_points"], v["hc_absolute_shift_mm"]) for r, v in loss.items() if r != "float32"}
    if not rows:
        return []
    header = (
        "run",
        "size (MB): float32 / float16 / dynamic int8 / full int8",
        "Dice, float32 (%)",
        "Dice, full int8 (%)",
        "Dice vs float32 (points): float16 / dynamic / full int8",
        "mean HC shift (mm): float16 / dynamic / full int8",
        "mean IoU, full int8 (%)",
        "pixel accuracy, full int8 (%)",
        "ADF, full int8 (mm)",
    )
    text = (
        "Each network exported in four recipes, each file held to torch before it was written, and scored on the test "
        "part of its own split with the runtime that a device runs."
    )
    blocks: list[Block] = [Heading("Quantized"), Paragraph(text), Table(header, rows)]
    refused = [f"{n}, {e['recipe']}" for n, d in documents.items() for e in d["exports"] or [] if e["refused"]]
    if refused:
        text = (
            "Measured here, but refused by the export, since its masks or circumferences lie further from torch's than "
            f"the recipe allows (export/recipes.py): {'; '.join(refused)}."
        )
        blocks.append(Paragraph(text, warning=True))
    caption = "What each recipe costs against the same network in float32: Dice and head circumference."
    figure = Figure("recipes.svg", training_plots.recipes(costs), "Degradation by network and recipe", caption)
    return [*blocks, figure]


def _rank(document: Document) -> int:
    return list(STRATEGIES).index(document["run"]["strategy"])
