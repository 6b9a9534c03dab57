"""The section of the results page on which strategy to take for a device: the paper's network and ours."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Table, code
from benchmarks.common.tables import mean, number
from benchmarks.int8.ladder import LadderDocument
from benchmarks.pages.results.leak_free import is_leak_free
from benchmarks.pages.results.scores import paper_order
from benchmarks.pictures.training_plots import sizes as sizes_picture
from benchmarks.search.latency import LatencyDocument, Speed
from benchmarks.search.sizes import RECIPE, instructions_of
from benchmarks.study.findings import Documents, size_text
from benchmarks.study.quantized import NetworkLatency, Row, rows
from benchmarks.study.results import TrainingResult
from benchmarks.study.runs import SQUARE
from benchmarks.suite.document import Result, SuiteDocument
from train.protocols import PAPER

_TEXT = (
    "A freeze strategy changes what is trained, not the network: all of the paper's strategies have one graph, so in "
    "one recipe they have the same size and take the same time. On a device they differ in what int8 costs them, see "
    "the second table: `full` is so far the only one that fits its budget in full int8. Layers in float32 make a file "
    "larger and slower. What else a strategy buys is accuracy for a given training. With few images, training the "
    "decoder was better than training the encoder (at 128x128, by the first reading, one seed); with all images that "
    "is not decided at 256x256. With all images, training everything was better in the leak-free setting, mostly by "
    "one head that `decoder-all` misses with every seed, and by the notebooks in the paper's statistic and in ADF "
    "(`full` with one seed; the mean Dice of the images decides it at 512x512, not at 256x256). A frozen encoder "
    "trains faster and in less memory (see below). To be faster on a device takes another network."
)
_TABLE = (
    "All rows are in full int8 and judged on the same {n} images of exams that no network was trained on. {trained} "
    "are those of the leak-free setting above, in the plainest quantization. The shipped {shipped} were trained for "
    "longer and on more images (`docs/training.md`), so they do not show what their shape alone is worth."
)


_PAPERS = (
    "The paper's strategies, trained by its notebooks at 256x256 (seed 0), on the test images of the split `paper`: "
    "Dice and ADF in float32, what an export without fine-tuning writes within its int8 budget, and what that changes. "
    "No file means that every way lost too much; a star, that an earlier export made it, which held the mean alone to "
    "the budget. `docs/int8.md` has every attempt, and the price of layers in float32 in time and size. In full int8, "
    "all of them take the time that the table above counts in."
)
_COST = "int8 changes Dice (points)", "int8 shifts HC (mm)"


@dataclass(frozen=True)
class Choice:
    """A network to choose.

    Attributes:
        name: The strategy.
        size: Its input, as text.
        megabytes: Of the full int8 file.
        faster: How many times faster than the paper's network at its size, as text, by the CPU's int8 instructions.
        dice: Mean Dice in percent.
        adf_mm: Mean absolute difference of the circumference in mm.
        points: What int8 changes in points of Dice.
        shift_mm: Mean absolute shift of the circumference by int8 in mm.
    """

    name: str
    size: str
    megabytes: float
    faster: dict[str, str]
    dice: float
    adf_mm: float | None
    points: float | None
    shift_mm: float | None


def which_for_a_device(
    documents: Documents,
    latencies: Sequence[SuiteDocument],
    shipped: SuiteDocument,
    speeds: Sequence[LatencyDocument],
) -> list[Block]:
    """The table and the picture; nothing where no strategy was trained in the leak-free setting.

    Args:
        documents: Training results by name of the run.
        latencies: Paired latency runs over their artifacts.
        shipped: The shipped sizes' results on the split ``grouped``.
        speeds: Their speeds, one document for each kind of CPU.
    """
    found = [r for r in rows(documents, latencies) if r.recipe == RECIPE and is_leak_free(documents[r.run])]
    results = [r for r in shipped.results if r.recipe == RECIPE and r.accuracy and r.degradation]
    if not found or not results:
        return []
    unit = next((r for r in rows(documents, latencies) if r.recipe == RECIPE and _is_unit(documents[r.run])), None)
    choices = [_trained(row, documents[row.run], unit) for row in found]
    choices += [_shipped(result, speeds) for result in results]
    choices.sort(key=lambda choice: choice.megabytes)
    kinds = sorted({kind for choice in choices for kind in choice.faster})
    header = ("strategy", "input", "MB", *(f"times faster, {kind}" for kind in kinds), "Dice (%)", "ADF (mm)", *_COST)
    body = [
        [
            code(choice.name),
            choice.size,
            f"{choice.megabytes:.2f}",
            *(choice.faster.get(kind, "-") for kind in kinds),
            f"{choice.dice:.2f}",
            number(choice.adf_mm, 2),
            number(choice.points, 3, sign=True),
            number(choice.shift_mm, 3),
        ]
        for choice in choices
    ]
    times = (
        "Times are of the network alone, over the paper's network in full int8 at 256x256 in the same run on the same "
        "machine; a dash was not measured. All networks of one architecture and input size take the same time, so one "
        f"of each was timed. Machines: {_machines(results, speeds, unit)}."
    )
    return [
        Heading("Which strategy on a device?"),
        Paragraph(_TEXT),
        Paragraph(_TABLE.format(n=found[0].n_images, trained=_names(found), shipped=_names(results))),
        Paragraph(times),
        Table(header, body),
        Figure("device.svg", sizes_picture({choice.name: (choice.megabytes, choice.dice) for choice in choices}),
               "Dice over the size of the full int8 file", "Dice of unseen exams over the size of the full int8 file."),
    ]  # fmt: skip


def papers_strategies(documents: Documents, ladders: Sequence[LadderDocument]) -> list[Block]:
    """What becomes of the paper's strategies in int8, trained by its notebooks at 256x256.

    Args:
        documents: Training results by name of the run.
        ladders: What the export did with their checkpoints.
    """
    found = by_strategy(ladders)
    rows = []
    for strategy in paper_order([name for name in found if f"{name}-{PAPER}-bfloat16" in documents]):
        run, ladder = documents[f"{strategy}-{PAPER}-bfloat16"], found[strategy]
        part = None if ladder.refused else ladder.accuracy.parts.get(f"{ladder.split}_test")
        rows.append([
            code(strategy),
            f"{run.trainable_parameters:,}",
            mean(run.scores.dice, 2, 100),
            mean(run.scores.hc_absolute_difference_mm, 2),
            in_int8(ladder),
            number(part.degradation.dice_points, 3, sign=True) if part else "-",
            number(part.degradation.hc_absolute_shift_mm, 3) if part else "-",
        ])  # fmt: skip
    if not rows:
        return []
    header = ("strategy", "parameters trained", "Dice (%)", "ADF (mm)", "in int8", *_COST)
    return [Paragraph(_PAPERS), Table(header, rows)]


def by_strategy(ladders: Sequence[LadderDocument]) -> dict[str, LadderDocument]:
    """Those at the size at which every strategy was trained, by strategy."""
    return {ladder.strategy: ladder for ladder in ladders if ladder.size == SQUARE}


def in_int8(ladder: LadderDocument) -> str:
    """What an export writes of a network in int8."""
    if ladder.refused:
        return "no file"
    if not ladder.quantization.n_clear:
        return "full int8, unjudged: it is sure of no image"
    by_the_mean = "" if ladder.quantization.rungs[-1].hc_shift_at_most_mm is not None else " *"
    return ("full int8" if ladder.recipe == RECIPE else f"int8, {ladder.quantization.method}") + by_the_mean


def _names(found: Sequence[Row | Result]) -> str:
    return ", ".join(code(str(one.strategy)) for one in found)


def _is_unit(run: TrainingResult) -> bool:
    """Whether it is the paper's network at the size that all speeds are ratios to."""
    return run.run.strategy == "decoder-all" and run.run.image_size == SQUARE


