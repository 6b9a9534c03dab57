"""Sections of ``docs/int8.md`` on time and memory."""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.render import Block, Heading, Paragraph, Table, code
from benchmarks.common.result_files import RESULTS
from benchmarks.common.tables import Columns, cells, mean, number
from benchmarks.int8.earlier_peers import FLOAT32, GOAL_SIZE, OURS, Engine, read_earlier_peers
from benchmarks.int8.export_cost import GOAL_MB, GOAL_S, read_export_cost
from benchmarks.int8.rewrites import TOLERANCE, read_rewrites
from benchmarks.pages.int8_accuracy import size_text
from benchmarks.pages.measured import made_with, measured_on
from benchmarks.roofline.operators import Cost, read_operators
from benchmarks.roofline.peak import CHANNELS
from benchmarks.suite.columns import title_code
from benchmarks.suite.document import Result, load_document
from edge_runtime.common.cli import counted

SPEED = RESULTS / "speed"
IN_FLOAT = SPEED / "in-float.json"


def earlier_peers() -> list[Block]:
    """This project's int8 beside other engines, as an earlier command measured them."""
    documents = [read_earlier_peers(path) for path in sorted(SPEED.glob("peers-*.json"))]
    if not documents:
        return []
    text = (
        "An earlier form of `python -m benchmarks peers` measured this, in one process; the command of today takes the "
        "same networks with `--checkpoint DIR`. All engines get the same weights and the same prepared frames, "
        "int8 is calibrated on the same images, and the engines run in turns on one thread. Relative time is an "
        f"engine's time over that of {code(OURS)}, the median over rounds. Mask Dice is the agreement of its masks "
        f"with those of {code(FLOAT32)}. The goals are for the paper's network at {size_text(GOAL_SIZE)}."
    )
    blocks: list[Block] = [Heading("Earlier comparisons"), Paragraph(text)]
    for document in documents:
        rows = [
            [
                e.engine,
                number(e.median_ms, 2),
                number(e.p90_ms, 2),
                number(e.times_ours, 2),
                number(e.mask_dice, 4),
                _verdict(e) if document.size == GOAL_SIZE else "-",
            ]
            for e in document.engines
        ]
        used = f" with {', '.join(map(code, document.rewrites))}" if document.rewrites else ""
        header = ("engine", "median (ms)", "90th percentile (ms)", "relative time", "mask Dice", "goal")
        blocks += [
            Heading(f"{code(document.strategy)} at {size_text(document.size)}{used}", 3),
            Paragraph(measured_on(document)),
            Table(header, rows),
        ]
    return blocks


def in_float() -> list[Block]:
    """A network with layers in float32, beside the same in float32 and in full int8."""
    if not IN_FLOAT.is_file():
        return []
    document = load_document(IN_FLOAT)
    conditions = document.conditions
    columns: Columns[Result] = (
        ("artifact", title_code),
        ("size (MB)", lambda r: number(r.size_bytes, 2, 1e-6)),
        ("p50 (ms)", lambda r: number(r.latency_ms and r.latency_ms.invoke.p50, 1)),
        ("p90 (ms)", lambda r: number(r.latency_ms and r.latency_ms.invoke.p90, 1)),
        ("Dice (%)", lambda r: mean(r.accuracy and r.accuracy.dice, 2, 100)),
        ("ADF (mm)", lambda r: mean(r.accuracy and r.accuracy.hc_absolute_difference_mm, 2)),
        ("HC shift (mm)", lambda r: mean(r.degradation and r.degradation.hc_absolute_shift_mm, 2)),
    )
    made = made_with("Measured", document.device.tools, conditions.git_commit, document.device, conditions.date[:10])
    text = (
        "The network of `by-the-notebooks.json`: in float32, in full int8 within 0.6 mm, and as the "
        f"export writes it, with layers in float32. `python -m benchmarks run --mode {conditions.mode} --split-part "
        f"{conditions.split}` measures this. Times are the network's alone, on "
        f"{counted(conditions.threads, 'thread')}. HC shift is the mean absolute change against float32, on "
        f"{conditions.n_images} images. {made}"
    )
    return [Heading("What layers in float32 cost in time"), Paragraph(text), Table(*cells(document.results, columns))]


def _verdict(engine: Engine) -> str:
    if engine.goal is None:
        return "-"
    return f"at least {engine.goal:g}: {'met' if engine.meets_goal else 'MISSED'}"


