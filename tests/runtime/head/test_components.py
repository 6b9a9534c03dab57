from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.head.components import fill_holes, largest_region


def flood(mask: np.ndarray, seed: tuple[int, int], diagonal: bool) -> set[tuple[int, int]]:
    """Pixels joined to one, the slow and obvious way."""
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy or dx) and (diagonal or not (dy and dx))]
    seen, todo = {seed}, [seed]
    while todo:
        y, x = todo.pop()
        for dy, dx in steps:
            p = (y + dy, x + dx)
            inside = 0 <= p[0] < mask.shape[0] and 0 <= p[1] < mask.shape[1]
            if inside and mask[p] and p not in seen:
                seen.add(p)
                todo.append(p)
    return seen


def regions(mask: np.ndarray, diagonal: bool) -> list[set[tuple[int, int]]]:
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    found = []
    while left:
        found.append(flood(mask, next(iter(left)), diagonal))
        left -= found[-1]
    return found


MASKS = st.builds(
    lambda seed, h, w, share: np.random.default_rng(seed).random((h, w)) < share,
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(1, 12),
    st.floats(0, 1),
)


@settings(deadline=None)
@given(MASKS)
def test_regions_and_holes_agree_with_a_flood_fill(mask: np.ndarray) -> None:
    region, count = largest_region(mask)
    found = regions(mask, diagonal=True)
    assert count == len(found)
    if not found:
        assert not region.any()
        return
    kept = {(int(y), int(x)) for y, x in zip(*np.nonzero(region & mask), strict=True)}
    largest = max(len(f) for f in found)
    assert any(f <= kept for f in found if len(f) == largest)

    filled = mask.copy()
    for hole in regions(~mask, diagonal=False):
        if all(0 < y < mask.shape[0] - 1 and 0 < x < mask.shape[1] - 1 for y, x in hole):
            for p in hole:
                filled[p] = True
    assert np.array_equal(fill_holes(mask), filled)
