"""What a network looks like on its way to TensorFlow: its names and its size.

Apart from :mod:`export.conversion.to_onnx`, so that a converter's process reads them without importing torch.
"""

from __future__ import annotations

PROXY_SIZE = (352, 480)
"""(h, w) at which onnx2tf converts every network; :mod:`export.conversion.graph` then sets the actual size.

onnx2tf 1.29.24 guesses the order of axes from their lengths. If a feature map is as high or wide as another is deep, as
in ``edge`` at 128x192, it silently guesses wrong. No channel count of a network here is 352, 480 or a half, quarter
etc. of them.
"""
INPUT = "frame"
OUTPUT = "logits"
