"""Measure fetal head circumference on a small CPU: numpy and LiteRT, nothing else.

    from edge_runtime import Segmenter

    segmenter = Segmenter.load()
    result = segmenter.measure(frame, pixel_size_mm=0.15)
    print(result.head_circumference_mm, result.reason)

Research use only; not a medical device.
"""

from edge_runtime.ellipse import Ellipse
from edge_runtime.errors import DeviceError, FetalHeadError, InputError, ModelError, SourceError, UsageError
from edge_runtime.quality import Quality
from edge_runtime.segmenter import Latency, Measurement, Segmenter
from edge_runtime.slot import Frame
from edge_runtime.stream_result import BestFrame, Counts, StreamResult
from edge_runtime.streaming import Stream, stream
from edge_runtime.summary import Summary, Window

__version__ = "0.1.0"
__all__ = [
    "BestFrame",
    "Counts",
    "DeviceError",
    "Ellipse",
    "FetalHeadError",
    "Frame",
    "InputError",
    "Latency",
    "Measurement",
    "ModelError",
    "Quality",
    "Segmenter",
    "SourceError",
    "Stream",
    "StreamResult",
    "Summary",
    "UsageError",
    "Window",
    "stream",
]
