"""The section of the results page on the paper's setting as its notebooks have it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, mode, stdev

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Table, code
from benchmarks.common.scores import Summary
from benchmarks.common.tables import interval
from benchmarks.pages.results.scores import OWN, goal_text, joined, own, paper_rank, trained_on, verdicts
from benchmarks.pictures import training_plots
from benchmarks.study.findings import Documents, arithmetic, points, size_text
from benchmarks.study.notebooks import (
    HEADLINE,
    WARM_UP,
    after_warm_up,
    changes,
    claims_over_seeds,
    difference_over_seeds,
    is_mixed,
    judged,
    over_epochs,
    paper_dice,
    pooled_over_seeds,
)
from benchmarks.study.paper import AT_THE_END, IMAGE_SIZE, TABLE
from benchmarks.study.results import TrainingResult
from benchmarks.study.runs import BY_THE_NOTEBOOKS
from edge_runtime.common.cli import counted
from edge_runtime.metrics import PAPER_BATCH, PAPER_ORDERS
from train.protocols import PAPER

_TEXT = (
    "The runs of this section follow the paper's notebooks, which say more than the article. PA / Dice / mIoU are its "
    "metrics: pixel accuracy, Dice, and the IoU of the head, which it calls mIoU. Its table has their means and, in "
    f"brackets, SDs over the epochs {WARM_UP + 1} to 20 of one training, on the held-out images with the training's "
    "augmentation. The paper computed in float16 on a GPU, which was not tried; ours is said for each run. At the end: "
    "the last epoch, without augmentation. Dice and mIoU are pooled over "
    f"{PAPER_BATCH} images drawn at random, as the paper's held-out images come: the mean over {PAPER_ORDERS:,} orders."
)
_IN_ORDER = (
    "Runs with a star were judged as we did at first: pooled in the order of HC18's file names, which puts small "
    "heads, the harder ones, into the same batches, and gives too low a Dice and mIoU"
)


def by_the_notebooks(documents: Documents) -> list[Block]:
    """Each run beside the paper's row, and whether the headline is reached."""
    runs = [run for run in documents.values() if run.study_run.protocol == PAPER and _is_as_planned(run)]
    if not runs:
        return []
    runs.sort(key=_in_the_papers_order)
    rows = []
    for run in runs:
        row = TABLE.get(run.run.strategy)
        rows.append([
            code(run.run.strategy) + ("" if is_mixed(run) else " *"),
            size_text(run),
            str(run.run.seed),
            run.config.precision,
            _with_sd(row.figures) if row else "not in the paper",
            _with_sd(over_epochs(run)),
            joined(judged(run)[-1].paper_plain.percent),
            *own(run),
        ])  # fmt: skip
    figures = "paper: PA / Dice / mIoU (%)", "ours, over epochs", "ours, at the end"
    header = ("strategy", "input", "seed", "arithmetic", *figures, *OWN)
    blocks: list[Block] = [
        Heading("The paper's table, trained again"),
        Paragraph(f"{_TEXT} {trained_on(runs)}"),
        Table(header, rows),
    ]
    blocks += [*_missing(runs), *_picture(runs)]
    headline = [run for run in runs if run.run.strategy == HEADLINE]
    if not all(map(is_mixed, runs)):
        mixed = [run for run in headline if is_mixed(run)]
        blocks.append(Paragraph(f"{_IN_ORDER}{_how_much(mixed)}."))
    if large := _alike([run for run in headline if run.run.image_size == IMAGE_SIZE]):
        small = _alike([run for run in headline if run.run.image_size != IMAGE_SIZE])
        blocks.append(Paragraph(_verdict(large) + _at_a_smaller_size([run for run in small if is_mixed(run)])))
        blocks += _how_sure(large, small)
    return [*blocks, *_claims(documents), *_changes(documents)]


def _is_as_planned(run: TrainingResult) -> bool:
    """Whether nothing is done otherwise; arithmetic is shown beside the figures."""
    return run.study_run.change in (None, "bfloat16")


def _in_the_papers_order(run: TrainingResult) -> tuple[float, int, str, int]:
    """By strategy, then the larger input first, then by arithmetic and seed."""
    return paper_rank(run.run.strategy), -run.run.image_size[0], run.config.precision, run.run.seed


