"""What is compared: engines, their arithmetic, and the environment of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.peers.environments import Environment
from benchmarks.peers.source import Precision
from edge_runtime.errors import UsageError

# Each pin is the newest version of its package when these rows were written (November 2026).
_LITERT = Environment("litert", ("ai-edge-litert==2.3.0",))
_ONNX_RUNTIME = Environment("onnxruntime", ("onnxruntime==1.32.0", "onnx==1.23.2"))  # onnx to quantize
_OPENVINO = Environment("openvino", ("openvino==2026.4.1", "nncf==3.4.0"))
# pnnx asks for torch, which it does not need
_NCNN = Environment("ncnn", ("ncnn==1.0.20261020", "onnx==1.23.2"), alone=("pnnx==20261020",))
_EXECUTORCH = Environment("executorch", ("executorch==1.5.1",), torch=True)


@dataclass(frozen=True)
class Row:
    """One engine in one arithmetic.

    Attributes:
        group: What ``--engines`` calls it.
        engine: The engine's name.
        precision: The arithmetic.
        module: Its module in :mod:`benchmarks.peers.engines`.
        package: The engine's distribution, whose version and size are recorded.
        environment: Where it runs; None for this project's own.
    """

    group: str
    engine: str
    precision: Precision
    module: str
    package: str
    environment: Environment | None

    @property
    def name(self) -> str:
        """A name for folders and messages."""
        return f"{self.group}-{self.precision}"


def _both(group: str, engine: str, module: str, package: str, environment: Environment | None) -> tuple[Row, Row]:
    return (
        Row(group, engine, "float32", module, package, environment),
        Row(group, engine, "int8", module, package, environment),
    )


ROWS = (
    *_both("litert-pinned", "LiteRT", "litert", "ai-edge-litert", None),
    *_both("litert-newest", "LiteRT", "litert", "ai-edge-litert", _LITERT),
    *_both("onnxruntime", "ONNX Runtime", "onnx_runtime", "onnxruntime", _ONNX_RUNTIME),
    *_both("openvino", "OpenVINO", "openvino", "openvino", _OPENVINO),
    *_both("ncnn", "ncnn", "ncnn", "ncnn", _NCNN),
    *_both("executorch", "ExecuTorch (XNNPACK)", "executorch", "executorch", _EXECUTORCH),
    Row("torch", "torch eager", "float32", "torch_eager", "torch", None),
)

OURS, REFERENCE = "litert-pinned-int8", "torch-float32"
"""Names of the rows that times and masks are compared with; these are always measured."""

GROUPS = tuple(dict.fromkeys(row.group for row in ROWS))


def rows_of(groups: Sequence[str] | None) -> tuple[Row, ...]:
    """The rows of some engines, with those that are compared with.

    Args:
        groups: Names of :data:`GROUPS`; None for all.

    Raises:
        UsageError: There is no such engine.
    """
    for name in groups or ():
        if name not in GROUPS:
            raise UsageError(f"There is no engine {name!r}. There are: {', '.join(GROUPS)}.")
    return tuple(row for row in ROWS if not groups or row.group in groups or row.name in (OURS, REFERENCE))
