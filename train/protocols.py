"""Names of the presets of training settings. The settings are in :mod:`train.config`."""

from __future__ import annotations

PAPER = "paper"
"""As Wang et al. (2023) trained."""

LEAK_FREE = "leak-free"
"""No exam in two parts of the split; the epoch is chosen on a validation part."""

_FORMER = {"honest": LEAK_FREE}


def protocol_name(name: str) -> str:
    """The present name of a protocol; checkpoints and results of version 0.1 say ``honest`` for ``leak-free``."""
    return _FORMER.get(name, name)
