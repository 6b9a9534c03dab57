"""Tables of the suite's results that stand in pages written by hand, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.common.render import Table, code, table_markdown
from benchmarks.common.tables import Columns, cells, interval, mean, number
from benchmarks.runtime.overhead_document import OverheadDocument
from benchmarks.search.latency import LatencyDocument
from benchmarks.search.sizes import RECIPE, Figure, how, instructions_of, judged
from benchmarks.suite.artifacts import REFERENCE_RECIPE
from benchmarks.suite.columns import is_shipped, shipped_manifest, title_code
from benchmarks.suite.document import Result, SuiteDocument
from benchmarks.suite.modes import STABLE
from edge_runtime.common.cli import counted
from edge_runtime.errors import UsageError
from edge_runtime.shipped import DEFAULT_SIZE, SIZES
from edge_runtime.timing.bench import Percentiles

_ADF = "ADF is the mean absolute difference of the head circumference (HC) from the reference"


def shipped_table(documents: Sequence[SuiteDocument], speeds: Sequence[LatencyDocument] = ()) -> str:
    """The shipped sizes in full int8: file, speed, accuracy and what int8 costs, a row each.

    Args:
        documents: Results of one device; the first on the split that the default size was trained on is shown.
        speeds: Speeds of the sizes, one document for each kind of CPU.

    Raises:
        UsageError: None of the results has a shipped model.
    """
    split = shipped_manifest().checkpoint["data"]["split"]
    found = [d for d in documents if any(is_shipped(r) and r.latency_ms and r.accuracy for r in d.results)]
    if not found:
        raise UsageError("No result file has a shipped model. Measure them with: python -m benchmarks run")
    document = next((d for d in found if d.conditions.split == split), found[0])
    results = [result for result in document.results if is_shipped(result) and result.recipe == RECIPE]
    columns: Columns[Result] = (
        ("network", lambda r: code(r.strategy or r.artifact)),
        ("size (MB)", lambda r: number(r.size_bytes, 2, 1e-6)),
        *((f"times as fast, {code(instructions_of(of))}", partial(_times, of=of)) for of in speeds),
        ("latency p50 (ms)", lambda r: number(r.latency_ms and r.latency_ms.total.p50, 1)),
        ("Dice (%)", lambda r: mean(r.accuracy and r.accuracy.dice, 2, 100)),
        ("ADF (mm)", lambda r: mean(r.accuracy and r.accuracy.hc_absolute_difference_mm, 2)),
        ("int8 shifts HC by (mm)", lambda r: _cost(r, "shift")),
    )
    apart = ", with no exam in common with the training part" if document.conditions.split == "grouped" else ""
    text = (
        f"Full int8, scored on {_images(document)}{apart}. {code(DEFAULT_SIZE)} is the default. "
        f"{_timed(speeds) if speeds else ''}"
        f"Latency is the median from frame to circumference. {_measured_on(document)}"
    )
    return f"{_table(sorted(results, key=_order), columns)}\n\n{text}"


def sizes_table(document: SuiteDocument, speeds: Sequence[LatencyDocument]) -> str:
    """The shipped sizes against their goals, a column each; arguments and errors as those of :func:`judged`."""
    found = judged(document, speeds)
    rows = [[of[0].title, *map(_against_goal, of)] for of in zip(*found.values(), strict=True)]
    header = ("in full int8", *map(code, found))
    return f"{table_markdown(Table(header, rows, facts=True))}\n\n{how(document, speeds)}"


def overhead_table(document: OverheadDocument) -> str:
    """What is around the network of the default size, against its goals."""
    rows = [
        [g.goal, f"{g.value:.3g}", f"at most {g.at_most:g}: {'met' if g.met else 'MISSED'}"] for g in document.goals
    ]
    height, width = document.frames.size
    versions = ", ".join(f"{name} {version}" for name, version in (document.tools or {}).items())
    text = (
        f"Measured on {document.device.text}, {document.date}: medians over {document.rounds} frames of "
        f"{width}x{height} pixels of {document.frames.source}, and over {document.processes} fresh processes; "
        f"{counted(document.threads or 1, 'thread')}; {versions}."
    )
    return f"{table_markdown(Table(('what', 'measured', 'goal'), rows, facts=True))}\n\n{text}"


def _against_goal(figure: Figure) -> str:
    if not figure.goal:
        return figure.value
    return f"{figure.value} ({figure.goal}: {'met' if figure.met else 'MISSED'})"


def _order(result: Result) -> int:
    return SIZES.index(result.strategy) if result.strategy in SIZES else len(SIZES)


def _times(result: Result, of: LatencyDocument) -> str:
    speed = of.by_name().get(result.strategy or "")
    return number(speed.times_faster if speed else None, 1)


def _timed(speeds: Sequence[LatencyDocument]) -> str:
    cpus = " and of ".join(f"{of.device.cpu} ({code(instructions_of(of))})" for of in speeds)
    return (
        "Speeds are multiples of that of the network whose training this project repeats (a U-Net with MobileNetV2 at "
        f"256x256, Wang et al. 2023), in full int8 too, on one thread of {cpus}. "
    )


def section(documents: Sequence[SuiteDocument]) -> str:
    """Tables of accuracy, one for each document, and one of size, speed and memory, from the first."""
    parts = [part for document in documents for part in (_accuracy(document), "")]
    return "\n".join([*parts, _speed(documents[0])])


def _accuracy(document: SuiteDocument) -> str:
    on_device = all(result.n_refused_on_device is not None for result in document.results)
    of_ellipse: Columns[Result] = ()
    if any(r.accuracy and r.accuracy.ellipse_dice for r in document.results):
        of_ellipse = (("of the ellipse", lambda r: mean(r.accuracy and r.accuracy.ellipse_dice, 2, 100)),)
    columns: Columns[Result] = (
        ("artifact", title_code),
        ("Dice (%)", lambda r: interval(r.accuracy and r.accuracy.dice, 2, 100)),
        ("worst", lambda r: number(r.accuracy and r.accuracy.dice.min, 2, 100)),
        *of_ellipse,
        ("ADF (mm)", lambda r: interval(r.accuracy and r.accuracy.hc_absolute_difference_mm, 2)),
        ("DF (mm)", lambda r: mean(r.accuracy and r.accuracy.hc_difference_mm, 2, sign=True)),
        (
            "refused" if on_device else "refused by the general limits",
            lambda r: number(r.n_refused_on_device if on_device else r.accuracy and r.accuracy.n_hc_refused, 0),
        ),
        ("Dice vs float32 (points)", lambda r: _cost(r, "dice")),
        ("mean HC shift (mm)", lambda r: _cost(r, "shift")),
    )
    refused = (
        "Refused: a device shows no circumference, by the runtime's general limits or by the model's own, which only "
        "full int8 has; ADF and DF count these images, too."
        if on_device
        else "A device also refuses by the model's own limits; `docs/quality.md` counts that for the shipped model."
    )
    images = _images(document)
    challenge = "; of the ellipse: Dice of the fitted ellipse, as HC18's challenge scores" if of_ellipse else ""
    text = (
        f"{images[0].upper()}{images[1:]}; mean per image at original resolution, [bootstrap 95% interval]. {_ADF}; "
        f"DF is the mean difference{challenge}. {refused} {_machine(document)}."
    )
    return f"{_table(document.results, columns)}\n\n{text}"


def _speed(document: SuiteDocument) -> str:
    columns: Columns[Result] = (
        ("artifact", title_code),
        ("size (MB)", lambda r: number(r.size_bytes, 2, 1e-6)),
        ("frame to HC, p50 / p90 (ms)", lambda r: _pair(r.latency_ms and r.latency_ms.total)),
        ("network alone, p50 / p90 (ms)", lambda r: _pair(r.latency_ms and r.latency_ms.invoke)),
        ("load and first frame (ms)", lambda r: number(r.time_to_first_result_ms, 0)),
        ("peak memory (MB)", lambda r: number(r.peak_memory_bytes, 0, 1e-6)),
    )
    return f"{_table(document.results, columns)}\n\n{_measured_on(document)}"


def _images(document: SuiteDocument) -> str:
    conditions = document.conditions
    return f"{conditions.n_images} {conditions.data} images, the test part of the `{conditions.split}` split"


def _machine(document: SuiteDocument) -> str:
    return f"Measured on {document.device.text}, {document.conditions.date[:10]}"


def _measured_on(document: SuiteDocument) -> str:
    conditions, tools = document.conditions, document.device.tools
    backends = dict.fromkeys(result.backend for result in document.results if result.backend)
    versions = [f"{name} {tools[name]}" for name in (*backends, "numpy") if name in tools]
    apart = [result.rounds_apart or 0.0 for result in document.results if result.unstable]
    noisy = (
        f" The machine was noisy: in {len(apart)} of {len(document.results)} artifacts, rounds are more than "
        f"{STABLE:.0%} apart, up to {max(apart):.0%}."
        if apart
        else ""
    )
    return (
        f"{_machine(document)}; {counted(conditions.threads, 'thread')}, "
        f"{counted(conditions.rounds, 'alternating round')} of {counted(conditions.frames, 'frame')} of "
        f"{conditions.data}; {', '.join(versions)}.{noisy}"
    )


def _cost(result: Result, which: str) -> str:
    if result.recipe == REFERENCE_RECIPE:
        return "-"
    cost = result.degradation
    if which == "dice":
        return mean(cost and cost.dice_difference_points, 3, sign=True)
    return mean(cost and cost.hc_absolute_shift_mm, 3)


def _pair(latency: Percentiles | None) -> str:
    return f"{number(latency and latency.p50, 1)} / {number(latency and latency.p90, 1)}"


def _table(results: Sequence[Result], columns: Columns[Result]) -> str:
    return table_markdown(Table(*cells(results, columns)))
