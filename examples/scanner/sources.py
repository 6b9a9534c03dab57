"""What plays as the probe: a phantom that moves, files at a probe's pace, or a frame grabber."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_runtime import Frame, UsageError, read_picture
from edge_runtime.commands.measure import is_for_one_size, pixel_size_source
from edge_runtime.commands.replay import find_shots, replay
from edge_runtime.frame.grabber import grab
from edge_runtime.frame.picture_files import find_images
from edge_runtime.frame.pixel_sizes import PixelSize
from edge_runtime.streaming.slot import Item
from train.data import hc18
from train.data.moving_phantom import moving_phantom

Probe = tuple[Callable[[], Iterator[Item]], PixelSize | None]
"""What starts the frames, anew each time it is called, and the pixel size in mm of those without their own."""


def open_probe(args: argparse.Namespace) -> Probe:
    """Find what the command line names as the probe. What can be checked early is checked here."""
    path = Path(args.probe)
    if args.probe == "phantom":
        return (lambda: (Frame(*shown) for shown in moving_phantom(args.fps))), None
    if args.probe == "hc18":
        if (folder := hc18.find_local()) is None:
            raise UsageError("HC18 is not in $HC18_DIR, data/hc18 or ../shared/hc18. See docs/data.md.")
        path, args.pixel_size_csv = folder / hc18.IMAGES, args.pixel_size_csv or folder / hc18.TABLE
    grabbed = str(path).startswith("/dev/")
    args.images = [path] if grabbed else find_images([path])[0]
    sizes, one_size = pixel_size_source(args), is_for_one_size(args)
    given = sizes(args.images[0])
    shots = [] if grabbed else find_shots(args.images, args.frame, args.region)
    first = read_picture(shots[0].path, shots[0].frame, args.region) if shots else None
    if given is None and not (first and first.dicom):
        raise UsageError("The size of a pixel is needed: give --pixel-size-mm, or --pixel-size-csv.")
    if grabbed:
        grab(path, args.crop)  # finds what is wrong before the page is there
        return (lambda: grab(path, args.crop)), given
    if len(shots) == len(args.images):  # no clip: each picture is held for two seconds
        shots = [shot for shot in shots for _ in range(math.ceil(2 * args.fps))]
    options = {"region": args.region, "one_size": one_size, "keep_text": False}
    return (lambda: replay(shots, sizes, args.fps, 2**62, math.inf, **options)), given if one_size else None
