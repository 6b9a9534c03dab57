"""A page about a measurement, for people: PDF (the extra ``pdf``)."""

from __future__ import annotations

import io
from typing import Any
from xml.sax.saxutils import escape

from edge_runtime.common.cli import printable
from edge_runtime.common.optional import require
from edge_runtime.output.overlay import NOT_MEASURED, draw_overlay, plain_reason
from edge_runtime.output.subject import METHOD, NAME, WARNING, Subject

_MARGIN, _WIDTH, _HEIGHT = 54.0, 595.28, 841.89  # A4, in points
_ROOM = _WIDTH - 2 * _MARGIN
_DARK, _RED, _AMBER = (0.1, 0.1, 0.1), (0.72, 0.11, 0.05), (0.62, 0.36, 0.0)


def make_pdf(subject: Subject) -> bytes:
    """Make one A4 page: the result or why there is none, the picture, and how it was measured.

    The patient is not named; there is room to write the name in.

    Args:
        subject: What it is about.

    Returns:
        The PDF file.

    Raises:
        FetalHeadError: reportlab is not installed.
    """
    file = io.BytesIO()
    page = require("reportlab.pdfgen.canvas").Canvas(file, pagesize=(_WIDTH, _HEIGHT))
    page.setTitle("Fetal head circumference")
    page.setAuthor(f"{NAME} {subject.version}")
    page.setSubject(WARNING)
    top = _HEIGHT - _MARGIN
    for paragraph in (*_heading(), *_finding(subject)):
        top = _draw(page, paragraph, top)
    facts = _facts(subject)
    _, height = facts.wrapOn(page, _ROOM, _HEIGHT)
    bottom = _draw_picture(page, subject, top - 8, top - 8 - 14 - height - _MARGIN)
    facts.drawOn(page, _MARGIN, bottom - 14 - height)
    page.showPage()
    page.save()
    return file.getvalue()


def _heading() -> list[Any]:
    return [
        _paragraph("Fetal head circumference", 18, bold=True),
        _paragraph(f"{WARNING} Measured by a program, not checked by a person.", 10, _RED, bold=True),
    ]


def _finding(subject: Subject) -> list[Any]:
    """The circumference, or why there is none."""
    result = subject.result
    if result.head_circumference_mm is None:
        return [_paragraph(NOT_MEASURED, 24, _RED, bold=True), _paragraph(f"{plain_reason(result.reason)}.", 11)]
    lines = [_paragraph(f"HC {result.head_circumference_mm:.1f} mm", 24, bold=True)]
    if result.interval_mm is not None:
        low, high = result.interval_mm
        lines.append(_paragraph(f"90% interval {low:.1f} to {high:.1f} mm", 11))
    if result.caution is not None:
        lines.append(_paragraph(f"CAUTION: {result.caution}", 11, _AMBER, bold=True))
    return lines


def _facts(subject: Subject) -> Any:
    """The table below the picture."""
    frame = "" if subject.frame is None else f", frame {subject.frame}"
    facts = [
        ("Patient", "(not named by the program; write the name here)"),
        ("Image", f"{subject.path.name}{frame}"),
        ("Measured", subject.made.strftime("%Y-%m-%d %H:%M:%S %z")),
        ("Model", f"{subject.model}, sha256 {subject.model_sha256}"),
        ("Program", f"{NAME} {subject.version}"),
    ]
    if subject.result.head_circumference_mm is not None:  # else no length at all is on the page
        facts += [("Method", METHOD), ("Pixel size", subject.pixel_size)]
    rows = [[_paragraph(name, 9, bold=True), _paragraph(text, 9)] for name, text in facts]
    lines = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEABOVE", (0, 0), (-1, -1), 0.4, (0.7, 0.7, 0.7))]
    return require("reportlab.platypus").Table(
        rows, colWidths=[80, _ROOM - 80], rowHeights=[26, *[None] * (len(rows) - 1)], style=lines
    )


def _draw_picture(page: Any, subject: Subject, top: float, room: float) -> float:
    """Draw the frame with its outline, as large as there is room for it, and return where it ends."""
    picture = draw_overlay(subject.pixels, subject.result)
    scale = min(_ROOM / picture.width, room / picture.height)
    width, height = picture.width * scale, picture.height * scale
    image = require("reportlab.lib.utils").ImageReader(picture)
    page.drawImage(image, (_WIDTH - width) / 2, top - height, width, height)
    return float(top - height)


def _paragraph(text: str, size: float, color: tuple[float, float, float] = _DARK, *, bold: bool = False) -> Any:
    """Text that wraps. What the font lacks, such as letters of other scripts in a file's name, is escaped."""
    shown = printable(text).encode("cp1252", "backslashreplace").decode("cp1252")
    style = require("reportlab.lib.styles").ParagraphStyle(
        "text",
        fontName="Helvetica-Bold" if bold else "Helvetica",
        fontSize=size,
        leading=1.25 * size,
        textColor=require("reportlab.lib.colors").Color(*color),
    )
    return require("reportlab.platypus").Paragraph(escape(shown), style)


def _draw(page: Any, paragraph: Any, top: float) -> float:
    """Draw a paragraph, and return where the next one begins."""
    _, height = paragraph.wrapOn(page, _ROOM, _HEIGHT)
    paragraph.drawOn(page, _MARGIN, top - height)
    return float(top - height - 6)
