"""The document of ``python -m benchmarks quality``, and its goals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.goals import Goal, goals_text
from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from edge_runtime.quality.limits import Limits

SCHEMA_VERSION = 1
LARGE_MM = 5.0
"""|HC error| above which an image counts as badly measured, in mm."""

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Shares of frames kept, for which the error of the rest is given."""

GOAL_COVERAGE = 0.95
"""Share of frames kept that the goal on the fall of the error is for."""

MIN_BAD_REFUSED, MAX_GOOD_REFUSED, MIN_FALL, MIN_INSIDE = 0.99, 0.02, 0.30, 0.9
"""The goals, as shares."""


@dataclass(frozen=True)
class Count:
    """Frames and refused frames.

    Attributes:
        n: Frames.
        n_refused: Those that were refused.
    """

    n: int
    n_refused: int


@dataclass(frozen=True)
class Group(Count):
    """A group of frames.

    Attributes:
        kinds: Frames by kind.
        reasons: Refused frames by the reason given.
    """

    kinds: dict[str, Count]
    reasons: dict[str, int]


@dataclass(frozen=True)
class Refusals:
    """Frames made from the images of one part.

    Attributes:
        real: The images themselves.
        variants: Mild variants of them, which can still be measured.
        bad: Bad frames, which cannot.
    """

    real: Group
    variants: Group
    bad: Group


@dataclass(frozen=True)
class Kept:
    """The frames with the smallest expected errors.

    Attributes:
        coverage: Share of all frames that they are, 0 to 1.
        p95_mm: 95th percentile of their |HC error|, in mm.
        p95_perfect_mm: The same if the frames with the smallest true errors are kept, in mm.
        n: Their number.
    """

    coverage: float
    p95_mm: float
    p95_perfect_mm: float
    n: int


@dataclass(frozen=True)
class Risk:
    """Error against coverage.

    Attributes:
        n: Frames, all that can be measured within the runtime's general limits.
        n_above_5_mm: Frames with an |HC error| above :data:`LARGE_MM`.
        auroc: Area under the ROC curve of the expected error as a test for these, 0 to 1; None if there are none, or
            only these.
        curve: For each of :data:`COVERAGES`.
        fall: Fall of the 95th percentile from all frames to :data:`GOAL_COVERAGE`, as a share; negative is a rise.
        fall_perfect: The same for a perfect order, as a share.
    """

    n: int
    n_above_5_mm: int
    auroc: float | None
    curve: tuple[Kept, ...]
    fall: float
    fall_perfect: float

    def kept(self, coverage: float) -> Kept:
        """The row of the curve for one of :data:`COVERAGES`."""
        return self.curve[COVERAGES.index(coverage)]


@dataclass(frozen=True)
class Points:
    """Frames for the picture, one value for each.

    Attributes:
        expected_mm: Expected |HC error| in mm.
        error_mm: Measured minus true circumference, in mm.
    """

    expected_mm: tuple[float, ...]
    error_mm: tuple[float, ...]


@dataclass(frozen=True)
class Intervals:
    """How often the interval beside a circumference holds the true one, over images that are not refused.

    Attributes:
        n: Images.
        n_inside: Images whose true circumference lies inside.
        coverage: Their share, 0 to 1.
        coverage_small_heads: The share among heads below the median circumference.
        coverage_large_heads: The share among the others.
        mean_width_mm: Mean width of the interval, in mm.
        n_marked: Images that are shown with a caution because of their expected error.
    """

    n: int
    n_inside: int
    coverage: float
    coverage_small_heads: float
    coverage_large_heads: float
    mean_width_mm: float
    n_marked: int


@dataclass(frozen=True)
class Times:
    """Time of one frame, in ms.

    Attributes:
        least: The shortest.
        median: The median.
    """

    least: float
    median: float


@dataclass(frozen=True)
class Findings:
    """All that is measured. Parts are named ``train``, ``val``, ``test`` (of the split ``grouped``) and ``paper_test``.

    Attributes:
        refused: By part.
        refused_by_limits_alone: Bad frames of the test part that the limits refuse without trust.
        left_out_kinds: Each kind of bad frames of the test part, under a trust that was fitted without this kind.
        risk: Real images, by part.
        points: Real images of ``val`` and ``paper_test``.
        risk_damaged: Real images of ``paper_test`` and slightly damaged frames made from them.
        intervals: Real images, by part.
        evidence_ms: Time that the figures of one frame take.
    """

    refused: dict[str, Refusals]
    refused_by_limits_alone: int
    left_out_kinds: dict[str, Count]
    risk: dict[str, Risk]
    points: dict[str, Points]
    risk_damaged: Risk
    intervals: dict[str, Intervals]
    evidence_ms: Times


@dataclass(frozen=True, kw_only=True)
class QualityDocument(Measured, Findings):
    """A result file: :class:`Findings`, and what they are about.

    Attributes:
        artifact: Name of the artifact.
        model_sha256: SHA-256 of the .tflite file.
        data: Title of the data set.
        limits: The artifact's limits, trust and interval.
    """

    artifact: str
    model_sha256: str
    data: str
    limits: Limits


def read_quality(path: Path) -> QualityDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, QualityDocument, SCHEMA_VERSION, "python -m benchmarks quality")


PART_NAMES: Mapping[str, str] = {
    "val": "validation part",
    "test": "test part",
    "paper_test": "test part of the split paper",
}


def goals(found: Findings, parts: tuple[str, ...] = ("test",)) -> list[Goal]:
    """The goals, met or missed.

    Args:
        found: What was measured.
        parts: Parts for which error and interval are given.
    """
    bad = found.refused["test"].bad
    unseen = [found.refused[part].real for part in ("val", "paper_test")]
    n_good, lost = sum(group.n for group in unseen), sum(group.n_refused for group in unseen)
    rows = [
        Goal(
            f"bad frames refused, {len(bad.kinds)} kinds, test part", MIN_BAD_REFUSED, bad.n_refused / bad.n, False,
            f"{bad.n_refused} of {bad.n}",
        ),
        Goal(
            "good images refused, all that were not trained on", MAX_GOOD_REFUSED, lost / n_good, True,
            f"{lost} of {n_good}",
        ),
    ]  # fmt: skip
    for part in parts:
        risk, interval = found.risk[part], found.intervals[part]
        auroc = "" if risk.auroc is None else f", AUROC {risk.auroc:.2f}"
        rows += [
            Goal(
                f"fall of the 95th percentile of |HC error| at {GOAL_COVERAGE:.0%} coverage, {PART_NAMES[part]}",
                MIN_FALL, risk.fall, False, f"{risk.fall_perfect:.0%} with a perfect order{auroc}",
            ),
            Goal(
                f"true HC inside the {MIN_INSIDE:.0%} interval, {PART_NAMES[part]}", MIN_INSIDE, interval.coverage,
                False, f"{interval.n_inside} of {interval.n}, mean width {interval.mean_width_mm:.1f} mm",
            ),
        ]  # fmt: skip
    return rows


def table(found: Findings) -> str:
    """The goals of all parts, for a terminal."""
    return goals_text(goals(found, tuple(PART_NAMES)))
