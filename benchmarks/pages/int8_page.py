"""The page ``docs/int8.md``: what int8 costs, how fast it is, where it gives the same answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.render import Block, Heading, Paragraph, Table
from benchmarks.common.result_files import RESULTS
from benchmarks.common.tables import number
from benchmarks.int8.ladder import climbed
from benchmarks.int8.peers import GOALS
from edge_runtime.artifact.golden import LEAST_DICE
from edge_runtime.device.fingerprint import cpu_text
from edge_runtime.segmenter import DEFAULT_MODEL

CALIBRATION = Path("export/calibration.json")
SPEED, LADDERS, EMULATED = RESULTS / "speed", RESULTS / "ladder", RESULTS / "runtime" / "aarch64.json"
INTERPRETERS = RESULTS / "interpreters"

Document = Mapping[str, Any]


def build() -> list[Block]:
    """The page's blocks; a section whose results are not there is left out."""
    text = (
        "How full int8 comes about, and what was measured of it. Every table is made from a committed result file by "
        "python -m benchmarks pages; the command behind each stands below its heading."
    )
    sections = (*_budget(), *_cause(), *_calibration(), *_peers(), *_operators(), *_cost(), *_same(), *_rewrites())
    return [Heading("An int8 file you need not trust", 1), Paragraph(text), *sections]


