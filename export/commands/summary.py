"""The table at the end of an export."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.artifact.manifest import Manifest
from edge_runtime.common.cli import shown

COLUMNS = (
    f"{'artifact':<32} {'MB':>6} {'logit diff max/mean':>21} {'mask Dice':>10} {'Dice':>8} {'HC ADF':>9} "
    f"{'Dice vs fp32':>13} {'HC shift':>9}"
)


def table(manifests: Sequence[Manifest]) -> str:
    """A row for each artifact, with size, parity with torch, accuracy and loss against float32; then notes."""
    lines = [COLUMNS, *(_row(m) for m in manifests), *_notes(manifests)]
    return "\n".join(lines)


def _row(manifest: Manifest) -> str:
    parity = manifest.parity
    cells = [
        f"{manifest.name:<32} {manifest.model_bytes / 1e6:>6.2f}",
        f"{parity['max_logit_difference']:>11.1e} /{parity['mean_logit_difference']:>8.1e}",
        f"{parity['mask_dice_mean']:>10.4f}",
    ]
    part = _first_part(manifest)
    if part is None:
        return " ".join([*cells, "  (no images to test on)"])
    values = manifest.accuracy["parts"][part]
    cost = values["degradation"]
    cells += [
        shown(values["dice"]["mean"], ".2%", 8),
        shown(values["hc_absolute_difference_mm"]["mean"], ".2f", 9, " mm"),
        shown(cost["dice_points"], "+.2f", 13, " pts"),
        shown(cost["hc_absolute_shift_mm"], ".2f", 9, " mm"),
    ]
    return " ".join(cells)


def _first_part(manifest: Manifest) -> str | None:
    """The part that the table shows: the checkpoint's own test part; None if nothing was measured."""
    return next(iter(manifest.accuracy["parts"]), None)


def _notes(manifests: Sequence[Manifest]) -> list[str]:
    """Lines that say what the columns mean and what they were measured on."""
    notes = [
        "logit diff, mask Dice: against torch.",
        "Dice, HC ADF (mean absolute difference of the head circumference): against the reference.",
        "Dice vs fp32, HC shift: mean change, and mean absolute change of the HC, against the same network in float32.",
    ]
    measured: dict[tuple[str, str, int], None] = {}  # an ordered set
    for manifest in manifests:
        part = _first_part(manifest)
        if part is not None:
            values = manifest.accuracy["parts"][part]
            measured[manifest.accuracy["title"], part, values["n_images"]] = None
    for title, part, count in measured:
        notes.append(f"Dice, HC ADF on {title}, {part.replace('_', ' ')} part, {count} images.")
    return notes
