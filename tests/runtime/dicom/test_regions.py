"""Which region is measured, and why a pixel size is not believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime import Box, InputError, UsageError, read_picture
from edge_runtime.frame.dicom.regions import Region, Scale, find_scale
from edge_runtime.output.overlay import plain_reason
from tests.helpers.places import Run

pytest.importorskip("pydicom")

from tests.helpers.dicom_files import region_of, write_dicom

FRAME = np.random.default_rng(0).integers(0, 255, (480, 640), np.uint8)
SIZE = FRAME.shape
TISSUE = Region(Box(20, 460, 30, 630), 1, 1, (3, 3), (0.02, 0.02))


def has_figures(text: str) -> bool:
    """Whether what pictures and pages say of a refusal could be taken for a number."""
    return any(c.isdigit() for c in text.replace("2-D", ""))


def tissue(box: Box = TISSUE.box, delta: tuple[float, float] = (0.02, 0.02), units: tuple[int, int] = (3, 3)) -> Region:
    return Region(box, 1, 1, units, delta)


def test_centimetres_become_millimetres_and_an_axis_may_run_backwards() -> None:
    assert find_scale([TISSUE], SIZE) == Scale(TISSUE.box, (0.2, 0.2), None)
    assert find_scale([tissue(delta=(0.02, -0.03))], SIZE).pixel_size_mm == pytest.approx((0.2, 0.3))
    assert find_scale([TISSUE], SIZE, (0.2, 0.2)).doubt is None  # PixelSpacing that agrees
    assert find_scale([TISSUE, TISSUE], SIZE).doubt is None  # the same twice


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        ([], "no ultrasound region"),
        ([Region(TISSUE.box, 3, 3, (4, 7), (0.01, 0.5))], "found: spectral pulsed-wave Doppler"),
        ([Region(TISSUE.box, 1, 2, (3, 3), (0.02, 0.02))], "found: 2-D colour flow"),
        ([Region(TISSUE.box, 2, 1, (4, 3), (0.01, 0.02))], "found: M-mode tissue"),
        ([Region(TISSUE.box, 77, 99, (3, 3), (0.02, 0.02))], "found: format 77 data of type 99"),
        ([tissue(units=(3, 4))], "two units (cm across, seconds down)"),
        ([tissue(units=(0, 0))], "another unit than cm (none)"),
        ([tissue(units=(250, 250))], "another unit than cm (code 250)"),
        *(([tissue(delta=delta)], "cannot be") for delta in
          ((0.0, 0.0), (float("nan"), 0.02), (0.02, float("inf")), (1e-9, 1e-9), (50.0, 50.0), (0.02, 0.5))),
        ([tissue(Box(0, 482, 0, 640))], "lies outside of the picture (640x480)"),
        ([tissue(Box(-1, 480, 0, 640))], "lies outside of the picture"),
        ([tissue(Box(0, 960, 0, 1280))], "lies outside of the picture"),
        ([tissue(Box(300, 100, 0, 640))], "lies outside of the picture"),
        # a region of another kind tells as well that the picture was cut
        ([TISSUE, Region(Box(500, 560, 30, 630), 3, 3, (4, 7), (0.01, 0.5))], "lies outside of the picture"),
        ([tissue(Box(0, 20, 0, 640))], "too small"),
        ([TISSUE, Region(Box(400, 470, 30, 630), 3, 3, (4, 7), (0.01, 0.5))], "another ultrasound region (spectral"),
        ([TISSUE, Region(Box(100, 200, 100, 200), 1, 2, (3, 3), (0.01, 0.01))], "with another scale lies on"),
    ],
)  # fmt: skip
def test_a_pixel_size_is_not_believed_where_anything_speaks_against_it(regions: list[Region], said: str) -> None:
    found = find_scale(regions, SIZE)
    assert found.pixel_size_mm is None and found.doubt and said in found.doubt
    assert found.part in (None, TISSUE.box)
    assert not has_figures(plain_reason(found.doubt))


@pytest.mark.parametrize(
    "other",
    [
        Region(Box(100, 200, 100, 200), 1, 2, (3, 3), (0.02, 0.02)),  # colour flow within the tissue, same scale
        Region(Box(20, 100, 30, 60), 0, 13, (0, 0), (0.0, 0.0)),  # a grey bar
        Region(Box(460, 480, 30, 630), 3, 3, (4, 7), (0.01, 0.5)),  # a spectrum below it
    ],
)
def test_other_regions_that_do_not_change_the_scale_do_no_harm(other: Region) -> None:
    for regions in ([TISSUE, other], [other, TISSUE]):
        assert find_scale(regions, SIZE) == Scale(TISSUE.box, (0.2, 0.2), None)


def test_an_end_one_pixel_beyond_the_picture_is_taken_for_its_border() -> None:
    assert find_scale([tissue(Box(0, 481, 0, 641))], SIZE).part == Box(0, 480, 0, 640)


def test_pixel_spacing_can_contradict_but_not_replace_a_region() -> None:
    doubt = find_scale([TISSUE], SIZE, (0.4, 0.4)).doubt
    assert doubt and "0.2 x 0.2 mm in its tissue region, 0.4 x 0.4 mm as PixelSpacing" in doubt
    assert not has_figures(plain_reason(doubt))
    assert find_scale([], SIZE, (0.4, 0.4)).pixel_size_mm is None


def test_of_two_regions_one_is_chosen_and_never_guessed() -> None:
    left, right = tissue(Box(20, 460, 0, 320)), tissue(Box(20, 460, 320, 640), (0.03, 0.03))
    with pytest.raises(InputError, match=r"it has 2 tissue regions.*1: columns 0 to 319.*2: columns 320 to 639"):
        find_scale([left, right], SIZE)
    assert find_scale([left, right], SIZE, chosen=1) == Scale(left.box, (0.2, 0.2), None)
    assert find_scale([left, right], SIZE, chosen=2).pixel_size_mm == pytest.approx((0.3, 0.3))
    for wrong in (0, 3):
        with pytest.raises(UsageError, match=f"there is no region {wrong}"):
            find_scale([left, right], SIZE, chosen=wrong)
    within = tissue(Box(100, 200, 100, 200), (0.01, 0.01))  # a picture in the picture
    assert find_scale([TISSUE, within], SIZE, chosen=1).doubt and find_scale([TISSUE, within], SIZE, chosen=2).doubt


def test_too_many_regions_are_refused_and_none_is_left_out(tmp_path: Path) -> None:
    same, other = region_of((0, 0, 639, 479)), region_of((0, 0, 639, 479), 0.03)
    path = write_dicom(tmp_path / "a.dcm", FRAME, regions=[same] * 99 + [other])
    with pytest.raises(InputError, match="2 tissue regions"):
        read_picture(path)
    path = write_dicom(tmp_path / "b.dcm", FRAME, regions=[same] * 101)
    with pytest.raises(InputError, match="it has 101 ultrasound regions; at most 100"):
        read_picture(path)


def test_the_file_is_asked_anew_each_time(tmp_path: Path) -> None:
    for delta in (0.02, 0.03):
        path = write_dicom(tmp_path / "same.dcm", FRAME, regions=[region_of((30, 20, 629, 459), delta)])
        assert read_picture(path).pixel_size_mm == pytest.approx((10 * delta, 10 * delta))


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"Modality": "CT"}, "not an ultrasound image (modality CT, Ultrasound Image Storage)"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "Secondary Capture Image Storage"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.2"}, "Enhanced US Volume Storage"),
        ({"SOPClassUID": "1.2.3.4"}, "(modality US)"),
        ({"PhotometricInterpretation": "HSV"}, "its colours are HSV"),
        ({"BitsStored": 7}, "7 bits a channel in 8"),
        ({"PixelRepresentation": 1}, "signed"),
        ({"BitsAllocated": 16, "BitsStored": 12}, "12 bits a channel in 16"),
        ({"BitsAllocated": 16, "BitsStored": 16}, "16 bits a channel in 16"),
    ],
)
def test_what_is_not_read_is_named(run: Run, model: Path, tmp_path: Path, elements: dict[str, Any], said: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAME, **elements)
    done = run("edge_runtime", "measure", path, "--model", model)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert said in done.stderr
