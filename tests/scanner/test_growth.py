"""The formulas give the values of the tables that were published with them, or from them."""

from __future__ import annotations

import pytest

from examples.scanner.growth import age_weeks, chart, distribution, place

HADLOCK = {68: 12.7263, 151: 18.1469, 224: 24.4278, 301: 33.3953, 360: 42.3968}
"""HC in mm to weeks: rows of the table "GA by HC, Hadlock 1984" that a maker of scanners prints for its users (Hologic,
Obstetrical References, PM.LAB.175-A, 2020)."""

INTERGROWTH = {
    14: (87.4, 88.7, 90.7, 97.9, 105.0, 107.1, 108.4),
    20: (158.5, 160.2, 163.0, 172.5, 182.0, 184.7, 186.5),
    24: (203.5, 205.4, 208.5, 219.1, 229.7, 232.7, 234.7),
    30: (261.0, 263.2, 266.5, 278.4, 290.2, 293.6, 295.8),
    36: (299.2, 301.7, 305.6, 319.4, 333.2, 337.1, 339.6),
    40: (309.6, 312.7, 317.4, 333.9, 350.5, 355.2, 358.3),
}
"""Exact weeks to the 3rd, 5th, 10th, 50th, 90th, 95th and 97th percentile of HC in mm: rows of the table that the
INTERGROWTH-21st project publishes with Papageorghiou et al., Lancet 2014;384:869-879."""


@pytest.mark.parametrize(("hc_mm", "weeks"), [row for row in HADLOCK.items() if 14 <= row[1] <= 42])
def test_the_age_is_that_of_the_table(hc_mm: float, weeks: float) -> None:
    age = age_weeks(hc_mm)
    assert age and age[0] == pytest.approx(weeks, abs=0.001)


@pytest.mark.parametrize("hc_mm", [row for row in HADLOCK if not 14 <= HADLOCK[row] <= 42])
def test_there_is_no_age_outside_of_the_ages_that_the_formula_was_fitted_to(hc_mm: float) -> None:
    assert age_weeks(hc_mm) is None


def test_the_spread_grows_with_age() -> None:
    spreads = [age[1] for hc_mm in (100, 180, 240, 300, 340) if (age := age_weeks(hc_mm))]
    assert spreads == [1.19, 1.48, 2.06, 2.98, 3.20]


@pytest.mark.parametrize("weeks", INTERGROWTH)
def test_the_percentiles_are_those_of_the_table(weeks: int) -> None:
    percents = (3, 5, 10, 50, 90, 95, 97)
    found = [distribution(weeks).inv_cdf(percent / 100) for percent in percents]
    assert found == pytest.approx(INTERGROWTH[weeks], abs=0.1)


def test_the_chart_holds_five_curves_that_end_where_the_table_does() -> None:
    drawn = chart()
    assert drawn.count("<polyline") == 5
    for weeks, column, name in ((14, 0, "p3"), (40, 3, "p50")):
        points = drawn.split(f'class="{name}" points="')[1].split('"')[0].split()
        x, y = map(float, points[0 if weeks == 14 else -1].split(","))
        assert (x, y) == pytest.approx(place(weeks, INTERGROWTH[weeks][column]), abs=0.11)
