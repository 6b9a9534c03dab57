"""The report in a browser: on a phone and on a desk, light and dark, alone and without a script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from tests.measuring.report.conftest import Make, as_of_a_board, as_older, as_sustained

WIDTHS = (390, 1280)


@pytest.fixture
def page(result: Path, make: Make, artifacts: Path, tmp_path: Path) -> Path:
    """A report of four results that differ in all that a report tells apart."""
    paths = [result, make("b.json", as_of_a_board), make("c.json", as_sustained), make("d.json", as_older)]
    assert main(["report", *map(str, paths), "--out", str(tmp_path), "--artifacts", str(artifacts)]) == 0
    return tmp_path / "report.html"


def test_the_report_in_a_browser(browser: Any, page: Path) -> None:
    for width in WIDTHS:
        papers = []
        for scheme in ("light", "dark"):
            # without JavaScript, as some readers of mail show it; the test's own scripts still run
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=False
            )
            tab = context.new_page()
            requests: list[str] = []
            said: list[str] = []
            tab.on("request", lambda request, to=requests: to.append(request.url))
            tab.on("console", lambda message, to=said: to.append(message.text))
            tab.on("pageerror", lambda error, to=said: to.append(str(error)))
            tab.goto(page.as_uri())
            for summary in tab.locator("summary").all():
                summary.click()
            assert tab.locator("details:not([open])").count() == 0, "details open without JavaScript"
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, "only tables scroll, in their boxes"
            broken = tab.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt)")
            assert not broken and tab.locator("img").count() > 10
            too_wide = tab.evaluate(
                "[...document.images].filter(i => i.getBoundingClientRect().right > innerWidth).map(i => i.alt)"
            )
            assert not too_wide
            assert {url.split(":")[0] for url in requests} <= {"file", "data"}, "nothing is loaded from anywhere"
            assert [url for url in requests if url.startswith("file")] == [page.as_uri()]
            assert not said, said
            for link in tab.locator("nav a").all():
                assert tab.locator(f"[id='{link.get_attribute('href')[1:]}']").count() == 1
            papers.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
            context.close()
        assert papers[0] != papers[1], "dark is dark"


def test_a_wide_table_scrolls_in_its_box_by_the_keyboard(browser: Any, page: Path) -> None:
    tab = browser.new_page(viewport={"width": WIDTHS[0], "height": 900})
    tab.goto(page.as_uri())
    box = tab.locator(".wide:visible").nth(1)
    assert box.evaluate("e => e.scrollWidth > e.clientWidth && e.clientWidth <= innerWidth")
    box.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.activeElement.scrollLeft > 0")
    tab.close()