def _trained(row: Row, run: TrainingResult, unit: Row | None) -> Choice:
    faster, own = {}, row.latency_ms
    if unit and own and unit.latency_ms and _measured_in(own) == _measured_in(unit.latency_ms):
        faster[_kind(own)] = f"{unit.latency_ms.p50 / own.p50:.1f}"
    cost = row.against_float32
    return Choice(
        row.strategy, size_text(run), row.size_bytes / 1e6, faster, 100 * (row.dice or 0.0),
        row.hc_absolute_difference_mm, cost.dice, cost.hc_absolute_shift_mm,
    )  # fmt: skip


def _kind(latency: NetworkLatency) -> str:
    """The CPU's kind: the last of its int8 instructions."""
    return (latency.int8_instructions or ("unknown",))[-1]


def _machines(results: Sequence[Result], speeds: Sequence[LatencyDocument], unit: Row | None) -> str:
    """What the shipped networks and the others were timed on."""
    shipped = " and ".join(f"{document.device.cpu} ({instructions_of(document)})" for document in speeds)
    found = [f"{shipped} for {_names(results)}"] if speeds else []
    if unit and (own := unit.latency_ms):
        found.append(f"{own.cpu} ({_kind(own)}) for the others")
    return "; ".join(found) or "none"


def _measured_in(latency: NetworkLatency) -> Hashable:
    """The run that a time is of: only times of one run make a ratio."""
    return latency.cpu, latency.int8_instructions, latency.threads, latency.date


def _shipped(result: Result, speeds: Sequence[LatencyDocument]) -> Choice:
    accuracy, cost, size = result.accuracy, result.degradation, result.input_size
    assert accuracy and cost and size  # checked above
    found: dict[str, Speed | None] = {instructions_of(s): s.by_name().get(result.strategy or "") for s in speeds}
    return Choice(
        name=result.strategy or result.artifact,
        size="{}x{}".format(*size),
        megabytes=(result.size_bytes or 0) / 1e6,
        faster={kind: f"{speed.times_faster:.1f}" for kind, speed in found.items() if speed},
        dice=100 * (accuracy.dice.mean or 0.0),
        adf_mm=accuracy.hc_absolute_difference_mm.mean,
        points=cost.dice_difference_points.mean,
        shift_mm=cost.hc_absolute_shift_mm.mean,
    )
