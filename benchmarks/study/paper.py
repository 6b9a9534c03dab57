"""Published figures that ours are compared with. They are quoted, never measured here.

The table, the training-set sizes, the claim and figure 1b are from Wang, Silvestre and Curran (2023), arXiv 2307.09067.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper's table: percent, mean and SD as printed.

    Attributes:
        pixel_accuracy: Over all pixels.
        dice: Pooled over batches.
        miou: The head's IoU, which the paper calls mIoU, pooled over batches.
    """

    pixel_accuracy: tuple[float, float]
    dice: tuple[float, float]
    miou: tuple[float, float]

    @property
    def figures(self) -> tuple[tuple[float, float], ...]:
        """The three with their SDs, in the order in which they are printed."""
        return self.pixel_accuracy, self.dice, self.miou

    @property
    def means(self) -> list[float]:
        """The three without their SDs."""
        return [mean for mean, _ in self.figures]


TABLE = {
    "unet-scratch": PaperRow((97.33, 0.39), (95.56, 0.62), (91.56, 1.16)),
    "decoder-all-random": PaperRow((91.68, 1.09), (86.68, 1.06), (76.70, 1.68)),
    "encoder-only-random": PaperRow((90.11, 2.60), (85.67, 3.10), (75.14, 4.69)),
    "encoder-only": PaperRow((97.65, 0.44), (96.22, 0.68), (92.73, 1.26)),
    "decoder-0": PaperRow((87.00, 8.55), (82.46, 8.89), (70.99, 12.63)),
    "decoder-0-1": PaperRow((95.81, 1.74), (93.27, 2.46), (87.53, 4.20)),
    "decoder-0-2": PaperRow((97.16, 0.11), (95.34, 0.14), (91.13, 0.26)),
    "decoder-2-4": PaperRow((88.88, 0.50), (81.46, 0.53), (68.85, 0.77)),
    "decoder-4": PaperRow((68.31, 1.01), (37.04, 6.31), (22.90, 4.61)),
    "decoder-all": PaperRow((97.77, 0.22), (96.28, 0.38), (92.87, 0.69)),
}
"""By our name of the strategy. A network with nothing frozen (our ``full``) is not in it."""

AT_THE_END = (98.16, 96.96, 94.11)
"""decoder-all's pixel accuracy, Dice and mIoU in percent in the notebook's test: once, after training, of 200 images
without augmentation."""

IMAGE_SIZE = (512, 512)
"""(height, width) of its networks' input, in pixels."""

CLAIMED_FEWER_PARAMETERS = 85.8
"""Percent: how many fewer parameters decoder-all trains than the plain U-Net, as it says."""

REPEATABILITY_PERCENT = 3
"""95% limits of agreement of sonographers who repeat a measurement, in percent of HC: from the literature."""

SET_SIZES = {
    "encoder-only": {79: (84.09, 76.42, 62.26), 239: (84.41, 79.94, 67.17), 399: (96.12, 93.92, 88.65)},
    "decoder-all": {79: (95.04, 92.00, 85.30), 239: (96.54, 94.30, 89.28), 399: (97.05, 95.15, 90.82)},
}
"""Pixel accuracy, Dice and mIoU in percent, by images trained on. The figures for all images are in :data:`TABLE`."""

OTHERS = (
    ("nnU-Net", 99.43),
    ("Attention U-Net", 98.10),
    ("U-Net (Baydoun)", 98.09),
    ("the paper's decoder-all", 96.28),
)
"""Dice in percent in the paper's figure 1b, each under a protocol of its own."""

HC18_RECORDS = (
    ("DAG V-Net (Zeng et al. 2021)", "hidden official test set", "97.93", "1.77 +- 1.69"),
    ("Mask-R2CNN (Moccia et al. 2021)", "hidden official test set", "-", "1.95"),
)
"""Method, what it was measured on, Dice in percent and ADF in mm, each as printed."""
