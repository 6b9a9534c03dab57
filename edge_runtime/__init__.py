"""Measure fetal head circumference on a small CPU: numpy and LiteRT, nothing else.

    from edge_runtime import Segmenter

    segmenter = Segmenter.load()
    result = segmenter.measure(frame, pixel_size_mm=0.15)
    print(result.head_circumference_mm, result.reason)

Research use only; not a medical device.
"""

from edge_runtime.ellipse import Ellipse
from edge_runtime.errors import DeviceError, FetalHeadError, InputError, ModelError, UsageError
from edge_runtime.quality import Quality
from edge_runtime.segmenter import Latency, Measurement, Segmenter

__version__ = "0.1.0"
__all__ = [
    "DeviceError",
    "Ellipse",
    "FetalHeadError",
    "InputError",
    "Latency",
    "Measurement",
    "ModelError",
    "Quality",
    "Segmenter",
    "UsageError",
]
