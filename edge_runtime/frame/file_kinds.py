"""Names the kinds of file that are not images this project reads, by their first bytes."""

from __future__ import annotations

import zlib
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of file that is not read: its name, and what to do with it."""

    name: str
    advice: str


HEAD_BYTES = 4096
"""Number of bytes from which the kind of a file is recognized."""

_SAVE = "Save it as PNG or JPEG, 8 bits a channel."
_DICOM = (
    "Measure it with python -m edge_runtime measure, or read it with edge_runtime.read_picture, which also "
    "gives its pixel size."
)
_BARE_DICOM = (
    "Export the frame from your viewer as an 8-bit PNG. The pixel size is in the DICOM header: PixelSpacing in mm, or "
    "PhysicalDeltaX and PhysicalDeltaY of the ultrasound region, which are usually in cm."
)
_VOLUME = "Export the slice as an 8-bit PNG. The pixel size is in the file's header."
_VIDEO = "Save the frame as PNG, for example: ffmpeg -i VIDEO -frames:v 1 frame.png"
_RAW = "Develop it, and save it as PNG or JPEG."
_ARRAY = "Save the frame as an 8-bit PNG, or pass the array to Segmenter.measure in Python."
_PAGE = "Save the image in it as PNG, not as a screenshot scaled to the page."
_UNPACK = "Unpack it first."
_NO_IMAGE = "Check the path."

_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (128, b"DICM", "DICOM", _DICOM),
    (344, b"n+1\0", "NIfTI", _VOLUME),
    (344, b"ni1\0", "NIfTI", _VOLUME),
    (4, b"n+2\0", "NIfTI", _VOLUME),
    (4, b"ni2\0", "NIfTI", _VOLUME),
    (0, b"NRRD0", "NRRD", _VOLUME),
    (0, b"ObjectType", "MetaImage (MHA or MHD)", _VOLUME),
    (0, b"CDF", "netCDF or MINC", _VOLUME),
    (0, b"\x89HDF", "HDF5", _ARRAY),
    (0, b"\x93NUMPY", "a NumPy array", _ARRAY),
    (0, b"MATLAB 5.0", "a MATLAB file", _ARRAY),
    (0, b"SIMPLE  =", "FITS", _VOLUME),
    (0, b"%PDF-", "PDF", _PAGE),
    (0, b"%!PS", "PostScript", _PAGE),
    (0, b"\xd0\xcf\x11\xe0", "a Microsoft Office document", _PAGE),
    (8, b"AVI ", "a video (AVI)", _VIDEO),
    (0, b"\x1aE\xdf\xa3", "a video (Matroska or WebM)", _VIDEO),
    (0, b"0&\xb2u\x8ef\xcf\x11", "a video (WMV)", _VIDEO),
    (0, b"\0\0\x01\xba", "a video (MPEG)", _VIDEO),
    (0, b"\0\0\x01\xb3", "a video (MPEG)", _VIDEO),
    (0, b"FLV\x01", "a video (FLV)", _VIDEO),
    (4, b"moov", "a video (QuickTime)", _VIDEO),
    (4, b"mdat", "a video (QuickTime)", _VIDEO),
    (4, b"wide", "a video (QuickTime)", _VIDEO),
    (0, b"II*\0\x10\0\0\0CR", "a camera's RAW file (CR2)", _RAW),
    (0, b"IIU\0", "a camera's RAW file (RW2)", _RAW),
    (0, b"IIRO", "a camera's RAW file (ORF)", _RAW),
    (0, b"IIRS", "a camera's RAW file (ORF)", _RAW),
    (0, b"MMOR", "a camera's RAW file (ORF)", _RAW),
    (0, b"FUJIFILMCCD-RAW", "a camera's RAW file (RAF)", _RAW),
    (0, b"FOVb", "a camera's RAW file (X3F)", _RAW),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000", _SAVE),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000", _SAVE),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL", _SAVE),
    (0, b"\xff\x0a", "JPEG XL", _SAVE),
    (0, b"\xff\xd8\xff\xf7", "JPEG-LS", _SAVE),
    (0, b"8BPS", "a Photoshop file", _SAVE),
    (0, b"gimp xcf", "a GIMP file", _SAVE),
    (0, b"\x76\x2f\x31\x01", "OpenEXR", _SAVE),
    (0, b"#?RADIANCE", "Radiance HDR", _SAVE),
    (0, b"\0\0\x01\0", "an icon (ICO)", _SAVE),
    (0, b"\0\x05\x16\x07", "a companion file of macOS (AppleDouble)", "Give the file whose name lacks the '._'."),
    (0, b"PK\x03\x04", "a ZIP archive or an Office document", _UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
)

_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), Kind("AVIF", _SAVE)),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), Kind("HEIC", _SAVE)),
    **dict.fromkeys((b"mif1", b"msf1", b"mif2"), Kind("HEIC", _SAVE)),
    b"crx ": Kind("a camera's RAW file (CR3)", _RAW),
    b"jxl ": Kind("JPEG XL", _SAVE),
    b"jp2 ": Kind("JPEG 2000", _SAVE),
    b"qt  ": Kind("a video (QuickTime)", _VIDEO),
}
"""Files of the ISO base media format (``ftyp``), by brand. All others are MP4."""

_CAMERA_SUFFIXES = (
    ".dng", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".pef", ".srw", ".cr2", ".3fr", ".iiq", ".erf", ".dcr",
)  # fmt: skip
"""RAW files in the form of TIFF. Pillow would read the thumbnail in them."""

_BY_SUFFIX = {
    **dict.fromkeys(
        (".dcm", ".dicom", ".ima"),
        Kind("named as DICOM, but has no DICOM mark", "If it is DICOM: " + _BARE_DICOM),
    ),
    **dict.fromkeys(
        (".raw", ".bin", ".dat", ".img", ".zraw"),
        Kind("raw bytes, with nothing that says how wide or deep they are", _ARRAY),
    ),
}


def name_kind(data: bytes, name: str) -> Kind | None:
    """Name the kind of a file whose first bytes show that it is not an image that can be read.

    Args:
        data: The file, or at least the first ``HEAD_BYTES`` of it.
        name: File name. Its suffix tells camera files, which look like TIFF.

    Returns:
        None if it may be an image.
    """
    head, suffix = data[:HEAD_BYTES], name.lower()[name.rfind(".") :] if "." in name else ""
    if not head:
        return Kind("empty (0 bytes)", "Copy or export it again.")
    for offset, signature, kind, advice in _SIGNATURES:
        if head.startswith(signature, offset):
            return Kind(kind, advice)
    if head.startswith(b"ftyp", 4):
        brands = head[8:12], *(head[i : i + 4] for i in range(16, min(64, int.from_bytes(head[:4], "big")), 4))
        if b"avif" in brands:
            return _BRANDS[b"avif"]
        return _BRANDS.get(head[8:12], Kind("a video (MP4)", _VIDEO))
    if head[:4] in (b"II*\0", b"MM\0*") and suffix in _CAMERA_SUFFIXES:
        return Kind(f"a camera's RAW file ({suffix[1:].upper()})", _RAW)
    if _bare_dicom(head):
        return Kind("DICOM (without the usual preamble)", _BARE_DICOM)
    if head.startswith(b"\x1f\x8b"):
        return _packed(head)
    if not any(head):
        return Kind("nothing but zeros", "Copy it again; the last time was probably interrupted.")
    return _text_kind(head)


def name_by_suffix(name: str) -> Kind | None:
    """What a file that could not be read probably is, by its suffix. None if the suffix says nothing."""
    return next((kind for suffix, kind in _BY_SUFFIX.items() if name.lower().endswith(suffix)), None)


def _bare_dicom(head: bytes) -> bool:
    """Whether this begins with a little-endian DICOM element of group 2 or 8 with a plausible length."""
    if head[:2] not in (b"\x02\0", b"\x08\0") or len(head) < 12 or head[3] != 0:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") <= 64


def _packed(head: bytes) -> Kind:
    """The kind of the file in a gzip file. Volumes are often stored in this way."""
    try:
        inner = zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error:
        inner = b""
    kind = name_kind(inner, "") if inner else None
    return Kind(f"{kind.name}, compressed", kind.advice) if kind else Kind("a gzip file", _UNPACK)


def _text_kind(head: bytes) -> Kind | None:
    if head[:1] == b"P" and head[1:2].isdigit():
        return None  # PBM, PGM and PPM may be text
    try:
        text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="strict")
    except UnicodeDecodeError as error:
        if len(head) < HEAD_BYTES or error.start < HEAD_BYTES - 4:  # not just a character cut in two
            return None
        text = head[: error.start].decode()
    if any(c < " " and c not in "\t\n\r\f" for c in text):
        return None
    for mark, kind, advice in (
        ("version https://git-lfs", "a pointer of Git LFS", "Fetch the file itself: git lfs pull"),
        ("/annex/objects/", "a pointer of git-annex", "Fetch the file itself: git annex get"),
        ("NDims", "MetaImage (MHA or MHD)", _VOLUME),
        ("<svg", "SVG", _SAVE),
        ("<html", "a web page", "The download probably failed; get the image again."),
        ("<!doctype html", "a web page", "The download probably failed; get the image again."),
    ):
        if mark.lower() in text.lower():
            return Kind(kind, advice)
    return Kind("a text file", _NO_IMAGE)
