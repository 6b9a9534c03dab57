"""The page ``docs/int8.md``: what int8 costs, how fast it is, and where it gives the same answers."""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.render import Block, Heading, Paragraph, Table, code
from benchmarks.common.result_files import RESULTS
from benchmarks.common.tables import number
from benchmarks.int8.emulated import read_emulated
from benchmarks.int8.interpreters import NEWER, OLDER, read_interpreters
from benchmarks.pages import int8_accuracy, int8_speed, peers_section
from benchmarks.pages.measured import measured_on
from edge_runtime.artifact.golden import LEAST_DICE

TITLE = "From float32 to int8"
EMULATED, INTERPRETERS = RESULTS / "runtime" / "aarch64.json", RESULTS / "interpreters"


def build() -> list[Block]:
    """The page's blocks. A section without results is left out."""
    text = (
        "This page shows how full int8 files are made, what they cost in accuracy, how fast they are, and where they "
        "give the same answers. Every table is made from a committed result file by `python -m benchmarks pages`; the "
        "command that measures it stands below its heading. Each table names its machine and versions, as far as its "
        "file records them. Times from different machines cannot be compared, even if the CPUs have the same name: "
        "their int8 instructions may differ."
    )
    return [
        Heading(TITLE, 1),
        Paragraph(text),
        *int8_accuracy.sections(),
        *int8_speed.in_float(),
        *peers_section.sections(),
        *int8_speed.earlier_peers(),
        *int8_speed.operators(),
        *int8_speed.export_cost(),
        *_same(),
        *int8_speed.rewrites(),
    ]


def _same() -> list[Block]:
    blocks = [*_emulated(EMULATED), *_interpreters(INTERPRETERS)]
    if not blocks:
        return []
    text = (
        "Integer arithmetic is exact, so a full int8 file should give the same bytes on every device. "
        f"{code(OLDER)} has other kernels: its convolutions round twice, and it rounds differently when it resizes. "
        "LiteRT without XNNPACK gives the same bytes (`tests/measuring/test_interpreters.py`). How much of this "
        "reaches the mask depends on how much a network amplifies rounding."
    )
    return [Heading("The same answers on every device"), Paragraph(text), *blocks]


def _emulated(path: Path) -> list[Block]:
    if not path.is_file():
        return []
    answers = read_emulated(path)
    frames = " or ".join(sorted({str(answer.golden.n_frames) for answer in answers}))
    text = (
        "`.ci/aarch64 --out FILE MODEL...` measures this: the interpreters' wheels for `aarch64`, run under QEMU on "
        f"{frames} phantom frames, against the outputs of the machine that exported the model. `verify` refuses a "
        f"model if the Dice of its masks with those of the export is below {LEAST_DICE}; a refused model has no row."
    )
    rows = [
        [
            code(Path(answer.model).stem),
            code(answer.cpu),
            answer.backend,
            f"{answer.golden.n_identical} of {answer.golden.n_frames}",
            number(answer.golden.mask_dice, 5),
        ]
        for answer in answers
    ]
    header = ("model", "emulated CPU", "interpreter", "identical outputs", "mask Dice")
    return [Heading("Emulated ARM CPUs", 3), Paragraph(text), Table(header, rows)]


def _interpreters(folder: Path) -> list[Block]:
    documents = {path.name: read_interpreters(path) for path in sorted(folder.glob("*.json"))}
    if not documents:
        return []
    text = (
        f"`python -m benchmarks interpreters` measures this: the same files in {code(NEWER)} and "
        f"{code(OLDER)}, on one machine and the images of a test part. Mask Dice is the agreement of {code(OLDER)}'s "
        f"masks with those of {code(NEWER)}; the goal is a mean of {LEAST_DICE} or more. `verify` asks the same on the "
        "phantoms. HC is the head circumference, and its shift is the mean absolute difference between the two."
    )
    rows = [
        [
            code(model.name),
            code(name),
            f"{model.size[0]}x{model.size[1]}",
            model.quantization or "-",
            f"{document.data}, {code(document.split)}: {model.n_images}",
            number(100 * model.differing, 2),
            number(model.mask_dice_mean, 5),
            number(model.mask_dice_worst, 5),
            number(model.hc_shift_mean_mm, 3),
            number(model.golden_mask_dice, 5),
            "met" if model.meets_goal else "MISSED",
        ]
        for name, document in documents.items()
        for model in document.models
    ]
    header = (
        "model", "result", "input", "quantization", "test images", "output values that differ (%)", "mask Dice, mean",
        "mask Dice, worst", "HC shift (mm)", "mask Dice, phantoms", "goal",
    )  # fmt: skip
    machines = " ".join(f"{code(name)}: {measured_on(document)}" for name, document in documents.items())
    return [Heading("Two interpreters", 3), Paragraph(text), Table(header, rows), Paragraph(machines)]
