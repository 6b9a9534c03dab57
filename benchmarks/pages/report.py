"""``python -m benchmarks report``: device results as Markdown and HTML, and the page of the training results."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Table, markdown_files, to_html, write_files
from benchmarks.common.tables import ACCURACY, DEGRADATION, NOT_MEASURED, SPEED, Column, cells, number
from benchmarks.pages import results_page
from benchmarks.pages.results_speed import load_speeds
from benchmarks.pictures import plots, strategy_overlays
from benchmarks.pictures.overlays import choose_result, draw_overlays
from benchmarks.study.quantized import load_latencies
from benchmarks.study.results import load_all
from benchmarks.suite.artifacts import REFERENCE_RECIPE
from benchmarks.suite.document import load_document, newest_result
from edge_runtime.common.cli import say
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError

TITLE = "Fetal head segmentation on small CPUs: benchmark"
_METRICS = (
    "Scores are per image, at the image's own resolution, then the mean with its bootstrap 95 % interval over images. "
    "HC is the head circumference; ADF is the mean absolute and DF the mean signed difference of HC from the "
    "reference. An empty prediction counts as Dice 0; refused measurements are counted, not skipped. "
    "MB are millions of bytes."
)
_LATENCY = (
    "Latency is of one frame in memory: preprocessing, network (invoke), postprocessing with the ellipse fit. Rounds "
    "alternate between artifacts, each in a fresh process; percentiles are over all rounds. The first result includes "
    "loading the model; from process start, Python and numpy too. Peak memory is of a process with that one model."
)
_DEVICE_FACTS = {
    "model": "model",
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


def _section(path: Path, document: dict[str, Any], args: argparse.Namespace, prefix: str) -> list[Block]:
    """Everything about one result file; ``prefix`` keeps its figures' names apart from another's."""
    device, conditions, results = document["device"], document["conditions"], document["results"]
    name = device.get("model") or device.get("cpu") or "unknown device"
    blocks: list[Block] = [Heading(f"{name}, {conditions['date'][:10]}")]
    if conditions["is_phantom"]:
        text = "Measured on procedural phantoms, not on ultrasound: accuracy here says nothing of patients."
        blocks.append(Paragraph(text, warning=True))
    blocks += [Table(("result file", path.name), _facts(document), facts=True)]
    failed = [[result["artifact"], result["error"]] for result in results if result["error"]]
    if failed:
        blocks += [Heading("Could not be measured", 3), Table(("artifact", "error"), failed, facts=True)]
    blocks += [Heading("Speed and memory", 3), Paragraph(_LATENCY), _table(results, SPEED)]
    blocks += [Heading("Accuracy", 3), _table(results, ACCURACY)]
    return blocks + _costs(results, prefix) + _tradeoffs(results, prefix) + _overlays(document, args, prefix)


def _facts(document: dict[str, Any]) -> list[list[str]]:
    device, conditions = document["device"], document["conditions"]
    facts = {title: device.get(key) for key, title in _DEVICE_FACTS.items()}
    tools = device.get("tools")
    facts["tools"] = ", ".join(f"{k} {v}" for k, v in tools.items()) if isinstance(tools, dict) else None
    facts["latency"] = (
        f"{conditions['threads']} thread(s), {conditions['rounds']} rounds of {conditions['frames']} frames after "
        f"{conditions['warmup']} of warm-up, on {', '.join(conditions.get('latency_images') or [NOT_MEASURED])}"
    )
    facts["load at the start (1 min average)"] = number(conditions.get("load_average_1min"), 2)
    facts["data"] = (
        f"{conditions['data']}, {conditions['n_images']} images of the test part of split '{conditions['split']}', "
        f"sha256 {conditions['images_sha256'][:16]}..."
    )
    facts["date"] = conditions["date"]
    facts["git commit"] = conditions.get("git_commit")
    return [[title, NOT_MEASURED if value is None else str(value)] for title, value in facts.items()]


def _table(results: list[dict[str, Any]], columns: tuple[Column, ...]) -> Table:
    return Table(*cells(results, columns))


def _costs(results: list[dict[str, Any]], prefix: str) -> list[Block]:
    """What each recipe costs against float32: a table and a plot of the images' differences."""
    blocks: list[Block] = [
        Heading("What each recipe costs", 3),
        Paragraph("Paired, image by image, against the same strategy's float32 on the same images."),
    ]
    others = [result for result in results if result["recipe"] != REFERENCE_RECIPE]
    if others:
        unexplained = all(not result.get("degradation_reason") for result in others)
        blocks.append(_table(others, DEGRADATION[:-1] if unexplained else DEGRADATION))
    picture = plots.recipe_costs(results)
    if picture is None:
        return [*blocks, Paragraph(f"Degradation by recipe: {NOT_MEASURED}, there is no pair with float32.")]
    caption = (
        "Paired difference from float32. A dot is an image; boxes hold the quartiles, whiskers reach the 5th and "
        "95th percentile, the line is the median, the diamond the mean."
    )
    return [*blocks, Figure(f"{prefix}recipe-costs.svg", picture, "Box plots of Dice difference and HC shift", caption)]


def _tradeoffs(results: list[dict[str, Any]], prefix: str) -> list[Block]:
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


def _overlays(document: dict[str, Any], args: argparse.Namespace, prefix: str) -> list[Block]:
    result = choose_result(document["results"], args.overlay)
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
    if not document["conditions"]["is_phantom"]:
        text = "These pictures show HC18 images: do not publish or commit this page. reports/ is ignored by git."
        blocks.append(Paragraph(text, warning=True))
    blocks.append(Paragraph(f"{result['artifact']}: predicted outline blue, reference ellipse orange and dashed."))
    return blocks + [Figure(prefix + f.name, f.data, f.alt, f.caption) for f in drawn]
