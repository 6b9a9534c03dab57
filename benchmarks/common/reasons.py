"""Reasons of refusal, as they are counted."""

from __future__ import annotations


def without_figures(reason: str) -> str:
    """A reason without the figures of its frame, so that equal reasons of several frames can be counted."""
    return reason.split(" (")[0].split(":")[0]
