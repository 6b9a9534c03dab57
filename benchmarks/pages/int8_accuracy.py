"""Sections of ``docs/int8.md`` on accuracy: the budget, where rounding hurts, the calibration images."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.common.render import Block, Heading, Paragraph, Table, code
from benchmarks.common.result_files import RESULTS
from benchmarks.common.tables import NOT_MEASURED, number
from benchmarks.int8.ladder import LadderDocument, Loss, climbed, read_ladder
from benchmarks.pages import int8_causes
from benchmarks.pages.measured import made_with
from benchmarks.pages.results.scores import paper_rank
from benchmarks.study.results import load_all
from edge_runtime.shipped import SIZES, shipped_model
from export.conversion.rewrites import MOST_AMPLIFIED
from export.quantization.calibration import TABLE as CALIBRATION
from export.quantization.calibration import Trial, read_calibration

LADDERS = RESULTS / "ladder"
_DIRECT = "direct-expansion"
_MEANING = {
    "by-the-notebooks": "by the paper's notebooks",
    "paper-setting": "by our first reading of the paper",
    "three-epochs": "after three epochs",
}
"""What the names of result files begin with, in words."""
_CONVERTERS = ("python", "torch", "tensorflow", "onnx2tf", "ai-edge-litert")
"""The packages that the figures depend on, among those an export uses."""


def sections() -> list[Block]:
    """All of them."""
    ladders = {path.name: read_ladder(path) for path in sorted(LADDERS.glob("*.json"))}
    return [*_budget(ladders), *_cause(ladders), *_calibration(CALIBRATION)]


def by_the_notebooks() -> list[LadderDocument]:
    """Those of the paper's networks, trained by its notebooks."""
    return [read_ladder(path) for path in sorted(LADDERS.glob("by-the-notebooks*.json"))]


def size_text(size: Sequence[int]) -> str:
    """(height, width) as text."""
    return "x".join(map(str, size))


def _budget(ladders: dict[str, LadderDocument]) -> list[Block]:
    what = (
        "`python -m benchmarks ladder CHECKPOINT` measures this. An export tries several ways of quantizing, from the "
        "simplest to the most expensive, and takes the first within a budget. The budget limits the drop of Dice and "
        "the mean absolute shift of the head circumference (HC), both against the network in torch; where the network "
        "itself is loose, a tenth of its own mean difference from the reference counts instead. A positive drop of "
        "Dice is a loss; a positive change of Dice, on the test parts, is a gain. Layers stay in float32 in stretches "
        "of four, those whose rounding costs most first; the other layers are quantized by the best way of full int8, "
        "in tables without brackets by the last. What an export tries after that, fine-tuning, takes long, and was "
        "left out here (`--fine-tune-epochs 0`)."
    )
    where = (
        "The images judged are those of the validation part; the split `paper` has none, so training images are used "
        "there, others than those of the calibration. A network is surer of these than of the test part. An image "
        "counts only if the network in torch is sure of nearly every pixel of it. A head that int8 does not find any "
        "more counts with its whole circumference; on the test parts, such images are left out of the shift."
    )
    limit = (
        "The figure in brackets is the upper end of the one-sided 95% interval of the mean over these images. It is "
        "held to the budget. It is the limit of one attempt: after many, one may be within the budget by chance, which "
        "the test parts show. Tables without brackets are older: there the mean itself was held to the budget, so the "
        "export of today might not write the same network. In `paper-setting-*` and `three-epochs-*`, older still, "
        "single layers stayed in float32; in the former, the images judged were those of the calibration. A network "
        "that is sure of no image has learned too little to be judged, and is written by the first way."
    )
    shipped = [
        ("as shipped", climbed(json.loads(path.with_suffix(".json").read_text()), None))
        for path in filter(Path.is_file, map(shipped_model, SIZES))
    ]
    others, runs = [], {run.checkpoint_sha256: run.name for run in load_all().values()}
    for name, document in ladders.items():
        meaning = next((words for start, words in _MEANING.items() if name.startswith(start)), None)
        run = runs.get(document.checkpoint_sha256)
        source = code(name) + (f": {code(run)}" if run else "")
        others.append((f"{meaning} ({source})" if meaning else source, document))
    ours, theirs = [document for _, document in shipped], [document for _, document in others if document.date]
    theirs.sort(key=lambda document: (paper_rank(document.strategy), -document.size[0]))
    blocks: list[Block] = [Heading("Within a budget"), *map(Paragraph, (what, where, limit))]
    blocks += [at_a_glance([*ours, *theirs]), *int8_causes.section(theirs)]
    for title, document in (*shipped, *others):
        blocks += ladder_blocks(title, document)
    return blocks


