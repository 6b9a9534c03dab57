"""``python -m edge_runtime measure``: masks and head circumferences of image files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import edge_runtime
from edge_runtime.common.arguments import add_help, at_least
from edge_runtime.common.cli import json_line, printable, say
from edge_runtime.errors import FetalHeadError, UsageError
from edge_runtime.frame.image_files import write_mask
from edge_runtime.frame.pictures import Picture, read_picture, scale_of
from edge_runtime.frame.pixel_sizes import PixelSize, check_pixel_size, check_pixel_sizes, pixel_size_of, read_csv
from edge_runtime.measurement import Measurement
from edge_runtime.output.dicom_report import TEMPLATES
from edge_runtime.output.documents import check_documents, documents, write_document
from edge_runtime.output.file_names import check_folders, output_name
from edge_runtime.output.image_row import image_row, measure_picture, unread_row
from edge_runtime.output.overlay import write_overlay
from edge_runtime.output.subject import WARNING, Subject
from edge_runtime.quality.verdict import NO_PIXEL_SIZE
from edge_runtime.segmenter import Segmenter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments, except the model and the number of threads."""
    add_help(
        parser,
        "Measure the head circumference in image files. Each line gives the circumference in mm and the range that "
        "should contain the true one in at least 90% of images, or the reason why there is none. A DICOM file "
        "brings its pixel size, and only its tissue region is measured. If a file cannot be read, the exit code is 1, "
        "but the others are still measured.",
        "python -m edge_runtime measure frame.png --pixel-size-mm 0.15",
        "python -m edge_runtime measure image.dcm",
        "python -m edge_runtime measure clip.dcm --frame 12 --overlay-dir overlays",
        "python -m edge_runtime measure image.dcm --report report.dcm --template 5000",
        "python -m edge_runtime measure frame1.png frame2.png --pixel-size-mm 0.15 --overlay-dir overlays",
        "python -m edge_runtime measure *.png --pixel-size-csv sizes.csv --mask-dir masks --json",
    )
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        metavar="IMAGE",
        help="8-bit image files, grey or colour (the EXIF orientation is applied), or ultrasound in DICOM files",
    )
    add_image_options(parser)
    add_dicom_options(parser)
    parser.add_argument(
        "--mask-dir", type=Path, metavar="DIR", help="write each mask to DIR/NAME.png, with values 0 and 255"
    )
    parser.add_argument(
        "--overlay-dir",
        type=Path,
        metavar="DIR",
        help="draw outline and result on each image, and write it to DIR/NAME.png",
    )
    parser.add_argument(
        "--keep-text",
        action="store_true",
        help="in pictures of DICOM files, keep what is around the tissue, where scanners write the patient's name; "
        "without this it is black",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="OUT.dcm",
        help="write a DICOM structured report with the patient and study of the DICOM file that is measured",
    )
    parser.add_argument(
        "--template",
        choices=TEMPLATES,
        default=TEMPLATES[0],
        help="of the report: 1500, measurements, or 5000, the OB-GYN report (default: %(default)s)",
    )
    parser.add_argument(
        "--secondary-capture",
        type=Path,
        metavar="OUT.dcm",
        help="draw outline and result on the DICOM image that is measured, as a DICOM image with its patient and study",
    )
    parser.add_argument("--pdf", type=Path, metavar="OUT.pdf", help="write a page about the measurement, for people")
    parser.add_argument(
        "--fhir", type=Path, metavar="OUT.json", help="write the measurement as an Observation of HL7 FHIR R4"
    )
    parser.set_defaults(run=measure)


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that read images: pixel sizes, and which frame of a file."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--pixel-size-mm",
        metavar="X[,Y]",
        help="side of a pixel in mm, for all images of the first one's size; width,height if pixels are not square, "
        "such as 0.15,0.17; used instead of what a DICOM file says",
    )
    size.add_argument(
        "--pixel-size-csv", type=Path, metavar="CSV", help="table with the columns 'filename' and 'pixel size(mm)'"
    )
    parser.add_argument(
        "--any-size",
        action="store_true",
        help="use --pixel-size-mm for images of every size; without this, an image whose height or width differs from "
        "the first one's has no circumference, since another size often means another scale",
    )
    parser.add_argument(
        "--frame",
        type=at_least(1),
        metavar="N",
        help="which frame of files that hold several, such as cine loops; counted from 1",
    )


