"""The phantom that plays a probe shows what a screen has to deal with: a head, none, and one that leaves the frame."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from edge_runtime import Segmenter
from train.data import moving_phantom as module


@pytest.mark.slow
def test_heads_are_measured_and_what_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    segmenter = Segmenter.load()
    found = [segmenter.measure(*shown) for shown in islice(module.moving_phantom(4), 80)]  # 20 s, all scenes
    circumferences = [result.head_circumference_mm for result in found]
    assert all(hc and 180 < hc < 190 for hc in circumferences[:32])
    assert not any(circumferences[32:44]) and {result.reason for result in found[32:44]} == {"no head found"}
    assert all(hc and 222 < hc < 232 for hc in circumferences[44:64])
    assert not any(circumferences[-2:]) and {"outside" in str(result.reason) for result in found[-2:]} == {True}


def test_no_two_frames_are_alike_and_it_goes_on_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    shown = list(islice(module.moving_phantom(1), 42))
    assert len({frame.tobytes() for frame, _ in shown}) == 42
    assert {frame.shape for frame, _ in shown} == {(508, 768)} and all(frame.dtype == np.uint8 for frame, _ in shown)
    assert shown[0][1] == shown[20][1] != shown[12][1]
