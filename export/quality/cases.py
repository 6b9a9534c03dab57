"""Measure good and bad frames with an artifact. Its limits are derived from the results, and tested on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.cli import say
from edge_runtime.errors import UsageError
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.metrics import overlap
from edge_runtime.quality.evidence import gather_evidence
from edge_runtime.quality.limits import Limits
from edge_runtime.quality.look import look_figures
from edge_runtime.segmenter import Segmenter
from train.data.hc18 import Dataset, Sample
from train.data.others import Other
from train.frames.bad_frames import KINDS, make_bad
from train.frames.head_removed import Scene
from train.frames.looks import LOOKS, make_compound, make_look
from train.frames.no_frames import Frame
from train.frames.photographs import photographs
from train.frames.pool import other_view, sample_view
from train.frames.view import View

REAL = "real"
"""Kind of an unchanged frame of the data set."""

COMPOUND = "compound"
"""Kind of a frame with several looks at once."""

NOMINAL_HC_MM = 200.0
"""Frames from elsewhere have no pixel sizes. Theirs is chosen so that the head has this circumference."""

RIGHT_DICE = 0.9
"""Dice with the mask of a frame from elsewhere from which the outline is right. Such masks are rough."""


@dataclass(frozen=True)
class Examined:
    """One frame, and the artifact's result under the wide limits alone.

    Attributes:
        name: Name of the image that the frame is or was made from.
        kind: :data:`REAL`, :data:`COMPOUND`, a look, a kind of bad frame, or a kind of frame from elsewhere.
        good: Whether a head can be measured in this frame.
        reason: Why the wide limits refuse the frame; None if they do not.
        figures: Result of :meth:`edge_runtime.quality.verdict.Quality.figures`; None if refused.
        look: float64 (7,), see :func:`edge_runtime.quality.look.look_figures`; None if refused.
        hc_mm: Measured head circumference; None if refused.
        true_hc_mm: Annotated head circumference; NaN if unknown. For a bad frame, that of the image it was made from.
        right: Whether the outline is right; None if only the circumference is known.
    """

    name: str
    kind: str
    good: bool
    reason: str | None
    figures: Mapping[str, float] | None
    look: NDArray[np.float64] | None
    hc_mm: float | None
    true_hc_mm: float
    right: bool | None = None

    @property
    def error_mm(self) -> float:
        """Measured minus true circumference; NaN if refused or unknown."""
        return np.nan if self.hc_mm is None else self.hc_mm - self.true_hc_mm

    @property
    def blur_mm(self) -> float:
        """Blur of the outline, scaled to the circumference; NaN if refused."""
        return np.nan if self.hc_mm is None or self.figures is None else self.figures["softness"] * self.hc_mm

    def is_right(self, within_mm: float) -> bool:
        """Whether a head can be measured and was, within so many mm; by its mask where the size is unknown."""
        if not self.good or self.hc_mm is None:
            return False
        return abs(self.error_mm) <= within_mm if self.right is None else self.right


def examine(
    segmenter: Segmenter, view: View, name: str, kind: str, good: bool, truth: Ellipse | None = None
) -> Examined:
    """Measure a frame under the wide limits.

    Args:
        segmenter: The artifact. Its own limits are not applied.
        view: The frame, where its head is and its pixel size.
        name: Name of the image it is or was made from.
        kind: Kind of the frame.
        good: Whether a head can be measured in it.
        truth: The outline to compare with, for a frame whose pixel size is not known.
    """
    stages = segmenter.examine(view.frame, view.pixel_size_mm)
    hc, reason = stages.verdict.head_circumference_mm, stages.verdict.reason
    true_hc = np.nan if truth else view.hc_mm
    right = None if truth is None else overlap(stages.head.mask, truth.interior(view.size))[0] >= RIGHT_DICE
    evidence = None if hc is None else gather_evidence(stages.head, stages.prepared, stages.logits)
    if evidence is None:
        return Examined(name, kind, good, reason, None, None, None, true_hc, right)
    figures = replace(stages.verdict.quality, evidence=evidence).figures()
    look = look_figures(stages.prepared.greys, evidence.fine_x, evidence.fine_y)
    return Examined(name, kind, good, None, figures, look, hc, true_hc, right)


def good_cases(segmenter: Segmenter, samples: Sequence[Sample], looks: int, seed: int) -> Iterator[Examined]:
    """Measure every sample unchanged and in other looks: every second one of a single kind, the others compounds.

    Args:
        segmenter: The artifact.
        samples: Real images.
        looks: Number of looks per sample. A look that does not suit the frame is skipped.
        seed: Seed for the looks.
    """
    kinds = list(LOOKS)
    for number, sample in enumerate(samples):
        view = sample_view(sample)
        chosen = (
            (COMPOUND if turn % 2 else kinds[turn // 2 % len(kinds)], seed * 100_000 + turn)
            for turn in range(number * looks, (number + 1) * looks)
        )
        yield from _seen_as(segmenter, view, sample.name, chosen)


def _seen_as(segmenter: Segmenter, view: View, name: str, looks: Iterable[tuple[str, int]]) -> Iterator[Examined]:
    """Measure a view unchanged, and in looks given by kind and seed."""
    yield examine(segmenter, view, name, REAL, True)
    for kind, seed in looks:
        look = make_compound(view, seed) if kind == COMPOUND else make_look(kind, view, seed)
        if look is not None:
            yield examine(segmenter, look, name, kind, True)


def every_look(segmenter: Segmenter, samples: Sequence[Sample], compounds: int, seed: int) -> Iterator[Examined]:
    """Measure every sample unchanged, in each kind of look and in compounds.

    Args:
        segmenter: The artifact.
        samples: Real images.
        compounds: Number of compounds per sample.
        seed: Seed for the looks.
    """
    for number, sample in enumerate(samples):
        at = seed * 100_000 + number * max(compounds, 1)
        chosen = [(kind, at) for kind in LOOKS] + [(COMPOUND, at + turn) for turn in range(compounds)]
        yield from _seen_as(segmenter, sample_view(sample), sample.name, chosen)


def bad_cases(
    segmenter: Segmenter,
    samples: Sequence[Sample],
    photographs: Sequence[Frame],
    each: int,
    seed: int,
    kinds: Collection[str] = tuple(KINDS),
) -> Iterator[Examined]:
    """Measure bad frames of every kind, made from randomly drawn samples.

    Args:
        segmenter: The artifact.
        samples: Real images.
        photographs: Photographs of other things. If there are none, the kinds that need them are left out.
        each: Number of frames per kind.
        seed: Seed for the draw and the frames.
        kinds: Kinds from :data:`train.frames.bad_frames.KINDS`.
    """
    rng = np.random.default_rng(seed)
    for kind in kinds:
        if kind in ("photograph", "menus") and not photographs:
            continue
        for number in range(each):
            one, other = (samples[i] for i in rng.choice(len(samples), 2, replace=False))
            scene = Scene(one.frame(), one.ellipse(), other.frame(), photographs)
            frame = make_bad(kind, scene, 1000 * seed + number)
            view = View(frame, scene.head, (one.pixel_size_mm, one.pixel_size_mm))
            yield examine(segmenter, view, one.name, kind, False)


def other_cases(segmenter: Segmenter, others: Sequence[Other], looks: int, seed: int) -> Iterator[Examined]:
    """Measure frames from elsewhere, unchanged and in other looks, as if their head had :data:`NOMINAL_HC_MM`.

    Args:
        segmenter: The artifact.
        others: The frames.
        looks: Number of looks per frame.
        seed: Seed for the looks.
    """
    kinds = list(LOOKS)
    for number, other in enumerate(others):
        view, good = other_view(other, NOMINAL_HC_MM)
        yield examine(segmenter, view, other.path.name, other.kind, good, view.head)
        for turn in range(number * looks, (number + 1) * looks):
            look = make_look(kinds[turn % len(kinds)], view, seed * 100_000 + turn)
            if look is not None:
                yield examine(segmenter, look, other.path.name, other.kind, good, look.head)


PARTS = ("train", "val", "test")

BAD_EACH = {"train": 40, "val": 25, "test": 25}
"""Bad frames per kind."""

LOOKS_EACH = {"train": 2, "val": 20}
"""Looks per image. The test part is seen in every kind of look, and in some compounds."""

COMPOUNDS_EACH = 12
"""Compounds per image of the test part."""

OTHER_LOOKS = 2
"""Looks per frame from elsewhere."""


def parts_of(segmenter: Segmenter, dataset: Dataset) -> dict[str, list[Sample]]:
    """The samples that an artifact's network was trained, selected and tested on.

    Raises:
        UsageError: The samples are not in this data set.
    """
    data = segmenter.manifest.checkpoint.get("data", {})
    if data.get("title") != dataset.title or not data.get("files"):
        raise UsageError(
            f"{segmenter.manifest.name} was trained on {data.get('title')}, and {dataset.root} is {dataset.title}: it "
            "is not known which of these images were used for training. Pass the folder it was trained on with --data."
        )
    parts = {part: [dataset.samples[n] for n in data["files"][part] if n in dataset.samples] for part in PARTS}
    if not parts["train"]:
        raise UsageError(
            f"{dataset.root} has none of the {len(data['files']['train'])} images that {segmenter.manifest.name} was "
            "trained on. Pass the folder it was trained on with --data."
        )
    return parts


def others_of(segmenter: Segmenter, others: Sequence[Other]) -> list[Other]:
    """The frames from elsewhere of the kinds that an artifact's network was trained on; all if that is not recorded.

    A kind that was left out of its training stays unknown to its limits, too, so that it can test both.
    """
    trained = segmenter.manifest.checkpoint.get("data", {}).get("others")
    return [other for other in others if trained is None or other.kind in trained]


def gather(segmenter: Segmenter, samples: Sequence[Sample], part: str) -> list[Examined]:
    """Measure good and bad frames of one part. No two parts share images, seeds or photographs."""
    number = PARTS.index(part)
    if part in LOOKS_EACH:
        made_good = good_cases(segmenter, samples, LOOKS_EACH[part], number + 1)
    else:
        made_good = every_look(segmenter, samples, COMPOUNDS_EACH, number + 1)
    good = list(_told(made_good, f"{part}, good frames"))
    pictures = list(photographs(number, len(PARTS)).values())
    if not pictures:
        say("no package with photographs is installed (scikit-image): bad frames made from photographs are left out")
    made = bad_cases(segmenter, samples, pictures, BAD_EACH[part], number + 1)
    return [*good, *_told(made, f"{part}, bad frames")]


def gather_others(segmenter: Segmenter, others: Sequence[Other]) -> list[Examined]:
    """Measure frames from elsewhere."""
    return list(_told(other_cases(segmenter, others, OTHER_LOOKS, 1), "frames from elsewhere"))


def _told(cases: Iterable[Examined], what: str) -> Iterator[Examined]:
    count = 0
    for count, case in enumerate(cases, 1):
        yield case
        if count % 1000 == 0:
            say(f"  {what}: {count} ...")
    say(f"  {what}: {count}")


def refused(cases: Sequence[Examined], limits: Limits) -> list[bool]:
    """For each frame, whether an artifact with these limits refuses it."""
    return [not is_shown(c, limits) for c in cases]


def is_shown(case: Examined, limits: Limits) -> bool:
    """Whether an artifact with these limits shows a number for a frame."""
    if case.figures is None or case.look is None:
        return False
    return limits.refusal(case.figures, looks_unlike(case, limits)) is None


def looks_unlike(case: Examined, limits: Limits) -> bool:
    """Whether a frame looks unlike those that the interval was measured on."""
    return case.look is not None and limits.known.distance(case.look) > limits.known.most
