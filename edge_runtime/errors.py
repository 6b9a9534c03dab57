"""Errors a user can cause, each with the exit code its command ends with."""

from __future__ import annotations


class FetalHeadError(Exception):
    """Base of every expected error; the message says what was wrong, the value seen, what is allowed, what to do."""

    exit_code = 1


class UsageError(FetalHeadError):
    """The call itself was wrong: an argument out of range, a name that does not exist, a missing file."""

    exit_code = 2


class InputError(FetalHeadError):
    """A frame, an image file or a data set cannot be used."""


class ModelError(FetalHeadError):
    """A model file, its manifest or a checkpoint cannot be used."""


class SourceError(FetalHeadError):
    """A stream's source of frames failed: the probe, its driver, or the program that reads it."""
