"""Result files of ``python -m benchmarks run``: what they hold, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from benchmarks.common.device import Device
from benchmarks.common.intervals import Interval
from benchmarks.common.result_files import RESULTS, read_json
from benchmarks.common.scores import Scores, Summary
from benchmarks.machine.energy import Energy
from benchmarks.machine.state import Load, throttled_meanwhile
from benchmarks.roofline.profile import Profile
from benchmarks.suite.modes import Mode
from benchmarks.suite.network_only import NetworkOnly
from benchmarks.suite.rounds import Round, Sustained
from edge_runtime.common.cli import say
from edge_runtime.common.record import LEFT_OUT, from_json
from edge_runtime.errors import FetalHeadError, ModelError, UsageError
from edge_runtime.metrics import ImageScore
from edge_runtime.timing.bench import Percentiles, StageLatencies

# The classes are final so that a checker knows that none is false, in "result.accuracy and result.accuracy.dice".

SCHEMA_VERSION = 1

Argument = str | int | float | bool | None | tuple[str, ...]


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
class Agreement:
    """How a browser's outputs compare with those of Python's interpreter on the same inputs.

    Attributes:
        n_frames: Frames compared.
        n_identical: Outputs that are the same byte for byte.
        mask_dice: Mean Dice between the masks of the two, at the network's size.
        worst_mask_dice: The smallest.
        backend: Python's interpreter and its version.
    """

    n_frames: int
    n_identical: int
    mask_dice: float
    worst_mask_dice: float
    backend: str


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
            manifest holds; left out, as all that follow, in results older than this field.
        steps_ms: Latency of each step that a frame goes through, in ms, by its name in
            :data:`edge_runtime.stages.STEPS`.
        mean_ms: Mean latency of a frame in ms, with its interval over rounds.
        frames_per_s: Timed frames of all rounds over the time that they took.
        timed_frames: Timed frames of all rounds.
        timed_seconds: Time that they took, in s.
        rounds_apart: How far the rounds' medians are apart: the largest over the smallest, minus 1; None for one round.
        unstable: Whether that is more than :data:`benchmarks.suite.modes.STABLE`; None for one round.
        energy: Energy of the timed frames.
        energy_reason: Why there is none.
        sustained: Latency, clock and temperature over time; only of the mode ``sustained``.
        agreement: How the outputs compare with Python's; only of a browser.
        network_only: What a tool says that runs the network alone; only of phones measured over adb.
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
    steps_ms: dict[str, Percentiles] | None = field(default=None, metadata=LEFT_OUT)
    mean_ms: Interval | None = field(default=None, metadata=LEFT_OUT)
    frames_per_s: float | None = field(default=None, metadata=LEFT_OUT)
    timed_frames: int | None = field(default=None, metadata=LEFT_OUT)
    timed_seconds: float | None = field(default=None, metadata=LEFT_OUT)
    rounds_apart: float | None = field(default=None, metadata=LEFT_OUT)
    unstable: bool | None = field(default=None, metadata=LEFT_OUT)
    energy: Energy | None = field(default=None, metadata=LEFT_OUT)
    energy_reason: str | None = field(default=None, metadata=LEFT_OUT)
    sustained: Sustained | None = field(default=None, metadata=LEFT_OUT)
    agreement: Agreement | None = field(default=None, metadata=LEFT_OUT)
    network_only: NetworkOnly | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Conditions:
    """What a result was measured under.

    Attributes:
        date: When it was started, UTC, ISO 8601.
        git_commit: Commit of the source tree; None outside a checkout.
        arguments: Those of the command.
        threads: CPU threads.
        frames: Frames timed in each round; with ``seconds``, at least.
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
        mode: The mode of the run; left out, as all that follow, in results older than this field.
        seconds: Time that the frames of a round take, in s, at least.
        cooldown_s: Pause before each artifact but the first, in s.
        seed: Of the random order of artifacts; None where each round has the same.
        order: Artifacts in the order in which they were measured, for each round.
        shortfalls: What artifacts lack to be official, by their names; empty in an official result.
        load_before: The machine's load before anything was measured.
        load_after: The same afterwards.
        not_told: What the system does not tell: clock, temperature, throttling flags.
        frame_set_sha256: Of the frame set; None if the images are from a data set.
        timed_steps: The steps of :data:`edge_runtime.stages.STEPS` that were timed; None if all were.
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
    mode: Mode | None = field(default=None, metadata=LEFT_OUT)
    seconds: float | None = field(default=None, metadata=LEFT_OUT)
    cooldown_s: float | None = field(default=None, metadata=LEFT_OUT)
    seed: int | None = field(default=None, metadata=LEFT_OUT)
    order: tuple[tuple[str, ...], ...] | None = field(default=None, metadata=LEFT_OUT)
    shortfalls: dict[str, str] | None = field(default=None, metadata=LEFT_OUT)
    load_before: Load | None = field(default=None, metadata=LEFT_OUT)
    load_after: Load | None = field(default=None, metadata=LEFT_OUT)
    not_told: tuple[str, ...] | None = field(default=None, metadata=LEFT_OUT)
    frame_set_sha256: str | None = field(default=None, metadata=LEFT_OUT)
    timed_steps: tuple[str, ...] | None = field(default=None, metadata=LEFT_OUT)

    @property
    def busy(self) -> str | None:
        """How much of the machine other work took before or after, in words; None if little, or if that is unknown."""
        loads = (("before", self.load_before), ("afterwards", self.load_after))
        return ", ".join(f"{load.busy:.0%} {when}" for when, load in loads if load and load.is_high) or None


