"""The table an export ends with."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.artifact.manifest import Manifest

COLUMNS = (
    f"{'artifact':<32} {'MB':>6} {'logit diff max/mean':>21} {'mask Dice':>10} {'Dice':>8} {'HC ADF':>9} "
    f"{'Dice vs fp32':>13} {'HC shift':>9}"
)


def table(manifests: Sequence[Manifest]) -> str:
    """Size, parity with torch, accuracy and cost against float32 of each artifact, and what they were measured on."""
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
        f"{values['dice']['mean']:>8.2%}",
        _mm(values["hc_absolute_difference_mm"]["mean"]),
        f"{cost['dice_points']:>+9.2f} pts",
        _mm(cost["hc_absolute_shift_mm"]),
    ]
    return " ".join(cells)


def _mm(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.2f} mm':>9}"


def _first_part(manifest: Manifest) -> str | None:
    """The part the table shows: the checkpoint's own test part."""
    return next(iter(manifest.accuracy["parts"]), None)


def _notes(manifests: Sequence[Manifest]) -> list[str]:
    """What the columns mean, and what the figures were measured on."""
    notes = [
        "logit diff, mask Dice: against torch. Dice, HC ADF: against the reference.",
        "Dice vs fp32, HC shift: mean change, and mean absolute change, an image against the same network in float32.",
    ]
    measured: dict[tuple[str, str, int], None] = {}  # a set that keeps its order
    for manifest in manifests:
        part = _first_part(manifest)
        if part is not None:
            values = manifest.accuracy["parts"][part]
            measured[manifest.accuracy["title"], part, values["n_images"]] = None
    for title, part, count in measured:
        notes.append(f"Dice, HC ADF on {title}, {part.replace('_', ' ')} part, {count} images.")
    return notes
