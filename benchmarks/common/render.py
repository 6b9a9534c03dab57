"""A page of headings, text, tables and figures, as Markdown and as one self-contained HTML file.

Text is plain, except that what stands between two backticks is a code span. Everything else is escaped, because result
files are other people's and their names may hold anything.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath

from benchmarks.common.page_style import STYLE
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_bytes

FIGURES = "figures"
"""Folder beside the Markdown file that its pictures lie in."""

_MIME = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}


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
    """Pictures side by side, as many as the page is wide for.

    Attributes:
        figures: The pictures, from left to right and down.
        large: They are plots, of which two fit side by side on a desk, and one on a phone.
    """

    figures: Sequence[Figure]
    large: bool = False


@dataclass(frozen=True)
class Contents:
    """Links to the page's main headings, those of level 2."""


@dataclass(frozen=True)
class Details:
    """Blocks that are one click away. They open without JavaScript.

    Attributes:
        summary: What is always shown.
        blocks: What the click shows.
    """

    summary: str
    blocks: Sequence[Block]


Block = Heading | Paragraph | Table | Figure | Sheet | Contents | Details

_CODE = re.compile("`([^`]+)`")


def code(name: object) -> str:
    """A name as a code span; one that holds a backtick stays plain text."""
    text = " ".join(str(name).split())
    return f"`{text}`" if text and "`" not in text else text


def to_markdown(blocks: Sequence[Block]) -> str:
    """The page as Markdown. Its figures are files in :data:`FIGURES`, which the caller writes."""
    return "\n\n".join(_markdown(block, blocks) for block in blocks) + "\n"


def markdown_files(blocks: Sequence[Block], page: Path) -> dict[Path, bytes]:
    """A page as Markdown and its figures, by path."""
    figures = {page.parent / FIGURES / figure.name: figure.data for figure in _figures(blocks)}
    return {**figures, page: to_markdown(blocks).encode()}


def _figures(blocks: Sequence[Block]) -> Iterator[Figure]:
    for block in blocks:
        if isinstance(block, Figure):
            yield block
        elif isinstance(block, Sheet):
            yield from block.figures
        elif isinstance(block, Details):
            yield from _figures(block.blocks)


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write pages and their figures, and say for each page whether it changed."""
    for path, data in files.items():
        before = path.read_bytes() if path.exists() else None
        write_bytes(path, data)
        if path.parent.name != FIGURES:
            say(f"{path}: {'written' if before is None else 'unchanged' if before == data else 'replaced'}")


def _markdown(block: Block, page: Sequence[Block]) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Paragraph):
        return f"> **Note:** {_plain(block.text)}" if block.warning else _plain(block.text)
    if isinstance(block, Figure):
        return f"![{_plain(block.alt)}]({FIGURES}/{block.name})\n\n*{_plain(block.caption)}*"
    if isinstance(block, Sheet):
        return "\n\n".join(_markdown(figure, page) for figure in block.figures)
    if isinstance(block, Contents):
        return "\n".join(f"- [{_plain(text)}](#{anchor})" for text, anchor in _anchors(page))
    if isinstance(block, Details):
        inner = "\n\n".join(_markdown(each, page) for each in block.blocks)
        return f"<details>\n<summary>{_marked_up(block.summary)}</summary>\n\n{inner}\n\n</details>"
    return table_markdown(block)


def _anchors(page: Sequence[Block]) -> list[tuple[str, str]]:
    """The main headings, and what links to them: the same names that GitHub makes of them."""
    headings = [block.text for block in page if isinstance(block, Heading) and block.level == 2]
    return [(text, _anchor(text)) for text in headings]


def _anchor(text: str) -> str:
    return re.sub(r"[^\w -]", "", text.lower()).strip().replace(" ", "-")


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
    body = "\n".join(_html(block, blocks) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html(block: Block, page: Sequence[Block]) -> str:
    if isinstance(block, Heading):
        anchor = f' id="{escape(_anchor(block.text))}"' if block.level == 2 else ""
        return f"<h{block.level}{anchor}>{_marked_up(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        kind = ' class="warning"' if block.warning else ""
        return f"<p{kind}>{_marked_up(block.text)}</p>"
    if isinstance(block, Figure):
        return _figure_html(block)
    if isinstance(block, Sheet):
        kind = "sheet large" if block.large else "sheet"
        return f'<div class="{kind}">\n{chr(10).join(map(_figure_html, block.figures))}\n</div>'
    if isinstance(block, Contents):
        items = [f'<li><a href="#{escape(anchor)}">{_marked_up(text)}</a></li>' for text, anchor in _anchors(page)]
        return f'<nav aria-label="Contents"><ul class="contents">{"".join(items)}</ul></nav>'
    if isinstance(block, Details):
        inner = "\n".join(_html(each, page) for each in block.blocks)
        return f"<details>\n<summary>{_marked_up(block.summary)}</summary>\n{inner}\n</details>"
    return _table_html(block)


def _figure_html(figure: Figure) -> str:
    uri = f"data:{_MIME[PurePosixPath(figure.name).suffix]};base64,{base64.b64encode(figure.data).decode()}"
    return (
        f'<figure><img src="{uri}" alt="{escape(figure.alt.replace(chr(96), ""))}">'
        f"<figcaption>{_marked_up(figure.caption)}</figcaption></figure>"
    )


def _table_html(table: Table) -> str:
    """A table in a box that it scrolls in where it is too wide; the keyboard reaches the box."""
    head = "".join(f'<th scope="col">{_marked_up(cell)}</th>' for cell in table.header)
    rows = "\n".join("<tr>" + "".join(f"<td>{_marked_up(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    kind = ' class="facts"' if table.facts else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="Table">'
        f"<table{kind}>\n<tr>{head}</tr>\n{rows}\n</table></div>"
    )


def _marked_up(text: str) -> str:
    """Text as HTML, with its code spans."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