@dataclass(frozen=True)
class SuiteDocument:
    """A result file.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        device: The machine it was measured on.
        conditions: What it was measured under.
        results: One for each artifact.
        profile: Where the time of the slowest artifact goes, and what the machine could do; None if not asked for.
        profile_reason: Why there is none although it was asked for.
    """

    schema_version: int
    device: Device
    conditions: Conditions
    results: tuple[Result, ...]
    profile: Profile | None = field(default=None, metadata=LEFT_OUT)
    profile_reason: str | None = field(default=None, metadata=LEFT_OUT)

    @property
    def slowed(self) -> list[str]:
        """What a Raspberry Pi's flags say of the artifacts during which it was slowed, in words."""
        found = {r.artifact: (self.device.throttled, *(one.throttled for one in r.rounds or ())) for r in self.results}
        said = {name: throttled_meanwhile(*flags) for name, flags in found.items()}
        return [
            f"not this device's true speed: while {name} was measured, {text}" for name, text in said.items() if text
        ]


def load_document(path: Path) -> SuiteDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: Not JSON, another schema version, a result of another command, a field is missing or of another
            type, or an artifact is there twice.
    """
    found = read_json(path, SCHEMA_VERSION, "python -m benchmarks run")
    if not {"conditions", "results"} & found.keys():
        raise ModelError(
            f"{path} is the result of another command. This one reads those of run, device, phone and android."
        )
    document = from_json(SuiteDocument, found, path)
    names = [result.artifact for result in document.results]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ModelError(f"{path} has {twice[0]} {names.count(twice[0])} times. Measure again, or restore it.")
    return document


def newest_result(folder: Path = RESULTS) -> Path:
    """The result file with the latest date in it (a checkout does not keep the files' own).

    One that cannot be read is named and passed over.

    Raises:
        UsageError: The folder holds none.
    """
    dates = {}
    for path in sorted(folder.glob("*.json")):
        try:
            dates[path] = load_document(path).conditions.date
        except FetalHeadError as error:
            say(f"passed over: {error}")
    if not dates:
        raise UsageError(f"{folder.name}/ holds no result file. Make one with: python -m benchmarks run")
    return max(dates, key=lambda path: (dates[path], path.name))
