"""The results page, ``docs/results.md``: every table and figure on it is made from committed result files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from benchmarks.common.render import Block, Heading, Paragraph, Table, code, table_markdown
from benchmarks.common.tables import mean
from benchmarks.int8.ladder import LadderDocument
from benchmarks.pages.results.device import by_strategy, in_int8, papers_strategies, which_for_a_device
from benchmarks.pages.results.leak_free import leak_free, recipes, seeds
from benchmarks.pages.results.notebooks import by_the_notebooks
from benchmarks.pages.results.paper import claims, flaws, paper_table, set_sizes, small
from benchmarks.pages.results.scores import label_code, paper_order, pooled_dice, trained_on
from benchmarks.pages.results.speed import training_speed
from benchmarks.search.latency import LatencyDocument
from benchmarks.study.findings import Documents, size_text
from benchmarks.study.notebooks import paper_dice
from benchmarks.study.paper import HC18_RECORDS, OTHERS, REPEATABILITY_PERCENT, TABLE
from benchmarks.study.results import TrainingResult
from benchmarks.study.runs import STUDY, StudyRun
from benchmarks.study.training_speed import SpeedDocument
from benchmarks.suite.document import SuiteDocument
from edge_runtime.common.cli import counted
from edge_runtime.frame.geometry import LINEAR, STRETCH
from edge_runtime.metrics import PAPER_BATCH
from train.config import PROTOCOLS
from train.protocols import LEAK_FREE, PAPER, PAPER_FIRST
from train.strategies import STRATEGIES, get_strategy
from train.weights import IMAGENET, TONYLINS

TITLE = "Which layers to train, and what becomes of them on the device"

_INTRODUCTION = (
    "Wang, Silvestre and Curran (2023, arXiv 2307.09067) asked which layers of a U-Net with a MobileNetV2 encoder are "
    "worth training on fetal-head ultrasound. This page repeats their experiments on HC18 in their setting, adds a "
    "second, leak-free setting, and shows what each network becomes once it is quantized for a small CPU. "
    "`python -m benchmarks pages` writes the page from the files in `benchmarks/results`. Its figures are measured, "
    "except those quoted from others. Research use only; not a medical device."
)
_READINGS = (
    "We read the paper twice: first the article alone (`--protocol paper-first`), then its notebooks, which say more "
    "(`--protocol paper`). Each reading has a section of its own. What was trained by the first reading alone says so. "
    "The images are 930 of HC18's 999 annotated ones, those that are at hand; the paper had all, and held out 200. An "
    "exam, which is the number that a file name begins with, may have several images."
)
_SCORES = (
    "Our own scores are the same in all settings. Dice is taken for each image, at the image's own resolution, "
    "against the reference ellipse; tables give the mean over images and its bootstrap 95% interval in square "
    "brackets; worst is the lowest Dice of an image. DF is the mean difference of the head circumference (HC) from the "
    "reference, positive where it is measured too large, and ADF the mean absolute difference. An empty prediction "
    "counts as Dice 0."
)
_REFUSED = (
    'The column "refused" counts images for which the runtime shows no circumference; DF and ADF are over the others. '
    "The runtime refuses by general limits (`edge_runtime/quality/verdict.py`) and by limits of the model's own, where "
    "its manifest has them (`python -m export quality` makes them). Of the networks of this page, only the shipped "
    "ones do."
)
_LARGER_MASK = (
    "In both of the paper's settings a network learns the filled outline, which is larger than the ellipse. This "
    "raises its DF."
)

_MASKS = {"contour": "the filled outline, line included", "ellipse": "the interior of the reference ellipse"}
_AUGMENTS = {
    "none": "none",
    "paper": "rotation with black corners, flips",
    "reflected": "rotation with reflected corners, flips",
    "ours": "rotation, scale, shift, flips, gain, gamma, speckle",
}
_RESIZING = {LINEAR: "bilinear, without averaging", STRETCH: "area average"}
_WEIGHTS = {IMAGENET: "torchvision's", TONYLINS: "tonylins'"}
_LOSSES = {"bce": "cross-entropy", "bce_dice": "cross-entropy and soft Dice"}
_OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW"}
_SCHEDULES = {"constant": "constant", "one_cycle": "one cycle, at most"}
_KEPT = {"last": "the last is kept", "best": "the best on the validation part is kept"}


def build(
    documents: Documents,
    latencies: Sequence[SuiteDocument] = (),
    speeds: Sequence[SpeedDocument] = (),
    shipped: SuiteDocument | None = None,
    sizes: Sequence[LatencyDocument] = (),
    ladders: Sequence[LadderDocument] = (),
) -> list[Block]:
    """The page's blocks.

    Args:
        documents: Training results by name of the run; the page names those that are missing.
        latencies: Paired latency runs over the study's artifacts.
        speeds: Measurements of the training loop's speed.
        shipped: The shipped sizes' results on the split ``grouped``.
        sizes: Their speeds, one document for each kind of CPU.
        ladders: What became of the runs by the notebooks in int8.
    """
    blocks: list[Block] = [Heading(TITLE, 1), *_what_was_done(documents)]
    for section in (by_the_notebooks, paper_table, claims, small, set_sizes, flaws, leak_free, seeds):
        blocks += section(documents)
    blocks += recipes(documents, latencies)
    if shipped:
        blocks += which_for_a_device(documents, latencies, shipped, sizes)
        blocks += papers_strategies(documents, ladders)
    blocks += [*_others(documents), *training_speed(speeds)]
    return [*blocks, *_reproduce(documents)]


def overview(documents: Documents, ladders: Sequence[LadderDocument] = ()) -> str:
    """The table of strategies as Markdown: the paper's figure, ours in its setting, int8, the leak-free setting.

    Args:
        documents: Training results by name of the run.
        ladders: What became of the runs by the notebooks in int8.
    """
    int8 = by_strategy(ladders)
    rows, used = [], []
    for strategy in paper_order([s for s in STRATEGIES if any(d.run.strategy == s for d in documents.values())]):
        paper = documents.get(f"{strategy}-{PAPER}-bfloat16") or documents.get(f"{strategy}-{PAPER_FIRST}-128")
        leak_free_run = documents.get(f"{strategy}-{LEAK_FREE}-160x240")
        run = paper or leak_free_run
        if run is None:
            continue
        used.append(run)
        rows.append(
            [
                label_code(strategy, run),
                f"{run.trainable_parameters:,}",
                f"{TABLE[strategy].dice[0]:.2f}" if strategy in TABLE else "-",
                _in_the_papers_way(documents, strategy),
                in_int8(int8[strategy]) if strategy in int8 else "-",
                mean(leak_free_run.scores.dice, 2, 100) if leak_free_run else "-",
                mean(leak_free_run.scores.hc_absolute_difference_mm, 2) if leak_free_run else "-",
            ]
        )
    header = (
        "strategy", "parameters trained", "paper, 512x512: Dice (%)", "ours, 256x256: the same statistic (%)",
        "in int8 (seed 0)",
        "leak-free setting: Dice per image (%)", "ADF (mm)",
    )  # fmt: skip
    return f"{table_markdown(Table(header, rows))}\n\n{trained_on(used)}"


def _in_the_papers_way(documents: Documents, strategy: str) -> str:
    """Dice by the paper's statistic, the mean over seeds; of a run that was judged only once, pooled at the end."""
    named = (documents.get(f"{strategy}-{PAPER}{seed}-bfloat16") for seed in ("", "-seed1", "-seed2"))
    if runs := [run for run in named if run]:
        found = fmean(map(paper_dice, runs))
        return f"{found:.2f}" + (f" ({len(runs)} seeds)" if len(runs) > 1 else "")
    run = documents.get(f"{strategy}-{PAPER_FIRST}-128")
    return f"{pooled_dice(run):.2f} (first reading, {size_text(run)}, at the end)" if run else "-"


