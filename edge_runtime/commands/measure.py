"""``python -m edge_runtime measure``: masks and head circumferences of image files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_runtime.errors import FetalHeadError, UsageError
from edge_runtime.frame.image_files import read_image, write_mask
from edge_runtime.frame.pixel_sizes import check_pixel_size, pixel_size_of, read_csv
from edge_runtime.measurement import Measurement
from edge_runtime.segmenter import Segmenter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments, but for model and threads."""
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="8-bit image files, grey or colour")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--pixel-size-mm", metavar="X", help="side of a pixel in mm, for all images")
    size.add_argument("--pixel-size-csv", type=Path, metavar="CSV", help="columns 'filename' and 'pixel size(mm)'")
    parser.add_argument("--mask-dir", type=Path, metavar="DIR", help="write masks here: PNG, 0/255, same file name")
    parser.set_defaults(run=measure)


def pixel_size_source(args: argparse.Namespace) -> Callable[[Path], float | None]:
    """A function from image to its pixel size in mm; what can be checked before the first image is."""
    if args.pixel_size_mm is not None:
        size = check_pixel_size(args.pixel_size_mm, "--pixel-size-mm")
        return lambda image: size
    if args.pixel_size_csv is not None:
        rows = read_csv(args.pixel_size_csv)
        sizes = {image: pixel_size_of(rows, image.name, args.pixel_size_csv) for image in args.images}
        return lambda image: sizes[image]
    return lambda image: None


def _check_mask_names(images: list[Path], folder: Path) -> None:
    """Refuse to write two masks to one file, or a mask over an image."""
    names = [image.name for image in images]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise UsageError(
            f"{len(twice)} file names of images come twice (first: {twice[0]}); their masks would overwrite each other."
        )
    for image in images:
        if (folder / image.name).resolve() == image.resolve():
            raise UsageError(f"--mask-dir {folder} is the images' own folder; the masks would overwrite them.")


def _record(image: Path, result: Measurement) -> dict[str, Any]:
    latency = result.latency_ms
    return {
        "image": image.name,
        "head_circumference_mm": result.head_circumference_mm,
        "reason": result.reason,
        "interval_mm": result.interval_mm and list(result.interval_mm),
        "trust": result.trust,
        "caution": result.caution,
        "pixel_size_mm": result.pixel_size_mm and list(result.pixel_size_mm),
        "ellipse": result.ellipse and asdict(result.ellipse),
        "quality": asdict(result.quality),
        "latency_ms": {**asdict(latency), "total": latency.total},
    }


def _text(result: Measurement) -> str:
    hc, interval = result.head_circumference_mm, result.interval_mm
    if hc is None:
        return f"no HC: {result.reason}"
    within = f" ({interval[0]:.1f} to {interval[1]:.1f})" if interval else ""
    return f"HC {hc:7.1f} mm{within}" + (f"  CAUTION: {result.caution}" if result.caution else "")


def measure(args: argparse.Namespace) -> int:
    """Measure image files; an unreadable one is reported, the others are still measured, and the exit code is 1."""
    pixel_size = pixel_size_source(args)
    if args.mask_dir is not None:
        _check_mask_names(args.images, args.mask_dir)
    segmenter = Segmenter.load(args.model, threads=args.threads, trusted_keys=args.trusted_keys)
    code = 0
    for image in args.images:
        try:
            result = segmenter.measure(read_image(image), pixel_size(image))
        except FetalHeadError as error:
            code = max(code, error.exit_code)
            print(f"error: {error}", file=sys.stderr)
            if args.json:
                print(
                    json.dumps({"image": image.name, "head_circumference_mm": None, "reason": str(error)}), flush=True
                )
            continue
        if args.mask_dir is not None:
            write_mask(args.mask_dir / image.name, result.mask)
        if args.json:
            print(json.dumps(_record(image, result), allow_nan=False), flush=True)
        else:
            print(f"{image.name:<24} {_text(result)}   ({result.latency_ms.total:.1f} ms)", flush=True)
    if not args.json:
        print("Research use only; not a medical device.")
    return code