def operators() -> list[Block]:
    """A model's time by kind of operator."""
    paths = sorted(SPEED.glob("operators-*.json"))
    if not paths:
        return []
    text = (
        "`python -m benchmarks operators FILE` measures this. The whole model and each of its operators alone are "
        "timed in one run, on one thread. A `pad` counts with the convolution after it, because XNNPACK runs both as "
        "one. One GMAC is 1e9 multiply-accumulate operations. The peak is the speed of a 1x1 convolution of "
        f"{CHANNELS:,} channels in the same run."
    )
    blocks: list[Block] = [Heading("Where the time goes"), Paragraph(text)]
    for path in paths:
        blocks += _operators(path)
    return blocks


def _operators(path: Path) -> list[Block]:
    document = read_operators(path)
    kinds: dict[str, list[Cost]] = {}
    spent: dict[str, float] = {}
    for cost in document.operators:
        if cost.ms is not None:  # else it could not be timed alone
            kinds.setdefault(cost.kind, []).append(cost)
            spent[cost.kind] = spent.get(cost.kind, 0.0) + cost.ms
    rows = [
        [
            code(kind.lower()),
            str(len(kinds[kind])),
            number(ms, 3),
            f"{ms / document.alone_ms:.1%}",
            number(sum(cost.macs for cost in kinds[kind]) / 1e9, 3),
        ]
        for kind, ms in sorted(spent.items(), key=lambda item: -item[1])
    ]
    text = (
        f"{document.whole_ms:.2f} ms for {document.gmac:.2f} GMAC is {document.gmac_s:.0f} GMAC/s, "
        f"{document.share_of_peak:.0%} of the {document.arithmetic} peak of {document.peak_gmac_s:.0f} GMAC/s. "
        f"{made_with('Measured', document.device.tools, document.git_commit, document.device)}"
    )
    header = ("operator", "count", "time (ms)", "share", "GMAC")
    return [Heading(code(Path(document.model).stem), 3), Paragraph(text), Table(header, rows)]


def export_cost() -> list[Block]:
    """Time and memory of an export."""
    path = SPEED / "export-cost.json"
    if not path.is_file():
        return []
    document = read_export_cost(path)
    text = (
        "`python -m benchmarks export-cost CHECKPOINT...` measures this. An export converts one checkpoint in all "
        "recipes, compares each file with torch, holds int8 to its budget and scores the files on all test images of "
        f"{document.data}. The goal is at most {GOAL_S:g} s and {GOAL_MB:,.0f} MB. {measured_on(document)}"
    )
    rows = [
        [
            code(Path(cost.checkpoint).name),
            size_text(cost.size),
            number(cost.seconds, 1),
            number(cost.peak_mb, 0),
            number(cost.again_s, 1),
            "met" if cost.meets_goal else "MISSED",
        ]
        for cost in document.costs
    ]
    header = (
        "network",
        "input",
        "time (s)",
        "peak memory of all processes (MB)",
        "again, nothing to do (s)",
        "goal",
    )
    return [Heading("What an export costs"), Paragraph(text), Table(header, rows)]


def rewrites() -> list[Block]:
    """Exact rewrites of the graph."""
    documents = [read_rewrites(path) for path in sorted(SPEED.glob("rewrites-*.json"))]
    if not documents:
        return []
    text = (
        "`python -m benchmarks rewrites` measures this. A rewrite changes a network's graph, but not what it computes "
        f"(within {TOLERANCE:g} standard deviations of its logits). The weights are random, because the time does not "
        "depend on them. Relative time is the time with the rewrite over the time without it, measured in turns on one "
        "thread: the median over rounds, and its quartiles. A rewrite is called faster or slower if both quartiles "
        "are. Which ones are faster depends on the device, so an export applies only `patches-first` for speed unless "
        "asked: measure on the device, then use `python -m export --rewrite NAME`. With `patches-first`, the first "
        "convolution of a patch U-Net reads patches of pixels as channels. `direct-expansion` is for accuracy (see "
        "above). `subpixel-N` makes one transposed convolution of the upsampling in decoder block N and the "
        "convolution after it. With `pad-first` and `pad-depthwise`, strided convolutions pad their own input."
    )
    blocks: list[Block] = [Heading("Exact rewrites of the graph"), Paragraph(text)]
    for document in documents:
        rows = [
            [code(t.rewrite), code(t.recipe), number(t.ratio, 2), f"{t.low:.2f} to {t.high:.2f}", t.verdict]
            for t in document.rewrites
        ]
        int8 = document.device.int8_instructions
        best = "unknown int8 instructions" if int8 is None else code(int8[-1]) if int8 else "no int8 instructions"
        blocks += [
            Heading(f"{code(document.strategy)} at {size_text(document.size)}, CPU with {best}", 3),
            Paragraph(measured_on(document)),
            Table(("rewrite", "recipe", "relative time", "quartiles", "verdict"), rows),
        ]
    return blocks