def _load(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else None


def _machine(document: Document) -> str:
    device, tools = document["device"], document.get("tools") or document["device"]["tools"]
    versions = ", ".join(f"{k} {v}" for k, v in tools.items() if v and k in SHOWN_TOOLS)
    return f"{cpu_text(device)}, {device['cores']} cores of a shared virtual machine; {versions}."


SHOWN_TOOLS = ("ai-edge-litert", "onnxruntime", "openvino", "nncf", "torch", "tensorflow", "onnx2tf")


def _budget() -> list[Block]:
    text = (
        "python -m benchmarks ladder CHECKPOINT. Each way of quantizing is held to the budget on the validation images "
        "(of the paper's split, which has none, on training images); the first that holds is taken. Drop of Dice and "
        "mean |HC shift| are against the network in torch."
    )
    shipped = climbed(json.loads(DEFAULT_MODEL.with_suffix(".json").read_text()), None)
    documents = [("as shipped", shipped)]
    documents += [(path.stem, json.loads(path.read_text())) for path in sorted(LADDERS.glob("*.json"))]
    blocks: list[Block] = [Heading("Within a budget"), Paragraph(text)]
    for title, document in documents:
        blocks += _ladder(title, document)
    return blocks


def _ladder(title: str, document: Document) -> list[Block]:
    found = document["quantization"]
    budget = found["budget"]
    height, width = document["size"]
    end = (
        "nothing holds: no file is written"
        if document["refused"]
        else f"taken: {found['method']}"
        + (" (mixed_int8)" if document["recipe"] == "mixed_int8" else "")
        + "".join(
            f"; {part.replace('_', ' ')}, {values['n_images']} images: Dice "
            f"{number(values['degradation']['dice_points'], 3, sign=True)} points, mean |HC shift| "
            f"{number(values['degradation']['hc_absolute_shift_mm'], 3)} mm against float32"
            for part, values in document["accuracy"]["parts"].items()
        )
    )
    text = (
        f"{found['n_clear']} images; allowed are {budget['max_dice_drop']:g} points and {budget['max_hc_shift_mm']:g} "
        f"mm. {end[0].upper()}{end[1:]}."
    )
    rows = [
        [
            rung["name"],
            number(rung["dice_drop_points"], 3, sign=True),
            number(rung["hc_shift_mm"], 3),
            "yes" if rung["holds"] else "no",
        ]
        for rung in found["rungs"]
    ]
    return [
        Heading(f"{document['strategy']} at {height}x{width}, {document['split']} split: {title}", 3),
        Paragraph(_rewritten(document) + text),
        Table(("quantization", "Dice drop (points)", "mean HC shift (mm)", "holds"), rows),
    ]


def _rewritten(document: Document) -> str:
    return f"With {', '.join(document['rewrites'])}. " if document.get("rewrites") else ""


def _cause() -> list[Block]:
    text = (
        "One place of the encoder loses more than all others together, as python -m export explain --rewrite none "
        "shows: the expansion of the second block. Channels of ImageNet's weights had next to no variance there, "
        "so that batch norm, folded in, gives rows of weights a hundredfold, whose sums cancel out against a bias "
        "of hundreds. What their input is rounded by does not cancel: it comes out 17 times louder than the image "
        "(8.9 times in the shipped edge, which was trained throughout). The projection before it is linear, so "
        "both are one convolution with small weights: direct-expansion, exact, 0.8 % more products for the "
        "paper's network. An export does it by itself where the amplification (export/conversion/rewrites.py) is "
        "tenfold or more. The two tables of the network of three epochs above are with and without it."
    )
    return [Heading("Where ImageNet's encoder loses it"), Paragraph(text)]


def _calibration() -> list[Block]:
    document = _load(CALIBRATION)
    if document is None:
        return []
    trials = document["trials"]
    groups: dict[tuple[str, int, str], list[Document]] = {}
    for trial in trials:
        groups.setdefault((trial["rung"], trial["count"], trial["chosen"]), []).append(trial)
    rows = [
        [
            rung,
            str(count),
            chosen + (f", {len(of)} draws" if chosen == "random" else ""),
            number(float(np.mean([t["sqnr_db"] for t in of])), 1),
            number(float(np.mean([t["dice_drop_points"] for t in of])), 3, sign=True),
            number(float(np.mean([t["hc_shift_mm"] for t in of])), 3),
            number(max(t["hc_shift_mm"] for t in of), 3),
        ]
        for (rung, count, chosen), of in sorted(groups.items(), key=lambda item: (item[0][0] != "min-max", item[0][1:]))
    ]
    spans = {
        rung: [float(np.mean([t["hc_shift_mm"] for t in of])) for (r, *_), of in groups.items() if r == rung]
        for rung in dict.fromkeys(t["rung"] for t in trials)
    }
    said = "; ".join(f"{rung}: {min(found):.3f} to {max(found):.3f} mm" for rung, found in spans.items())
    text = (
        f"python -m export calibration --write. The shipped {document['strategy']} calibrated on few and many training "
        "images, spread over the head circumference (and so over gestational age) or drawn at random, on "
        f"{document['n_validation']} validation images. Mean |HC shift| over all choices: {said}."
    )
    header = (
        "quantization", "images", "chosen", "SQNR (dB)", "Dice drop (points)", "mean HC shift (mm)", "worst draw (mm)",
    )  # fmt: skip
    return [Heading("How many calibration images, and which"), Paragraph(text), Table(header, rows)]


def _peers() -> list[Block]:
    documents = [_load(path) for path in sorted(SPEED.glob("peers-*.json"))]
    if not documents:
        return []
    text = (
        "python -m benchmarks peers. The same weights, calibrated on the same images, in turns, one thread; mask Dice "
        "is with LiteRT in float32. The goals are for 256x256."
    )
    blocks: list[Block] = [Heading("As fast as others"), Paragraph(text)]
    for document in documents:
        rows = [
            [
                row["engine"],
                number(row["median_ms"], 2),
                number(row["p90_ms"], 2),
                number(row["times_ours"], 2),
                number(row["mask_dice"], 4),
                _verdict(row) if document["size"] == [256, 256] else "-",
            ]
            for row in document["engines"]
        ]
        height, width = document["size"]
        blocks += [
            Heading(f"{document['strategy']} at {height}x{width}", 3),
            Paragraph(_rewritten(document) + _machine(document)),
            Table(("engine", "median (ms)", "90 % (ms)", "times ours", "mask Dice", "goal: times ours"), rows),
        ]
    return blocks


def _verdict(row: Document) -> str:
    if row["engine"] not in GOALS:
        return "-"
    least = GOALS[row["engine"]]
    return f"at least {least:g}: {'met' if row['times_ours'] >= least else 'missed'}"


def _operators() -> list[Block]:
    documents = [_load(path) for path in sorted(SPEED.glob("operators-*.json"))]
    if not documents:
        return []
    text = (
        "python -m benchmarks operators FILE. Each operator timed alone, with the PAD that XNNPACK folds into a "
        "convolution, beside a 1x1 convolution of 1,024 channels as the machine's peak, in one run, one thread."
    )
    blocks: list[Block] = [Heading("Where the time goes"), Paragraph(text)]
    for document in documents:
        kinds: dict[str, list[Document]] = {}
        for row in document["operators"]:
            if row["ms"] is not None:  # it could not be timed alone
                kinds.setdefault(row["kind"], []).append(row)
        rows = [
            [
                kind.lower(),
                str(len(of)),
                number(sum(r["ms"] for r in of), 3),
                f"{sum(r['ms'] for r in of) / document['alone_ms']:.1%}",
                number(sum(r["macs"] for r in of) / 1e9, 3),
            ]
            for kind, of in sorted(kinds.items(), key=lambda item: -sum(r["ms"] for r in item[1]))
        ]
        said = (
            f"{document['whole_ms']:.2f} ms for {document['gmac']:.2f} GMAC: {document['gmac_s']:.0f} GMAC/s, "
            f"{document['share_of_peak']:.0%} of the {document['arithmetic']} peak of {document['peak_gmac_s']:.0f}."
        )
        blocks += [
            Heading(document["model"].removesuffix(".tflite"), 3),
            Paragraph(said),
            Table(("operators", "count", "ms", "share", "GMAC"), rows),
        ]
    return blocks


def _cost() -> list[Block]:
    document = _load(SPEED / "export-cost.json")
    if document is None:
        return []
    text = (
        "python -m benchmarks export-cost CHECKPOINT.... All four recipes of one checkpoint, converted, compared with "
        "torch, held to the budget and scored on all test images; goal: 45 s and 4,000 MB. Where it is missed, it is "
        "the network that takes the time: some 600 runs in float32 at 256x256, in torch for its answers, for "
        "calibration and for the scores of two recipes, and 99 in int8 for every further way of quantizing that is "
        "tried. " + _machine(document)
    )
    rows = [
        [
            Path(cost["checkpoint"]).name,
            "x".join(map(str, cost["size"])),
            number(cost["seconds"], 1),
            number(cost["peak_mb"], 0),
            number(cost["again_s"], 1),
            "met" if cost["seconds"] <= 45 and cost["peak_mb"] <= 4000 else "missed",
        ]
        for cost in document["costs"]
    ]
    header = ("network", "size", "seconds", "peak memory, all processes (MB)", "again, nothing to do (s)", "goal")
    return [Heading("What an export costs"), Paragraph(text), Table(header, rows)]


def _same() -> list[Block]:
    blocks = [*_emulated(), *_interpreters()]
    return [Heading("The same answer everywhere"), *blocks] if blocks else []


def _interpreters() -> list[Block]:
    documents = [_load(path) for path in sorted(INTERPRETERS.glob("*.json"))]
    if not documents:
        return []
    text = (
        "python -m benchmarks interpreters. The same full int8 files in ai-edge-litert and tflite-runtime, on one "
        "x86-64 machine and the images of HC18's test parts. Mask Dice is of tflite-runtime's masks with those of "
        f"ai-edge-litert; the goal is {LEAST_DICE} on average. On the phantoms verify refuses what is below it. The "
        "paper's network misses it for the same reason for which its int8 misses the budget (above): it amplifies "
        "rounding, of whichever kind, and tflite-runtime has no other kernels."
    )
    rows = [
        [
            row["name"],
            "x".join(map(str, row["size"])),
            row["quantization"] or "-",
            f"{document['split']}, {row['n_images']}",
            number(100 * row["differing"], 2),
            number(row["mask_dice_mean"], 5),
            number(row["mask_dice_worst"], 5),
            number(row["hc_shift_mean_mm"], 3),
            number(row["golden_mask_dice"], 5),
            "met" if row["mask_dice_mean"] >= LEAST_DICE else "MISSED",
        ]
        for document in documents
        for row in document["models"]
    ]
    header = (
        "model", "input", "quantized by", "test images", "values that differ (%)", "mask Dice", "worst",
        "mean HC shift (mm)", "phantoms' mask Dice", "goal",
    )  # fmt: skip
    return [Paragraph(text), Table(header, rows)]


def _emulated() -> list[Block]:
    answers: Sequence[Document] = _load(EMULATED) or []
    if not answers:
        return []
    text = (
        ".ci/aarch64 --out FILE MODEL.... The wheels for aarch64 under qemu, eight phantom frames, against the outputs "
        "on the machine that exported. CI does it for the shipped model. A model without a row of tflite-runtime was "
        "refused there by verify, its masks being further than a Dice of 0.999 from the export's: decoder-4, which has "
        "learned little, is. "
        "Without XNNPACK LiteRT gives tflite-runtime's bytes (tests/measuring/test_interpreters.py): convolutions "
        "round twice there, and bilinear enlarging otherwise, so that up to a few values of a hundred are one level "
        "off. How much of that reaches the mask is how much a network amplifies rounding."
    )
    rows = [
        [
            Path(answer["model"]).stem,
            answer["cpu"],
            answer["backend"],
            f"{answer['golden']['n_identical']} of {answer['golden']['n_frames']}",
            number(answer["golden"]["mask_dice"], 5),
        ]
        for answer in answers
    ]
    header = ("model", "emulated CPU", "interpreter", "outputs identical", "mask Dice")
    return [Paragraph(text), Table(header, rows)]


def _rewrites() -> list[Block]:
    documents = [_load(path) for path in sorted(SPEED.glob("rewrites-*.json"))]
    if not documents:
        return []
    text = (
        "python -m benchmarks rewrites. Each computes the same as the network as it is, to 1e-3 of its logits' SD, "
        "with random weights, which the time does not depend on; times are over those of the network as it "
        "is, in turns, one thread: median of the paired ratios and their quartiles. Which are faster depends on the "
        "device, so they are off: measure there and export with python -m export --rewrite NAME. One is for accuracy "
        "and on where a network needs it, direct-expansion (see above). "
        "subpixel-N: the enlarging of decoder block N and the convolution behind it as one transposed convolution, a "
        "third fewer multiplications for the paper's network in all; pad-first, pad-depthwise: strided convolutions "
        "pad their input themselves."
    )
    blocks: list[Block] = [Heading("Exact rewrites of the graph"), Paragraph(text)]
    for document in documents:
        height, width = document["size"]
        rows = [
            [
                row["rewrite"],
                row["recipe"],
                number(row["ratio"], 2),
                f"{number(row['low'], 2)} to {number(row['high'], 2)}",
                row["verdict"],
            ]
            for row in document["rewrites"]
        ]
        int8 = document["device"]["int8_instructions"]
        cpu = "unknown int8 instructions" if int8 is None else (int8 or ["no int8 instructions"])[-1]
        blocks += [
            Heading(f"{document['strategy']} at {height}x{width}, CPU with {cpu}", 3),
            Paragraph(_machine(document)),
            Table(("rewrite", "recipe", "time, over as it is", "quartiles", "verdict"), rows),
        ]
    return blocks
