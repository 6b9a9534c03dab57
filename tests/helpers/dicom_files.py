"""Ultrasound DICOM files made from frames, in every transfer syntax that can be written here."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import UID, generate_uid

PATIENT = {
    "PatientName": "SECRET^NAME",
    "PatientID": "SECRETID",
    "PatientBirthDate": "19870605",
    "StudyDate": "20250403",
    "AccessionNumber": "SECRETACC",
    "ReferringPhysicianName": "SECRET^DOCTOR",
    "InstitutionName": "SECRET HOSPITAL",
    "StudyID": "SECRETSTUDY",
}
"""What must never be seen in any output."""

NATIVE = {"implicit": "1.2.840.10008.1.2", "explicit": "1.2.840.10008.1.2.1", "big endian": "1.2.840.10008.1.2.2"}
ENCODED = {
    "rle": "1.2.840.10008.1.2.5",
    "jpeg": "1.2.840.10008.1.2.4.50",
    "jpeg extended": "1.2.840.10008.1.2.4.51",
    "jpeg lossless": "1.2.840.10008.1.2.4.57",
    "jpeg lossless sv1": "1.2.840.10008.1.2.4.70",
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "jpeg-ls near": "1.2.840.10008.1.2.4.81",
    "jpeg 2000 lossless": "1.2.840.10008.1.2.4.90",
    "jpeg 2000": "1.2.840.10008.1.2.4.91",
}
SYNTAXES = {**NATIVE, **ENCODED}
LOSSY = ("jpeg", "jpeg extended", "jpeg-ls near", "jpeg 2000")


def region_of(
    box: tuple[int, int, int, int], delta: float | tuple[float, float] = 0.02, units: Any = 3, kind: Any = (1, 1)
) -> Dataset:
    """An ultrasound region: its box as (left, top, right, bottom), the ends included as in the file."""
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType = kind
    region.RegionFlags = 0
    names = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    for name, value in zip(names, box, strict=True):
        setattr(region, name, value)
    region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = (units, units) if isinstance(units, int) else units
    region.PhysicalDeltaX, region.PhysicalDeltaY = delta if isinstance(delta, tuple) else (delta, delta)
    return region


def whole(frame: np.ndarray, delta: float | tuple[float, float]) -> Dataset:
    """The region of all of a frame."""
    return region_of((0, 0, frame.shape[1] - 1, frame.shape[0] - 1), delta)


def jpeg(frame: np.ndarray) -> bytes:
    """A frame as a JPEG."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, format="JPEG", quality=95, subsampling=0 if frame.ndim == 2 else "4:2:2")
    return file.getvalue()


def _encode(frame: np.ndarray, syntax: str, dataset: Dataset) -> bytes:
    file = io.BytesIO()
    if syntax in ("jpeg", "jpeg extended"):
        return jpeg(frame)
    if syntax.startswith("jpeg 2000"):
        lossless = syntax.endswith("lossless")
        rate: dict[str, Any] = {} if lossless else {"quality_mode": "rates", "quality_layers": [8]}
        Image.fromarray(frame).save(file, format="JPEG2000", no_jp2=True, irreversible=not lossless, mct=1, **rate)
        return file.getvalue()
    if syntax.startswith("jpeg-ls"):
        import jpeg_ls

        return bytes(jpeg_ls.encode_array(frame, lossy_error=2 if syntax.endswith("near") else 0, interleave_mode=None
                                          if frame.ndim == 2 else 2))  # fmt: skip
    if syntax == "rle":
        from pydicom.pixels.encoders import RLELosslessEncoder

        options = {"rows": frame.shape[0], "columns": frame.shape[1], "samples_per_pixel": dataset.SamplesPerPixel,
                   "bits_allocated": 8, "bits_stored": 8, "pixel_representation": 0, "number_of_frames": 1,
                   "planar_configuration": 0,
                   "photometric_interpretation": dataset.PhotometricInterpretation}  # fmt: skip
        return RLELosslessEncoder.encode(np.ascontiguousarray(frame), encoding_plugin="pydicom", **options)
    raise ValueError(syntax)


