"""The local page of ``python -m benchmarks outside``: the tables, and a contact sheet for each kind."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Sheet, Table, code
from benchmarks.common.tables import cells
from benchmarks.runtime.outside import Looked, Seen
from benchmarks.runtime.outside_document import COLUMNS, LEAST_DICE, OutsideDocument, goals, reasons
from edge_runtime.common.cli import counted, printable

TITLE = "What is shown and what is refused of other frames"
WARNING = (
    "This page shows the images it was made from, and names their files: do not publish or commit it. It is a local "
    "page to look at, and loads nothing from anywhere."
)
_LEGEND = (
    "Green border: shown. Grey border: refused, with the reason below. Blue: the ellipse. Orange: the reference. Light "
    "grey: what the network found in a refused frame. Within a kind, frames that are shown and wrong come first, then "
    "the others that are shown, then the refused ones."
)


def build(document: OutsideDocument, looked: Sequence[Looked]) -> list[Block]:
    """The page's blocks.

    Args:
        document: The figures.
        looked: The frames behind them, with their pictures.
    """
    unit = "in mm" if document.has_pixel_sizes else "without pixel sizes, so an ellipse counts as shown"
    limit = "" if document.most_frames is None else f", at most {counted(document.most_frames, 'frame')} of a kind"
    measured, without = goals(document.kinds)
    verdicts = [[goal.name, goal.limit, f"{goal.value:.1%}", goal.detail, goal.verdict] for goal in measured]
    verdicts += [[name, "", "", "no such frames, or no trust", "not measured"] for name in without]
    blocks: list[Block] = [
        Heading(TITLE, 1),
        Paragraph(WARNING, warning=True),
        Paragraph("Research use only; not a medical device."),
        Paragraph(
            f"{code(document.artifact)}, sha256 `{document.model_sha256[:16]}...`, {document.date}; measured "
            f"{unit}{limit}."
        ),
        Table(*cells(document.kinds, COLUMNS)),
        Paragraph(
            f"An outline is right if its mask has a Dice of at least {LEAST_DICE:g} with the reference. It, the Dice "
            "and the circumference (HC) are those of shown frames with a reference."
        ),
        Heading("Goals"),
        Table(("goal", "asked", "measured", "details", "verdict"), verdicts, facts=True),
        Heading("Reasons of refusal"),
        Table(*reasons(document.kinds), facts=True),
        *_problems("Files that could not be read", [(one.kind.name, one.unread) for one in looked]),
        *_problems("Masks that are not used", [(one.kind.name, one.unused_masks) for one in looked]),
        Heading("Contact sheets"),
        Paragraph(_LEGEND),
    ]
    for one in looked:
        if one.frames:
            blocks += [Heading(f"{code(printable(one.kind.name))} ({one.kind.meaning})", 3), _sheet(one)]
    return blocks


def _problems(title: str, kinds: Sequence[tuple[str, Sequence[str]]]) -> list[Block]:
    rows = [[printable(name), printable(text)] for name, texts in kinds for text in texts]
    return [Heading(title), Table(("kind", "problem"), rows, facts=True)] if rows else []


def _sheet(looked: Looked) -> Sheet:
    """The frames of a kind: shown and wrong ones first, of them the worst."""
    ordered = sorted(
        looked.frames,
        key=lambda seen: (not seen.wrong, seen.reason is not None, seen.dice or 0.0, -(seen.trust or 0.0), seen.name),
    )
    return Sheet([_figure(seen) for seen in ordered if seen.picture is not None])


def _figure(seen: Seen) -> Figure:
    name = printable(seen.name)
    assert seen.picture is not None
    return Figure("frame.jpg", seen.picture, f"{name}: {verdict(seen)}", f"{code(name)} {verdict(seen)}")


def verdict(seen: Seen) -> str:
    """What was made of a frame, in words."""
    if seen.reason is not None:
        return f"refused: {seen.reason}"
    parts = ["SHOWN, WRONG" if seen.wrong else "shown"]
    parts += [] if seen.trust is None else [f"trust {seen.trust:.2f}"]
    parts += [] if seen.dice is None else [f"Dice {seen.dice:.3f}"]
    parts += [] if seen.hc_percent is None else [f"HC {seen.hc_percent:+.1f}%"]
    return ", ".join(parts)
