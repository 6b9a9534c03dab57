"""Result files of ``python -m benchmarks run``: what they hold, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from benchmarks.common.device import Device
from benchmarks.common.result_files import RESULTS, read_record
from benchmarks.common.scores import Scores, Summary
from edge_runtime.common.record import LEFT_OUT
from edge_runtime.errors import UsageError
from edge_runtime.metrics import ImageScore
from edge_runtime.timing.bench import StageLatencies

# The classes are final so that a checker knows that none is false, in "result.accuracy and result.accuracy.dice".

SCHEMA_VERSION = 1

Argument = str | int | float | bool | None | tuple[str, ...]


@dataclass(frozen=True)
class Round:
    """One round of one artifact, in a process of its own.

    Attributes:
        total_p50_ms: Median time of a frame, in ms.
        load_ms: Time to load the model, in ms.
        time_to_first_result_ms: Time to load the model and measure one frame, in ms.
        process_start_to_first_result_ms: The same from the start of the process, in ms.
        peak_memory_bytes: Peak resident memory of the process, in bytes; None where the system does not tell.
        frequency_mhz: Frequency of the first core after the round, in MHz; None likewise.
        temperature_c: Temperature after the round, in degrees Celsius; None likewise.
        throttled: A Raspberry Pi's throttling flags after the round; None elsewhere.
    """

    total_p50_ms: float
    load_ms: float
    time_to_first_result_ms: float
    process_start_to_first_result_ms: float
    peak_memory_bytes: int | None
    frequency_mhz: float | None
    temperature_c: float | None
    throttled: str | None


@final
@dataclass(frozen=True)
class Degradation:
    """What a recipe costs: differences from the same strategy's float32, image by image.

    Attributes:
        reference: Name of the float32 artifact.
        reference_sha256: Its sha256.
        dice_difference_points: Change of Dice in points of 100; negative is worse.
        hc_shift_mm: Change of the circumference in mm, over the images that both measured.
        hc_absolute_shift_mm: Its absolute value in mm.
        n_hc_refused_by_one: Images that only one of the two measured.
    """

    reference: str
    reference_sha256: str | None
    dice_difference_points: Summary
    hc_shift_mm: Summary
    hc_absolute_shift_mm: Summary
    n_hc_refused_by_one: int


@final
@dataclass(frozen=True)
class Result:
    """One artifact. What could not be measured is None or left out.

    Attributes:
        artifact: Its name, ``<strategy>-<recipe>``.
        strategy: Name of the strategy; None, as the next four, where its manifest cannot be used.
        recipe: Name of the recipe.
        model_sha256: Of the .tflite file.
        checkpoint_sha256: Of the weights it was exported from.
        size_bytes: Of the .tflite file.
        error: Why it could not be measured, else None.
        latency_ms: Latency over the frames of all rounds.
        accuracy: Scores over the images.
        images: Scores of each image.
        degradation: What the recipe costs; None where there is nothing to compare with.
        degradation_reason: Why it is None.
        backend: The interpreter, by name.
        input_size: (height, width) of the network's input, in pixels.
        load_ms: Median over rounds, as the next two: time to load the model, in ms.
        time_to_first_result_ms: Time to load the model and measure one frame, in ms.
        process_start_to_first_result_ms: The same from the start of the process, in ms.
        peak_memory_bytes: The largest of all rounds, in bytes.
        rounds: Each round's own figures.
        n_refused_on_device: Images that the runtime refuses by its general limits and the model's own, which the
            manifest holds; left out in results older than this field.
    """

    artifact: str
    strategy: str | None
    recipe: str | None
    model_sha256: str | None
    checkpoint_sha256: str | None
    size_bytes: int | None
    error: str | None
    latency_ms: StageLatencies | None
    accuracy: Scores | None
    images: tuple[ImageScore, ...]
    degradation: Degradation | None
    degradation_reason: str | None
    backend: str | None = field(default=None, metadata=LEFT_OUT)
    input_size: tuple[int, int] | None = field(default=None, metadata=LEFT_OUT)
    load_ms: float | None = field(default=None, metadata=LEFT_OUT)
    time_to_first_result_ms: float | None = field(default=None, metadata=LEFT_OUT)
    process_start_to_first_result_ms: float | None = field(default=None, metadata=LEFT_OUT)
    peak_memory_bytes: int | None = field(default=None, metadata=LEFT_OUT)
    rounds: tuple[Round, ...] | None = field(default=None, metadata=LEFT_OUT)
    n_refused_on_device: int | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Conditions:
    """What a result was measured under.

    Attributes:
        date: When it was started, UTC, ISO 8601.
        git_commit: Commit of the source tree; None outside a checkout.
        arguments: Those of the command.
        threads: CPU threads.
        frames: Frames timed in each round.
        warmup: Frames before them in each round, not timed.
        rounds: Rounds over all artifacts.
        latency_images: The images whose frames are timed.
        load_average_1min: The system's load at the start; None where it does not tell.
        data: Title of the data set.
        is_phantom: The images are procedural phantoms.
        split: Name of the split whose test part is scored.
        split_sha256: Of the split.
        n_images: Images scored.
        n_images_in_test_part: Images in the test part.
        images_sha256: Of the images scored.
    """

    date: str
    git_commit: str | None
    arguments: dict[str, Argument]
    threads: int
    frames: int
    warmup: int
    rounds: int
    latency_images: tuple[str, ...]
    load_average_1min: float | None
    data: str
    is_phantom: bool
    split: str
    split_sha256: str
    n_images: int
    n_images_in_test_part: int
    images_sha256: str


@dataclass(frozen=True)
class SuiteDocument:
    """A result file.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        device: The machine it was measured on.
        conditions: What it was measured under.
        results: One for each artifact.
    """

    schema_version: int
    device: Device
    conditions: Conditions
    results: tuple[Result, ...]


def load_document(path: Path) -> SuiteDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: Not JSON, another schema version, or a field is missing or of another type.
    """
    return read_record(path, SuiteDocument, SCHEMA_VERSION, "python -m benchmarks run")


def newest_result(folder: Path = RESULTS) -> Path:
    """The result file with the latest date in it (a checkout does not keep the files' own).

    Raises:
        UsageError: The folder holds none.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise UsageError(f"{folder.name}/ holds no result file. Make one with: python -m benchmarks run")
    return max(paths, key=lambda path: (load_document(path).conditions.date, path.name))
