"""Single figures in the running text of README.md and MODEL_CARD.md, taken from committed result files."""

from __future__ import annotations

import json
import re
from typing import Any

from benchmarks.common.result_files import RESULTS
from edge_runtime.errors import UsageError

_QUOTED = re.compile(r"<!-- quoted: (\S+) -->.*?<!-- end -->", re.DOTALL)


def quote(text: str) -> str:
    """A page with each figure between ``<!-- quoted: NAME -->`` and ``<!-- end -->`` renewed.

    Raises:
        UsageError: There is no figure of that name.
    """
    return _QUOTED.sub(lambda match: f"<!-- quoted: {match[1]} -->{_figure(match[1])}<!-- end -->", text)


def _figure(name: str) -> str:
    match name:
        case "soak-rise-mb":
            return f"{_load('runtime/soak.json')['summary']['rise_bytes'] / 1e6:.3f}"
        case "int8-over-float32-vnni":
            times = {row["engine"]: row["median_ms"] for row in _load("speed/peers-edge.json")["engines"]}
            return f"{times['LiteRT full_int8'] / times['LiteRT float32']:.2f}"
        case "int8-over-float32-avx2":
            rows = _load("amd-epyc-2026-11-25-grouped.json")["results"]
            spent = {row["recipe"]: row["latency_ms"]["invoke"]["p50"] for row in rows}
            return f"{spent['full_int8'] / spent['float32']:.2f}"
        case "tflite-runtime-edge" | "tflite-runtime-paper":
            file = "edge.json" if name.endswith("edge") else "decoder-all-paper.json"
            return f"{_load(f'interpreters/{file}')['models'][0]['mask_dice_mean']:.4f}"
    raise UsageError(f"There is no figure '{name}' to quote; benchmarks/pages/quoted.py lists them.")


def _load(name: str) -> Any:
    return json.loads((RESULTS / name).read_text())
