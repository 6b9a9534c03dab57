"""LiteRT.js, which runs artifacts in a browser: fetched once with npm, checked, and served from memory."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from edge_runtime.common.cli import say
from edge_runtime.common.files import read_bounded, write_bytes
from edge_runtime.device.thread_cache import CACHE_VARIABLE, cache_folder
from edge_runtime.errors import FetalHeadError, UsageError

NAME, VERSION = "@litertjs/core", "2.5.3"
SPECS = (f"{NAME}@{VERSION}", f"@litertjs/wasm-utils@{VERSION}")

CORE, UTILS = f"litertjs-core-{VERSION}.tgz", f"litertjs-wasm-utils-{VERSION}.tgz"
SHA512 = {
    CORE: "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
    UTILS: "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
}
"""Archives as ``npm pack`` makes them, and their integrity as npm's registry states it."""

MAX_BYTES = 1 << 26
_NPM_S = 600
_BUILDS = ("", "_compat", "_threaded")
"""WebAssembly builds: with relaxed SIMD, without it, and with it and threads. The one for WebGPU is left out."""


def read_litert(folder: Path | None) -> dict[str, bytes]:
    """The files that the page loads, by their path below ``litert/``.

    Args:
        folder: Holds both archives of ``npm pack``; None for the cache, which is filled with npm if need be.

    Raises:
        UsageError: The folder lacks an archive, or holds another one.
        FetalHeadError: npm is missing, failed, or brought other archives.
    """
    if folder is None:
        return _unpack(_cached())
    archives = {}
    for name in SHA512:
        try:
            archives[name] = read_bounded(folder / name, MAX_BYTES)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"--litert: {folder / name} cannot be read: {getattr(error, 'strerror', None) or error}. Make the "
                f"files in that folder with: npm pack {' '.join(SPECS)}"
            ) from error
        if not _is_whole(name, archives[name]):
            raise UsageError(
                f"--litert: {folder / name} is not the file that npm has under this name. Make it again with: "
                f"npm pack {' '.join(SPECS)}"
            )
    return _unpack(archives)


def _cached() -> dict[str, bytes]:
    """Both archives, from the cache where they are whole."""
    cache = cache_folder()
    if cache is None:
        raise FetalHeadError(f"This user has no cache folder. Set {CACHE_VARIABLE} to a folder, or give --litert.")
    place, found = cache / "litertjs", {}
    for name in SHA512:
        try:
            found[name] = read_bounded(place / name, MAX_BYTES)
        except (OSError, ValueError):
            break
    if len(found) == len(SHA512) and all(_is_whole(name, data) for name, data in found.items()):
        return found
    say(f"fetching LiteRT.js {VERSION} with npm, once (12 MB)")
    found = _fetch()
    for name, data in found.items():
        write_bytes(place / name, data)
    return found


def _fetch() -> dict[str, bytes]:
    elsewhere = f"Or call npm pack {' '.join(SPECS)} where there is npm, and give the folder with --litert."
    npm = shutil.which("npm")
    if npm is None:
        raise FetalHeadError(f"LiteRT.js is fetched with npm, which comes with Node.js and is not here. {elsewhere}")
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as place:
        call = [npm, "pack", *SPECS, "--pack-destination", place]
        try:
            done = subprocess.run(call, capture_output=True, text=True, timeout=_NPM_S, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FetalHeadError(f"npm could not fetch LiteRT.js: {error}. {elsewhere}") from error
        if done.returncode:
            words = [line.removeprefix("npm error ") for line in done.stderr.splitlines() if line.startswith("npm err")]
            raise FetalHeadError(f"npm could not fetch LiteRT.js ({'; '.join(words[:2])[:200]}). {elsewhere}")
        try:
            found = {name: read_bounded(Path(place) / name, MAX_BYTES) for name in SHA512}
        except (OSError, ValueError) as error:
            raise FetalHeadError(f"npm did not bring LiteRT.js {VERSION}: {error}. {elsewhere}") from error
    for name, data in found.items():
        if not _is_whole(name, data):
            raise FetalHeadError(f"npm brought another {name} than this program was made for. It is not used.")
    return found


def _is_whole(name: str, data: bytes) -> bool:
    return base64.b64encode(hashlib.sha512(data).digest()).decode() == SHA512[name]


def _unpack(archives: dict[str, bytes]) -> dict[str, bytes]:
    wasm = [f"wasm/litert_wasm{build}_internal.{suffix}" for build in _BUILDS for suffix in ("js", "wasm")]
    core = _members(archives[CORE], ["dist/index.js", *wasm])
    # a browser finds a package by its path only
    core["core.js"] = core.pop("dist/index.js").replace(b'"@litertjs/wasm-utils"', b'"./wasm-utils.js"')
    return {**core, "wasm-utils.js": _members(archives[UTILS], ["dist/index.js"])["dist/index.js"]}


def _members(archive: bytes, names: list[str]) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for name in names:
            member = tar.extractfile(f"package/{name}")
            assert member is not None, "its hash says what it holds"
            found[name] = member.read()
    return found
