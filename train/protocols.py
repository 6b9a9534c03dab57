"""Names of the presets of training settings. The settings are in :mod:`train.config`."""

from __future__ import annotations

PAPER = "paper"
"""As Wang et al. (2023) trained."""

LEAK_FREE = "leak-free"
"""HC18 alone, as the study of the strategies was made: no exam in two parts of the split; the epoch is chosen on a
validation part; every frame is stretched to the network's input."""

ANY_SCANNER = "any-scanner"
"""For devices: leak-free, letterboxed, with other looks of the same images and with frames without a head."""

_FORMER = {"honest": LEAK_FREE}


def protocol_name(name: str) -> str:
    """The present name of a protocol; checkpoints and results of version 0.1 say ``honest`` for ``leak-free``."""
    return _FORMER.get(name, name)