def _picture(runs: Sequence[TrainingResult]) -> list[Block]:
    """Dice over the parameters trained, at the size at which most strategies were trained."""
    size = mode(run.run.image_size for run in runs)
    strategies: dict[str, list[TrainingResult]] = {}
    for run in runs:
        if run.run.image_size == size and is_mixed(run):
            strategies.setdefault(run.run.strategy, []).append(run)
    points = {}
    for strategy, of_it in strategies.items():
        alike, row = _alike(of_it), TABLE.get(strategy)
        ours = mean(map(paper_dice, alike))
        points[strategy] = alike[0].trainable_parameters, row.dice[0] if row else None, ours
    if not points:
        return []
    return [
        Figure(
            "parameters.svg",
            training_plots.parameters(points),
            "Dice over the number of parameters trained, the paper's and ours",
            "Dice by the paper's statistic, the mean over seeds, over the parameters trained: the paper's figure 1c, "
            f"with ours at {'x'.join(map(str, size))} beside it.",
        )
    ]


def _missing(runs: Sequence[TrainingResult]) -> list[Block]:
    """The planned strategies that no run of this section has trained, at either size."""
    parts = []
    for size in dict.fromkeys(run.image_size for run in BY_THE_NOTEBOOKS.values()):
        planned = dict.fromkeys(run.strategy for run in BY_THE_NOTEBOOKS.values() if run.image_size == size)
        open_ = planned.keys() - {run.run.strategy for run in runs if run.run.image_size == size}
        if open_:
            parts.append(f"at {'x'.join(map(str, size))} {', '.join(code(s) for s in planned if s in open_)}")
    return [Paragraph(f"Not trained yet: {'; '.join(parts)}.", warning=True)] if parts else []


def _alike(runs: Sequence[TrainingResult]) -> list[TrainingResult]:
    """Those that computed as most of them did: the same seed in another arithmetic is no further seed."""
    most = mode(run.config.precision for run in runs) if runs else None
    return [run for run in runs if run.config.precision == most]


def _how_sure(large: Sequence[TrainingResult], small: Sequence[TrainingResult]) -> list[Block]:
    """The headline's figures at the end of training with their intervals, at both sizes."""
    text = (
        "How far other images and other seeds would change such figures, which the paper's statistic cannot tell: at "
        "the end of training, without augmentation, pooled from each image's scores at its own resolution, against the "
        "ellipse, with 95% intervals by bootstrap over images and seeds. The paper's notebook tests once, too: "
        f"{joined(AT_THE_END)}, of 200 other images."
    )
    sizes = [(runs, pooled_over_seeds(runs)) for runs in (large, small) if runs]
    rows = [
        [size_text(runs[0]), str(len(runs)), *(interval(figure, 2) for figure in figures)] for runs, figures in sizes
    ]
    blocks: list[Block] = [Paragraph(text), Table(("input", "seeds", "PA (%)", "Dice (%)", "mIoU (%)"), rows)]
    where = "; ".join(f"{_sides(figures)} at {size_text(runs[0])}" for runs, figures in sizes)
    text = (
        f"The notebook's test is {where}. It is one training, of other images, scored at the network's resolution "
        "against the contour, so this is no test of a difference."
    )
    blocks.append(Paragraph(text))
    if len(sizes) > 1:
        apart = points(difference_over_seeds(large, small)) + arithmetic(*large, *small)
        blocks.append(Paragraph(f"Image by image, {size_text(large[0])} minus {size_text(small[0])} is {apart}."))
    return blocks


def _sides(figures: Sequence[Summary]) -> str:
    """On which side of our intervals the paper's figures at the end are."""
    sides = [
        "above" if theirs > (ours.ci95_high or 0) else "below" if theirs < (ours.ci95_low or 0) else "within"
        for theirs, ours in zip(AT_THE_END, figures, strict=True)
    ]
    if len(set(sides)) == 1:
        return f"{sides[0]} all three intervals"
    named = zip(("PA", "Dice", "mIoU"), sides, strict=True)
    return ", ".join(f"{side} that of {name}" for name, side in named)


