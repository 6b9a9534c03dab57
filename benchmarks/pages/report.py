"""``python -m benchmarks report``: device results as Markdown and HTML, and the page of the training results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.render import (
    Block,
    Figure,
    Heading,
    Paragraph,
    Table,
    code,
    markdown_files,
    to_html,
    write_files,
)
from benchmarks.common.tables import NOT_MEASURED, Columns, cells, number
from benchmarks.pages import results_page
from benchmarks.pictures import plots, strategy_overlays
from benchmarks.pictures.overlays import choose_result, draw_overlays
from benchmarks.study.quantized import load_latencies
from benchmarks.study.results import load_all
from benchmarks.study.training_speed import load_speeds
from benchmarks.suite.artifacts import REFERENCE_RECIPE
from benchmarks.suite.columns import ACCURACY, DEGRADATION, SPEED, title_code
from benchmarks.suite.document import Result, SuiteDocument, load_document, newest_result
from edge_runtime.common.cli import counted, say
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError

TITLE = "Fetal head segmentation on small CPUs: benchmark"
_METRICS = (
    "Scores are taken for each image at its own resolution; tables give the mean over images with its bootstrap 95% "
    "interval. HC is the head circumference. DF is the mean difference of HC from the reference, ADF the mean absolute "
    'difference. An empty prediction counts as Dice 0. "No HC" counts images without a circumference by the runtime\'s '
    'general limits, which are the same for every model; DF and ADF are over the others. "Refused on the device" '
    "counts with the limits in the model's own manifest, too. MB are millions of bytes."
)
_LATENCY = (
    "Latency is that of one frame in memory: preprocessing, the network (invoke), and postprocessing with the ellipse "
    "fit. Artifacts alternate in rounds, each in a fresh process; percentiles are over all rounds. The first result "
    "includes loading the model; from process start, it includes Python and numpy. Peak memory is that of a process "
    "with this one model."
)
_DEVICE_FACTS = {
    "model": "device model",
    "cpu": "CPU",
    "machine": "architecture",
    "cores": "cores",
    "memory_bytes": "memory (bytes)",
    "governor": "frequency governor",
    "frequency_mhz": "frequency at the start (MHz)",
    "max_frequency_mhz": "highest frequency (MHz)",
    "temperature_c": "temperature at the start (degrees C)",
    "throttled": "throttling flags",
    "os": "system",
}


def run(args: argparse.Namespace) -> int:
    """Write report.md, its figures and report.html, and the training results' page, results.md and results.html."""
    require("matplotlib")
    paths = args.results or [newest_result()]
    documents = [load_document(path) for path in paths]
    for path, document in zip(paths, documents, strict=True):
        say(f"result: {path}, of {document.device.model or document.device.cpu or 'an unknown device'}")
    blocks: list[Block] = [
        Heading(TITLE, 1),
        Paragraph("Research use only; not a medical device."),
        Paragraph(_METRICS),
    ]
    for i, (path, document) in enumerate(zip(paths, documents, strict=True)):
        blocks += _section(path, document, args, "" if len(documents) == 1 else f"{i + 1}-")
    files = markdown_files(blocks, args.out / "report.md")
    files[args.out / "report.html"] = to_html(TITLE, blocks).encode()
    if runs := load_all():
        page = [
            *results_page.build(runs, load_latencies(), load_speeds()),
            *strategy_overlays.section(args.runs, args.data, runs),
        ]
        files |= markdown_files(page, args.out / "results.md")
        files[args.out / "results.html"] = to_html(results_page.TITLE, page).encode()
    write_files(files)
    return 0


def _section(path: Path, document: SuiteDocument, args: argparse.Namespace, prefix: str) -> list[Block]:
    """Everything about one result file; ``prefix`` keeps its figures' names apart from another's."""
    device, results = document.device, document.results
    name = device.model or device.cpu or "unknown device"
    blocks: list[Block] = [Heading(f"{name}, {document.conditions.date[:10]}")]
    if document.conditions.is_phantom:
        text = "Measured on procedural phantoms, not on ultrasound: accuracy here says nothing about patients."
        blocks.append(Paragraph(text, warning=True))
    blocks += [Table(("result file", code(path.name)), _facts(document), facts=True)]
    failed = [[code(result.artifact), result.error] for result in results if result.error]
    if failed:
        blocks += [Heading("Could not be measured", 3), Table(("artifact", "error"), failed, facts=True)]
    blocks += [Heading("Speed and memory", 3), Paragraph(_LATENCY), _table(results, SPEED)]
    blocks += [Heading("Accuracy", 3), _table(results, ACCURACY)]
    return blocks + _costs(results, prefix) + _tradeoffs(results, prefix) + _overlays(document, args, prefix)


