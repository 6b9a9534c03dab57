"""A page of headings, text, tables and figures, as Markdown and as one self-contained HTML file.

Text is plain, except that what stands between two backticks is a code span. Everything else is escaped, because result
files are other people's and their names may hold anything.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath

from edge_runtime.common.cli import say
from edge_runtime.common.files import write_bytes

FIGURES = "figures"
"""Folder beside the Markdown file that its pictures lie in."""

_MIME = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 1240px;
       margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .5rem; }
h1 { margin-top: 0; } h2 { border-top: 1px solid #ccc; padding-top: 1.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; margin: .5rem 0 1rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #ddd; text-align: right; vertical-align: top;
         font-variant-numeric: tabular-nums; }
td { white-space: nowrap; }
th { border-bottom: 2px solid #888; vertical-align: bottom; }
th:first-child, td:first-child, .facts th, .facts td { text-align: left; }
.facts td + td { white-space: normal; }
code { font-size: .92em; }
figure { margin: 1rem 0 2rem; } figure img { max-width: 100%; height: auto; }
figcaption { font-size: .9rem; color: #444; max-width: 60rem; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 1rem; margin: 1rem 0 2rem; }
.sheet figure { margin: 0; } .sheet figcaption { font-size: .8rem; line-height: 1.3; overflow-wrap: anywhere; }
.warning { border-left: 4px solid #b35900; background: #fff6e9; padding: .6rem 1rem; }
"""


@dataclass(frozen=True)
class Heading:
    """A heading.

    Attributes:
        text: What it says.
        level: 1 to 3.
    """

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph.

    Attributes:
        text: What it says.
        warning: It is set apart, so that nobody misses it.
    """

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        header: Titles of the columns.
        rows: Cells, as many in a row as in the header.
        facts: The cells hold words, not numbers, and are aligned to the left.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    facts: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        name: File name, .svg, .png or .jpg.
        data: The file's bytes.
        alt: What it shows, for those who cannot see it.
        caption: The text below it.
    """

    name: str
    data: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Sheet:
    """Small pictures side by side.

    Attributes:
        figures: The pictures, from left to right and down.
    """

    figures: Sequence[Figure]


Block = Heading | Paragraph | Table | Figure | Sheet

_CODE = re.compile("`([^`]+)`")


def code(name: object) -> str:
    """A name as a code span; one that holds a backtick stays plain text."""
    text = " ".join(str(name).split())
    return f"`{text}`" if text and "`" not in text else text


def to_markdown(blocks: Sequence[Block]) -> str:
    """The page as Markdown. Its figures are files in :data:`FIGURES`, which the caller writes."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def markdown_files(blocks: Sequence[Block], page: Path) -> dict[Path, bytes]:
    """A page as Markdown and its figures, by path."""
    single = [block for block in blocks if isinstance(block, Figure)]
    in_sheets = [figure for block in blocks if isinstance(block, Sheet) for figure in block.figures]
    figures = {page.parent / FIGURES / figure.name: figure.data for figure in (*single, *in_sheets)}
    return {**figures, page: to_markdown(blocks).encode()}


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write pages and their figures, and say for each page whether it changed."""
    for path, data in files.items():
        before = path.read_bytes() if path.exists() else None
        write_bytes(path, data)
        if path.parent.name != FIGURES:
            say(f"{path}: {'written' if before is None else 'unchanged' if before == data else 'replaced'}")


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Paragraph):
        return f"> **Note:** {_plain(block.text)}" if block.warning else _plain(block.text)
    if isinstance(block, Figure):
        return f"![{_plain(block.alt)}]({FIGURES}/{block.name})\n\n*{_plain(block.caption)}*"
    if isinstance(block, Sheet):
        return "\n\n".join(map(_markdown, block.figures))
    return table_markdown(block)


def table_markdown(table: Table) -> str:
    """A table alone as Markdown."""
    align = [":---"] + [":---" if table.facts else "---:"] * (len(table.header) - 1)
    rows = [[_plain(cell, in_table=True) for cell in row] for row in (table.header, *table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], align, *rows[1:]))


def _plain(text: str, in_table: bool = False) -> str:
    """Text that Markdown shows as it is, with its code spans."""
    parts = _CODE.split(" ".join(text.split()))  # plain, code, plain, ...
    for i, part in enumerate(parts):
        if i % 2:
            # in a code span nothing is escaped, but a table is cut at every | that is not
            parts[i] = f"`{part.replace('|', chr(92) + '|') if in_table else part}`"
        else:
            parts[i] = re.sub(r"([\\`*_<>\[\]|])", r"\\\1", part)
    return "".join(parts)


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """The page as one HTML file that loads nothing from anywhere."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{_marked_up(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        kind = ' class="warning"' if block.warning else ""
        return f"<p{kind}>{_marked_up(block.text)}</p>"
    if isinstance(block, Figure):
        uri = f"data:{_MIME[PurePosixPath(block.name).suffix]};base64,{base64.b64encode(block.data).decode()}"
        return (
            f'<figure><img src="{uri}" alt="{escape(block.alt.replace(chr(96), ""))}">'
            f"<figcaption>{_marked_up(block.caption)}</figcaption></figure>"
        )
    if isinstance(block, Sheet):
        return f'<div class="sheet">\n{chr(10).join(map(_html, block.figures))}\n</div>'
    head = "".join(f"<th>{_marked_up(cell)}</th>" for cell in block.header)
    rows = "\n".join("<tr>" + "".join(f"<td>{_marked_up(cell)}</td>" for cell in row) + "</tr>" for row in block.rows)
    kind = ' class="facts"' if block.facts else ""
    return f'<div class="wide"><table{kind}>\n<tr>{head}</tr>\n{rows}\n</table></div>'


def _marked_up(text: str) -> str:
    """Text as HTML, with its code spans."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
