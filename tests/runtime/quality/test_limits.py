"""A model's own limits: what is refused and in which words, the trust, the interval, and damaged manifests."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_runtime import ModelError, Segmenter
from edge_runtime.artifact.manifest import load_manifest, write_manifest
from edge_runtime.quality.limits import REASONS, read_limits
from tests.helpers.some_limits import make_limits

GOOD = {"core": 4.0, "softness": 0.1}


def test_the_interval_is_wider_where_the_look_is_unlike() -> None:
    limits = make_limits()
    low, high = limits.interval_mm(200.0, 10.0, unlike=False)  # expected error: 1 + 0.1 * 10
    assert (low, high) == pytest.approx((196.0, 205.0))
    wide = limits.interval_mm(200.0, 10.0, unlike=True)
    assert wide == pytest.approx((200 - 4 * 1.4, 200 + 5 * 1.4))
    assert limits.interval_mm(1.0, 100.0, unlike=False)[0] == 0, "no circumference is below 0"
    assert limits.expected_error_mm(-20.0) == 0.5


def test_a_refusal_names_the_figure_and_the_bound() -> None:
    limits = make_limits()
    assert limits.refusal(GOOD, unlike=False) is limits.refusal(GOOD, unlike=True) is None
    for changed, said in (
        ({"core": -1.25}, f"{REASONS['core']} (core -1.25, at least 0.00 is needed)"),
        ({"softness": 0.3}, f"{REASONS['softness']} (softness 0.30, at most 0.20 is allowed)"),
    ):
        assert limits.refusal(GOOD | changed, unlike=False) == said
    assert "softness nan" in str(limits.refusal(GOOD | {"softness": float("nan")}, unlike=False))
    boundless = make_limits(bounds={})
    assert "doubt nan" in str(boundless.refusal(GOOD | {"softness": float("nan")}, unlike=False))


def test_doubt_counts_what_is_worse_than_usual_and_nothing_else() -> None:
    limits = make_limits(bounds={})
    assert limits.doubt(GOOD) == limits.doubt({"core": 9.0, "softness": 0.0}) == 0
    assert limits.doubt({"core": 2.0, "softness": 0.15}) == pytest.approx(math.sqrt((2**2 + 1**2) / 2))
    assert make_limits(usual={}).doubt(GOOD) == 0
    assert limits.doubt(GOOD | {"core": -1e200}) == math.inf
    assert limits.refusal(GOOD | {"core": -1e200}, unlike=False) is not None


def test_too_much_doubt_is_refused_for_the_most_doubtful_figure_and_sooner_where_the_look_is_unlike() -> None:
    limits = make_limits()
    dull = GOOD | {"core": 2.0}
    assert limits.refusal(dull, unlike=False) is None
    where = "at most 1.00 is allowed for a look that was not validated"
    assert limits.refusal(dull, unlike=True) == f"{REASONS['core']} (doubt 1.41, {where})"
    said = limits.refusal({"core": 1.0, "softness": 0.2}, unlike=False)
    assert said == f"{REASONS['core']} (doubt 2.55, at most 2.00 is allowed)"
    assert limits.refusal({"core": 3.5, "softness": 0.19}, unlike=True) is not None
    assert str(limits.refusal({"core": 3.5, "softness": 0.19}, unlike=True)).startswith(REASONS["softness"])


def test_trust_falls_with_doubt() -> None:
    limits = make_limits()
    assert limits.trust(GOOD) == pytest.approx(1 / (1 + math.exp(-3)))
    assert limits.trust(GOOD | {"core": 2.0}) == pytest.approx(1 / (1 + math.exp(-3 + 2 * math.sqrt(2))))
    assert 0 <= limits.trust({"core": -1e9, "softness": 1e9}) < limits.trust({"core": 1e9, "softness": -1e9}) <= 1


def test_limits_survive_json() -> None:
    limits = make_limits()
    assert read_limits({"limits": json.loads(json.dumps(limits.to_json()))}) == limits
    assert read_limits({}) is None


DAMAGES: list[Callable[[dict[str, Any]], object]] = [
    lambda q: q["limits"].pop("interval"),
    lambda q: q["limits"].pop("known"),
    lambda q: q["limits"].update(trust_line=["high", 0]),
    lambda q: q["limits"].update(trust_line=[1.0, 0.5]),
    lambda q: q["limits"]["bounds"].update(luck=[0, 1]),
    lambda q: q["limits"]["bounds"].update(core=[[1], None]),
    lambda q: q["limits"].update(error_mm=[1.0, 0.1, 0.0]),
    lambda q: q["limits"].pop("usual"),
    lambda q: q["limits"].update(usual={}),
    lambda q: q["limits"]["usual"].update(core=[4.0, 0.0]),
    lambda q: q["limits"]["usual"].update(core=[4.0, -1e-200]),
    lambda q: q["limits"]["usual"].update(core=[4.0, 1.0]),
    lambda q: q["limits"].update(most_doubt=[1.0, 2.0]),
    lambda q: q["limits"].update(most_doubt=[1.0, -1.0]),
    lambda q: q["limits"].update(most_doubt=[2.0]),
    lambda q: q["limits"].update(unlike=0.9),
    lambda q: q["limits"]["known"].update(centre=[0.0]),
    lambda q: q["limits"]["known"]["whitening"].pop(),
    lambda q: q["limits"]["known"].update(most="far"),
    lambda q: q.update(limits=[]),
]


@pytest.mark.parametrize("spoil", DAMAGES)
def test_damaged_limits_are_refused_with_the_next_step(spoil: Callable[[dict[str, Any]], object]) -> None:
    quality = json.loads(json.dumps({"limits": make_limits().to_json()}))
    spoil(quality)
    with pytest.raises(ModelError, match=r"quality section cannot be used.*python -m export quality"):
        read_limits(quality)


def test_damaged_limits_are_refused_at_load(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / model.name
    copy.write_bytes(model.read_bytes())
    good = {"limits": make_limits().to_json()}
    for quality, usable in ((good, True), ({"limits": {**good["limits"], "unlike": 0}}, False)):
        write_manifest(copy, replace(load_manifest(model), quality=quality))
        if usable:
            assert Segmenter.load(copy)
        else:
            with pytest.raises(ModelError, match="'unlike' is 0"):
                Segmenter.load(copy)
