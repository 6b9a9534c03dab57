"""Good and bad frames measured by an artifact: what its limits are derived from and judged by."""

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
from train.frames.bad_frames import KINDS, Scene, make_bad, photographs
from train.frames.good_variants import KINDS as VARIANTS
from train.frames.good_variants import make_variant
from train.frames.no_frames import Frame

REAL = "real"
"""Kind of a frame as it was published."""


@dataclass(frozen=True)
class Examined:
    """One frame, and what the artifact made of it under the wide limits alone.

    Attributes:
        name: Of the image it is or was made from.
        kind: :data:`REAL`, or one of the variants' or the bad frames' kinds.
        good: Whether its head can be measured.
        reason: Why the wide limits refuse it, else None.
        figures: As :meth:`edge_runtime.quality.verdict.Quality.figures`; None where refused.
        hc_mm: Measured; None where refused.
        true_hc_mm: Reference; of a bad frame, that of the image it was made from.
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
        """Measured less true; NaN where refused."""
        return np.nan if self.hc_mm is None else self.hc_mm - self.true_hc_mm

    @property
    def blur_mm(self) -> float:
        """What the outline's blur makes of the circumference; NaN where refused."""
        return np.nan if self.hc_mm is None or self.figures is None else self.figures["softness"] * self.hc_mm


def examine(segmenter: Segmenter, frame: Frame, sample: Sample, kind: str, good: bool, scale: float = 1.0) -> Examined:
    """Measure a frame under the wide limits.

    Args:
        segmenter: The artifact; its own limits are not asked.
        frame: uint8 (H, W).
        sample: What it was made from.
        kind: Of frame.
        good: Whether its head can be measured.
        scale: Of its pixels against the sample's, see :class:`train.frames.good_variants.Variant`.
    """
    stages = segmenter.examine(frame, sample.pixel_size_mm / scale)
    hc, reason = stages.verdict.head_circumference_mm, stages.verdict.reason
    evidence = None if hc is None else gather_evidence(stages.head, stages.network_input, stages.logits)
    if evidence is None:
        return Examined(sample.name, kind, good, reason, None, None, sample.hc_mm)
    figures = replace(stages.verdict.quality, evidence=evidence).figures()
    return Examined(sample.name, kind, good, None, figures, hc, sample.hc_mm)


def good_cases(segmenter: Segmenter, samples: Sequence[Sample], variants: int) -> Iterator[Examined]:
    """Every sample as it is, and so many mild variants of each, the kinds in turn.

    Args:
        segmenter: The artifact.
        samples: Real images.
        variants: Of each; those whose head would leave the frame are left out.
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
    """So many bad frames of every kind, made from samples drawn at random.

    Args:
        segmenter: The artifact.
        samples: Real images.
        photographs: Of anything else; without any the kinds made of them are left out.
        each: Frames of a kind.
        seed: Of the draw and of the frames.
        kinds: Of :data:`train.frames.bad_frames.KINDS`, or its ``DAMAGES``.
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
"""Bad frames of a kind; with 23 kinds 575 of the validation part, and other 575 of the test part."""


VARIANTS_EACH = {"train": 1, "val": 4, "test": 3}
"""Mild variants of an image."""


def parts_of(segmenter: Segmenter, dataset: Dataset) -> dict[str, list[Sample]]:
    """The samples an artifact was trained, chosen and tested on.

    Raises:
        UsageError: They are not in this data set.
    """
    data = segmenter.manifest.checkpoint.get("data", {})
    if data.get("title") != dataset.title or not data.get("files"):
        raise UsageError(
            f"{segmenter.manifest.name} was trained on {data.get('title')}, and {dataset.root} is {dataset.title}: "
            "which images are fair to calibrate on cannot be told. Give --data the folder it was trained on."
        )
    return {part: [dataset.samples[n] for n in data["files"][part] if n in dataset.samples] for part in PARTS}


def gather(segmenter: Segmenter, samples: Sequence[Sample], part: str, bad: bool = True) -> list[Examined]:
    """Good and bad frames of one part: its own images, variants, seeds and photographs."""
    good = list(_told(good_cases(segmenter, samples, VARIANTS_EACH[part]), f"{part}, good frames"))
    if not bad:
        return good
    number = PARTS.index(part)
    pictures = list(photographs(number, len(PARTS)).values())
    if not pictures:
        say("no package with photographs is installed (scikit-image): their kinds are left out")
    made = bad_cases(segmenter, samples, pictures, BAD_EACH[part], number + 1)
    return [*good, *_told(made, f"{part}, bad frames")]


def _told(cases: Iterable[Examined], what: str) -> Iterator[Examined]:
    count = 0
    for count, case in enumerate(cases, 1):  # noqa: B007 - told after the last
        yield case
    say(f"  {what}: {count}")


def refused(cases: Sequence[Examined], limits: Limits) -> list[bool]:
    """Which frames an artifact with these limits does not measure."""
    return [
        c.figures is None or limits.violation(c.figures) is not None or limits.trust(c.figures) < limits.least_trust
        for c in cases
    ]
