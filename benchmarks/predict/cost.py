"""The predicted cost of a full-int8 model: multiplications, bytes, and milliseconds on cores that nobody here has."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.common.result_files import read_record
from benchmarks.common.tables import Columns, cells, text_table
from benchmarks.predict.cores import CORES, Core
from benchmarks.predict.counted import COUNTED, read_counts
from benchmarks.predict.counted import table as counts_table
from benchmarks.predict.layers import Layer, layers_of
from benchmarks.predict.published import Uncertainty, layer_s, predict_ms, uncertainty
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.common.record import LEFT_OUT
from edge_runtime.errors import ModelError
from export.tflite.delegation import delegation
from export.tflite.model import Model

SCHEMA_VERSION = 1

MARK: Literal["predicted, not measured"] = "predicted, not measured"
"""What every document and every table says of its milliseconds."""


@dataclass(frozen=True)
class CoreFacts:
    """A core that was predicted for. Limits are numbers of instructions that it can start in a cycle.

    Attributes:
        name: Name in the columns: core and clock.
        board: The board.
        clock_ghz: Clock in GHz.
        peak_gmac_s: Multiply-accumulates in 1e9 a second if it did nothing but multiply int8.
        gb_s: Bytes read and written by one core in 1e9 a second.
        sustained: Share of the issue limits that whole networks reach, fitted to published measurements.
        issue_source: Where the issue limits are published.
        memory_source: Where the memory's speed is published.
    """

    name: str
    board: str
    clock_ghz: float
    peak_gmac_s: float
    gb_s: float
    sustained: float
    issue_source: str
    memory_source: str


@dataclass(frozen=True)
class Milliseconds:
    """A predicted time on one thread of a core.

    Attributes:
        core: Its name.
        predicted_ms: The prediction in ms.
        low_ms: The prediction divided by the core's factor of uncertainty.
        high_ms: The prediction times this factor.
        instructions: Instructions by the formula, of the operators whose kind was counted.
    """

    core: str
    predicted_ms: float
    low_ms: float
    high_ms: float
    instructions: int


@dataclass(frozen=True)
class OperatorCost:
    """The predicted cost of one fused operator.

    Attributes:
        index: Its place in the order of computation; with a PAD that belongs to it, of the second of the two.
        kind: TensorFlow Lite's name; with the PAD that belongs to it.
        group: Kind in words, as far as the speed depends on it.
        shape: Shape of its output.
        macs: Multiply-accumulates.
        weight_bytes: Bytes of its constants.
        activation_bytes: Bytes that it reads and writes besides.
        predicted_ms: Predicted time in ms, by the core's name.
        share_of_peak: Share of the core's peak that it reaches, 0 to 1, by the core's name; None without
            multiplications.
    """

    index: int
    kind: str
    group: str
    shape: tuple[int, ...]
    macs: int
    weight_bytes: int
    activation_bytes: int
    predicted_ms: dict[str, float]
    share_of_peak: dict[str, float] | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class ModelCost:
    """The cost of one model.

    Attributes:
        model: File name.
        gmac: Multiply-accumulates of a frame, in 1e9.
        moved_mb: Bytes that its fused operators read and write in a frame, in 1e6: weights and activations.
        weights_mb: Those of them that are weights.
        partitions: Parts that XNNPACK runs it in.
        outside: Operators that XNNPACK does not run, by kind. Asked of LiteRT on this machine; its choice goes by the
            operators, not by the CPU.
        times: Predicted times.
        never_counted: Kinds whose instructions were never counted, so that only their bytes are predicted.
        operators: Its fused operators in the order of computation; None where they were not asked for.
    """

    model: str
    gmac: float
    moved_mb: float
    weights_mb: float
    partitions: int
    outside: dict[str, int]
    times: tuple[Milliseconds, ...]
    never_counted: tuple[str, ...]
    operators: tuple[OperatorCost, ...] | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class PredictedDocument:
    """Predicted costs of models. Nothing in it was measured on the cores that it names.

    Attributes:
        schema_version: Version of the kind of document.
        mark: :data:`MARK`.
        git_commit: Commit of the source tree, ``-dirty`` appended if it had changes; None outside a checkout.
        date: Day, YYYY-MM-DD.
        tools: Versions of Python and LiteRT.
        cores: The cores.
        uncertainty: How far predictions are from published measurements of known networks.
        models: The models.
    """

    schema_version: int
    mark: Literal["predicted, not measured"]
    git_commit: str | None
    date: str
    tools: dict[str, str]
    cores: tuple[CoreFacts, ...]
    uncertainty: tuple[Uncertainty, ...]
    models: tuple[ModelCost, ...]


def read_predicted(path: Path) -> PredictedDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, PredictedDocument, SCHEMA_VERSION, f"python -m benchmarks predict FILE --out {path}")


def is_full_int8(model: Model) -> bool:
    """Whether no tensor of the main graph is a floating-point number, and some are int8."""
    dtypes = {tensor.dtype for tensor in model.tensors}
    return "int8" in dtypes and not any("float" in dtype for dtype in dtypes)


def predict(model: Model, name: str, operators: bool = False, cores: Sequence[Core] = CORES) -> ModelCost:
    """Predict the cost of a model.

    Args:
        model: A full-int8 model of fixed shapes.
        name: Name of its file.
        operators: Whether to list its operators.
        cores: The cores.

    Raises:
        ModelError: It is not in full int8, a shape is open, or LiteRT cannot run it.
    """
    if not is_full_int8(model):
        raise ModelError(f"{name} is not in full int8: costs are predicted for full-int8 models alone.")
    if any(-1 in tensor.shape for tensor in model.tensors):
        raise ModelError(f"{name} leaves the length of an axis open: export it with a fixed size.")
    layers = layers_of(model)
    try:
        delegated = delegation(model, timed=False)
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error
    return ModelCost(
        model=name,
        gmac=sum(layer.macs for layer in layers) / 1e9,
        moved_mb=sum(layer.n_bytes for layer in layers) / 1e6,
        weights_mb=sum(layer.weight_bytes for layer in layers) / 1e6,
        partitions=delegated.partitions,
        outside={outside.kind: outside.count for outside in delegated.outside},
        times=tuple(_time(core, layers) for core in cores),
        never_counted=tuple(dict.fromkeys(o.kind for o in layers if o.instructions(cores[0].kernels) is None)),
        operators=tuple(_operator(layer, cores) for layer in layers) if operators else None,
    )


def document(models: Sequence[ModelCost], cores: Sequence[Core] = CORES) -> PredictedDocument:
    """Predicted costs with all that is needed to judge them."""
    return PredictedDocument(
        schema_version=SCHEMA_VERSION,
        mark=MARK,
        git_commit=git_commit(),
        date=time.strftime("%Y-%m-%d"),
        tools=tool_versions(("ai-edge-litert",)),
        cores=tuple(_facts(core) for core in cores),
        uncertainty=tuple(uncertainty(name) for name in dict.fromkeys(core.name for core in cores)),
        models=tuple(models),
    )


def _facts(core: Core) -> CoreFacts:
    values: dict[str, Any] = {"name": core.key, "peak_gmac_s": core.peak_gmac_s}
    same = ("board", "clock_ghz", "gb_s", "sustained", "issue_source", "memory_source")
    return CoreFacts(**values, **{key: getattr(core, key) for key in same})


def _time(core: Core, layers: Sequence[Layer]) -> Milliseconds:
    ms, factor = predict_ms(core, layers), uncertainty(core.name).factor
    counted = [work.total for layer in layers if (work := layer.instructions(core.kernels)) is not None]
    return Milliseconds(core.key, ms, ms / factor, ms * factor, round(sum(counted)))


def _operator(layer: Layer, cores: Sequence[Core]) -> OperatorCost:
    seconds = {core: layer_s(core, layer) for core in cores}
    shares = {core.key: layer.macs / 1e9 / s / core.peak_gmac_s for core, s in seconds.items()}
    return OperatorCost(
        index=layer.index,
        kind=layer.kind,
        group=layer.group,
        shape=layer.shape,
        macs=layer.macs,
        weight_bytes=layer.weight_bytes,
        activation_bytes=layer.activation_bytes,
        predicted_ms={core.key: s * 1e3 for core, s in seconds.items()},
        share_of_peak=shares if layer.macs else None,
    )


def table(found: PredictedDocument) -> str:
    """Tables of the models, of the uncertainty, and of counted instructions, for a terminal."""
    first: Columns[ModelCost] = (
        ("model", lambda m: m.model),
        ("GMAC", lambda m: f"{m.gmac:.3f}"),
        ("MB moved", lambda m: f"{m.moved_mb:.1f}"),
        ("outside XNNPACK", lambda m: str(sum(m.outside.values()))),
    )
    header, rows = cells(found.models, first)
    header += [f"~ms {core.name}" for core in found.cores]
    for row, model in zip(rows, found.models, strict=True):
        row += [f"~{t.predicted_ms:.1f} ({t.low_ms:.1f} to {t.high_ms:.1f})" for t in model.times]
    boards = ", ".join(f"{core.name}: {core.board}" for core in found.cores)
    lines = [text_table(header, rows), "", f"~ms on one thread: {found.mark}. {boards}", "how far off:"]
    lines += [f"  {each.text}" for each in found.uncertainty]
    outside = Counter[str]()
    for model in found.models:
        outside.update(model.outside)
    if outside:
        kinds = ", ".join(f"{kind.lower()} ({count})" for kind, count in outside.items())
        lines.append(f"outside XNNPACK, where the time is least certain: {kinds}")
    unknown = sorted({kind.lower() for model in found.models for kind in model.never_counted})
    if unknown:
        lines.append(f"never counted, so that only their bytes are predicted: {', '.join(unknown)}")
    return "\n".join(lines)


def counted_table(models: Sequence[tuple[str, bytes]]) -> str | None:
    """Committed counts of executed instructions for those models that have been counted; None if there are none."""
    if not COUNTED.exists():
        return None
    found = read_counts()
    counts = [count for _, data in models for count in found.of(data)]
    if not counts:
        return None
    title = f"instructions of one frame, counted: {found.interpreter} for aarch64 under {found.emulator}"
    return f"{title}\n{counts_table(counts)}"


def operator_table(model: ModelCost, cores: Sequence[str]) -> str:
    """A table of a model's listed operators, and one of their groups, for a terminal."""
    operators = model.operators or ()
    header = ["", "operator", "output", "MMAC", "kB", *(f"~ms {core}" for core in cores), *(f"peak {c}" for c in cores)]
    rows = [
        [
            str(o.index), o.kind.lower(), "x".join(map(str, o.shape[1:])), f"{o.macs / 1e6:.2f}",
            f"{(o.weight_bytes + o.activation_bytes) / 1e3:.0f}", *(f"{o.predicted_ms[core]:.3f}" for core in cores),
            *("" if o.share_of_peak is None else f"{o.share_of_peak[core]:.0%}" for core in cores),
        ]
        for o in operators
    ]  # fmt: skip
    groups: dict[str, list[OperatorCost]] = {}
    for operator in operators:
        groups.setdefault(operator.group, []).append(operator)
    sums = [
        [
            group, str(len(of)), f"{sum(o.macs for o in of) / 1e6:.1f}",
            *(f"{sum(o.predicted_ms[core] for o in of):.2f}" for core in cores),
        ]
        for group, of in sorted(groups.items(), key=lambda item: -sum(o.predicted_ms[cores[0]] for o in item[1]))
    ]  # fmt: skip
    kinds = text_table(["kind", "count", "MMAC", *(f"~ms {core}" for core in cores)], sums)
    return f"{model.model}: {MARK}; peak: share of the core's peak\n{text_table(header, rows)}\n\n{kinds}"
