"""The results page, ``docs/results.md``: every table and figure on it is made from committed result files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.render import Block, Heading, Paragraph, Table
from benchmarks.common.tables import number, pick
from benchmarks.pages.results_honest import honest, recipes, seeds
from benchmarks.pages.results_paper import claims, flaws, paper_table, set_sizes, small
from benchmarks.pages.results_speed import training_speed
from benchmarks.pages.scores import Document, paper_order, pooled_dice
from benchmarks.study.findings import Documents
from benchmarks.study.paper import HC18_RECORDS, OTHERS, TABLE
from benchmarks.study.runs import STUDY, StudyRun
from train.strategies import STRATEGIES

TITLE = "Which layers to train, and what becomes of them on the device"


def build(
    documents: Documents, latencies: Sequence[Mapping[str, Any]] = (), speeds: Sequence[Mapping[str, Any]] = ()
) -> list[Block]:
    """The page's blocks.

    Args:
        documents: Training results by name of the run; what is missing is named on the page.
        latencies: Paired latency runs over the study's artifacts.
        speeds: Measurements of the training loop's speed.
    """
    blocks: list[Block] = [Heading(TITLE, 1), *_what_was_done(documents)]
    for section in (paper_table, claims, small, set_sizes, flaws, honest, seeds):
        blocks += section(documents)
    blocks += [*recipes(documents, latencies), *_others(documents), *training_speed(speeds)]
    return [*blocks, *_reproduce(documents)]


def overview(documents: Documents) -> str:
    """The README's table: a row a strategy, the paper's figure, ours in its setting, the honest one, int8's cost."""
    rows = []
    for strategy in paper_order([s for s in STRATEGIES if any(d["run"]["strategy"] == s for d in documents.values())]):
        paper = documents.get(f"{strategy}-paper") or documents.get(f"{strategy}-paper-128")
        honest = documents.get(f"{strategy}-honest-160x240")
        run = paper or honest
        if run is None:
            continue
        size = f" ({run['run']['image_size'][0]}x{run['run']['image_size'][1]})" if paper else ""
        int8 = next((e for e in run["exports"] or [] if e["recipe"] == "full_int8"), None)
        loss = next(iter(int8["accuracy"]["parts"].values()))["degradation"] if int8 else None
        rows.append(
            [
                f"`{strategy}`",
                f"{run['trainable_parameters']:,}",
                f"{TABLE[strategy].dice[0]:.2f}" if strategy in TABLE else "-",
                f"{pooled_dice(paper):.2f}{size}" if paper else "-",
                number(pick(honest, "metrics", "grouped", "dice", "mean"), 2, 100) if honest else "-",
                number(pick(honest, "metrics", "grouped", "hc_absolute_difference_mm", "mean"), 2) if honest else "-",
                number(pick(loss, "dice_points"), 3, sign=True) if loss else "-",
            ]
        )
    header = [
        "strategy", "parameters that learn", "paper: Dice, pooled (%)", "ours, the same metric (%)",
        "honest setting: Dice an image (%)", "ADF (mm)", "plainest full int8 vs float32 (points)",
    ]  # fmt: skip
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _what_was_done(documents: Documents) -> list[Block]:
    text = (
        "Wang, Silvestre and Curran (2023, arXiv 2307.09067) ask which layers of a U-Net with a MobileNetV2 encoder "
        "are worth training on fetal-head ultrasound. Here their table is trained again on HC18, in their setting, and "
        "set beside a second, stricter setting and beside what each network becomes once quantized for a small CPU. "
        "This page is written by python -m benchmarks pages from the files in benchmarks/results/training; no figure "
        "on it is typed, save those quoted from others. Research use only; not a medical device."
    )
    settings = [
        [
            "split",
            "799 to train, 131 to test, random over images",
            "exams kept apart: 717 to train, 82 to choose the epoch on, 69 to test",
        ],
        ["mask it learns", "filled outline, line included", "interior of the reference ellipse, anti-aliased"],
        ["input", "256x256, aspect not kept, divided by 255", "160x240, aspect kept, divided by 255"],
        ["augmentation", "rotation +-25 degrees, flips", "rotation, scale, shift, flips, gain, gamma, speckle"],
        ["loss, optimizer", "BCE; Adam, 1e-4", "BCE and soft Dice; AdamW, one cycle to 1.5e-3"],
        ["epochs, batch", "20, the last kept; 10", "30, the best on the validation part kept; 8"],
        ["scores", "the paper's, pooled over ten images at 256x256; and ours", "ours"],
    ]
    blocks: list[Block] = [
        Paragraph(text),
        Heading("What was done"),
        Table(("", "paper setting", "honest setting"), settings, facts=True),
        Paragraph(
            "Our own scores are the same in both settings: Dice an image against the ellipse at the image's own "
            "resolution, mean and bootstrap 95 % interval over images; ADF and DF are the mean absolute and the mean "
            "difference of the head circumference. An empty prediction counts as Dice 0; a refused circumference is "
            "counted. Where the setting is the paper's, a network learns the filled outline, which is larger than the "
            "ellipse: its DF is positive for that reason."
        ),
    ]
    missing = [name for name in STUDY if name not in documents]
    if missing:
        text = f"Not trained yet, {len(missing)} of {len(STUDY)} runs: {', '.join(missing)}."
        blocks.append(Paragraph(text, warning=True))
    return blocks


def _others(documents: Documents) -> list[Block]:
    rows = [[name, "its own, as quoted by the paper (figure 1b)", f"{dice:.2f}", "-"] for name, dice in OTHERS]
    rows += [list(record) for record in HC18_RECORDS]
    for name in ("decoder-all-paper", "decoder-all-paper-512", "full-honest-160x240", "edge-honest-160x240"):
        if name in documents:
            run = documents[name]
            scores = run["metrics"][run["data"]["split"]]
            protocol = f"{run['run']['protocol']} setting, {scores['n_images']} test images, Dice an image"
            adf = number(scores["hc_absolute_difference_mm"]["mean"], 2)
            rows.append([f"ours, {name}", protocol, f"{100 * scores['dice']['mean']:.2f}", adf])
    text = (
        "Figures of others are quoted, each under its own protocol: other images, other splits, other ways to average. "
        "They do not rank the methods. HC18's official test set is hidden and was not used here. Sonographers "
        "repeating a measurement agree within about +-3 % of HC (95 % limits)."
    )
    header = ("method", "protocol", "Dice (%)", "ADF (mm)")
    return [Heading("Beside others"), Paragraph(text), Table(header, rows, facts=True)]


def _reproduce(documents: Documents) -> list[Block]:
    text = (
        "python -m benchmarks study --jobs 2 does all runs that have no result file yet, and goes on where it was "
        "interrupted. Any one by itself:"
    )
    rows = [[name, _command(STUDY.get(name), d), _duration(d), _machine(d)] for name, d in documents.items()]
    header = ("run", "command", "training", "on")
    return [Heading("Every row by itself"), Paragraph(text), Table(header, rows, facts=True)]


def _command(run: StudyRun | None, document: Document) -> str:
    return run.command if run else str(document["run"]["command"])


def _duration(document: Document) -> str:
    minutes = document["seconds"] / 60
    return f"{minutes:.0f} min, {document['device']['threads']} thread(s), {document['config']['precision']}"


def _machine(document: Document) -> str:
    commit = (document["git_commit"] or "unknown")[:12]
    return f"{document['machine'].get('cpu')}, torch {document['tools'].get('torch')}, commit {commit}"
