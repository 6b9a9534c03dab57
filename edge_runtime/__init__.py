"""Measure fetal head circumference on a small CPU, with NumPy and LiteRT alone.

    from edge_runtime import Segmenter

    segmenter = Segmenter.load()
    result = segmenter.measure(frame, pixel_size_mm=0.15)
    print(result.head_circumference_mm, result.reason)

Research use only; not a medical device.
"""

from edge_runtime.artifact.golden import golden_frames
from edge_runtime.errors import DeviceError, FetalHeadError, InputError, ModelError, SourceError, UsageError
from edge_runtime.frame.geometry import Box
from edge_runtime.frame.image_files import read_image
from edge_runtime.frame.pictures import Picture, read_picture
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.measurement import Latency, Measurement
from edge_runtime.quality.verdict import Quality
from edge_runtime.segmenter import Segmenter
from edge_runtime.streaming.result import BestFrame, Counts, StreamResult
from edge_runtime.streaming.slot import Frame
from edge_runtime.streaming.stream import Stream, stream
from edge_runtime.streaming.summary import Summary, Window

__version__ = "0.1.0"
__all__ = [
    "BestFrame",
    "Box",
    "Counts",
    "DeviceError",
    "Ellipse",
    "FetalHeadError",
    "Frame",
    "InputError",
    "Latency",
    "Measurement",
    "ModelError",
    "Picture",
    "Quality",
    "Segmenter",
    "SourceError",
    "Stream",
    "StreamResult",
    "Summary",
    "UsageError",
    "Window",
    "golden_frames",
    "read_image",
    "read_picture",
    "stream",
]
