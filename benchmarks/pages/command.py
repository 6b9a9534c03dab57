"""``python -m benchmarks pages``: the pages in docs, and the figures in README.md and MODEL_CARD.md."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.render import markdown_files, write_files
from benchmarks.common.tables import Column, Result, cells, interval, number, pick
from benchmarks.pages import int8_page, quality_page, results_page
from benchmarks.pages.quoted import quote
from benchmarks.pages.results_speed import load_speeds
from benchmarks.study.findings import Documents
from benchmarks.study.quantized import load_latencies, rows
from benchmarks.study.results import load_all
from benchmarks.suite.document import load_document
from edge_runtime.errors import UsageError

README, RESULTS_PAGE, RESULTS_JSON = Path("README.md"), Path("docs/results.md"), Path("docs/results.json")
INT8_PAGE, QUALITY_PAGE = Path("docs/int8.md"), Path("docs/quality.md")
PAGES = (README, Path("MODEL_CARD.md"))
TRAINING_BEGIN = "<!-- training: python -m benchmarks pages -->"
BEGIN, END = "<!-- figures: python -m benchmarks pages {} -->", "<!-- end of figures -->"
_TRAINING = re.compile(TRAINING_BEGIN + ".*?<!-- end of figures -->", re.DOTALL)
_MARKED = re.compile(BEGIN.format("([^>]*?)") + ".*?" + END, re.DOTALL)


def run(args: argparse.Namespace) -> int:
    """Write the pages that are committed."""
    results = args.results or sources(README.read_text())
    runs = load_all()
    files = {page: fill(page.read_text(), results, page).encode() for page in PAGES}
    if runs:
        files[README] = fill_training(files[README].decode(), runs).encode()
        latencies = load_latencies()
        files |= markdown_files(results_page.build(runs, latencies, load_speeds()), RESULTS_PAGE)
        files[RESULTS_JSON] = (json.dumps({"networks": rows(runs, latencies)}, indent=1) + "\n").encode()
    files |= markdown_files(int8_page.build(), INT8_PAGE)
    if quality := quality_page.build():
        files |= markdown_files(quality, QUALITY_PAGE)
    write_files(files)
    return 0


def fill_training(text: str, runs: Documents) -> str:
    """The README with its table of strategies renewed."""
    body = results_page.overview(runs)
    return _TRAINING.sub(lambda _: f"{TRAINING_BEGIN}\n{body}\n{END}", text)


def sources(text: str) -> list[Path]:
    """The result files that a page says its figures are from."""
    match = _MARKED.search(text)
    return [Path(name) for name in match[1].split()] if match else []


def fill(text: str, paths: Sequence[Path], page: Path) -> str:
    """A page with its figures renewed.

    Args:
        text: The page.
        paths: Result files of one device, one for each test part.
        page: Its name, for the message.

    Raises:
        UsageError: The page has no marks.
        ModelError: A result file cannot be used.
    """
    if not _MARKED.search(text):
        raise UsageError(f"{page} has no place for figures: add '{BEGIN.format('x.json')}' and '{END}'.")
    names = " ".join(path.as_posix() for path in paths)
    body = section([load_document(path) for path in paths])
    return quote(_MARKED.sub(lambda _: f"{BEGIN.format(names)}\n{body}\n{END}", text))


def section(documents: Sequence[dict[str, Any]]) -> str:
    """Tables of accuracy, one a test part, and one of cost, with what they were measured on."""
    parts = [part for document in documents for part in (_accuracy(document), "")]
    return "\n".join([*parts, _cost(documents[0])])


def _accuracy(document: dict[str, Any]) -> str:
    conditions = document["conditions"]
    columns: tuple[Column, ...] = (
        ("artifact", lambda r: f"`{r['artifact']}`"),
        ("Dice (%)", lambda r: interval(pick(r, "accuracy", "dice"), 2, 100)),
        ("worst", lambda r: number(pick(r, "accuracy", "dice", "min"), 2, 100)),
        ("ADF (mm)", lambda r: interval(pick(r, "accuracy", "hc_absolute_difference_mm"), 2)),
        ("DF (mm)", lambda r: number(pick(r, "accuracy", "hc_difference_mm", "mean"), 2, sign=True)),
        ("refused", lambda r: number(pick(r, "accuracy", "n_hc_refused"), 0)),
        ("Dice vs float32 (points)", lambda r: _cost_of(r, "dice_difference_points", sign=True)),
        ("mean HC shift (mm)", lambda r: _cost_of(r, "hc_absolute_shift_mm")),
    )
    text = (
        f"{conditions['data']}, {conditions['n_images']} images of the `{conditions['split']}` split's test part; "
        "mean per image at original resolution, [bootstrap 95 % interval]. "
        "ADF and DF: mean absolute and mean difference of HC."
    )
    return f"{_table(document['results'], columns)}\n\n{text}"


def _cost_of(result: Result, key: str, sign: bool = False) -> str:
    return "-" if result["recipe"] == "float32" else number(pick(result, "degradation", key, "mean"), 3, sign=sign)


def _cost(document: dict[str, Any]) -> str:
    device, conditions = document["device"], document["conditions"]
    columns: tuple[Column, ...] = (
        ("artifact", lambda r: f"`{r['artifact']}`"),
        ("size (MB)", lambda r: number(r["size_bytes"], 2, 1e-6)),
        ("frame to HC, p50 / p90 (ms)", lambda r: _pair(r, "total")),
        ("network alone, p50 / p90 (ms)", lambda r: _pair(r, "invoke")),
        ("first result (ms)", lambda r: number(r["time_to_first_result_ms"], 0)),
        ("peak memory (MB)", lambda r: number(r["peak_memory_bytes"], 0, 1e-6)),
    )
    tools = device["tools"]
    text = (
        f"{device['cpu']} ({device['machine']}, {device['cores']} cores, a shared virtual machine), "
        f"{conditions['threads']} thread, {conditions['rounds']} alternating rounds of {conditions['frames']} frames "
        f"of HC18, ai-edge-litert {tools.get('ai-edge-litert')}, numpy {tools.get('numpy')}, "
        f"{conditions['date'][:10]}. Not measured on a Raspberry Pi or a phone yet."
    )
    return f"{_table(document['results'], columns)}\n\n{text}"


def _pair(result: Result, stage: str) -> str:
    p50, p90 = (number(pick(result, "latency_ms", stage, p), 1) for p in ("p50", "p90"))
    return f"{p50} / {p90}"


def _table(results: Sequence[Result], columns: Sequence[Column]) -> str:
    header, rows = cells(results, columns)
    lines = [header, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
