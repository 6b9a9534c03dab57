"""Errors a user can cause, each with the exit code its command ends with."""

from __future__ import annotations


class FetalHeadError(Exception):
    """Base of every expected error; the message says what was wrong, the value seen, what is allowed, what to do.

    Args:
        message: For people; it may name files and values.
        code: For logs: one short fixed word, which never holds a name or a value.
    """

    exit_code = 1
    code = "error"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class UsageError(FetalHeadError):
    """The call itself was wrong: an argument out of range, a name that does not exist, a missing file."""

    exit_code = 2
    code = "usage"


class InputError(FetalHeadError):
    """A frame, an image file or a data set cannot be used."""

    code = "input"


class ModelError(FetalHeadError):
    """A model file, its manifest or a checkpoint cannot be used."""

    code = "model"


class DeviceError(FetalHeadError):
    """This device or its interpreter answers otherwise than it must; nothing is measured until it is right again."""

    code = "device"


class SourceError(FetalHeadError):
    """A stream's source of frames failed: the probe, its driver, or the program that reads it."""

    code = "source"


def shown(value: object) -> str:
    """A value that was given, short enough for a message."""
    try:
        return repr(value)[:60]
    except Exception:  # of an integer of 5,000 digits say
        return f"a {type(value).__name__} that cannot be shown"
