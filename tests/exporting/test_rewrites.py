"""Exact rewrites of the graph: that they are exact, that they are there, and where they do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime import UsageError
from edge_runtime.artifact.manifest import load_manifest
from export.conversion.rewrites import REWRITES, advised, amplification, pick_rewrites
from export.tflite.model import Model
from tests.helpers.places import Run
from tests.helpers.random_checkpoint import make_checkpoint
from train.checkpoint import load_checkpoint, save_checkpoint
from train.networks.fast_decoder import upsampled_convolution
from train.networks.model import HeadNet, load_encoder
from train.strategies import STRATEGIES, get_strategy
from train.weights import find_encoder_weights

ALIVE = tuple(name for name, rewrite in REWRITES.items() if name != "subpixel-0" and not rewrite.patches)
"""Before training next to nothing reaches the deepest block, and LiteRT takes no scale that far from the next."""


def kinds(path: Path) -> list[str]:
    return [operator.kind for operator in Model(path.read_bytes()).operators]


@pytest.mark.slow
def test_an_export_with_every_rewrite_computes_what_torch_does(run_here: Run, phantom: Path, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "decoder-all", "decoder-all", (64, 96))
    call = ("export", "--checkpoint", checkpoint, "--recipes", "float32", "full_int8", "--data", phantom)
    call += ("--accuracy-images", 2, "--calibration-images", 4, "--fine-tune-epochs", 0, "--max-hc-shift-mm", "inf")
    plain, other = tmp_path / "plain", tmp_path / "rewritten"
    done = run_here(*call, "--out", plain)
    assert done.returncode == 0, done.stderr
    done = run_here(*call, "--out", other, "--rewrite", *ALIVE)  # the export itself holds it to torch, to 1e-3
    assert done.returncode == 0, done.stderr
    for recipe in ("float32", "full_int8"):
        name = f"decoder-all/decoder-all-{recipe}.tflite"
        assert kinds(plain / name).count("RESIZE_NEAREST_NEIGHBOR") == 5 and "PAD" in kinds(plain / name)
        rewritten = kinds(other / name)
        assert rewritten.count("TRANSPOSE_CONV") == 4
        assert rewritten.count("RESIZE_NEAREST_NEIGHBOR") == 1 and "PAD" not in rewritten
        assert load_manifest(other / name).rewrites == ALIVE and not load_manifest(plain / name).rewrites
    assert run_here("export", "audit", other / "decoder-all").returncode == 0


def make_cancelling(folder: Path) -> Path:
    """A checkpoint with a channel like ImageNet's: what the first expansion adds up cancels out, and is amplified."""
    checkpoint = load_checkpoint(make_checkpoint(folder, "decoder-all", (64, 96)))
    blocks = checkpoint.model.net.encoder.features
    projection, (expansion, norm, _) = blocks[1].conv[-2], blocks[2].conv[0]
    with torch.no_grad():
        projection.weight[15] = projection.weight[14] + 1e-3 * projection.weight[13]
        expansion.weight[0] = 0
        expansion.weight[0, 14], expansion.weight[0, 15] = -1, 1
        norm.running_var[0], norm.running_mean[0] = 1e-7, 0
    save_checkpoint(folder, checkpoint.model, checkpoint.config, {"data": checkpoint.info["data"]})
    return folder


@pytest.mark.slow
def test_a_network_that_amplifies_rounding_expands_directly_unless_told_otherwise(
    run_here: Run, phantom: Path, tmp_path: Path
) -> None:
    folder = make_cancelling(tmp_path / "decoder-all")
    assert advised(load_checkpoint(folder).model) == ("direct-expansion",)
    call = ("export", "--checkpoint", folder, "--recipes", "float32", "--data", phantom, "--accuracy-images", 2)
    found = {}
    for title, asked in (("by itself", ()), ("none", ("--rewrite", "none"))):
        done = run_here(*call, "--out", tmp_path / title, *asked)  # held to torch, as every export
        assert done.returncode == 0, done.stderr
        path = tmp_path / title / "decoder-all" / "decoder-all-float32.tflite"
        model = Model(path.read_bytes())
        widths = [model.weights(o).shape for o in model.operators if o.kind == "CONV_2D"]
        found[title] = load_manifest(path).rewrites, widths[2]
    assert found == {"by itself": (("direct-expansion",), (96, 1, 1, 32)), "none": ((), (96, 1, 1, 16))}


def test_amplification_is_that_of_the_worst_row(tmp_path: Path) -> None:
    plain = load_checkpoint(make_checkpoint(tmp_path / "a", "decoder-all")).model
    assert 1 <= amplification(plain) < 10 and advised(plain) == ()
    assert amplification(load_checkpoint(make_cancelling(tmp_path / "b")).model) > 100
    assert advised(load_checkpoint(make_checkpoint(tmp_path / "c", "unet-scratch")).model) == ()
    with torch.no_grad():
        plain.net.encoder.features[2].conv[0][0].weight.fill_(float("nan"))
    assert advised(plain) == ()  # calibration says what is wrong with it