def at_a_glance(documents: Sequence[LadderDocument]) -> Table:
    """What became of each network in one row."""
    rows = []
    for document in documents:
        found, last = document.quantization, document.quantization.rungs[-1]
        full = [rung for rung in found.rungs if "in float32" not in rung.name and rung.hc_shift_mm is not None]
        best = min(full, key=lambda rung: rung.hc_shift_mm or 0.0, default=last)
        tested = document.accuracy.parts.get(f"{document.split}_test")
        lost = tested.degradation if tested and not document.refused else None
        rows.append([
            f"{code(document.strategy)} at {size_text(document.size)}",
            number(found.allowed_hc_shift_mm, 2),
            _with_limit(best.hc_shift_mm, best.hc_shift_at_most_mm),
            _outcome(document),
            _with_limit(last.hc_shift_mm, last.hc_shift_at_most_mm),
            _with_limit(last.dice_drop_points, last.dice_drop_at_most, sign=True),
            number(lost.hc_absolute_shift_mm, 3) if lost else "-",
            number(lost.dice_points, 3, sign=True) if lost else "-",
        ])  # fmt: skip
    header = (
        "network", "allowed HC shift (mm)", "best full int8 (mm)", "written as, or last tried", "HC shift (mm)",
        "Dice drop (points)", "test part: HC shift (mm)", "change of Dice (points)",
    )  # fmt: skip
    return Table(header, rows)


def _outcome(document: LadderDocument) -> str:
    """What was written, or tried last."""
    found = document.quantization
    if document.refused:
        return f"refused ({found.rungs[-1].name})"
    return found.method if found.n_clear else f"{found.method}, unjudged: no image counts"


def ladder_blocks(title: str, document: LadderDocument) -> list[Block]:
    """What each way of quantizing a network cost, and which was taken."""
    found = document.quantization
    budget = found.budget
    limits = [
        f"{most:g} {unit}"
        for most, unit in ((budget.max_dice_drop, "points of Dice"), (budget.max_hc_shift_mm, "mm"))
        if most is not None
    ]
    allowed = found.allowed_hc_shift_mm
    if budget.max_hc_shift_mm is not None and allowed > budget.max_hc_shift_mm:
        limits[-1] = f"{allowed:.2f} mm ({budget.max_hc_shift_share:.0%} of the network's own difference)"
    rewritten = f" Rewrites: {', '.join(map(code, document.rewrites))}." if document.rewrites else ""
    text = (
        f"Budget: {' and '.join(limits) or 'none'}. {found.n_clear} of {found.n_images} images count.{rewritten} "
        f"{_end(document)} {_exported(document)}"
    )
    rows = [
        [
            rung.name,
            _with_limit(rung.dice_drop_points, rung.dice_drop_at_most, sign=True),
            _with_limit(rung.hc_shift_mm, rung.hc_shift_at_most_mm),
            NOT_MEASURED if rung.dice_drop_points is None else "yes" if rung.holds else "no",
        ]
        for rung in found.rungs
    ]
    heading = f"{code(document.strategy)} at {size_text(document.size)}, split {code(document.split)}: {title}"
    header = ("quantization", "Dice drop (points)", "HC shift (mm)", "within the budget")
    return [Heading(heading, 3), Paragraph(text), Table(header, rows)]


def _with_limit(mean: float | None, most: float | None, sign: bool = False) -> str:
    return number(mean, 3, sign=sign) + ("" if most is None else f" ({number(most, 3, sign=sign)})")


def _exported(document: LadderDocument) -> str:
    tools = {name: version for name, version in document.tools.items() if name in _CONVERTERS}
    return made_with("Exported", tools, document.git_commit, document.device, document.date)


def _end(document: LadderDocument) -> str:
    """The outcome."""
    noise = document.quantization.noise_hc_shift_mm
    compared = (
        ""
        if noise is None
        else " For comparison: when each pixel changes by at most one grey level, the network in float32 shifts HC by "
        f"{number(noise, 3)} mm."
    )
    if document.refused:
        return f"No method that was tried is within the budget, so the export writes no file.{compared}"
    parts = [
        f"{code(name.removesuffix('_test'))} ({part.n_images} images): change of Dice "
        f"{number(part.degradation.dice_points, 3, sign=True)} points, {_shift(part.degradation)}"
        for name, part in document.accuracy.parts.items()
    ]
    mixed = ", as `mixed_int8`" if document.recipe == "mixed_int8" else ""
    tested = (
        f" Against float32 on the test parts of the splits: {'; '.join(parts)}. {_on_unseen(document)}" if parts else ""
    )
    return f"Chosen: {document.quantization.method}{mixed}.{tested}{compared}"


def _shift(loss: Loss) -> str:
    if loss.hc_absolute_shift_mm is None:
        return "no circumference to compare"
    return f"HC shift {loss.hc_absolute_shift_mm:.3f} mm over {loss.n_hc}"