def _claims(documents: Documents) -> list[Block]:
    if not (found := claims_over_seeds(documents)):
        return []
    text = (
        "The difference of Dice is taken image by image at the end of training and averaged over seeds; its 95% "
        "interval is by bootstrap over images and seeds, so it allows for other trainings, as far as three seeds can "
        "tell: it is rough, and rather too narrow. An interval that contains 0 decides nothing. Where a strategy has "
        "one seed, the interval is over images alone, and the verdict is on that training."
    )
    return [Heading("The paper's claims", 3), Paragraph(text), verdicts(found)]


def _changes(documents: Documents) -> list[Block]:
    if not (found := changes(documents)):
        return []
    text = (
        "Our first reading of the paper did some things otherwise. Each row changes one of them alone, with the same "
        "seed: what it adds to the paper's statistic, and to Dice image by image at the end, with its 95% interval "
        "over images. Other seeds may differ by as much as the seeds above."
    )
    rows = [
        [c.text, code(c.run.name), f"{paper_dice(c.run):.2f} ({c.paper_points:+.2f})", points(c.dice_points)]
        for c in found
    ]
    header = ("what is done otherwise", "run", "paper's Dice (%), and the change", "change of Dice per image")
    return [Heading("What each change is worth", 3), Paragraph(text), Table(header, rows, facts=True)]


def _how_much(runs: Sequence[TrainingResult]) -> str:
    """What the order changes, in the runs that were judged in both."""
    if not runs:
        return ""
    epochs = [pooled for run in runs for pooled in after_warm_up(run)]
    change = mean(100 * (e.paper_dice - (e.paper_dice_in_order or 0)) for e in epochs)
    judged_twice = f"{counted(len(runs), 'run')} of {code(HEADLINE)} judged in both ways"
    return f": in {judged_twice}, by {change:.2f} points of Dice on average"


def _with_sd(values: Sequence[tuple[float, float]]) -> str:
    return " / ".join(f"{value:.2f} ({sd:.2f})" for value, sd in values)


def _in_order(run: TrainingResult) -> float:
    """Mean Dice in percent over the paper's epochs, pooled in the order of the file names."""
    epochs = after_warm_up(run)
    return 100 * mean(e.paper_dice if e.paper_dice_in_order is None else e.paper_dice_in_order for e in epochs)


def _by_figure(runs: Sequence[TrainingResult]) -> list[tuple[float, ...]]:
    """Pixel accuracy, Dice and mIoU of the runs, as the paper's table has them."""
    return list(zip(*([value for value, _ in over_epochs(run)] for run in runs), strict=True))


def _at_a_smaller_size(runs: Sequence[TrainingResult]) -> str:
    if not runs:
        return ""
    seeds = _by_figure(runs)
    text = f" At {size_text(runs[0])}, it reaches {joined(map(mean, seeds))}"
    if len(runs) > 1:
        text += f" with {counted(len(runs), 'seed')}, with an SD over seeds of {joined(map(stdev, seeds))}"
    return f"{text}."


def _verdict(runs: Sequence[TrainingResult]) -> str:
    """Whether the mean over seeds is at least the paper's, in each of the three."""
    theirs = TABLE[HEADLINE].means
    mixed = [run for run in runs if is_mixed(run)] or runs
    seeds = _by_figure(mixed)
    ours = [mean(values) for values in seeds]
    text = (
        f"{code(HEADLINE)} at the paper's own {size_text(runs[0])} reaches {joined(ours)} by the paper's statistic, "
        f"with {counted(len(mixed), 'seed')}; the paper {joined(theirs)}. {goal_text(ours, theirs)}"
    )
    if len(mixed) > 1:
        text += f" The SD over seeds is {joined(map(stdev, seeds))}."
    if len(runs) == 1:
        return f"{text} How far other seeds differ was not measured."
    if len(mixed) < len(runs):
        accuracy = [over_epochs(run)[0][0] for run in runs]
        text += (
            f" Pixel accuracy, which the order does not change, is {mean(accuracy):.2f} over all {len(runs)} seeds, "
            f"with an SD of {stdev(accuracy):.2f}. Pooled in the order of the names, as all of them were, their Dice "
            f"is {', '.join(f'{_in_order(run):.2f}' for run in runs)}."
        )
    return text
