"""The blocks of a page: what opens, what links, and what the pictures of opened blocks become."""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.render import (
    Contents,
    Details,
    Figure,
    Heading,
    Paragraph,
    Sheet,
    Table,
    markdown_files,
    to_html,
    to_markdown,
)

PAGE = [
    Heading("Title", 1),
    Contents(),
    Heading("Speed, size & memory"),
    Details("Conditions of <A>", [Table(("a", "b"), [["1", "2"]]), Sheet([Figure("x.svg", b"x", "alt", "caption")])]),
    Heading("Not in the contents", 3),
]


def test_details_open_without_a_script_and_hold_whole_blocks() -> None:
    html = to_html("t", PAGE)
    inside = html.split("<details>")[1].split("</details>")[0]
    assert "<summary>Conditions of &lt;A&gt;</summary>" in inside and "<table>" in inside and "<img" in inside
    assert "<script" not in html
    text = to_markdown(PAGE)
    assert "<summary>Conditions of &lt;A&gt;</summary>\n\n| a | b |" in text and text.count("</details>") == 1


def test_contents_link_to_headings_that_are_there() -> None:
    html = to_html("t", PAGE)
    assert '<a href="#speed-size--memory">' in html and '<h2 id="speed-size--memory">' in html
    assert "- [Speed, size & memory](#speed-size--memory)" in to_markdown(PAGE)
    assert "Not in the contents" not in html.split("</nav>")[0]


def test_pictures_within_details_are_written(tmp_path: Path) -> None:
    assert tmp_path / "figures" / "x.svg" in markdown_files(PAGE, tmp_path / "page.md")


def test_a_table_scrolls_in_a_box_that_the_keyboard_reaches() -> None:
    html = to_html("t", [Table(("a",), [["1"]]), Paragraph("text")])
    assert '<div class="wide" tabindex="0" role="region"' in html