def _facts(document: SuiteDocument) -> list[list[str]]:
    device, conditions = document.device, document.conditions
    facts = {title: getattr(device, key) for key, title in _DEVICE_FACTS.items()}
    if device.int8_instructions is not None:
        facts["int8 instructions"] = ", ".join(map(code, device.int8_instructions)) or "none"
    facts["tools"] = ", ".join(f"{name} {version}" for name, version in device.tools.items())
    facts["latency"] = (
        f"{counted(conditions.threads, 'thread')}, {counted(conditions.rounds, 'round')} of "
        f"{counted(conditions.frames, 'frame')} after {conditions.warmup} of warm-up, on "
        f"{', '.join(map(code, conditions.latency_images)) or NOT_MEASURED}"
    )
    facts["load at the start (1 min average)"] = number(conditions.load_average_1min, 2)
    facts["data"] = (
        f"{conditions.data}, {counted(conditions.n_images, 'image')} of the test part of the `{conditions.split}` "
        f"split, sha256 `{conditions.images_sha256[:16]}...`"
    )
    facts["date"] = conditions.date
    facts["git commit"] = conditions.git_commit and code(conditions.git_commit)
    return [[title, "unknown" if value is None else str(value)] for title, value in facts.items()]


def _table(results: Sequence[Result], columns: Columns[Result]) -> Table:
    return Table(*cells(results, columns))


def _costs(results: Sequence[Result], prefix: str) -> list[Block]:
    """What each recipe costs against float32: a table and a plot of the images' differences."""
    blocks: list[Block] = [
        Heading("What each recipe costs", 3),
        Paragraph("Differences from the same strategy's float32, image by image."),
    ]
    others = [result for result in results if result.recipe != REFERENCE_RECIPE]
    if others:
        unexplained = all(not result.degradation_reason for result in others)
        blocks.append(_table(others, DEGRADATION[:-1] if unexplained else DEGRADATION))
    picture = plots.recipe_costs(results)
    if picture is None:
        return [*blocks, Paragraph(f"Degradation by recipe: {NOT_MEASURED}, because there is no pair with float32.")]
    caption = (
        "Difference from float32. A dot is an image. The box spans the quartiles, the whiskers the 5th to the 95th "
        "percentile; the line is the median, the diamond the mean."
    )
    return [*blocks, Figure(f"{prefix}recipe-costs.svg", picture, "Box plots of Dice difference and HC shift", caption)]


def _tradeoffs(results: Sequence[Result], prefix: str) -> list[Block]:
    blocks: list[Block] = [Heading("Size and latency against Dice", 3)]
    for name, points, label in (
        ("size", plots.size_points(results), "file size (MB)"),
        ("latency", plots.latency_points(results), "latency of a frame (ms), median; whisker to the 90th percentile"),
    ):
        if not points:
            blocks.append(Paragraph(f"Dice over {label}: {NOT_MEASURED}."))
            continue
        caption = f"Dice over {label.split(',')[0]}. Lines join the recipes of a strategy."
        data = plots.tradeoff(points, label)
        blocks.append(Figure(f"{prefix}{name}-dice.svg", data, f"Scatter plot of Dice over {label}", caption))
    return blocks


def _overlays(document: SuiteDocument, args: argparse.Namespace, prefix: str) -> list[Block]:
    result = choose_result(document.results, args.overlay)
    blocks: list[Block] = [Heading("Best, median and worst image", 3)]
    if result is None:
        return [*blocks, Paragraph(f"Dice: {NOT_MEASURED}.")]
    try:
        drawn = draw_overlays(document, result, args.data, args.artifacts)
    except FetalHeadError as error:
        drawn = str(error)
    if isinstance(drawn, str):
        say(f"no overlays: {drawn}")
        return [*blocks, Paragraph(f"Not drawn: {drawn}.")]
    if not document.conditions.is_phantom:
        text = "These pictures show HC18 images: do not publish or commit this page. Git ignores reports/."
        blocks.append(Paragraph(text, warning=True))
    blocks.append(Paragraph(f"{title_code(result)}. Blue: its outline. Orange, dashed: the reference ellipse."))
    return blocks + [Figure(prefix + f.name, f.data, f.alt, f.caption) for f in drawn]