def _what_was_done(documents: Documents) -> list[Block]:
    blocks: list[Block] = [
        Paragraph(_INTRODUCTION),
        Paragraph(_READINGS),
        Heading("What was done"),
        _settings(documents),
        Paragraph(_SCORES),
        Paragraph(_REFUSED),
        Paragraph(_LARGER_MASK),
    ]
    missing = [name for name in STUDY if name not in documents]
    if missing:
        names = ", ".join(map(code, missing))
        text = f"Not trained yet: {len(missing)} of {len(STUDY)} runs, {names}."
        blocks.append(Paragraph(text, warning=True))
    return blocks


def _settings(documents: Documents) -> Table:
    """The settings side by side, from the runs."""
    pooled = f"pixels summed over {PAPER_BATCH} images, then one Dice, at the network's resolution"
    scores = {
        PAPER: f"the paper's after every epoch, {pooled}; and ours",
        PAPER_FIRST: f"the paper's at the end, {pooled}; and ours",
        LEAK_FREE: "ours",
    }
    lines: dict[str, Callable[[TrainingResult], str]] = {
        "split": _split,
        "mask it learns": lambda d: _MASKS.get(d.config.mask, d.config.mask),
        "input": size_text,
        "resizing": lambda d: _RESIZING[PROTOCOLS[d.study_run.protocol]["resize_rule"]],
        "encoder begins with": lambda d: f"{_WEIGHTS[_begins_with(d.study_run)]} ImageNet weights",
        "augmentation": lambda d: _AUGMENTS.get(d.config.augment, d.config.augment),
        "loss": lambda d: _LOSSES.get(d.config.loss, d.config.loss),
        "optimizer, learning rate": _optimizer,
        "epochs": lambda d: f"{d.config.epochs}, {_KEPT.get(d.config.keep, d.config.keep)}",
        "arithmetic": lambda d: d.config.precision,
        "batch": lambda d: counted(d.config.batch_size, "image"),
        "scores": lambda d: scores[d.study_run.protocol],
    }
    rows = []
    for title, text in lines.items():
        found = [
            dict.fromkeys(text(d) for d in documents.values() if d.study_run.protocol == protocol and _is_usual(d))
            for protocol in (PAPER, PAPER_FIRST, LEAK_FREE)
        ]
        rows.append([title, *("; ".join(texts) or "not trained yet" for texts in found)])
    return Table(("", "the paper, by its notebooks", "the paper, first reading", "leak-free"), rows, facts=True)


