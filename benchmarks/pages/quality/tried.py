"""What was tried: on which scanner and organ, with counts, and what was not; for three pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.render import Block, Heading, Paragraph, Table, code, to_markdown
from benchmarks.common.result_files import RESULTS
from benchmarks.common.tables import number
from benchmarks.pages.measured import measured_on
from benchmarks.runtime.outside_document import LEAST_DICE, TRUNKS_AND_LABOUR, KindFound, OutsideDocument, read_outside
from benchmarks.runtime.quality_document import WRONG_MM, LookFound, QualityDocument, read_quality
from benchmarks.suite.columns import shipped_manifest
from edge_runtime.common.cli import counted, printable
from edge_runtime.shipped import DEFAULT_SIZE
from train.frames.looks import FAMILIES, LOOKS

QUALITY, OUTSIDE = RESULTS / "runtime" / "quality.json", RESULTS / "runtime" / "outside.json"

LEFT_OUT = RESULTS / "left-out"
"""Results of networks that were trained without the kinds that they measure."""

HEADER = ("what", "frames", "shown", "refused", "of those shown")

LABOUR = "intrapartum"

KNOWN = {
    "heads/spain": "fetal heads, standard planes, Spain (FETAL_PLANES)",
    "heads/planes": "fetal heads, some cut by the frame, Spain (FETAL_PLANES)",
    "not_heads/fetal_abdomen": "fetal abdomen (FETAL_PLANES)",
    "not_heads/fetal_thorax": "fetal thorax (FETAL_PLANES)",
    "not_heads/fetal_femur": "fetal femur (FETAL_PLANES)",
    "not_heads/cervix": "cervix (FETAL_PLANES)",
    "not_heads/intrapartum": "heads during labour, from the perineum: no plane in which HC can be measured (JNU-IFM)",
    "not_heads/breast": "breast: cysts and masses (BUSI)",
    "not_heads/adult_abdomen": "liver, kidney, gallbladder of adults (RUS)",
    "not_heads/adult_heart": "hearts of adults (EchoNet, CAMUS)",
    "not_heads/lung": "lungs of adults (COVID-19 lung atlas)",
}
"""What the kinds show that this project has, and the public set they are from."""

SCANNERS = (
    "HC18 is from one hospital and two scanners (GE Voluson E8 and 730), FETAL_PLANES from two hospitals and four (GE "
    "Voluson E6, S8 and S10, Aloka). The scanners of the other sets were not recorded."
)

NOT_TRIED = (
    "Not tried: any trial on patients; any scanner's raw stream, since all frames are from published image files; the "
    "circumference in mm on frames from elsewhere, which come without pixel sizes; abnormal anatomy; twins."
)


@dataclass(frozen=True)
class Row:
    """Frames of one kind.

    Attributes:
        what: What they show.
        n: Frames.
        n_shown: Those that were shown.
        of_shown: How right these were, in words.
    """

    what: str
    n: int
    n_shown: int
    of_shown: str

    def cells(self) -> list[str]:
        """As a row of a table with :data:`HEADER`."""
        return [self.what, f"{self.n:,}", f"{self.n_shown:,}", f"{self.n - self.n_shown:,}", self.of_shown]


def looks_of(document: QualityDocument, family: str) -> dict[str, LookFound]:
    """The kinds of look of one family."""
    return {k: found for k, found in document.looks.items() if k in LOOKS and LOOKS[k].family == family}


def elsewhere(path: Path = OUTSIDE) -> list[Block]:
    """The part of the quality page about frames from elsewhere; nothing without a result."""
    if not path.is_file():
        return []
    document = read_outside(path)
    frames = sum(kind.n_frames for kind in document.kinds)
    text = (
        f"Published frames of other hospitals, scanners and organs, {frames} in all. `python -m benchmarks outside "
        "FOLDER` measures them, and any others that you have. An outline is right if its mask has a Dice of at least "
        f"{LEAST_DICE:g} with that of the set, which is rough; heads without a usable mask are left out there. "
        f"{_sizes(document)} {SCANNERS} This is about {code(document.artifact)}. {measured_on(document)}"
    )
    return [
        Heading("Frames from elsewhere"),
        Paragraph(text),
        Table(("kind", *HEADER), [[code(printable(k.name)), *_kind(k).cells()] for k in document.kinds], facts=True),
        Paragraph(_learned(document), warning=True),
        Paragraph(NOT_TRIED),
    ]


def left_out(folder: Path = LEFT_OUT) -> list[Block]:
    """The part of the quality page about kinds that a network never saw; nothing without results."""
    documents = [read_outside(path) for path in sorted(folder.glob("*.json"))]
    kinds = sorted((kind for document in documents for kind in document.kinds), key=lambda kind: kind.name)
    if not kinds:
        return []
    text = (
        "How right is a model on a kind of frames that it was never shown? For this table, networks were trained as "
        "the shipped one is, but for 20 epochs, without outlines by networks, and each without some kinds (`python -m"
        " train --leave-out KIND`); their limits were derived without them. Each kind was then measured by the "
        "network that does not know it (`python -m benchmarks outside FOLDER --unseen`). The shipped network knows "
        "them all, so it should do better than this on further frames of these kinds, and no better on kinds that "
        "nobody thought of. Some kinds are from one set (FETAL_PLANES), so their scanners were not all new to the "
        "networks: one knew `heads/planes`, cervix and femur, the other `heads/spain`, abdomen and thorax."
    )
    rows = [[code(printable(kind.name)), *_kind(kind).cells()] for kind in kinds]
    return [Heading("Kinds that a network never saw"), Paragraph(text), Table(("kind", *HEADER), rows, facts=True)]


def _sizes(document: OutsideDocument) -> str:
    if document.has_pixel_sizes:
        return "They were measured in mm."
    return "They come without pixel sizes, so a frame counts as shown if its ellipse is."


def _learned(document: OutsideDocument) -> str:
    """Which of these frames the model has learned from, as far as its manifest says."""
    manifest = shipped_manifest()
    if manifest.model_sha256 != document.model_sha256:
        return "It is not known here whether this model was trained on these frames."
    names = {kind.name for kind in document.kinds}
    trained, derived = (
        sum(count for kind, count in found.items() if kind in names)
        for found in (
            manifest.checkpoint.get("data", {}).get("others", {}),
            manifest.quality.get("from", {}).get("others", {}),
        )
    )
    if not trained and not derived:
        return "The network was not trained on any of these sets, nor were its limits derived from them."
    return (
        f"Of the {sum(kind.n_frames for kind in document.kinds)} frames from elsewhere, {trained} trained the network, "
        f"and {derived} set its limits and its trust. So this "
        "shows what was learned, not how right the model is on yet another scanner. Only sets that were kept apart can "
        "judge that."
    )


def _kind(kind: KindFound) -> Row:
    what = KNOWN.get(kind.name, printable(kind.name))
    return Row(what, kind.n_frames, kind.n_shown, _right([kind]))


def _right(kinds: Sequence[KindFound]) -> str:
    """How right the shown frames of some kinds are."""
    if not sum(kind.n_shown for kind in kinds):
        return "-"
    with_head = [kind for kind in kinds if kind.dice.n]
    if with_head:
        return f"outline right in {sum(k.n_right for k in with_head)} of {sum(k.dice.n for k in with_head)}"
    return "wrong: no head to be measured" if all(kind.meaning == "not heads" for kind in kinds) else "not known"


def _real(document: QualityDocument) -> Row:
    real, interval = document.refused["test"].real, document.intervals["test"]
    held = f"true HC in the interval in {interval.n_inside}, mean error {number(document.adf_mm['test'], 2)} mm"
    return Row(f"fetal heads, {document.data}, exams not trained on", real.n, real.n - real.n_refused, held)


def _looks(what: str, found: Iterable[LookFound]) -> Row:
    found = list(found)
    wrong = f"wrong by more than {WRONG_MM:g} mm in {sum(one.n_wrong for one in found):,}"
    return Row(what, sum(one.n for one in found), sum(one.n_shown for one in found), wrong)


def _bad(document: QualityDocument) -> Row:
    bad = document.refused["test"].bad
    what = f"bad frames made from these images, {len(bad.kinds)} kinds"
    return Row(what, bad.n, bad.n - bad.n_refused, "wrong: no head to be measured" if bad.n_refused < bad.n else "-")


def _groups(document: OutsideDocument) -> list[Row]:
    """Frames from elsewhere in four groups, those that there are."""

    def last(kind: KindFound) -> str:
        return kind.name.split("/")[-1]

    groups: dict[str, Callable[[KindFound], bool]] = {
        "heads of another country": lambda k: k.meaning == "heads",
        "fetal trunks": lambda k: k.meaning == "not heads" and last(k) in TRUNKS_AND_LABOUR and last(k) != LABOUR,
        "heads during labour": lambda k: k.meaning == "not heads" and last(k) == LABOUR,
        "other organs": lambda k: k.meaning == "not heads" and last(k) not in TRUNKS_AND_LABOUR,
    }
    rows = []
    for what, belongs in groups.items():
        if kinds := [kind for kind in document.kinds if belongs(kind)]:
            rows.append(Row(what, sum(k.n_frames for k in kinds), sum(k.n_shown for k in kinds), _right(kinds)))
    return rows


def short_table(quality: Path = QUALITY, outside: Path = OUTSIDE) -> str:
    """For the README: a row for each group, as Markdown. Empty without a result of ``python -m benchmarks quality``."""
    if not quality.is_file():
        return ""
    document = read_quality(quality)
    many = f"the same in {len(document.looks)} altered looks, and in compounds of them"
    rows = [_real(document), _looks(many, [*document.looks.values(), document.compounds])]
    rows += _groups(read_outside(outside)) if outside.is_file() else []
    return _markdown(rows, _after(outside))


def full_table(quality: Path = QUALITY, outside: Path = OUTSIDE) -> str:
    """For the model card: a row for each family of looks and each kind of frames from elsewhere, as Markdown."""
    if not quality.is_file():
        return ""
    document = read_quality(quality)
    families = {family: looks_of(document, family) for family in FAMILIES}
    altered = [
        _looks(f"the same, altered: {family}, {counted(len(kinds), 'kind')}", kinds.values())
        for family, kinds in families.items()
        if kinds
    ]
    altered.append(_looks("the same, altered: compounds of 2 to 4 kinds", [document.compounds]))
    rows = [_real(document), *altered, _bad(document)]
    rows += map(_kind, read_outside(outside).kinds) if outside.is_file() else []
    return _markdown(rows, f"{SCANNERS} {_after(outside)}")


def _markdown(rows: Sequence[Row], after: str) -> str:
    return to_markdown([Table(HEADER, [row.cells() for row in rows], facts=True), Paragraph(after)]).strip()


def _after(outside: Path) -> str:
    """What a reader must know of the table."""
    if not outside.is_file():
        return f"Frames from elsewhere have not been measured. {NOT_TRIED}"
    rough = (
        f"The model is {code(DEFAULT_SIZE)} in full int8. An outline is right if its mask has a Dice of at least "
        f"{LEAST_DICE:g} with that of the set, which is rough; the few heads without a usable mask are left out there."
    )
    return f"{rough} {_learned(read_outside(outside))} {NOT_TRIED}"
