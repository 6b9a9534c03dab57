"""A DICOM file that is to be sent: whole, and of a kind that archives store."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import Any

from edge_runtime.common.optional import require
from edge_runtime.errors import InputError
from edge_runtime.frame.dicom.codes import ULTRASOUND
from edge_runtime.frame.dicom.header import MARK, MARK_AT, quiet, read_syntax

_DEFLATED = "1.2.840.10008.1.2.1.99"
_CONTENTS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "ContentSequence", "EncapsulatedDocument")
"""What images, structured reports and documents are about. It is near the end of a file."""
_ENDS = (b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xff\xfe\xe0\xdd\0\0\0\0")
"""How an element without a length ends."""
_NO_LENGTH = 0xFFFFFFFF
_AGAIN = "Copy or export it again"


@dataclass(frozen=True)
class Instance:
    """What must be known of a file to send it.

    Attributes:
        uid: Its SOP Instance UID.
        kind: The UID of its SOP class.
        syntax: The UID of its transfer syntax.
        sha256: The hash of the file.
    """

    uid: str
    kind: str
    syntax: str
    sha256: str


def read_instance(data: bytes) -> Instance:
    """Check a file.

    Args:
        data: The file.

    Raises:
        InputError: It is not DICOM, is damaged or cut short, or archives do not store it. The file's name is missing
            from the message, and nothing about the patient is in it.
        FetalHeadError: A package is not installed.
    """
    if data[MARK_AT : MARK_AT + len(MARK)] != MARK:
        raise InputError("it is not a DICOM file. DICOM files alone are sent")
    syntax = read_syntax(data)
    if syntax == _DEFLATED:
        raise InputError("it is deflated, which is not sent. Save it uncompressed")
    try:
        with quiet():
            found = require("pydicom").dcmread(io.BytesIO(data))
            uid, kind = str(found.get("SOPInstanceUID", "")), str(found.get("SOPClassUID", ""))
            meta = found.file_meta
            same = (meta.MediaStorageSOPInstanceUID, meta.MediaStorageSOPClassUID) == (uid, kind)
            whole = _is_whole(found, data)
    except Exception as error:  # on damaged files pydicom raises nearly anything; its text could quote the file
        if error.__class__.__module__.startswith("edge_runtime"):
            raise
        raise InputError(f"it is damaged or cut short ({type(error).__name__}). {_AGAIN}") from None
    if not whole:
        raise InputError(f"it is cut short, has no image or report in it, or something after its end. {_AGAIN}")
    if not (same and require("pydicom").uid.UID(uid).is_valid):
        raise InputError(f"its header does not say which image it is, or says two things. {_AGAIN}")
    services = require("pynetdicom.sop_class")
    if kind not in ULTRASOUND and services.uid_to_service_class(kind).__name__ != "StorageServiceClass":
        raise InputError("it is of no kind that archives store (its SOP class). Images and reports are sent")
    return Instance(uid, kind, syntax, hashlib.sha256(data).hexdigest())


def _is_whole(found: Any, data: bytes) -> bool:
    """Whether a data set ends where its file does, and has its content. pydicom takes files that are cut short."""
    if not any(name in found for name in _CONTENTS):
        return False
    last = found.get_item(max(found.keys()))
    length = getattr(last, "length", _NO_LENGTH)  # sequences without a length are not kept raw
    if length == _NO_LENGTH:
        return data.endswith(_ENDS)
    return bool(last.value_tell + length == len(data))