def _on_unseen(document: LadderDocument) -> str:
    """Whether the budget holds on the test parts, too."""
    found = document.quantization
    dice, mm = found.budget.max_dice_drop, found.allowed_hc_shift_mm
    beyond = [
        code(name.removesuffix("_test"))
        for name, part in document.accuracy.parts.items()
        if (dice is not None and -(part.degradation.dice_points or 0.0) > dice)
        or (part.degradation.hc_absolute_shift_mm or 0.0) > mm
    ]
    return (
        f"These means are beyond the budget on {' and '.join(beyond)}."
        if beyond
        else "These means are within the budget, too."
    )


def _cause(ladders: dict[str, LadderDocument]) -> list[Block]:
    text = (
        "`python -m export explain --rewrite none` shows where a network loses accuracy, layer by layer. With "
        "the encoder `imagenet-tonylins` the weak place is the expansion of the second block. Some of its channels had "
        "almost no variance when the encoder was trained, so folding batch norm into the weights makes theirs very "
        "large. The products cancel out, against each other and against a large bias. The rounding error of the input "
        "does not, so it is amplified. The projection before the expansion is linear, so both together are one "
        f"convolution with small weights. This rewrite is exact and is called {code(_DIRECT)}. An export applies it if "
        f"rounding would be amplified {MOST_AMPLIFIED:g}-fold or more without it (`export/conversion/rewrites.py`). "
        "It does so 28-fold with these weights before training, and 1.7-fold with torchvision's (`imagenet`), where no "
        "rewrite is needed."
    )
    blocks: list[Block] = [Heading("Where rounding hurts"), Paragraph(text)]
    for without in ladders.values():
        for document in ladders.values():
            same = document.checkpoint_sha256 == without.checkpoint_sha256
            if same and _DIRECT in (document.rewrites or ()) and _DIRECT not in (without.rewrites or ()):
                blocks.append(Paragraph(_effect(without, document)))
    return blocks


def _effect(without: LadderDocument, document: LadderDocument) -> str:
    before, after = (d.quantization.rungs[0] for d in (without, document))
    return (
        f"Two of the tables above show it, for one checkpoint of {code(document.strategy)} trained on the split "
        f"{code(document.split)}. With {before.name}, the HC shift is {number(before.hc_shift_mm, 3)} mm without "
        f"{code(_DIRECT)} and {number(after.hc_shift_mm, 3)} mm with it; the drop of Dice is "
        f"{number(before.dice_drop_points, 3)} and {number(after.dice_drop_points, 3)} points."
    )


def _calibration(path: Path) -> list[Block]:
    if not path.is_file():
        return []
    document = read_calibration(path)
    groups: dict[tuple[str, int, str], list[Trial]] = {}
    for trial in document.trials:
        groups.setdefault((trial.rung, trial.count, trial.chosen), []).append(trial)
    rows = [
        [
            rung,
            str(count),
            f"at random, {len(of)} draws" if chosen == "random" else "evenly spread",
            number(_mean(t.sqnr_db for t in of), 1),
            number(_mean(t.dice_drop_points for t in of), 3, sign=True),
            number(_mean(t.hc_shift_mm for t in of), 3),
            number(max((t.hc_shift_mm for t in of if t.hc_shift_mm is not None), default=None), 3),
        ]
        for (rung, count, chosen), of in sorted(groups.items(), key=lambda item: (item[0][0] != "min-max", item[0][1:]))
    ]
    spans = []
    for rung in dict.fromkeys(trial.rung for trial in document.trials):
        means = [_mean(t.hc_shift_mm for t in of) for (name, *_), of in groups.items() if name == rung]
        found = [mean for mean in means if mean is not None]
        if found:
            spans.append(f"{min(found):.3f} to {max(found):.3f} mm with {rung}")
    tools = {name: version for name, version in document.tools.items() if name in _CONVERTERS}
    text = (
        f"`python -m export calibration --write` measures this. A network of {code(document.strategy)} was calibrated "
        "on few and on many training images, drawn at random or spread evenly over the head circumference (and so over "
        f"gestational age). Each result was judged on {document.n_validation} validation images of {document.data}. "
        "SQNR is the signal-to-quantization-noise ratio of the logits against torch. Over all rows, the HC shift is "
        f"{'; '.join(spans)}. {made_with('Measured', tools, document.git_commit)}"
    )
    header = (
        "quantization", "images", "chosen", "SQNR (dB)", "Dice drop (points)", "HC shift (mm)",
        "HC shift, worst draw (mm)",
    )  # fmt: skip
    return [Heading("Calibration images: how many, and which"), Paragraph(text), Table(header, rows)]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
