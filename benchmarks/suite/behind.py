"""The images and models behind a result, where they are at hand: nothing is downloaded, and hashes must be equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.frames.frame_set import read_frame_set
from benchmarks.frames.images import Image
from benchmarks.frames.pack import PHANTOM
from benchmarks.suite.artifacts import find_artifacts
from benchmarks.suite.document import Conditions, Result
from edge_runtime.shipped import SIZES, shipped_model
from train.data.hc18 import find_data, find_local, hash_samples, read_dataset


@dataclass(frozen=True)
class Behind:
    """The images that were scored.

    Attributes:
        data: Title of the data set.
        images: By name.
    """

    data: str
    images: Mapping[str, Image]


def images_behind(
    conditions: Conditions, names: Sequence[str], data: str | None, frame_set: Path | None
) -> Behind | str:
    """Find the images of a result.

    Args:
        conditions: Of the result file.
        names: The images' names, in the order of the file.
        data: What the user gave as ``--data``; None to search.
        frame_set: What the user gave as ``--frame-set``; None for the one in the repository.

    Returns:
        The images, or why they are not at hand.
    """
    if conditions.frame_set_sha256 is not None:
        return _of_frame_set(conditions, names, frame_set or PHANTOM, given=frame_set is not None)
    if data is not None:
        dataset = find_data(data)
    elif conditions.is_phantom:
        dataset = find_data("phantom")
    elif (place := find_local()) is not None:
        dataset = read_dataset(place)
    else:
        return "the images it was measured on are not here; name their folder with --data"
    if not set(names) <= set(dataset.samples):
        return f"the data at hand ({dataset.title}) lack images that it was measured on"
    if hash_samples(dataset.select(names)) != conditions.images_sha256:
        return f"the data at hand ({dataset.title}) are not those it was measured on: their sha256 differs"
    return Behind(dataset.title, {name: dataset.samples[name] for name in names})


def _of_frame_set(conditions: Conditions, names: Sequence[str], path: Path, given: bool) -> Behind | str:
    found = read_frame_set(path)
    if found.sha256 != conditions.frame_set_sha256:
        what = f"{path.name} is not the frame set" if given else "the phantom's frame set is not the one"
        return f"{what} it was measured on: its sha256 differs; name that with --frame-set"
    images = {frame.name: frame for frame in found.frames}
    if not set(names) <= images.keys():
        return f"{path.name} lacks frames that it was measured on"
    return Behind(found.header.data, images)


def model_behind(result: Result, artifacts: Path) -> Path | str:
    """The model file of a result, in a folder of artifacts or among the shipped ones; or why there is none."""
    shipped = [path for size in SIZES if (path := shipped_model(size)).is_file()]
    places = [place for place in (artifacts, *shipped) if place.exists()]
    known = [artifact for place in places for artifact in find_artifacts([place])]
    found = [a.path for a in known if a.manifest and a.manifest.model_sha256 == result.model_sha256]
    if found:
        return found[0]
    if not artifacts.is_dir():
        return f"there is no folder {artifacts.name}/; name the artifacts' folder with --artifacts"
    return f"no file in {artifacts.name}/ has the sha256 of {result.artifact} as it was measured"
