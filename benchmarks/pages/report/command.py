"""``python -m benchmarks report``: results as one Markdown and one HTML page, and the page of the training results."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.common.device import EMULATED
from benchmarks.common.render import (
    FIGURES,
    Block,
    Contents,
    Heading,
    Paragraph,
    Table,
    code,
    markdown_files,
    to_html,
    write_files,
)
from benchmarks.pages import results_page
from benchmarks.pages.report import accuracy, machine, network, overlays, recipes, speed
from benchmarks.pages.report.conditions import all_of
from benchmarks.pages.report.sources import Source, entries_of, machines_alike, read_sources
from benchmarks.pictures import strategy_overlays
from benchmarks.study.quantized import load_latencies
from benchmarks.study.results import load_all
from benchmarks.study.training_speed import load_speeds
from benchmarks.suite.behind import Behind, images_behind
from benchmarks.suite.columns import is_shipped
from benchmarks.suite.document import newest_result
from edge_runtime.common.cli import counted, say
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, UsageError

TITLE = "Fetal head segmentation on small CPUs: benchmark"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "results",
        nargs="*",
        type=Path,
        metavar="RESULT.json",
        help="results of run, of one device or several (default: the newest in benchmarks/results, and the study's)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("reports"), metavar="DIR", help="folder to write (default: %(default)s)"
    )
    parser.add_argument(
        "--data", metavar="DIR", help="for overlays: HC18's folder or 'phantom' (default: searched for, not downloaded)"
    )
    parser.add_argument(
        "--frame-set", type=Path, metavar="FILE",
        help="for overlays of results of a frame set (default: benchmarks/frames/phantom.frames)",
    )  # fmt: skip
    parser.add_argument(
        "--artifacts", type=Path, default=Path("artifacts"), metavar="DIR", help="for overlays (default: %(default)s)"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of the study (default: %(default)s)"
    )
    parser.add_argument(
        "--overlay", metavar="NAME", help="artifact that overlays show (default: the full_int8 of the highest Dice)"
    )
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Write report.md, its figures and report.html; without files also the training results' results.md and .html."""
    require("matplotlib")
    paths = args.results or [newest_result()]
    sources = read_sources(paths)
    for source, path in zip(sources, paths, strict=True):
        say(f"result: {path}, of {source.document.device.model or source.document.device.cpu or 'an unknown device'}")
    runs = {} if args.results else load_all()
    old = earlier_figures(args.out, {"report": TITLE, **({"results": results_page.TITLE} if runs else {})})
    blocks = build(sources, args)
    files = markdown_files(blocks, args.out / "report.md")
    files[args.out / "report.html"] = to_html(TITLE, blocks).encode()
    if runs:
        page = [
            *results_page.build(runs, load_latencies(), load_speeds()),
            *strategy_overlays.section(args.runs, args.data, runs),
        ]
        files |= markdown_files(page, args.out / "results.md")
        files[args.out / "results.html"] = to_html(results_page.TITLE, page).encode()
    write_files(files)
    for figure in old - set(files):  # it may show patients' images that the new page does not
        figure.unlink(missing_ok=True)
    return 0


def earlier_figures(folder: Path, pages: Mapping[str, str]) -> set[Path]:
    """The figures that earlier reports in a folder show.

    Args:
        folder: Where the new report goes.
        pages: Title of each page, by the name of its files.

    Raises:
        UsageError: A file that would be replaced is no such page.
    """
    figures: set[Path] = set()
    for name, title in pages.items():
        for path, start in ((folder / f"{name}.md", "# {}"), (folder / f"{name}.html", "<title>{}</title>")):
            if not path.is_file():
                continue
            text = path.read_text(errors="replace")
            if start.format(title) not in text:
                raise UsageError(f"{path} is no report, so it is not replaced. Name another folder with --out.")
            if path.suffix == ".md":  # the other holds its figures itself
                figures |= {folder / FIGURES / figure for figure in re.findall(rf"\]\({FIGURES}/([^/)]+)\)", text)}
    return figures


def build(sources: Sequence[Source], args: argparse.Namespace) -> list[Block]:
    """The report's blocks."""
    entries = entries_of(sources)
    behind = {source.key: _behind(source, args) for source in sources}
    return [
        Heading(TITLE, 1),
        Paragraph("Research use only; not a medical device."),
        *_warnings(sources),
        Contents(),
        *_results(sources),
        *speed.section(entries),
        *network.section(entries),
        *accuracy.section(entries),
        *recipes.section(entries),
        *recipes.tradeoffs(entries),
        *accuracy.agreement(entries, behind),
        *overlays.section(entries, behind, args.artifacts, args.overlay),
        *machine.sustained(entries),
        *machine.operators(sources),
        *speed.energy(entries),
    ]


def _behind(source: Source, args: argparse.Namespace) -> Behind | str:
    scored = [[score.image for score in result.images] for result in source.document.results if result.images]
    if not scored:
        return "no image was scored"
    names = scored[0]
    if any(others != names for others in scored):
        return "its artifacts were not scored on the same images"
    try:
        return images_behind(source.document.conditions, names, args.data, args.frame_set)
    except FetalHeadError as error:
        return str(error).rstrip(".")


def _warnings(sources: Sequence[Source]) -> list[Block]:
    blocks: list[Block] = [
        Paragraph(f"{source.key} was {EMULATED}.", warning=True)
        for source in sources
        if source.document.device.emulated
    ]
    phantoms = [source.key for source in sources if source.document.conditions.is_phantom]
    if phantoms:
        which = "" if len(phantoms) == len(sources) else f" ({', '.join(phantoms)})"
        text = f"Measured on procedural phantoms, not on ultrasound{which}: accuracy here says nothing about patients."
        blocks.append(Paragraph(text, warning=True))
    return blocks


def _results(sources: Sequence[Source]) -> list[Block]:
    """The result files, what each was measured under, and what could not be measured."""
    blocks: list[Block] = [Heading("Results"), _overview(sources)]
    shipped = {r.artifact for source in sources for r in source.document.results if is_shipped(r)}
    if shipped:
        blocks.append(Paragraph(f"Exported from a shipped checkpoint: {', '.join(map(code, sorted(shipped)))}."))
    for alike in machines_alike(sources):
        *first, last = (source.key for source in alike)
        keys = f"{', '.join(first)} and {last}"
        text = f"{keys} were measured on one device, or on devices of one kind. Their letters tell them apart."
        blocks.append(Paragraph(text))
    failed = [
        [source.key, code(result.artifact), result.error]
        for source in sources
        for result in source.document.results
        if result.error
    ]
    if failed:
        blocks += [Heading("Could not be measured", 3), Table(("result", "artifact", "error"), failed, facts=True)]
    return blocks + [all_of(source) for source in sources]


def _overview(sources: Sequence[Source]) -> Table:
    header = ("result", "device", "mode", "date", "artifacts", "measured on", "file")
    rows = []
    for source in sources:
        conditions = source.document.conditions
        measured_on = f"{counted(conditions.n_images, 'image')} of {conditions.data}"
        count = str(len(source.document.results))
        facts = (source.device, source.mode, conditions.date[:10], count, measured_on, code(source.name))
        rows.append([source.key, *facts])
    return Table(header, rows, facts=True)
