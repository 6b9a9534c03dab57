"""Sections of the results page on the leak-free setting and on what quantization costs."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.device import cpu_text
from benchmarks.common.render import Block, Figure, Heading, Paragraph, Table, code
from benchmarks.common.scores import summary_of
from benchmarks.common.tables import interval, mean, number
from benchmarks.pages.results.scores import OWN, label, label_code, own, shipped_epochs, trained_on, verdicts
from benchmarks.pictures import training_plots
from benchmarks.study.findings import Documents, Finding, points, verdict
from benchmarks.study.notebooks import difference_over_seeds
from benchmarks.study.quantized import Row, rows
from benchmarks.study.results import TrainingResult
from benchmarks.study.runs import TORCHVISION
from benchmarks.suite.columns import shipped_manifest
from benchmarks.suite.document import SuiteDocument
from edge_runtime.common.cli import counted
from train.protocols import LEAK_FREE


def leak_free(documents: Documents) -> list[Block]:
    """The strategies in the leak-free setting, with seed 0."""
    runs = [d for d in documents.values() if is_leak_free(d)]
    if not runs:
        return []
    runs.sort(key=lambda run: -(run.scores.dice.mean or 0))
    rows = [
        [
            label_code(run.run.strategy, run),
            f"{run.trainable_parameters:,}",
            *own(run),
            interval(run.scores.hausdorff_mm, 2),
            mean(run.scores.mean_iou, 2, 100),
            str(run.kept_epoch),
        ]
        for run in runs
    ]
    header = ("strategy", "parameters trained", *OWN, "Hausdorff (mm)", "mean IoU (%)", "epoch kept")
    histories = {label(run.run.strategy, run): run.history for run in runs}
    best = runs[0]
    text = (
        f"The {runs[0].scores.n_images} test images are from exams that no network was trained on. {trained_on(runs)}"
    )
    shipped = shipped_manifest().strategy
    if any(run.run.strategy == shipped for run in runs):
        text += (
            f" The shipped `{shipped}` is another run of the same strategy, over {shipped_epochs()} epochs; "
            "`MODEL_CARD.md` has its figures."
        )
    name = label(best.name, best)
    return [
        Heading("The leak-free setting"),
        Paragraph(text),
        Table(header, rows),
        Figure("leak-free-curves.svg", training_plots.validation_curves(histories), "Validation Dice over epochs",
               "Mean Dice on the validation part, in the leak-free setting; lower values than 85% are cut off."),
        Figure("bland-altman.svg", training_plots.bland_altman(name, best.per_image),
               "Bland-Altman plot of head circumference",
               f"Bland-Altman plot of HC: {label_code(best.name, best)} in float32 against the reference. A dot is an "
               "image; the lines are the mean difference and the 95% limits of agreement."),
    ]  # fmt: skip


def is_leak_free(run: TrainingResult) -> bool:
    """Whether it is a strategy's run in the leak-free setting that the page shows: with seed 0, nothing changed."""
    return run.study_run.protocol == LEAK_FREE and run.run.seed == 0 and run.run.change is None


def seeds(documents: Documents) -> list[Block]:
    """How much the seed changes, and whether our small network is better from the weights that the paper took."""
    rows, used = [], []
    wanted = ("decoder-all", None), ("edge", None), ("edge", TORCHVISION)
    found = {one: _with_each_seed(documents, *one) for one in wanted}
    for (strategy, change), runs in found.items():
        if len(runs) < 2:
            continue
        used += runs
        dice = [100 * run.scores.dice.mean for run in runs if run.scores.dice.mean is not None]
        adf = [v for run in runs if (v := run.scores.hc_absolute_difference_mm.mean) is not None]
        name = label_code(strategy, runs[0]) + (", torchvision's weights" if change else "")
        rows.append([name, str(len(runs)), _listed(dice), _mean_sd(dice), _listed(adf), _mean_sd(adf)])
    if not rows:
        return []
    header = ("strategy", "seeds", "Dice (%)", "mean and SD", "ADF (mm)", "mean and SD")
    text = f"The same runs with other seeds, in the leak-free setting. {trained_on(used)}"
    blocks: list[Block] = [Heading("Seeds"), Paragraph(text), Table(header, rows)]
    ours, theirs = found["edge", TORCHVISION], found["edge", None]
    if min(len(ours), len(theirs)) > 1:
        apart = difference_over_seeds(ours, theirs)
        claim = "torchvision's weights are better for `edge` than tonylins'"
        blocks.append(verdicts([Finding(claim, verdict(apart), points(apart))]))
    return blocks