def make_dataset(
    frames: list[np.ndarray], regions: list[Dataset], colors: str | None = None, **elements: Any
) -> Dataset:
    """A data set without pixels."""
    frame = frames[0]
    ds = Dataset()
    ds.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.3.1" if len(frames) > 1 else "1.2.840.10008.5.1.4.1.1.6.1")
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid(), generate_uid()
    ds.Modality, ds.ImageType = "US", ["ORIGINAL", "PRIMARY"]
    for name, value in PATIENT.items():
        setattr(ds, name, value)
    ds.Rows, ds.Columns = frame.shape[:2]
    ds.SamplesPerPixel = 1 if frame.ndim == 2 else 3
    ds.PhotometricInterpretation = colors or ("MONOCHROME2" if frame.ndim == 2 else "RGB")
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    if frame.ndim == 3:
        ds.PlanarConfiguration = 0
    if len(frames) > 1:
        ds.NumberOfFrames = len(frames)
    if regions:
        ds.SequenceOfUltrasoundRegions = regions
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def write_dicom(
    path: Path,
    frames: np.ndarray | list[np.ndarray],
    syntax: str = "explicit",
    regions: list[Dataset] | None = None,
    colors: str | None = None,
    **elements: Any,
) -> Path:
    """Write an ultrasound image or clip.

    Args:
        path: The file.
        frames: uint8 (H, W) or (H, W, 3), RGB.
        syntax: One of :data:`SYNTAXES`.
        regions: Its regions; default: the whole frame at 0.2 mm a pixel.
        colors: Its photometric interpretation; default: grey or RGB.
        **elements: More elements, or others in place of these.
    """
    frames = frames if isinstance(frames, list) else [frames]
    regions = [whole(frames[0], 0.02)] if regions is None else regions
    ds = make_dataset(frames, regions, colors, **elements)
    stored = frames
    if ds.PhotometricInterpretation in ("YBR_FULL", "YBR_FULL_422") and syntax not in ("jpeg", "jpeg extended"):
        stored = [convert_color_space(frame, "RGB", "YBR_FULL") for frame in frames]
    if syntax in NATIVE:
        if ds.PhotometricInterpretation == "YBR_FULL_422":  # two pixels: Y Y Cb Cr
            pairs = [frame.reshape(ds.Rows, -1, 2, 3) for frame in stored]
            stored = [np.stack([p[:, :, 0, 0], p[:, :, 1, 0], p[:, :, 0, 1], p[:, :, 0, 2]], -1) for p in pairs]
        if ds.get("PlanarConfiguration"):
            stored = [np.moveaxis(frame, 2, 0) for frame in stored]
        data = b"".join(np.ascontiguousarray(frame).tobytes() for frame in stored)
        ds.PixelData = data + b"\0" * (len(data) % 2)
        ds["PixelData"].VR = "OB"
    elif syntax.startswith("jpeg lossless"):
        return _by_gdcm(path, ds, stored, syntax)
    else:
        ds.PixelData = encapsulate([_encode(frame, syntax, ds) for frame in stored])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    _save(path, ds, SYNTAXES[syntax])
    return path


def _save(path: Path, ds: Dataset, uid: str) -> None:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(uid)
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    pydicom.dcmwrite(path, ds, enforce_file_format=True)


def _by_gdcm(path: Path, ds: Dataset, frames: list[np.ndarray], syntax: str) -> Path:
    """JPEG lossless, which only GDCM writes."""
    import gdcm

    ds.PixelData = b"".join(frame.tobytes() for frame in frames)
    ds["PixelData"].VR = "OB"
    plain = path.with_name(path.name + ".plain")
    _save(plain, ds, NATIVE["explicit"])
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    first = syntax.endswith("sv1")
    kind = gdcm.TransferSyntax.JPEGLosslessProcess14_1 if first else gdcm.TransferSyntax.JPEGLosslessProcess14
    change.SetTransferSyntax(gdcm.TransferSyntax(kind))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    plain.unlink()
    return path
