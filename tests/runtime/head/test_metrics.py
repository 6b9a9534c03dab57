from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.metrics import hausdorff, overlap, paper_pooled, score_image, summarize


def box(x0: int, x1: int) -> np.ndarray:
    mask = np.zeros((20, 20), dtype=bool)
    mask[5:15, x0:x1] = True
    return mask


def test_overlap_of_two_boxes_by_hand() -> None:
    dice, foreground, mean, accuracy = overlap(box(0, 10), box(5, 15))  # 100 and 100 pixels, 50 shared
    assert dice == pytest.approx(0.5)
    assert foreground == pytest.approx(50 / 150)
    assert mean == pytest.approx((50 / 150 + 250 / 350) / 2)
    assert accuracy == pytest.approx(300 / 400)


def test_an_empty_prediction_is_a_failure_that_counts() -> None:
    empty = score_image(
        "a", box(0, 0), box(5, 15), pixel_size_mm=0.1, hc_mm=None, reference_hc_mm=50.0, reason="no head found"
    )
    whole = score_image("b", box(5, 15), box(5, 15), pixel_size_mm=0.1, hc_mm=52.0, reference_hc_mm=50.0)
    assert (empty.dice, empty.foreground_iou, empty.hausdorff_mm, empty.hc_difference_mm) == (0, 0, None, None)
    summary = summarize([empty, whole])
    assert summary["n_images"] == 2 and summary["n_hc_refused"] == 1
    assert summary["dice"]["mean"] == pytest.approx(0.5)
    assert summary["hc_absolute_difference_mm"]["n"] == 1
    assert summary["hc_absolute_difference_mm"]["mean"] == pytest.approx(2.0)


def test_hausdorff_in_mm_of_shifted_boxes() -> None:
    score = score_image("a", box(2, 12), box(5, 15), pixel_size_mm=0.2, hc_mm=1.0, reference_hc_mm=1.0)
    assert score.hausdorff_mm == pytest.approx(0.6)
    a, b = np.random.default_rng(0).random((2, 700, 2))
    distances = np.linalg.norm(a[:, None] - b[None], axis=2)
    assert hausdorff(a, b) == pytest.approx(max(distances.min(0).max(), distances.min(1).max()))


def test_paper_figures_pool_pixels_over_batches_of_ten() -> None:
    pooled = paper_pooled(np.stack([box(5, 15)] * 9 + [box(0, 0)]), np.stack([box(5, 15)] * 10))
    assert pooled["paper_dice"] == pytest.approx(2 * 900 / 1900) == pytest.approx(pooled["paper_dice_in_order"])
    assert pooled["paper_miou"] == pytest.approx(900 / 1000)
    assert pooled["paper_dice_per_image"] == pytest.approx(9 / 10)


def test_paper_figures_do_not_depend_on_the_order_of_the_images() -> None:
    """HC18's file names put small heads, which are harder, into the same batches; the paper's order is random."""
    reference = np.stack([box(5, 7)] * 10 + [box(5, 15)] * 11)
    predicted = np.stack([box(0, 0)] * 10 + [box(5, 15)] * 11)
    by_size = paper_pooled(predicted, reference)
    order = np.random.default_rng(3).permutation(21)
    mixed = paper_pooled(predicted[order], reference[order])
    assert by_size["paper_dice_in_order"] == pytest.approx((0 + 1 + 1) / 3), "an incomplete batch counts as any other"
    assert by_size["paper_dice"] == pytest.approx(2 * 550 / 1200, abs=0.01), (
        "the pixels of a large head outweigh those of a small one in its batch"
    )
    assert mixed["paper_dice"] == pytest.approx(by_size["paper_dice"], abs=2e-3)
    assert mixed["paper_miou"] == pytest.approx(by_size["paper_miou"], abs=4e-3)


def test_the_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    scores = [
        score_image(str(i), box(0, 10 + i % 3), box(0, 10), pixel_size_mm=0.1, hc_mm=50.0 + i, reference_hc_mm=50.0)
        for i in range(12)
    ]
    first, second = summarize(scores), summarize(scores)
    assert first == second
    assert first["dice"]["ci95_low"] < first["dice"]["mean"] < first["dice"]["ci95_high"]