def add_dicom_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that read DICOM files."""
    parser.add_argument(
        "--region",
        type=at_least(1),
        metavar="N",
        help="which tissue region of DICOM files that have several side by side; counted from 1",
    )


def pixel_size_source(args: argparse.Namespace) -> Callable[[Path], PixelSize | None]:
    """Make a function from an image to its pixel size in mm. What can be checked early is checked here."""
    if args.any_size and args.pixel_size_mm is None:
        raise UsageError(
            "--any-size is given without --pixel-size-mm. It only says that this one pixel size holds for images of "
            "any size. Add --pixel-size-mm, or leave out --any-size."
        )
    if args.pixel_size_mm is not None:
        size = read_pixel_size(args.pixel_size_mm)
        _check_second_number(args.images, args.pixel_size_mm)
        return lambda image: size
    if args.pixel_size_csv is not None:
        rows = read_csv(args.pixel_size_csv)
        sizes = {image: pixel_size_of(rows, image.name, args.pixel_size_csv) for image in args.images}
        return lambda image: sizes[image]
    return lambda image: None


def is_for_one_size(args: argparse.Namespace) -> bool:
    """Whether the pixel size is one number that may be wrong for images of another size than the first."""
    return args.pixel_size_mm is not None and not args.any_size


def with_options(reason: str) -> str:
    """A reason for people. If options of the command are missing, it names them; programs get the reason alone."""
    return f"{reason}; give --pixel-size-mm or --pixel-size-csv" if reason == NO_PIXEL_SIZE else reason


def read_pixel_size(text: str) -> PixelSize:
    """Read ``--pixel-size-mm``: X, or X,Y.

    Raises:
        UsageError: It is something else, or cannot be.
    """
    numbers = text.split(",")
    if len(numbers) > 2:
        raise UsageError(f"--pixel-size-mm is {text!r}; it must be one number, or two with a comma between: 0.15,0.17.")
    if len(numbers) == 1:
        return check_pixel_size(text, "--pixel-size-mm")
    where = f"--pixel-size-mm {text}, read as width,height; use a point for decimals"
    return check_pixel_sizes((check_pixel_size(numbers[0], where), check_pixel_size(numbers[1], where)))


def _check_second_number(images: list[Path], size: str) -> None:
    """Refuse ``--pixel-size-mm 0.15 0.17``. The first number would be used for both sides, the second as an image."""
    for image in images:
        try:
            float(str(image))
        except ValueError:
            continue
        if not image.exists():
            raise UsageError(
                f"There is no file {image}. If it is the height of a pixel, write --pixel-size-mm {size},{image}."
            )


def _text(result: Measurement, picture: Picture, given: str | None) -> str:
    hc, interval = result.head_circumference_mm, result.interval_mm
    if hc is None:
        if picture.doubt and result.reason == picture.doubt:
            return f"no HC: {picture.doubt}; give --pixel-size-mm if you know it"
        return f"no HC: {with_options(result.reason or '')}"
    within = f" ({interval[0]:.1f} to {interval[1]:.1f})" if interval else ""
    text = f"HC {hc:7.1f} mm{within}" + (f"  CAUTION: {result.caution}" if result.caution else "")
    if picture.dicom and result.pixel_size_mm:
        sides = " x ".join(f"{side:.4g}" for side in dict.fromkeys(result.pixel_size_mm))
        text += f"   pixels of {sides} mm from {given or 'the file'}"
    return text


def measure(args: argparse.Namespace) -> int:
    """Measure image files. If one cannot be read, the others are still measured, and the exit code is 1."""
    pixel_size = pixel_size_source(args)
    option = "--pixel-size-mm" if args.pixel_size_mm else "--pixel-size-csv" if args.pixel_size_csv else None
    check_folders(args.images, {"--mask-dir": args.mask_dir, "--overlay-dir": args.overlay_dir})
    outs = {
        name: out for name in documents(args.template) if (out := getattr(args, name[2:].replace("-", "_"))) is not None
    }
    check_documents(outs, args.images)
    segmenter = Segmenter.load(args.model, threads=args.threads, trusted_keys=args.trusted_keys)
    code, first = 0, None
    for image in args.images:
        try:
            picture, size = read_picture(image, args.frame, args.region), pixel_size(image)
            first = first or picture.pixels.shape
            size, doubt = scale_of(picture, size, first if is_for_one_size(args) else None)
            result = measure_picture(segmenter, image, picture, size, doubt)
            for name, out in outs.items():
                subject = _subject(args, segmenter, picture, result, option)
                write_document(name, out, documents(args.template)[name].make(subject))
        except FetalHeadError as error:
            code = max(code, error.exit_code)
            print(f"error: {printable(str(error))}", file=sys.stderr)
            if args.json:
                say(json_line(unread_row(image.name, error)))
            continue
        if args.mask_dir is not None:
            write_mask(args.mask_dir / output_name(image), result.mask)
        if args.overlay_dir is not None:
            frame = picture.pixels if args.keep_text else picture.without_text
            write_overlay(args.overlay_dir / output_name(image), frame, result)
        if args.json:
            say(json_line(image_row(image.name, picture, result, option)))
        else:
            say(f"{printable(image.name):<24} {_text(result, picture, option)}   ({result.latency_ms.total:.1f} ms)")
    if not args.json:
        for what, folder in (("Masks", args.mask_dir), ("Overlays", args.overlay_dir)):
            if folder is not None and folder.is_dir():
                say(f"{what} are in {printable(str(folder))}.")
        for out in outs.values() if code == 0 else ():
            say(f"{printable(str(out))} is written.")
        say(WARNING)
    return code


def _subject(
    args: argparse.Namespace, segmenter: Segmenter, picture: Picture, result: Measurement, option: str | None
) -> Subject:
    """What documents say about how the measurement was made."""
    return Subject(
        args.images[0],
        args.frame,
        picture,
        args.keep_text,
        result,
        option,
        segmenter.manifest.name,
        segmenter.manifest.model_sha256,
        edge_runtime.__version__,
        datetime.now().astimezone(),
    )