def _with_each_seed(documents: Documents, strategy: str, change: str | None) -> list[TrainingResult]:
    """A strategy's runs in the leak-free setting, by seed."""
    wanted = LEAK_FREE, strategy, change
    runs = [d for d in documents.values() if (d.study_run.protocol, d.run.strategy, d.run.change) == wanted]
    return sorted(runs, key=lambda run: run.run.seed)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def _mean_sd(values: Sequence[float]) -> str:
    summary = summary_of(values)
    return f"{number(summary.mean, 2)} ± {number(summary.sd, 2)}"


def recipes(documents: Documents, latencies: Sequence[SuiteDocument]) -> list[Block]:
    """What became of each network in every recipe.

    Args:
        documents: Training results by name of the run.
        latencies: Paired latency runs over their artifacts.
    """
    found = rows(documents, latencies)
    if not found:
        return []
    text = (
        f"Each network was exported in {len({row.recipe for row in found})} recipes and scored on the test part of its "
        "own split, with the runtime that devices use. Full int8 is the plainest here: ranges by minimum and maximum, "
        "the graph unchanged (`python -m benchmarks study`). It shows what quantization costs each network. By itself, "
        "`python -m export` tries harder; `docs/int8.md` shows how. A star marks a file that the export of then "
        "refused to write, because its masks or circumferences differ from torch's by more than the recipe allows "
        "(`export/recipes.py`); today's writes it if one grey level of noise does as much. Where there is a dagger, no "
        "image counted: these exports took a pixel whose logit is below 1 for undecided, so networks with small logits "
        "were not judged. The limit is relative now. "
        "`docs/results.json` has the same figures and more. "
        f"{trained_on(documents[row.run] for row in found)}"
    )
    header = (
        "run", "recipe", "size (MB)", "latency (ms)", "Dice (%)", "mean IoU (%)", "pixel accuracy (%)", "ADF (mm)",
        "Dice vs float32 (points)", "mean HC shift (mm)",
    )  # fmt: skip
    caption = "What each recipe costs against the same network in float32: Dice and head circumference."
    costs = {
        (label(row.run, documents[row.run]), row.recipe): (
            row.against_float32.dice, row.against_float32.hc_absolute_shift_mm,
        )
        for row in found
        if row.recipe != "float32" and row.against_float32.dice is not None
    }  # fmt: skip
    return [
        Heading("Quantized"),
        Paragraph(text),
        *(Paragraph(line) for line in _machines(found)),
        Table(header, [_cells(row, label_code(row.run, documents[row.run])) for row in found]),
        Figure("recipes.svg", training_plots.recipes(costs), "Degradation by network and recipe", caption),
    ]


def _cells(row: Row, name: str) -> list[str]:
    change, latency = row.against_float32, row.latency_ms
    time = number(latency and latency.p50, 1)
    return [
        name,
        code(row.recipe) + (" *" if row.refused else "" if row.n_clear else " †"),
        number(row.size_bytes, 2, 1e-6),
        f"~{time}" if latency and latency.measured_on != row.run else time,
        *(number(value, 2, 100) for value in (row.dice, row.mean_iou, row.pixel_accuracy)),
        number(row.hc_absolute_difference_mm, 2),
        *(
            ("-", "-")
            if row.recipe == "float32"
            else (number(change.dice, 3, sign=True), number(change.hc_absolute_shift_mm, 3))
        ),
    ]


def _machines(found: Sequence[Row]) -> list[str]:
    """What the latencies were measured on."""
    times = [row.latency_ms for row in found if row.latency_ms]
    seen = {(cpu_text(t.cpu, t.int8_instructions), counted(t.threads, "thread"), t.date[:10]) for t in times}
    return [
        f"Latency is the median of the network alone, on {cpu}, with {threads}, measured on {date} in one run of "
        "alternating rounds. Networks of one architecture and input size have the same graph; ~ marks a time measured "
        "on another network of the same graph."
        for cpu, threads, date in sorted(seen)
    ]
