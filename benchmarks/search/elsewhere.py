"""Networks judged on other images than the search's: the paper's strategies as trained here, and published ones.

Nothing here can be compared with the points of the search, nor the published rows with each other: each has images, a
reference and a definition of Dice of its own. Figures are quoted as printed, and only from a source that was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.common.render import Table, table_markdown
from benchmarks.study.paper import TABLE
from benchmarks.study.results import TrainingResult
from train.protocols import PAPER_FIRST
from train.strategies import STRATEGIES

PART = "grouped_test"
"""Images that strategies are scored on here: of exams that none of their training images is from."""


@dataclass(frozen=True)
class Published:
    """A small network for fetal heads on HC18, as its authors describe it.

    Attributes:
        name: Short name, for a picture.
        year: Of the publication.
        parameters: Number of parameters, as precise as the source gives it.
        dice: Dice in percent, as printed; None where the source that was read does not give it.
        adf_mm: Mean absolute difference of the head circumference in mm, as printed; None likewise.
        tested_on: What the source says of the images.
        title: Title of the source.
        where: Where it appeared.
        note: What a reader must know of the figures.
        missing: What to say in place of a figure that is None.
    """

    name: str
    year: int
    parameters: int
    dice: float | None
    adf_mm: float | None
    tested_on: str
    title: str
    where: str
    note: str
    missing: str = "not given"


PAPER_PARAMETERS = 6_628_945
"""Of the paper's network, whatever is frozen."""

_WANG = Published(
    "U-Net + MobileNetV2", 2023, PAPER_PARAMETERS, TABLE["decoder-all"].dice[0], None,
    "200 images, split at random, augmented",
    "Evaluate Fine-tuning Strategies for Fetal Head Ultrasound Image Segmentation with U-Net", "arXiv 2307.09067",
    "the best of the paper's strategies, `decoder-all`; Dice pooled over batches of 10",
)  # fmt: skip
_SADARLA = Published(
    "residual U-Net", 2026, 8_110_000, 97.75, 1.65, "HC18 test set, in its words",
    "Fetal Head Circumference Clinical AI",
    "README of github.com/TarunSadarla2606/fetal-head-clinical-ai", "not pruned",
)  # fmt: skip

PUBLISHED = (
    Published(
        "CSM", 2022, 125_719, None, None, "HC18 test set, 335 images",
        "Efficient fetal ultrasound image segmentation for automatic head circumference measurement using a "
        "lightweight deep convolutional neural network", "Medical Physics 49(8), 5081-5092, doi 10.1002/mp.15700",
        "0.13 M parameters and 28 ms a frame on a CPU by its abstract, of which we could read no Dice and no ADF; "
        "125,719 parameters and 0.22 GMAC at 128x192 counted from its code, "
        "github.com/ApeMocker/CSM-for-fetal-HC-measurement", "not seen",
    ),
    replace(
        _SADARLA, name="residual U-Net, pruned", parameters=4_570_000, dice=97.64, adf_mm=1.76, note="pruned by 43.7%"
    ),
    _WANG,
    _SADARLA,
    replace(
        _WANG, name="plain U-Net", parameters=31_037_633, dice=TABLE["unet-scratch"].dice[0],
        note="the paper's baseline; Dice pooled over batches of 10",
    ),
)  # fmt: skip
"""The smallest that were found, and the paper's baseline; the fewest parameters first."""


@dataclass(frozen=True)
class Strategy:
    """One of the paper's strategies. All are the same network, so all take the same time.

    Attributes:
        name: Its name here.
        published: The paper's Dice in percent, pooled; None for what the paper lacks.
        dice: Ours, in full int8 on :data:`PART`, in percent.
        adf_mm: ADF likewise, over the images measured; None if there are none.
        n_measured: Images whose circumference the runtime measures.
        n_images: Images of the part.
    """

    name: str
    published: float | None
    dice: float
    adf_mm: float | None
    n_measured: int
    n_images: int


def strategies(runs: Mapping[str, TrainingResult]) -> list[Strategy]:
    """The paper's strategies that were trained here in its setting and exported, the best Dice first.

    Args:
        runs: Training results by name of the run. Those of random encoders, of another size and of fewer images are
            left out.
    """
    found = []
    for run in runs.values():
        of, name = run.study_run, run.run.strategy
        plain = of.protocol == PAPER_FIRST and of.train_images is None and of.seed == 0
        one = STRATEGIES[name].architecture == STRATEGIES["decoder-all"].architecture and not name.endswith("-random")
        if not (plain and one and tuple(of.image_size) == STRATEGIES["decoder-all"].image_size):
            continue
        for export in run.exports or ():
            scores = export.accuracy.parts.get(PART)
            if export.recipe == "full_int8" and scores and scores.dice.mean is not None:
                found.append(
                    Strategy(
                        name,
                        TABLE[name].dice[0] if name in TABLE else None,
                        100 * scores.dice.mean,
                        scores.hc_absolute_difference_mm.mean,
                        scores.hc_absolute_difference_mm.n,
                        scores.n_images,
                    )
                )
    return sorted(found, key=lambda s: -s.dice)


def millions(parameters: int) -> str:
    """A number of parameters in millions: ``0.13``, ``31.0``."""
    return f"{parameters / 1e6:.{2 if parameters < 1e7 else 1}f}"


def published_table() -> str:
    """What others published, as a table in Markdown."""
    header = ("network", "parameters (M)", "Dice (%)", "ADF (mm)", "tested on", "source", "note")
    rows = [
        (
            model.name,
            millions(model.parameters),
            model.missing if model.dice is None else f"{model.dice:.2f}",
            model.missing if model.adf_mm is None else f"{model.adf_mm:.2f}",
            model.tested_on,
            f"{model.title} ({model.year}), {model.where}",
            model.note,
        )
        for model in PUBLISHED
    ]
    return table_markdown(Table(header, rows, facts=True))