@pytest.mark.parametrize(("source", "expected"), [("imagenet", 1.7), ("imagenet-tonylins", 27.9)])
def test_torchvisions_weights_need_no_rewrite(source: str, expected: float) -> None:
    model = HeadNet(get_strategy("decoder-all"))
    load_encoder(model, find_encoder_weights(source).tensors)
    assert amplification(model) == pytest.approx(expected, abs=0.05)
    assert advised(model) == (("direct-expansion",) if source == "imagenet-tonylins" else ())


@pytest.mark.slow
def test_the_command_times_what_fits_and_says_what_it_found(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "rewrites.json"
    done = run("benchmarks", "rewrites", "--strategy", "edge", "--size", 64, 96, "--rounds", 3, "--out", out)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())["rewrites"]
    assert {(r["rewrite"], r["recipe"]) for r in rows} == {
        (name, recipe)
        for name in ("pad-first", "pad-depthwise", "direct-expansion")
        for recipe in ("float32", "full_int8")
    }
    assert all(r["difference"] < 1e-3 and r["ratio"] > 0 for r in rows) and "pad-first" in done.stdout


def test_the_transposed_kernel_is_that_of_training() -> None:
    from export.conversion.rewrite_graph import subpixel_kernel

    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 2, 5)).astype(np.float32)
    x = torch.from_numpy(rng.normal(size=(1, 2, 4, 6)).astype(np.float32))
    weight = torch.from_numpy(subpixel_kernel(kernel)).permute(3, 2, 0, 1)  # (C, O, 4, 4)
    found = torch.nn.functional.conv_transpose2d(x, weight, stride=2, padding=1)
    wanted = upsampled_convolution(x, torch.from_numpy(kernel).permute(3, 2, 0, 1))
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "strategy", "size", "said"),
    [
        ("faster", "decoder-all", (256, 256), "There is no rewrite 'faster'"),
        ("subpixel-0", "edge", (160, 256), "for nearest"),
        ("subpixel-0", "decoder-all", (160, 240), "multiples of 32"),
        ("pad-first", "unet-scratch", (128, 128), "not plain-unet"),
        ("patches-first", "edge", (160, 240), "not mobilenet_v2-unet"),
    ],
)
def test_what_would_not_be_exact_is_refused(name: str, strategy: str, size: tuple[int, int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        pick_rewrites([name], STRATEGIES[strategy], size)


@pytest.mark.parametrize(("kernel", "stride"), [(6, 4), (4, 4), (8, 4), (12, 4), (8, 8), (24, 8), (7, 4)])
def test_a_convolution_of_patches_is_that_of_their_pixels(kernel: int, stride: int) -> None:
    from export.conversion.rewrite_graph import patch_kernel

    rng = np.random.default_rng(0)
    pad = (kernel - stride + 1) // 2
    weight = rng.normal(size=(kernel, kernel, 1, 5)).astype(np.float32)
    x = torch.from_numpy(rng.normal(size=(1, 1, 6 * stride, 9 * stride)).astype(np.float32))
    wanted = torch.nn.functional.conv2d(x, torch.from_numpy(weight).permute(3, 2, 0, 1), stride=stride, padding=pad)
    if (kernel - 1 - pad) // stride != -(-pad // stride):
        with pytest.raises(ValueError, match=f"a kernel of {kernel} padded by {pad}"):
            patch_kernel(weight, stride, pad)
        return
    patches = torch.nn.functional.pixel_unshuffle(x, stride)
    other = torch.from_numpy(patch_kernel(weight, stride, pad)).permute(3, 2, 0, 1)
    found = torch.nn.functional.conv2d(patches, other, padding=other.shape[2] // 2)
    assert found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-4)


@pytest.mark.slow
def test_a_patch_unet_reads_patches_and_loses_nothing(run_here: Run, phantom: Path, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "edge-l", "edge-l", (64, 96))
    call = ("export", "--checkpoint", checkpoint, "--recipes", "float32", "full_int8", "--data", phantom)
    call += ("--accuracy-images", 2, "--calibration-images", 4, "--fine-tune-epochs", 0, "--max-hc-shift-mm", "inf")
    for title, asked in (("patches", ()), ("pixels", ("--rewrite", "none"))):
        done = run_here(*call, "--out", tmp_path / title, *asked)  # held to torch, as every export
        assert done.returncode == 0, done.stderr
    for recipe in ("float32", "full_int8"):
        name = f"edge-l/edge-l-{recipe}.tflite"
        assert "SPACE_TO_DEPTH" in kinds(tmp_path / "patches" / name)
        assert "SPACE_TO_DEPTH" not in kinds(tmp_path / "pixels" / name)
        assert load_manifest(tmp_path / "patches" / name).rewrites == ("patches-first",)
    assert run_here("export", "audit", tmp_path / "patches" / "edge-l").returncode == 0
