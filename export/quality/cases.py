"""Measure good and bad frames with an artifact. Its limits are derived from the results, and tested on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_runtime.common.cli import say
from edge_runtime.errors import UsageError
from edge_runtime.quality.evidence import gather_evidence
from edge_runtime.quality.limits import Limits
from edge_runtime.segmenter import Segmenter
from train.data.hc18 import Dataset, Sample
from train.frames.bad_frames import KINDS, Scene, make_bad
from train.frames.good_variants import KINDS as VARIANTS
from train.frames.good_variants import make_variant
from train.frames.no_frames import Frame
from train.frames.photographs import photographs

REAL = "real"
"""Kind of an unchanged frame of the data set."""


@dataclass(frozen=True)
class Examined:
    """One frame, and the artifact's result under the wide limits alone.

    Attributes:
        name: Name of the image that the frame is or was made from.
        kind: :data:`REAL`, or a kind of good variant or bad frame.
        good: Whether the head can be measured in this frame.
        reason: Why the wide limits refuse the frame; None if they do not.
        figures: Result of :meth:`edge_runtime.quality.verdict.Quality.figures`; None if refused.
        hc_mm: Measured head circumference; None if refused.
        true_hc_mm: Annotated head circumference. For a bad frame, that of the image it was made from.
    """

    name: str
    kind: str
    good: bool
    reason: str | None
    figures: Mapping[str, float] | None
    hc_mm: float | None
    true_hc_mm: float

    @property
    def error_mm(self) -> float:
        """Measured minus true circumference; NaN if refused."""
        return np.nan if self.hc_mm is None else self.hc_mm - self.true_hc_mm

    @property
    def blur_mm(self) -> float:
        """Blur of the outline, scaled to the circumference; NaN if refused."""
        return np.nan if self.hc_mm is None or self.figures is None else self.figures["softness"] * self.hc_mm


def examine(segmenter: Segmenter, frame: Frame, sample: Sample, kind: str, good: bool, scale: float = 1.0) -> Examined:
    """Measure a frame under the wide limits.

    Args:
        segmenter: The artifact. Its own limits are not applied.
        frame: uint8 (H, W).
        sample: The sample that the frame was made from.
        kind: Kind of the frame.
        good: Whether the head can be measured in it.
        scale: Magnification of the frame, see :class:`train.frames.good_variants.Variant`.
    """
    stages = segmenter.examine(frame, sample.pixel_size_mm / scale)
    hc, reason = stages.verdict.head_circumference_mm, stages.verdict.reason
    evidence = None if hc is None else gather_evidence(stages.head, stages.prepared, stages.logits)
    if evidence is None:
        return Examined(sample.name, kind, good, reason, None, None, sample.hc_mm)
    figures = replace(stages.verdict.quality, evidence=evidence).figures()
    return Examined(sample.name, kind, good, None, figures, hc, sample.hc_mm)


def good_cases(segmenter: Segmenter, samples: Sequence[Sample], variants: int) -> Iterator[Examined]:
    """Measure every sample unchanged, and mild variants of each, cycling through the kinds.

    Args:
        segmenter: The artifact.
        samples: Real images.
        variants: Number of variants per sample. Variants whose head would leave the frame are skipped.
    """
    for number, sample in enumerate(samples):
        frame, head = sample.frame(), sample.ellipse()
        yield examine(segmenter, frame, sample, REAL, True)
        for turn in range(number * variants, (number + 1) * variants):
            kind = VARIANTS[turn % len(VARIANTS)]
            variant = make_variant(kind, frame, head, turn)
            if variant is not None:
                yield examine(segmenter, variant.frame, sample, kind, True, variant.scale)


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
        kinds: Kinds from :data:`train.frames.bad_frames.KINDS` or ``DAMAGES``.
    """
    rng = np.random.default_rng(seed)
    for kind in kinds:
        if kind in ("photograph", "menus") and not photographs:
            continue
        for number in range(each):
            one, other = (samples[i] for i in rng.choice(len(samples), 2, replace=False))
            scene = Scene(one.frame(), one.ellipse(), other.frame(), photographs)
            frame = make_bad(kind, scene, 1000 * seed + number)
            yield examine(segmenter, frame, one, kind, False)


PARTS = ("train", "val", "test")


BAD_EACH = {"train": 40, "val": 25, "test": 25}
"""Bad frames per kind. With 23 kinds, these are 575 frames of the validation part and 575 others of the test part."""


VARIANTS_EACH = {"train": 1, "val": 4, "test": 3}
"""Mild variants per image."""


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
    return {part: [dataset.samples[n] for n in data["files"][part] if n in dataset.samples] for part in PARTS}


def gather(segmenter: Segmenter, samples: Sequence[Sample], part: str, bad: bool = True) -> list[Examined]:
    """Measure good and bad frames of one part. No two parts share images, variants, seeds or photographs."""
    good = list(_told(good_cases(segmenter, samples, VARIANTS_EACH[part]), f"{part}, good frames"))
    if not bad:
        return good
    number = PARTS.index(part)
    pictures = list(photographs(number, len(PARTS)).values())
    if not pictures:
        say("no package with photographs is installed (scikit-image): bad frames made from photographs are left out")
    made = bad_cases(segmenter, samples, pictures, BAD_EACH[part], number + 1)
    return [*good, *_told(made, f"{part}, bad frames")]


def _told(cases: Iterable[Examined], what: str) -> Iterator[Examined]:
    count = 0
    for count, case in enumerate(cases, 1):  # noqa: B007 - told after the last
        yield case
    say(f"  {what}: {count}")


def refused(cases: Sequence[Examined], limits: Limits) -> list[bool]:
    """For each frame, whether an artifact with these limits refuses it."""
    return [
        c.figures is None or limits.violation(c.figures) is not None or limits.trust(c.figures) < limits.least_trust
        for c in cases
    ]
