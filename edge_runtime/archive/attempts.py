"""Images that end the process which opens them, such as one that crashes a decoder: that must not go on for ever."""

from __future__ import annotations

import json
from collections import Counter

from edge_runtime.archive.place import Place

FOLDER = "attempts"

PLAIN = 2
"""Attempts at a part before each of its images is noted. Most processes that end were killed, and no image is at
fault."""

MOST_DEATHS = 2
"""So often may a process end at one image before the image is blamed."""


class Attempt:
    """An attempt at a part, on record until it ends. An attempt whose process was killed leaves its record.

    Args:
        out: The archive.
        part: Number of the part.
    """

    def __init__(self, out: Place, part: int) -> None:
        self._out, self._name = out, f"{FOLDER}/part-{part:08d}.json"
        begun, at, deaths = _read(out.load(self._name))
        self._deaths = deaths + ([] if at is None else [at])
        self._begun = begun + 1
        self._blamed = {image for image, deaths in Counter(self._deaths).items() if deaths >= MOST_DEATHS}
        self._save(None)

    def may_open(self, image: int) -> bool:
        """Whether an image, by its number in the source, may be opened; it is noted if that could end the process."""
        if self._begun > PLAIN and image not in self._blamed:
            self._save(image)
        return image not in self._blamed

    def _save(self, at: int | None) -> None:
        note = {"begun": self._begun, "at": at, "deaths": self._deaths}
        self._out.save(self._name, json.dumps(note).encode())

    def end(self) -> None:
        """Take it off the record."""
        self._out.remove(self._name)


def _read(data: bytes | None) -> tuple[int, int | None, list[int]]:
    """Attempts that were begun, where the last one ended, and where earlier ones did; none if the note is damaged."""
    try:
        note = json.loads(data or b"")
        return int(note["begun"]), note["at"], list(note["deaths"])
    except (ValueError, KeyError, TypeError):
        return 0, None, []
