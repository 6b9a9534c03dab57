"""Sections of the results page on the honest setting and on what quantization costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Table
from benchmarks.common.tables import interval, number, pick
from benchmarks.pages.scores import OWN, own
from benchmarks.pictures import training_plots
from benchmarks.study.findings import Documents
from benchmarks.study.quantized import Row, rows
from edge_runtime.device.fingerprint import cpu_text
from edge_runtime.metrics import summarize_values


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


def recipes(documents: Documents, latencies: Sequence[Mapping[str, Any]]) -> list[Block]:
    """What became of each network in every recipe.

    Args:
        documents: Training results by name of the run.
        latencies: Paired latency runs over their artifacts.
    """
    found = rows(documents, latencies)
    if not found:
        return []
    text = (
        "Each network exported in four recipes, each file held to torch before it was written, and scored on the test "
        "part of its own split with the runtime that a device runs. Full int8 is the plainest here, by minimum and "
        "maximum, of the graph as it is (python -m benchmarks study): what quantization costs each network. What "
        "python -m export does about it by itself is in docs/int8.md. Latency is of the network alone, median, one "
        "thread; strategies of one architecture run one graph, and ~ marks a time measured on another of them. "
        "A star marks what the export refuses to write, since its masks or circumferences lie further from torch's "
        "than the recipe allows (export/recipes.py). The same figures, and more, are in docs/results.json."
    )
    header = (
        "run", "recipe", "size (MB)", "latency (ms)", "Dice (%)", "mean IoU (%)", "pixel accuracy (%)", "ADF (mm)",
        "Dice vs float32 (points)", "mean HC shift (mm)",
    )  # fmt: skip
    caption = "What each recipe costs against the same network in float32: Dice and head circumference."
    costs = {
        (row["run"], row["recipe"]): (row["against_float32"]["dice"], row["against_float32"]["hc_absolute_shift_mm"])
        for row in found
        if row["recipe"] != "float32"
    }
    return [
        Heading("Quantized"),
        Paragraph(text),
        *(Paragraph(line) for line in _machines(found)),
        Table(header, [_cells(row) for row in found]),
        Figure("recipes.svg", training_plots.recipes(costs), "Degradation by network and recipe", caption),
    ]


def _cells(row: Row) -> list[str]:
    change, latency = row["against_float32"], row["latency_ms"]
    time = number(pick(latency, "p50"), 1)
    return [
        row["run"],
        row["recipe"] + (" *" if row["refused"] else ""),
        number(row["size_bytes"], 2, 1e-6),
        f"~{time}" if latency and latency["measured_on"] != row["run"] else time,
        *(number(row[key], 2, 100) for key in ("dice", "mean_iou", "pixel_accuracy")),
        number(row["hc_absolute_difference_mm"], 2),
        *(
            ("-", "-")
            if row["recipe"] == "float32"
            else (number(change["dice"], 3, sign=True), number(change["hc_absolute_shift_mm"], 3))
        ),
    ]


def _machines(found: Sequence[Row]) -> list[str]:
    """What the latencies were measured on."""
    times = [row["latency_ms"] for row in found if row["latency_ms"]]
    seen = {(cpu_text(t), t["date"][:10]) for t in times}
    return [f"Latency measured on {cpu}, {date}, in one run of alternating rounds." for cpu, date in sorted(seen)]
