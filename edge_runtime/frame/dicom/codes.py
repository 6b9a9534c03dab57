"""The codes of DICOM that matter here, by the names that people know. Nothing in this file needs pydicom."""

from __future__ import annotations

from typing import NamedTuple


class Syntax(NamedTuple):
    """A transfer syntax that is read: its name, pydicom's plugin for its pixels, and the kind of its stream.

    One plugin each: of those that are right, the one that takes damaged streams best. (CharLS by itself needs 20 s for
    some, GDCM's copy of it none.) ``stream`` is what
    :func:`edge_runtime.frame.dicom.encoded.check_stream` looks into before anything is decoded.
    """

    name: str
    plugin: str = ""
    stream: str = ""


SYNTAXES = {
    "1.2.840.10008.1.2": Syntax("Implicit VR Little Endian"),
    "1.2.840.10008.1.2.1": Syntax("Explicit VR Little Endian"),
    "1.2.840.10008.1.2.2": Syntax("Explicit VR Big Endian"),
    "1.2.840.10008.1.2.5": Syntax("RLE", "pydicom"),
    "1.2.840.10008.1.2.4.50": Syntax("JPEG baseline", "pillow", "jpeg"),
    "1.2.840.10008.1.2.4.51": Syntax("JPEG extended", "pillow", "jpeg"),
    "1.2.840.10008.1.2.4.57": Syntax("JPEG lossless", "gdcm", "jpeg"),
    "1.2.840.10008.1.2.4.70": Syntax("JPEG lossless, first order", "gdcm", "jpeg"),
    "1.2.840.10008.1.2.4.80": Syntax("JPEG-LS lossless", "gdcm", "jpeg"),
    "1.2.840.10008.1.2.4.81": Syntax("JPEG-LS near-lossless", "gdcm", "jpeg"),
    "1.2.840.10008.1.2.4.90": Syntax("JPEG 2000 lossless", "pillow", "jpeg 2000"),
    "1.2.840.10008.1.2.4.91": Syntax("JPEG 2000", "pillow", "jpeg 2000"),
}

OTHER_SYNTAXES = {
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.1.98": "encapsulated uncompressed",
    "1.2.840.10008.1.2.4.92": "JPEG 2000 multi-component",
    "1.2.840.10008.1.2.4.93": "JPEG 2000 multi-component",
    "1.2.840.10008.1.2.4.94": "JPIP",
    "1.2.840.10008.1.2.4.95": "JPIP",
    **dict.fromkeys((f"1.2.840.10008.1.2.4.10{n}" for n in (0, 1)), "MPEG-2 video"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.10{n}" for n in (2, 3, 4, 5, 6)), "MPEG-4 video"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.10{n}" for n in (7, 8)), "HEVC video"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.20{n}" for n in (1, 2, 3)), "high-throughput JPEG 2000"),
}
"""Transfer syntaxes that are known but not read, for the message. Deflated data could fill the memory."""

ULTRASOUND = {
    "1.2.840.10008.5.1.4.1.1.6.1": "Ultrasound Image",
    "1.2.840.10008.5.1.4.1.1.3.1": "Ultrasound Multi-frame Image",
    "1.2.840.10008.5.1.4.1.1.6": "Ultrasound Image (retired)",
    "1.2.840.10008.5.1.4.1.1.3": "Ultrasound Multi-frame Image (retired)",
}
"""SOP classes that are read."""

UNITS = {
    0: "none", 1: "percent", 2: "dB", 3: "cm", 4: "seconds", 5: "hertz", 6: "dB/s", 7: "cm/s", 8: "cm2", 9: "cm2/s",
    10: "cm3", 11: "cm3/s", 12: "degrees",
}  # fmt: skip
"""Physical units (PS3.3, C.8.5.5.1.15)."""

CM = 3

TWO_D, TISSUE, NO_FORMAT = 1, 1, 0

FORMATS = {0: "no spatial format", 1: "2-D", 2: "M-mode", 3: "spectral", 4: "waveform", 5: "graphics"}
"""Region spatial formats (PS3.3, C.8.5.5.1.1)."""

DATA_TYPES = {
    0: "no data", 1: "tissue", 2: "colour flow", 3: "pulsed-wave Doppler", 4: "continuous-wave Doppler",
    5: "Doppler mean trace", 6: "Doppler mode trace", 7: "Doppler maximum trace", 8: "volume trace", 10: "ECG",
    11: "pulse", 12: "phonocardiogram", 13: "grey bar", 14: "colour bar", 15: "integrated backscatter",
    16: "area trace", 17: "area change", 18: "other physiological trace",
}  # fmt: skip
"""Region data types (PS3.3, C.8.5.5.1.2)."""

COLORS = ("MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
"""Photometric interpretations that are read."""
