"""The settings that turn a float32 network into an int8 network, enough to reproduce it without images."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ModelError
from export.quantization.equalize import equalize
from export.quantization.ranges import Range
from export.quantization.to_int8 import quantize
from export.tflite.model import Model


@dataclass(frozen=True)
class Settings:
    """How a network is quantized.

    Attributes:
        ranges: Minimum and maximum of every computed tensor, by its name.
        loudness: float16 (channels,), maximum magnitude of each channel of every computed tensor, by its name. Channels
            are equalized with it; None to leave them as they are.
        bias_shift: float16 (channels,), added to the biases of layers, by the operator's index.
        in_float: Indices of operators that stay in float32.
    """

    ranges: Mapping[str, Range]
    loudness: Mapping[str, NDArray[np.float16]] | None = None
    bias_shift: Mapping[int, NDArray[np.float16]] = field(default_factory=dict)
    in_float: tuple[int, ...] = ()

    def level(self, plain: Model) -> Model:
        """The network in float32, with equalized channels if ``loudness`` is given."""
        return plain if self.loudness is None else Model(equalize(plain, self.loudness))

    def apply(self, plain: Model) -> bytes:
        """Quantize a network.

        Args:
            plain: The network in float32.

        Returns:
            A .tflite file. The same network and settings give the same bytes.

        Raises:
            ModelError: The settings do not fit this network.
        """
        return quantize(self.level(plain), self.ranges, self.in_float, self.bias_shift)

    def to_json(self) -> dict[str, Any]:
        """The settings as a dictionary for JSON, with arrays in base64."""
        return {
            "ranges": {name: list(bounds) for name, bounds in self.ranges.items()},
            "loudness": None if self.loudness is None else {k: _text(v) for k, v in self.loudness.items()},
            "bias_shift": {str(index): _text(values) for index, values in self.bias_shift.items()},
            "in_float": list(self.in_float),
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Settings:
        """Read the result of :meth:`to_json`.

        Raises:
            ModelError: Something is missing or damaged.
        """
        try:
            loudness = values["loudness"]
            return Settings(
                {name: (float(low), float(high)) for name, (low, high) in values["ranges"].items()},
                None if loudness is None else {name: _array(text) for name, text in loudness.items()},
                {int(index): _array(text) for index, text in values["bias_shift"].items()},
                tuple(int(index) for index in values["in_float"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"The quantization settings cannot be read: {error!r}. Export again.") from error


def to_half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Convert to half precision. Values outside its range are clipped."""
    most = float(np.finfo(np.float16).max)
    return np.clip(values, -most, most).astype(np.float16)


def _text(values: NDArray[np.float16]) -> str:
    return base64.b64encode(values.astype("<f2").tobytes()).decode()


def _array(text: str) -> NDArray[np.float16]:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f2")