def _is_usual(document: TrainingResult) -> bool:
    """Whether it has the setting's own encoder, images and rules; the exceptions are told where they are shown."""
    run = document.study_run
    return run.train_images is None and run.change in (None, "bfloat16") and _begins_with(run) != "random"


def _begins_with(run: StudyRun) -> str:
    """What the encoder begins with. Early results call tonylins' weights by another name, so the run is asked."""
    own = get_strategy(run.strategy).encoder_weights
    return TONYLINS if TONYLINS in run.arguments else own


def _split(document: TrainingResult) -> str:
    images = document.data.images
    how = "random over images" if document.data.split == "paper" else "no exam in two parts"
    chosen = f"{images.val} to choose the epoch on, " if images.val else ""
    return f"`{document.data.split}`, {how}: {images.train} images to train, {chosen}{images.test} to test"


def _optimizer(document: TrainingResult) -> str:
    config = document.config
    name = _OPTIMIZERS.get(config.optimizer, config.optimizer)
    return f"{name}; {_SCHEDULES.get(config.schedule, config.schedule)} {config.lr:g}"


def _others(documents: Documents) -> list[Block]:
    rows = [[name, "its own, as quoted by the paper (figure 1b)", f"{dice:.2f}", "-"] for name, dice in OTHERS]
    rows += [list(record) for record in HC18_RECORDS]
    wanted = [
        f"decoder-all-{PAPER}-bfloat16",
        f"decoder-all-{PAPER}-512-bfloat16",
        *(f"{s}-{LEAK_FREE}-160x240" for s in ("full", "edge")),
    ]
    runs = [documents[name] for name in wanted if name in documents]
    for run in runs:
        setting = "paper's setting by the notebooks" if run.study_run.protocol == PAPER else "leak-free setting"
        protocol = f"{setting}, {run.scores.n_images} test images, Dice per image"
        scores = run.scores
        name = f"ours, {label_code(run.name, run)}"
        rows.append([name, protocol, mean(scores.dice, 2, 100), mean(scores.hc_absolute_difference_mm, 2)])
    text = (
        "The figures of others are quoted, each under its own protocol: other images, other splits, other ways to "
        "average. They do not rank the methods. The annotations of HC18's official test set are "
        "hidden, and no figure here is measured on it. Sonographers "
        f"who repeat a measurement agree within about {REPEATABILITY_PERCENT}% of HC (95% limits of agreement)."
    )
    if runs:
        text += f" Ours: {trained_on(runs)[0].lower()}{trained_on(runs)[1:]}"
    header = ("method", "protocol", "Dice (%)", "ADF (mm)")
    return [Heading("Compared with others"), Paragraph(text), Table(header, rows, facts=True)]


def _reproduce(documents: Documents) -> list[Block]:
    text = (
        "`python -m benchmarks study --jobs 2` trains every run that has no result file yet, those planned for a GPU "
        "too, and continues after an interruption; `--list` shows them, and `--protocol leak-free` or names choose "
        "some. To train one run by itself:"
    )
    rows = [
        [label_code(name, run), code(run.study_run.command), _duration(run), _machine(run)]
        for name, run in documents.items()
    ]
    header = ("run", "command", "training", "on")
    return [Heading("Each run by itself"), Paragraph(text), Table(header, rows, facts=True)]


def _duration(run: TrainingResult) -> str:
    return f"{run.seconds / 60:.0f} min, {counted(run.device.threads, 'thread')}, {run.config.precision}"


def _machine(run: TrainingResult) -> str:
    commit = (run.git_commit or "unknown")[:12]
    return f"{run.machine.cpu}, torch {run.tools.get('torch')}, commit `{commit}`"
