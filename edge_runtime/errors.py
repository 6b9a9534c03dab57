"""Errors that a user can cause, each with the exit code of the command that raises it."""

from __future__ import annotations


class FetalHeadError(Exception):
    """Base class of every expected error.

    The message says what was wrong, the value seen, what is allowed, and what to do.

    Args:
        message: Text for people. It may contain file names and values.
        code: A short fixed word for logs. It never contains a name or a value.
    """

    exit_code = 1
    code = "error"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class UsageError(FetalHeadError):
    """The call was wrong: an argument is out of range, a name does not exist, a file is missing."""

    exit_code = 2
    code = "usage"


class InputError(FetalHeadError):
    """A frame, an image file or a data set cannot be used."""

    code = "input"


class ModelError(FetalHeadError):
    """A model file, its manifest or a checkpoint cannot be used."""

    code = "model"


class DeviceError(FetalHeadError):
    """This device or its interpreter gives wrong answers. Nothing is measured until it gives the right ones."""

    code = "device"


class SourceError(FetalHeadError):
    """The source of a stream's frames failed: the probe, its driver, or the program that reads it."""

    code = "source"


def shown(value: object) -> str:
    """The text of a value, cut short enough for a message."""
    try:
        return repr(value)[:60]
    except Exception:  # for example, an integer of 5,000 digits
        return f"a {type(value).__name__} that cannot be shown"
