"""Reasons of refusal, as they are counted."""

from __future__ import annotations


def kind_of_reason(reason: str) -> str:
    """A reason up to its figures and details, so that equal reasons of several frames can be counted."""
    return reason.split(" (")[0].split(":")[0]
