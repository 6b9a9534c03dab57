"""Whether a result may be shown, and the figures that say why."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.geometry import Geometry
from edge_runtime.frame.preprocess import Prepared
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.head.find_head import Head
from edge_runtime.quality.evidence import Evidence, gather_evidence
from edge_runtime.quality.limits import BLURRED, NOT_VALIDATED, Limits
from edge_runtime.quality.look import look_figures

# The wide limits. Each is far from what good frames give (python -m benchmarks run prints how many it refuses).
MIN_CONTRAST = 4.0
MIN_SEEN_SIDE = 16
"""In network pixels. A frame so long that its shorter side has less shows no head that could be measured."""
MIN_AREA_FRACTION = 0.01
MAX_AREA_FRACTION = 0.95
MAX_ELLIPSE_RESIDUAL = 0.12
MIN_AXIS_RATIO = 0.5
MAX_BORDER_CONTACT = 0.35
MAX_RIVAL = 0.85
HC_RANGE_MM = (30.0, 450.0)
"""Head circumferences that a fetus can have, with a margin. Those of HC18 lie between 44 and 346 mm."""

NO_PIXEL_SIZE = "no pixel size was given"


@dataclass(frozen=True)
class Quality:
    """Figures behind the decision to show or refuse.

    Attributes:
        contrast: Standard deviation of what the network sees in grey levels, 0 to 127.5 (:func:`count_greys`).
        regions: Number of separate regions above the threshold. A head gives 1.
        area_fraction: Share of the frame that is head, 0 to 1.
        ellipse_residual: RMS distance of the outline from its ellipse, relative to the radius.
        axis_ratio: Shorter axis of the ellipse divided by the longer one, 0 to 1. 0 without an ellipse.
        border_contact: Share of the outline on the frame's border, 0 to 1.
        rival: How certain the network is of another region, relative to the head's, 0 to 1.
        evidence: More figures, for the model's own limits. None if its manifest has no limits, or if the frame was
            refused by the wide limits.
        look_distance: Distance from the look of the images that the interval was measured on; about 1 for such images.
            None without evidence.
    """

    contrast: float
    regions: int
    area_fraction: float
    ellipse_residual: float
    axis_ratio: float
    border_contact: float
    rival: float = 0.0
    evidence: Evidence | None = None
    look_distance: float | None = None

    def figures(self) -> dict[str, float]:
        """All figures for which a model can have its own limit, by name."""
        named = {
            "regions": float(self.regions),
            "ellipse_residual": self.ellipse_residual,
            "axis_ratio": self.axis_ratio,
            "border_contact": self.border_contact,
        }
        return named if self.evidence is None else {**named, **vars(self.evidence)}


@dataclass(frozen=True)
class Verdict:
    """The decision about a result: a circumference, or a reason why there is none.

    Attributes:
        quality: The figures behind it.
        head_circumference_mm: None if the measurement is refused or the pixel size is unknown.
        reason: Why there is no circumference. None if there is one.
        interval_mm: The range that should contain the true circumference in at least 90% of images. None without a
            circumference.
        trust: Probability that a head is measured to within 5 mm, 0 to 1; 0 if the measurement is refused. None if the
            model has no limits.
        caution: A warning to show beside the circumference, else None.
    """

    quality: Quality
    head_circumference_mm: float | None
    reason: str | None
    interval_mm: tuple[float, float] | None = None
    trust: float | None = None
    caution: str | None = None


def judge(head: Head, prepared: Prepared, pixel_size_mm: tuple[float, float] | None) -> tuple[Quality, str | None]:
    """Judge a result by the wide limits.

    Args:
        head: The head that was found.
        prepared: The network's input.
        pixel_size_mm: (x, y) in mm. The axis ratio is that in mm, or in pixels if this is None.

    Returns:
        The figures, and the reason to refuse the measurement. The reason is None if the measurement may be shown.
    """
    ellipse = head.ellipse.scaled(*pixel_size_mm) if head.ellipse and pixel_size_mm else head.ellipse
    ratio = ellipse.semi_minor / ellipse.semi_major if ellipse else 0.0
    place = prepared.geometry.place
    contrast = prepared.greys.deviation
    quality = Quality(
        contrast, head.regions, head.area_fraction, head.ellipse_residual, ratio, head.border_contact, head.rival
    )
    reason = None
    if min(place.size) < MIN_SEEN_SIDE:
        across = f"it has {min(place.size)} network pixels across, at least {MIN_SEEN_SIDE} are needed"
        reason = f"no image: the frame is too long ({across})"
    elif contrast < MIN_CONTRAST:
        reason = f"no image: the frame is almost uniform (contrast {contrast:.1f}, at least {MIN_CONTRAST} is needed)"
    elif head.regions == 0:
        reason = "no head found"
    elif not MIN_AREA_FRACTION <= head.area_fraction <= MAX_AREA_FRACTION:
        reason = f"no head found (the region covers {head.area_fraction:.1%} of the frame)"
    elif ellipse is None or ratio < MIN_AXIS_RATIO or head.ellipse_residual > MAX_ELLIPSE_RESIDUAL:
        reason = f"the outline is not shaped like a head (residual {head.ellipse_residual:.3f}, axis ratio {ratio:.2f})"
    elif head.rival > MAX_RIVAL:
        reason = f"two regions look like a head (the second is {head.rival:.0%} as clear as the first)"
    elif head.border_contact > MAX_BORDER_CONTACT:
        reason = f"the head extends beyond the frame ({head.border_contact:.0%} of its outline is on the border)"
    elif head.ellipse is not None and leaves_part(head.ellipse, prepared.geometry):
        reason = "the outline leaves the part of the frame that is measured"
    return quality, reason


def leaves_part(ellipse: Ellipse, geometry: Geometry) -> bool:
    """Whether an ellipse, in frame pixels, passes through the frame outside of the part that is measured.

    There the frame shows something else, perhaps at another scale. Beyond the frame itself there is nothing.
    """
    if geometry.part is None:
        return False
    (height, width), part = geometry.frame, geometry.part
    x, y = ellipse.outline(360).T + 0.5  # pixels begin at whole numbers now
    in_frame = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    in_part = (x >= part.left) & (x <= part.right) & (y >= part.top) & (y <= part.bottom)
    return bool((in_frame & ~in_part).any())


def measure_head(
    head: Head, prepared: Prepared, pixel_size_mm: tuple[float, float] | None
) -> tuple[Quality, float | None, str | None]:
    """Measure a head, or refuse it by the wide limits.

    This is the only path from a head to a number that may be shown.

    Args:
        head: The head that was found.
        prepared: The network's input.
        pixel_size_mm: (x, y) in mm. None if unknown.

    Returns:
        The figures behind the decision; the head circumference in mm, or None if it is refused or the pixel size is
        unknown; and the reason if it is None.
    """
    quality, reason = judge(head, prepared, pixel_size_mm)
    if reason is not None or head.ellipse is None:
        return quality, None, reason
    if pixel_size_mm is None:
        return quality, None, NO_PIXEL_SIZE
    hc_mm = head.ellipse.scaled(*pixel_size_mm).perimeter
    low, high = HC_RANGE_MM
    if low <= hc_mm <= high:
        return quality, hc_mm, None
    figures = f"{hc_mm:.1f} mm; {low:.0f} to {high:.0f} mm are possible"
    reason = f"that is not a fetal head circumference ({figures}): check the pixel size"
    return quality, None, reason


def weigh(
    head: Head,
    prepared: Prepared,
    logits: NDArray[np.float32],
    pixel_size_mm: tuple[float, float] | None,
    limits: Limits | None,
) -> Verdict:
    """Measure a head, or refuse it by the wide limits or by the model's own.

    Args:
        head: The head that was found.
        prepared: The network's input.
        logits: float32 (h, w), the network's output.
        pixel_size_mm: (x, y) in mm. None if unknown.
        limits: The model's own limits. None if it has none.
    """
    quality, hc_mm, reason = measure_head(head, prepared, pixel_size_mm)
    if limits is None:
        return Verdict(quality, hc_mm, reason)
    evidence = gather_evidence(head, prepared, logits) if reason in (None, NO_PIXEL_SIZE) else None
    if evidence is None:
        return Verdict(quality, hc_mm, reason, trust=0.0)
    look = limits.known.distance(look_figures(prepared.greys, evidence.fine_x, evidence.fine_y))
    quality = replace(quality, evidence=evidence, look_distance=look)
    figures = quality.figures()
    unlike = look > limits.known.most
    refusal = limits.refusal(figures, unlike)
    if refusal is not None:
        return Verdict(quality, None, refusal, trust=0.0)
    trust = limits.trust(figures)
    if hc_mm is None:
        return Verdict(quality, None, reason, trust=trust)
    blur = evidence.softness * hc_mm
    interval = limits.interval_mm(hc_mm, blur, unlike)
    if unlike:
        caution: str | None = f"{NOT_VALIDATED} (distance {look:.1f}, at most {limits.known.most:.1f})"
    else:
        caution = BLURRED if limits.expected_error_mm(blur) > limits.caution_mm else None
    return Verdict(quality, hc_mm, None, interval, trust, caution)
