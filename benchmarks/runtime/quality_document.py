"""The document of ``python -m benchmarks quality``, and its goals."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.goals import Goal, goals_text
from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from edge_runtime.common.record import LEFT_OUT
from edge_runtime.quality.limits import Limits

SCHEMA_VERSION = 2
LARGE_MM = 5.0
"""|HC error| above which an image counts as badly measured, in mm."""

WRONG_MM = 10.0
"""|HC error| above which a number that is shown is wrong, in mm."""

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Shares of frames kept, for which the error of the rest is given."""

MIN_BAD_REFUSED, MAX_REAL_REFUSED, MAX_ADF_MM = 0.99, 0.01, 1.69
MAX_WRONG_LOOKS, MAX_WRONG_COMPOUNDS, MAX_COMPOUNDS_REFUSED = 0.001, 0.002, 0.08
MIN_INSIDE, MAX_INSIDE, MAX_WIDTH_MM = 0.90, 0.97, 8.0
"""The goals: shares, and mm."""


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
class LookFound(Count):
    """Frames of one altered look.

    Attributes:
        n_wrong: Frames that are shown with an |HC error| above :data:`WRONG_MM`.
        n_unlike: Frames that are shown with the caution that their look is not validated.
        n_inside: Frames that are shown with the true circumference in their interval.
        median_mm: Median |HC error| of what is shown, in mm; None if nothing is.
        n_unlike_inside: Frames of ``n_unlike`` with the true circumference in their interval; None in older results.
    """

    n_wrong: int
    n_unlike: int
    n_inside: int
    median_mm: float | None
    n_unlike_inside: int | None = field(default=None, metadata=LEFT_OUT)

    @property
    def n_shown(self) -> int:
        """Frames that are shown."""
        return self.n - self.n_refused


@dataclass(frozen=True)
class Refusals:
    """Frames made from the images of one part.

    Attributes:
        real: The images themselves.
        looks: Other looks of them, in which the head can still be measured.
        bad: Bad frames, in which it cannot.
    """

    real: Group
    looks: Group
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
        auroc_trust: The same of trust, where less is worse.
        rank_correlation: Spearman's, of trust and |HC error|: negative if less trust goes with more error.
        curve: For each of :data:`COVERAGES`.
    """

    n: int
    n_above_5_mm: int
    auroc: float | None
    auroc_trust: float | None
    rank_correlation: float
    curve: tuple[Kept, ...]

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
class Earned:
    """What a figure tells, among the frames that the runtime's general limits do not refuse.

    Attributes:
        wrong: Area under the ROC curve as a test for heads that are measured wrongly, by more than 5 mm; 0.5 is chance.
        no_head: The same for frames without a head that can be measured.
    """

    wrong: float | None
    no_head: float | None


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
    """All that is measured. Parts are named ``train``, ``val`` and ``test``.

    Attributes:
        refused: By part.
        refused_without_doubt: Bad frames of the test part that the bounds refuse alone.
        looks: Each kind of look of the images of the test part.
        compounds: Compounds of looks of the same images.
        risk: Real images, by part, and under ``looks`` all looks and compounds of the test part.
        points: Real images of ``val`` and ``test``.
        adf_mm: Mean |HC error| of the real images that are shown, by part.
        intervals: Real images, by part.
        earned: What each figure tells, over the frames of all parts and from elsewhere.
        n_earned: Number of these frames: measured rightly, wrongly, and without a head.
        evidence_ms: Time that the figures of one frame take.
    """

    refused: dict[str, Refusals]
    refused_without_doubt: int
    looks: dict[str, LookFound]
    compounds: LookFound
    adf_mm: dict[str, float]
    risk: dict[str, Risk]
    points: dict[str, Points]
    intervals: dict[str, Intervals]
    earned: dict[str, Earned]
    n_earned: tuple[int, int, int]
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


def _share(name: str, asked: float, count: int, of: int, at_most: bool = False) -> Goal:
    return Goal(name, asked, count / of if of else 0.0, at_most, f"{count:,} of {of:,}")


def goals(found: Findings) -> list[Goal]:
    """The goals, met or missed."""
    test = found.refused["test"]
    kinds = list(found.looks.values())
    wrong, shown = sum(k.n_wrong for k in kinds), sum(k.n_shown for k in kinds)
    both, interval, adf = found.compounds, found.intervals["test"], found.adf_mm["test"]
    off = f"wrong by more than {WRONG_MM:g} mm"
    n = f"{interval.n} images"
    return [
        _share(f"bad frames refused, {len(test.bad.kinds)} kinds", MIN_BAD_REFUSED, test.bad.n_refused, test.bad.n),
        _share("images of unseen exams refused", MAX_REAL_REFUSED, test.real.n_refused, test.real.n, True),
        Goal("ADF of these images (mm)", MAX_ADF_MM, adf, True, n, "mm"),
        _share(f"{len(kinds)} altered looks of them, {off}", MAX_WRONG_LOOKS, wrong, shown, True),
        _share(f"compounds of looks, {off}", MAX_WRONG_COMPOUNDS, both.n_wrong, both.n_shown, True),
        _share("compounds of looks, refused", MAX_COMPOUNDS_REFUSED, both.n_refused, both.n, True),
        _share("true HC in the interval", MIN_INSIDE, interval.n_inside, interval.n),
        _share("true HC in the interval, not more than", MAX_INSIDE, interval.n_inside, interval.n, True),
        Goal("mean width of the interval (mm)", MAX_WIDTH_MM, interval.mean_width_mm, True, n, "mm"),
    ]


def table(found: Findings) -> str:
    """The goals, for a terminal."""
    return goals_text(goals(found))
