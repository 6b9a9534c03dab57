"""``python -m train.data.download``: download HC18 from Zenodo, and check it against the published checksums."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from edge_runtime.common.arguments import CommandParser, add_help
from edge_runtime.common.cli import run_command, say
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, UsageError

BASE_URL = "https://zenodo.org/records/1327317/files"
"""van den Heuvel et al., doi 10.5281/zenodo.1327317, CC BY 4.0. ``$HC18_URL`` names a mirror."""

ARCHIVES = {
    "training_set.zip": "fd20d7909df892cfbdc0850de18072dbdad4dc3bc0a57202d4cc818d4715de36",
    "test_set.zip": "6356d1171e5805dabb83af72c13eb2b32fc3d6c0c2015c58eb9ee083521e9bdd",
}
"""sha256 of the published archives (132,926,838 and 43,518,463 bytes)."""

TABLES = {
    "training_set.zip": "training_set_pixel_size_and_HC.csv",
    "test_set.zip": "test_set_pixel_size.csv",
}
"""The table that belongs to each archive. Its checksum is not published; its content is checked when it is read."""


class DownloadError(FetalHeadError):
    """HC18 could not be downloaded, or what came is not what was published."""


def _fetch(name: str, sha256: str | None, folder: Path) -> Path:
    try:
        pooch = require("pooch")
    except FetalHeadError as error:  # the phantom can stand in, as it does without a network
        raise DownloadError(str(error)) from error
    pooch.get_logger().setLevel("ERROR")
    url = f"{os.environ.get('HC18_URL', BASE_URL)}/{name}"
    say(f"downloading {url}")
    try:
        return Path(pooch.retrieve(url, known_hash=sha256 and f"sha256:{sha256}", fname=name, path=folder))
    except ValueError as error:  # pooch: the hash differs
        raise DownloadError(
            f"{url} is not the published file (sha256 differs): broken or altered; nothing kept."
        ) from error
    except Exception as error:  # requests' and urllib3's many network errors
        raise DownloadError(f"{url} cannot be fetched ({type(error).__name__}: {error!s:.200}).") from error


def download(root: Path, archives: tuple[str, ...] = ("training_set.zip",)) -> Path:
    """Download and unpack HC18. The folder appears whole or not at all.

    Args:
        root: Folder to make. A folder that exists is never changed.
        archives: Archives to download, of :data:`ARCHIVES`, each with its table.

    Returns:
        ``root``.

    Raises:
        DownloadError: No network, no pooch, no space, a broken download, or a file that is not the published one.
        UsageError: The folder exists already, or cannot be written.
    """
    if root.exists():
        raise UsageError(f"{root} is there already. Use it with --data {root}, or move it away to download again.")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}."))
    except OSError as error:
        raise UsageError(f"{root.parent} cannot be written: {error}.") from error
    try:
        for name in archives:
            _fetch(TABLES[name], None, building)
            archive = _fetch(name, ARCHIVES[name], building)
            with zipfile.ZipFile(archive) as file:
                file.extractall(building)
            archive.unlink()
        building.chmod(0o755)
        building.rename(root)
    except OSError as error:
        raise DownloadError(
            f"HC18 cannot be unpacked in {root.parent}: {error}. Make room, or name another folder with --out."
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return root


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = CommandParser(prog="python -m train.data.download")
    add_help(
        parser,
        "Download HC18 (CC BY 4.0, doi 10.5281/zenodo.1327317) from Zenodo, and check it against the published "
        "checksums.",
        "python -m train.data.download",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("data/hc18"), metavar="DIR", help="folder to make (default: %(default)s)"
    )
    parser.add_argument(
        "--with-test-set", action="store_true", help="download the official test set too, which has no annotations"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    archives = tuple(ARCHIVES) if args.with_test_set else ("training_set.zip",)
    say(f"HC18 is in {download(args.out, archives)}")
    return 0


if __name__ == "__main__":
    run_command(main)
