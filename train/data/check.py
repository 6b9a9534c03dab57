"""The check of images and annotations before anything is trained, calibrated or scored on them."""

from __future__ import annotations

import filecmp
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from edge_runtime.common.cli import say
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.errors import FetalHeadError, InputError
from train.data.annotation import MAX_SHIFT_PX, Annotation
from train.data.hc18 import Dataset, Sample

TOLERANCE_MM = 0.1
"""Largest difference between the circumference of the ellipse and the table's, if the table was computed from such
ellipses. HC18's was: its 930 images differ by at most 0.05 mm."""

TOLERANCE_SHARE = 0.02
"""The same for any other table, as a share of the circumference. Its values may be rounded, or come from another fit
or a second measurement. Sonographers repeat their own measurement within 3%."""

SMALLEST_MM, LARGEST_MM = 40.0, 500.0
"""Head circumferences of HC18 are 44 to 346 mm, from the tenth week to birth. In cm or inches all would be below 40."""

_UNITS = {
    10.0: "the pixel size is in cm",
    0.1: "the table's circumference is in cm",
    25.4: "the pixel size is in inches",
    1 / 25.4: "the table's circumference is in inches",
    1000.0: "the pixel size is in m",
    0.001: "the table's circumference is in m",
}
"""Likely cause, by the factor from the ellipse's circumference to the table's."""

_SAME_FACTOR = 0.02
_SHOW_EVERY_S = 0.5
_SAY_AFTER_S = 10.0


def check_samples(dataset: Dataset, samples: Sequence[Sample]) -> None:
    """Read every image and annotation once, and compare them with each other and with the table.

    Images that were checked before are not read again. The result is printed in one line, which says how many
    annotations are filled masks.

    Args:
        dataset: Where the samples are from; it remembers what was checked.
        samples: Those that will be used.

    Raises:
        InputError: A file cannot be read, an annotation has another size than its image, or its ellipse has another
            circumference than the table says. The first such image is named, and the number of the others.
    """
    new = list({s.name: s for s in samples if s.name not in dataset.checked}.values())
    if not new:
        return
    started = time.monotonic()
    found = _read_all(new)
    broken = [result for result in found if isinstance(result, FetalHeadError)]
    if broken:
        others = f" ({len(broken) - 1} more of the {len(new)} images cannot be used.)" if len(broken) > 1 else ""
        raise InputError(f"{broken[0]}{others}")
    annotations = [result for result in found if isinstance(result, Annotation)]
    _check_circumferences(new, annotations)
    dataset.checked.update(s.name for s in new)
    masks = [annotation for annotation in annotations if annotation.is_filled]
    text = f"checked {len(new)} images and annotations in {time.monotonic() - started:.1f} s"
    if masks:
        shift = statistics.fmean(mask.shift_px for mask in masks)
        text += (
            f"; {len(masks)} {'annotation is a filled mask' if len(masks) == 1 else 'annotations are filled masks'}, "
            "whose reference is the ellipse of the edge, moved by "
            f"{shift:+.1f} pixels (mean) to the table's circumference"
        )
    say(text)


def _read_all(samples: Sequence[Sample]) -> list[Annotation | FetalHeadError]:
    """What each sample's files hold, or what is wrong with them."""
    found: list[Annotation | FetalHeadError] = []
    is_live, shown = sys.stdout.isatty(), time.monotonic()
    with ThreadPoolExecutor(usable_cores()) as pool:
        for result in pool.map(_read, samples):
            found.append(result)
            if time.monotonic() - shown > (_SHOW_EVERY_S if is_live else _SAY_AFTER_S):
                shown = time.monotonic()
                text = f"checking images: {len(found)} of {len(samples)}"
                print(f"\r{text:<60}" if is_live else text, end="\r" if is_live else "\n", flush=True)
    return found


def _read(sample: Sample) -> Annotation | FetalHeadError:
    try:
        (height, width), reference = sample.frame().shape, sample.reference
    except FetalHeadError as error:
        return error
    if filecmp.cmp(sample.path, sample.annotation, shallow=False):
        return InputError(
            f"{sample.path} and its annotation {sample.annotation.name} are the same file: the network would be shown "
            "the answer. Restore the image."
        )
    if (height, width) != reference.shape:
        return InputError(
            f"{sample.path} has {width} x {height} pixels, its annotation {sample.annotation.name} has "
            f"{reference.shape[1]} x {reference.shape[0]}. Both must have the size of the original image."
        )
    x, y = reference.ellipse.center_x, reference.ellipse.center_y
    if not (0 <= x < width and 0 <= y < height):
        return InputError(
            f"{sample.annotation}: the centre of its ellipse ({x:.0f}, {y:.0f}) lies outside the image of {width} x "
            f"{height} pixels. The annotation must show most of the outline, not a short arc: correct it."
        )
    return reference


def _check_circumferences(samples: Sequence[Sample], annotations: Sequence[Annotation]) -> None:
    pairs = list(zip(samples, annotations, strict=True))
    differences = [abs(annotation.ellipse.perimeter * s.pixel_size_mm - s.hc_mm) for s, annotation in pairs]
    lines = [difference for difference, (_, a) in zip(differences, pairs, strict=True) if not a.is_filled]
    # Values that were computed from the outlines agree to the last digit. Then a larger difference is a mistake.
    is_exact = 2 * sum(difference <= TOLERANCE_MM for difference in lines) >= len(lines)
    wrong = []
    for pair, difference in zip(pairs, differences, strict=True):
        share = 0.0 if is_exact or pair[1].is_filled else TOLERANCE_SHARE
        if difference > max(TOLERANCE_MM, share * pair[0].hc_mm):
            wrong.append(pair)
    if wrong:
        raise _differs(wrong, len(samples), is_exact)
    largest = max(s.hc_mm for s in samples)
    if not SMALLEST_MM <= largest <= LARGEST_MM:
        raise InputError(
            f"The largest head circumference of the {len(samples)} images is {largest:.4g} mm by the table, which is "
            f"not between {SMALLEST_MM:g} and {LARGEST_MM:g} mm. Give circumferences and pixel sizes in mm, not in cm "
            "or inches."
        )


def _differs(wrong: Sequence[tuple[Sample, Annotation]], count: int, is_exact: bool) -> InputError:
    sample, annotation = wrong[0]
    allowed = f"{TOLERANCE_MM} mm" if is_exact else f"{TOLERANCE_SHARE:.0%}"
    what = "ellipse of its annotation"
    if annotation.is_filled:
        what, allowed = "edge of its annotation, a filled mask,", f"{MAX_SHIFT_PX:g} pixels around that edge"
    return InputError(
        f"{sample.path}: the {what} has a circumference of {annotation.measured_mm:.2f} mm (at "
        f"{sample.pixel_size_mm:.4g} mm a pixel), the table says {sample.hc_mm:.2f} mm; {allowed} are allowed. "
        f"{len(wrong)} of {count} images differ. Likely cause: {_cause(wrong)}."
    )


def _cause(wrong: Sequence[tuple[Sample, Annotation]]) -> str:
    factors = [sample.hc_mm / annotation.measured_mm for sample, annotation in wrong]
    for factor, cause in _UNITS.items():
        if abs(factors[0] / factor - 1) < _SAME_FACTOR:
            return cause
    if len(wrong) > 2 and max(factors) / min(factors) < 1 + _SAME_FACTOR:
        return f"the images were resized; their pixel size would be {factors[0]:.3g} times the table's"
    return (
        "the annotation or the pixel size is that of another image, the image was resized and the pixel size was not, "
        "or the annotation marks something else than the head"
    )
