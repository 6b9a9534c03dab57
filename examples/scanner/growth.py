"""What published formulas say of a head circumference (HC): an age, a percentile, a chart. None is a finding."""

from __future__ import annotations

from math import log
from statistics import NormalDist

_TWO_SD_WEEKS = ((18, 1.19), (24, 1.48), (30, 2.06), (36, 2.98), (42, 3.20))
"""Up to which week, and how much. Both in weeks."""


def age_weeks(hc_mm: float) -> tuple[float, float] | None:
    """Age for an HC, and two standard deviations of it, in weeks. None outside 14 to 42, the ages it was fitted to.

    Hadlock, Deter, Harrist, Park: Estimating fetal age, Radiology 1984;152:497-501. HC in cm in the formula.
    """
    weeks = 8.96 + 0.540 * (hc_mm / 10) + 0.0003 * (hc_mm / 10) ** 3
    spread = next((spread for until, spread in _TWO_SD_WEEKS if 14 <= weeks <= until), None)
    return (weeks, spread) if spread else None


def distribution(weeks: float) -> NormalDist:
    """HC in mm of healthy fetuses of an age in exact weeks, 14 to 40.

    INTERGROWTH-21st: Papageorghiou et al., Lancet 2014;384:869-879.
    """
    mean = -28.2849 + 1.69267 * weeks**2 - 0.397485 * weeks**2 * log(weeks)
    curve = 0.0136772 - 0.00726264 * log(weeks) + 0.000976253 * log(weeks) ** 2
    return NormalDist(mean, 1.98735 + curve * weeks**3)


def place(weeks: float, hc_mm: float) -> tuple[float, float]:
    """Where a point lies in the chart: x and y in the units of its viewBox."""
    return round(300 * (weeks - 14) / 26, 1), round(160 * (360 - hc_mm) / 300, 1)


def chart() -> str:
    """The 3rd, 10th, 50th, 90th and 97th percentile from 14 to 40 weeks, as the inside of an SVG."""
    parts = [f'<text x="{place(w, 0)[0] - 8}" y="174">{w}</text>' for w in (16, 20, 24, 28, 32)]
    parts += [f'<text x="-26" y="{place(0, hc)[1] + 4}">{hc}</text>' for hc in (100, 200, 300)]
    for percent in (3, 10, 50, 90, 97):
        ends = [(w, distribution(w).inv_cdf(percent / 100)) for w in range(14, 41)]
        points = " ".join(f"{x},{y}" for x, y in (place(*end) for end in ends))
        parts.append(f'<polyline class="p{percent}" points="{points}"/>')
    return "".join([*parts, '<text x="258" y="174">weeks</text><text x="-26" y="14">mm</text>'])
