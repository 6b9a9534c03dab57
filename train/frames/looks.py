"""Frames whose head can plainly be seen but which look unlike HC18, from a seed: 81 kinds, and compounds of them.

Training learns from them, and the benchmarks measure on them. This needs numpy and Pillow.
"""

from __future__ import annotations

import difflib

import numpy as np

from edge_runtime.errors import UsageError
from train.frames.brightness import BRIGHTNESS
from train.frames.burnt_in import BURNT_IN
from train.frames.no_frames import Random
from train.frames.screens import SCREENS
from train.frames.sectors import SECTORS
from train.frames.shading import SHADING
from train.frames.storage import STORAGE
from train.frames.texture import TEXTURE
from train.frames.turns import TURNS
from train.frames.view import Look, View

LOOKS: dict[str, Look] = {
    **TEXTURE,
    **SHADING,
    **BRIGHTNESS,
    **TURNS,
    **SECTORS,
    **BURNT_IN,
    **SCREENS,
    **STORAGE,
}
"""Kinds of looks, by name."""

FAMILIES = tuple(dict.fromkeys(look.family for look in LOOKS.values()))
"""From the tissue to the file: the order in which a frame meets what alters it."""

_TRIES = 8
"""Draws of a compound before it is given up. Only moves that lose the head need a second one."""


def make_look(kind: str, view: View, seed: int) -> View | None:
    """Alter a view.

    Args:
        kind: A name in :data:`LOOKS`.
        view: A frame with its head.
        seed: From 0. The same view, kind and seed give the same bytes, with the same version of Pillow.

    Returns:
        The altered view, with the same circumference in mm; None if less than 99.5% of the head's outline would be in
        it, or the head would be tiny (below :data:`train.frames.view.LEAST_RADIUS` or ``LEAST_SHARE``).

    Raises:
        UsageError: There is no such kind.
    """
    if kind not in LOOKS:
        near = difflib.get_close_matches(kind, LOOKS, n=3) or list(LOOKS)
        raise UsageError(
            f"There is no look {kind!r}. There are: {', '.join(near)}. All are in train.frames.looks.LOOKS."
        )
    return _in_turn(view, [kind], np.random.default_rng([seed, *kind.encode()]))


def make_compound(view: View, seed: int) -> View | None:
    """Alter a view by two to four looks of different families, in the order of :data:`FAMILIES`.

    Args:
        view: A frame with its head.
        seed: From 0. The same view and seed give the same bytes, with the same version of Pillow.

    Returns:
        The altered view; None if no draw keeps the head inside, and large enough.
    """
    rng = np.random.default_rng([seed, *b"compound"])
    for _ in range(_TRIES):
        found = _in_turn(view, draw_compound(rng), rng)
        if found is not None:
            return found
    return None


def draw_compound(rng: Random) -> list[str]:
    """Draw two to four kinds of different families, in order."""
    families = rng.choice(FAMILIES, int(rng.integers(2, 5)), replace=False)
    kinds = [str(rng.choice([name for name, look in LOOKS.items() if look.family == family])) for family in families]
    return sorted(kinds, key=lambda kind: FAMILIES.index(LOOKS[kind].family))


def _in_turn(view: View, kinds: list[str], rng: Random) -> View | None:
    """Apply looks one after the other; None once the head is not shown, as a later move would not bring it back."""
    for kind in kinds:
        found = LOOKS[kind].make(view, rng) if view.shows_head() else None
        if found is None:
            return None
        view = found
    return view if view.shows_head() else None
