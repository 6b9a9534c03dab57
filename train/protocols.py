"""Names of the presets of training settings. The settings are in :mod:`train.config`."""

from __future__ import annotations

PAPER = "paper"
"""As Wang et al. (2023) trained, by their notebooks."""

PAPER_FIRST = "paper-first"
"""As their article describes it: rotated corners are black, frames shrink by area average, and only the network of the
last epoch is judged. The strategies were first compared so, before the notebooks were read."""

LEAK_FREE = "leak-free"
"""HC18 alone, as the study of the strategies was made: no exam in two parts of the split; the epoch is chosen on a
validation part; every frame is stretched to the network's input."""

ANY_SCANNER = "any-scanner"
"""For devices: leak-free, letterboxed, with other looks of the same images and with frames without a head."""

_FORMER = {"honest": LEAK_FREE}


def protocol_name(name: str, judged_as_paper: bool = True) -> str:
    """The present name of a protocol.

    Args:
        name: As a checkpoint or result says. Those of version 0.1 say ``honest`` for ``leak-free``, and those from
            before December 2026 ``paper`` for ``paper-first``.
        judged_as_paper: Whether every epoch was judged as in the paper, which tells its two protocols apart.
    """
    if name == PAPER and not judged_as_paper:
        return PAPER_FIRST
    return _FORMER.get(name, name)
