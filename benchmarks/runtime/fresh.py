"""One model in a fresh process, from the first import to the second result. :mod:`.overhead` starts it.

Every import is timed, so nothing else is imported first; the frame's bytes come from a file.
"""

from __future__ import annotations

import sys
import time


def _memory() -> dict[str, int]:
    """Resident memory in bytes, now and at its peak."""
    with open("/proc/self/status") as file:  # noqa: PTH123  (pathlib would be imported before its turn)
        lines = dict(line.split(":", 1) for line in file)
    return {key: int(lines[name].split()[0]) * 1024 for key, name in (("now", "VmRSS"), ("peak", "VmHWM"))}


def main(model: str, pixels: str, height: int, width: int, spawned: float) -> None:
    """Print each step's wall-clock time in ms, CPU time in ms and memory in bytes as one line of JSON."""
    steps: dict[str, dict[str, float]] = {}
    # the monotonic clock is the machine's, not the process's: this process may compare it with its parent's
    wall, cpu = spawned, 0.0

    def done(step: str) -> None:
        nonlocal wall, cpu
        now, used = time.monotonic(), time.process_time()
        steps[step] = {"ms": (now - wall) * 1e3, "cpu_ms": (used - cpu) * 1e3, **_memory()}
        wall, cpu = time.monotonic(), time.process_time()

    done("python")
    import numpy as np

    done("import numpy")
    from edge_runtime import Segmenter

    done("import edge_runtime")
    from edge_runtime.artifact.network import Network, load_backend

    load_backend()
    done("import the interpreter")
    from pathlib import Path

    from edge_runtime.artifact.manifest import load_manifest, read_model

    manifest = load_manifest(Path(model))
    done("manifest")
    data = read_model(Path(model), manifest)
    done("model read and hashed")
    segmenter = Segmenter(Network(data, manifest), manifest)
    done("interpreter made")
    frame = np.fromfile(pixels, dtype=np.uint8).reshape(height, width)
    done("frame read")
    segmenter.measure(frame, 0.1)
    done("first result")
    segmenter.measure(frame, 0.1)
    done("second result")
    import json

    print(json.dumps(steps))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
