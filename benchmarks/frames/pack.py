"""``python -m benchmarks pack``: the frames of a test part and their references, in one file for a device."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.common.arguments import add_test_part
from benchmarks.frames.frame_set import SUFFIX, Entry, Header, pack_grey, write_frame_set
from benchmarks.frames.images import samples_of
from edge_runtime.common.arguments import add_data, checked_out
from edge_runtime.common.cli import counted, say
from edge_runtime.errors import UsageError
from train.data.hc18 import Sample

PHANTOM = Path(__file__).with_name(f"phantom{SUFFIX}")
"""The frame set that is in the repository: eight phantoms."""

PHANTOM_GREYS = 0xF8
"""A phantom's grey bytes keep these bits: 32 greys, which halves the file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_data(parser)
    add_test_part(parser)
    parser.add_argument("--out", type=Path, required=True, metavar=f"FILE{SUFFIX}", help="the file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there already")
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Pack and say what the file holds.

    Raises:
        UsageError: The file is there, or its name could end up in a commit.
        InputError: An image or its annotation cannot be used.
    """
    if args.out.suffix != SUFFIX:
        raise UsageError(f"--out is {args.out.name}; it must end in {SUFFIX}, which git ignores here.")
    checked_out(args.out, args.overwrite)
    dataset, samples, images = samples_of(args.data, args.split_part, args.images)
    say(f"data: {images.summary}")
    entries, packed = _pack(samples, PHANTOM_GREYS if dataset.is_phantom else 0xFF)
    header = Header(
        data=images.data,
        is_phantom=images.is_phantom,
        split=images.split,
        split_sha256=images.split_sha256,
        n_images_in_test_part=images.n_in_test_part,
        images_sha256=_hash(entries) if dataset.is_phantom else images.images_sha256,
        frames=tuple(entries),
    )
    sha256 = write_frame_set(args.out, header, packed)
    size = args.out.stat().st_size / 1e6
    say(f"wrote {args.out}: {counted(len(entries), 'frame')} of {images.data}, {size:.2f} MB, sha256 {sha256[:16]}...")
    if not dataset.is_phantom:
        say("It holds patients' images. Copy it to your device, and do not commit or publish it.")
    return 0


def _pack(samples: Sequence[Sample], bits: int) -> tuple[list[Entry], list[bytes]]:
    """Header entries and zlib streams of samples whose grey bytes keep some bits."""
    entries, packed = [], []
    for sample in samples:
        grey = sample.frame() & np.uint8(bits)
        packed.append(pack_grey(grey))
        entries.append(
            Entry(
                name=sample.name,
                height=grey.shape[0],
                width=grey.shape[1],
                sha256=hashlib.sha256(grey.tobytes()).hexdigest(),
                packed_bytes=len(packed[-1]),
                pixel_size_mm=sample.pixel_size_mm,
                hc_mm=sample.hc_mm,
                ellipse=sample.ellipse(),
            )
        )
    return entries, packed


def _hash(entries: Sequence[Entry]) -> str:
    """One hash of frames and references, in place of that of the files that they no longer equal."""
    lines = (f"{e.name} {e.sha256} {e.pixel_size_mm!r} {e.hc_mm!r} {e.ellipse!r}\n" for e in entries)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
