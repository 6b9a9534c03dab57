"""A program that speaks OpenIGTLink through pyigtl: it sends a phantom, and prints what comes back.

Run it as ``python -m tests.runtime.openigtlink.speaker client|server PORT``. It runs until it is killed.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import count

import numpy as np
import pyigtl

from train.data.phantom import make_phantom

DEVICE = "Image_Reference"
SIZE = (540, 800)
FRAME, SKULL, SPACING_MM = make_phantom(0, SIZE)
HC_MM = SKULL.scaled(SPACING_MM, SPACING_MM).perimeter


def image(pixels: np.ndarray = FRAME, spacing: float = SPACING_MM, **given: object) -> pyigtl.ImageMessage:
    """An IMAGE of a frame (H, W)."""
    about = {"device_name": DEVICE, "timestamp": 1000.5, **given}
    return pyigtl.ImageMessage(pixels[None], np.diag([spacing, spacing, spacing, 1.0]), "ras", **about)


def main(kind: str, port: int) -> None:
    make = pyigtl.OpenIGTLinkServer if kind == "server" else pyigtl.OpenIGTLinkClient
    program = make(port=port)
    for number in count():
        program.send_message(image(timestamp=1000 + number / 20), wait=False)
        time.sleep(1 / 20)
        for got in program.get_latest_messages():
            line = {"type": got.message_type, "device": got.device_name, "timestamp": got.timestamp}
            if got.message_type == "STRING":
                line |= json.loads(got.string)
            else:
                line |= {"size": got.image.shape, "values": np.unique(got.image).tolist()}
                line |= {"inside": int((got.image > 0).sum()), "matrix": got.ijk_to_world_matrix.tolist()}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
