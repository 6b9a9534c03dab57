"""``python -m benchmarks pages``: the generated pages in docs, and the tables and figures in pages written by hand."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.render import markdown_files, write_files
from benchmarks.common.result_files import RESULTS
from benchmarks.pages import figures, int8_page, quality_page, results_page
from benchmarks.pages.int8_accuracy import by_the_notebooks
from benchmarks.pages.quality import tried
from benchmarks.pages.quoted import quote
from benchmarks.runtime.overhead_document import read_overhead
from benchmarks.search.sizes import MEASURED, load_sizes
from benchmarks.study.findings import Documents
from benchmarks.study.quantized import Networks, load_latencies, rows
from benchmarks.study.results import load_all
from benchmarks.study.training_speed import load_speeds
from benchmarks.suite.columns import is_shipped
from benchmarks.suite.document import load_document
from edge_runtime.common.record import to_json

OVERHEAD = RESULTS / "runtime" / "overhead.json"
RESULTS_PAGE, RESULTS_JSON = Path("docs/results.md"), Path("docs/results.json")
INT8_PAGE, QUALITY_PAGE = Path("docs/int8.md"), Path("docs/quality.md")
GENERATED = (RESULTS_PAGE, INT8_PAGE, QUALITY_PAGE)

FIGURES = "<!-- figures: python -m benchmarks pages {} -->"
"""Before the tables of accuracy, speed and memory of result files, whose names it holds."""

SHIPPED = "<!-- shipped: python -m benchmarks pages -->"
"""Before the table of the shipped sizes."""

AGAINST_GOALS = "<!-- sizes: python -m benchmarks pages -->"
"""Before the table of the shipped sizes against their goals."""

AROUND = "<!-- overhead: python -m benchmarks pages -->"
"""Before the table of what is around the network against its goals."""

TRAINING = "<!-- training: python -m benchmarks pages -->"
"""Before the table of the strategies."""

TRIED, TRIED_IN_FULL = (
    "<!-- tried: python -m benchmarks pages -->",
    "<!-- tried in full: python -m benchmarks pages -->",
)
"""Before the tables of what was tried on which scanner and organ: by group, and by kind."""

END = "<!-- end of figures -->"
_FIGURES = re.compile(FIGURES.format("([^>]*?)") + ".*?" + END, re.DOTALL)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "results", nargs="*", type=Path, metavar="RESULT.json",
        help="results of one device, one for each test part (default: those the README names)",
    )  # fmt: skip
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Write the pages that are committed."""
    pages = {page: page.read_text() for page in written_by_hand()}
    results = args.results or next((found for text in pages.values() if (found := sources(text))), shipped_results())
    runs = load_all()
    files = {page: fill(text, results, runs).encode() for page, text in pages.items()}
    if runs:
        latencies, ladders = load_latencies(), by_the_notebooks()
        page = results_page.build(runs, latencies, load_speeds(), load_document(MEASURED), load_sizes(), ladders)
        files |= markdown_files(page, RESULTS_PAGE)
        networks = Networks(tuple(rows(runs, latencies)))
        files[RESULTS_JSON] = (json.dumps(to_json(networks), indent=1) + "\n").encode()
    files |= markdown_files(int8_page.build(), INT8_PAGE)
    if quality := quality_page.build():
        files |= markdown_files(quality, QUALITY_PAGE)
    write_files(files)
    return 0


def written_by_hand(root: Path = Path()) -> list[Path]:
    """The pages written by hand, which may have generated tables and figures between marks."""
    generated = [root / page for page in GENERATED]
    return [path for path in (*sorted(root.glob("*.md")), *sorted(root.glob("docs/*.md"))) if path not in generated]


def sources(text: str) -> list[Path]:
    """The result files that a page says its tables are from."""
    match = _FIGURES.search(text)
    return [Path(name) for name in match[1].split()] if match else []


def shipped_results(folder: Path = Path("benchmarks") / RESULTS.name) -> list[Path]:
    """The newest result file with the shipped model, for each split."""
    newest: dict[str, tuple[str, Path]] = {}
    for path in sorted(folder.glob("*.json")):
        document = load_document(path)
        if any(is_shipped(result) for result in document.results) and not document.conditions.is_phantom:
            split, dated = document.conditions.split, (document.conditions.date, path)
            newest[split] = max(newest.get(split, dated), dated)
    return [path for _, (_, path) in sorted(newest.items())]


def fill(text: str, paths: Sequence[Path], runs: Documents) -> str:
    """A page with everything between its marks renewed.

    Args:
        text: The page.
        paths: Result files of the suite, of one device, one for each split.
        runs: Training results by name of the run; without any, the table of strategies stays as it is.

    Raises:
        UsageError: A result file is not there, or a quoted figure is unknown.
        ModelError: A result file cannot be used.
    """
    if _FIGURES.search(text):
        names = " ".join(path.as_posix() for path in paths)
        body = figures.section([load_document(path) for path in paths])
        text = _FIGURES.sub(lambda _: f"{FIGURES.format(names)}\n{body}\n{END}", text)
    if SHIPPED in text:
        text = _renew(text, SHIPPED, figures.shipped_table([load_document(path) for path in paths], load_sizes()))
    if AGAINST_GOALS in text:
        text = _renew(text, AGAINST_GOALS, figures.sizes_table(load_document(paths[0]), load_sizes()))
    if AROUND in text:
        text = _renew(text, AROUND, figures.overhead_table(read_overhead(OVERHEAD)))
    if TRAINING in text and runs:
        text = _renew(text, TRAINING, results_page.overview(runs, by_the_notebooks()))
    for mark, table in ((TRIED, tried.short_table), (TRIED_IN_FULL, tried.full_table)):
        if mark in text and (body := table()):
            text = _renew(text, mark, body)
    return quote(text)


def _renew(text: str, begin: str, body: str) -> str:
    return re.sub(f"{re.escape(begin)}.*?{END}", lambda _: f"{begin}\n{body}\n{END}", text, flags=re.DOTALL)
