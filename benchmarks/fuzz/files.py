"""Image files and tables of pixel sizes that are damaged or forged."""

from __future__ import annotations

import io
import math
import struct
import zlib
from functools import lru_cache

import numpy as np

from benchmarks.fuzz.damage import damage
from benchmarks.fuzz.rig import Rig, Violation, attempt, check_measurement
from edge_runtime.common.optional import require
from edge_runtime.frame.image_files import read_image
from edge_runtime.frame.pixel_sizes import pixel_size_of, read_csv

_HUGE = (0, 1, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)
_SEEDS = {
    "PNG": ("L", "RGB", "RGBA", "LA", "P", "1", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "BMP": ("L", "RGB", "P", "1"),
    "GIF": ("L", "P"),
    "TIFF": ("L", "RGB", "F", "I;16", "CMYK"),
    "PPM": ("L", "RGB", "1"),
    "WEBP": ("RGB", "RGBA"),
    "ICO": ("RGBA",),
}


@lru_cache(maxsize=1)
def _images() -> tuple[tuple[str, bytes], ...]:
    """Valid files of every kind, with their format."""
    pil = require("PIL.Image")
    y, x = np.mgrid[0:60, 0:80]
    gray = np.where(np.hypot((x - 40) / 28, (y - 30) / 22) < 1, 10, 160).astype(np.uint8)
    made = []
    for kind, modes in _SEEDS.items():
        for mode in modes:
            deep = mode == "I;16"
            image = pil.fromarray(gray.astype(np.uint16) * 200) if deep else pil.fromarray(gray).convert(mode)
            target = io.BytesIO()
            image.save(target, format=kind)
            made.append((kind, target.getvalue()))
    return tuple(made)


def image_case(rng: np.random.Generator, rig: Rig) -> str:
    """Read a damaged image, and measure what was read."""
    kind, data = _images()[rng.integers(len(_images()))]
    trick = rng.random()
    if trick < 0.004:
        data = _bomb(rng)
    elif trick < 0.1:
        data = _claim(rng, kind, data)
    elif trick < 0.9:
        data = damage(rng, data, grow=True)
    path = rig.folder / "image"
    path.write_bytes(data)
    outcome, frame = attempt(lambda: read_image(path))
    if frame is None:
        return outcome
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3):
        raise Violation(f"an image was read as {frame.dtype} {frame.shape}")
    if frame.size > 1_000_000:
        return "read, large"
    outcome, result = attempt(lambda: rig.segmenter.measure(frame, 0.5))
    return f"read, {outcome if result is None else check_measurement(result, frame.shape)}"


def _claim(rng: np.random.Generator, kind: str, data: bytes) -> bytes:
    """Put other dimensions into the header, with a correct checksum."""
    width, height = (int(rng.choice(_HUGE)) for _ in range(2))
    if kind == "PNG":
        header = struct.pack(">II", width, height) + data[24:29]
        return data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]
    if kind == "BMP":
        return data[:18] + struct.pack("<II", width, height) + data[26:]
    if kind == "GIF":
        return data[:6] + struct.pack("<HH", width & 0xFFFF, height & 0xFFFF) + data[10:]
    if kind == "PPM":
        return b"P5\n%d %d\n255\n" % (width, height) + data[-100:]
    at = data.find(b"\xff\xc0")
    if kind == "JPEG" and at > 0:
        return data[: at + 5] + struct.pack(">HH", height & 0xFFFF, width & 0xFFFF) + data[at + 9 :]
    return damage(rng, data, grow=True)


def _bomb(rng: np.random.Generator) -> bytes:
    """A PNG that unpacks to far more than its own size: within the limit, beyond it, or in its text."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    side = int(rng.choice([4000, 8192, 8193, 20000]))
    rows = zlib.compress(b"\0" * ((side // 8 + 1) * side), 1)
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b" " * 50_000_000, 1)) if rng.random() < 0.3 else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + text + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


_CELLS = (
    "a.png", "b.png", "", " ", "0.1", "0.05", "0,1", "1_5", "nan", "inf", "-1", "0", "1e999", "1e-1", "1e-999", "0x1",
    "True", "\u0661", "None", "9" * 5000, '"', '"x\ny"', "\0", "\ud7ff", "filename", "pixel size(mm)", "x" * 200_000,
    "=1+1", "\ufeff",
)  # fmt: skip


def table_case(rng: np.random.Generator, rig: Rig) -> str:
    """Look up an image in a table that may hold anything."""
    header = "filename,pixel size(mm)" if rng.random() < 0.8 else ",".join(_cells(rng))
    lines = [header, *(",".join(_cells(rng)) for _ in range(rng.integers(0, 6)))]
    if rng.random() < 0.6:
        size = f"{rng.uniform(0, 2):.5g}" if rng.random() < 0.5 else _CELLS[rng.integers(len(_CELLS))]
        lines.append(f"a.png,{size}")
    data = str(rng.choice(["\n", "\r\n", "\r"])).join(lines).encode("utf-8", "surrogatepass")
    if rng.random() < 0.3:
        data = damage(rng, data, grow=True)
    path = rig.folder / "table.csv"
    path.write_bytes(data)
    outcome, size = attempt(lambda: pixel_size_of(read_csv(path), "a.png", path))
    if size is not None and not (math.isfinite(size) and 1e-4 <= size <= 100):
        raise Violation(f"a pixel size of {size}")
    return outcome


def _cells(rng: np.random.Generator) -> list[str]:
    return [_CELLS[rng.integers(len(_CELLS))] for _ in range(rng.integers(0, 4))]
