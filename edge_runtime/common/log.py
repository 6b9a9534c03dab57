"""Structured log events: a name and plain figures. They never contain a frame, a mask, a path or patient data.

Nothing is sent anywhere. Nothing is printed unless the program that embeds the runtime asks for it, with the standard
library's ``logging``:

    logging.getLogger("edge_runtime").addHandler(logging.StreamHandler())
    logging.getLogger("edge_runtime").setLevel(logging.INFO)

Each record's message is one JSON object with the key ``event``.
"""

from __future__ import annotations

import json
import logging

LOGGER = logging.getLogger("edge_runtime")
LOGGER.addHandler(logging.NullHandler())

Plain = str | int | float | bool | None


def event(name: str, *, level: int = logging.INFO, **figures: Plain) -> None:
    """Log one event.

    Args:
        name: What happened, for example ``model_loaded``.
        level: Level of ``logging``.
        figures: Numbers and short fixed words that describe it. The caller must not pass names, paths or pixels.
    """
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, json.dumps({"event": name, **figures}))
