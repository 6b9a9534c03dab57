"""The wheel of this source tree, and the packages that it needs on a device without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from edge_runtime.errors import FetalHeadError

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = ("ai-edge-litert>=2.1", "numpy>=1.23.2", "pillow>=9.4")
"""What the wheel asks for on 64-bit Linux. pip would choose by this machine's system, not by the device's."""

_OLDEST_SETUPTOOLS = 77  # as pyproject.toml says

_OLDEST_GLIBC = 17
"""Minor version of manylinux2014, the oldest that today's wheels are made for."""


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this source tree.

    Args:
        folder: Where to, and where its source is copied meanwhile: a build leaves files beside the source.

    Raises:
        FetalHeadError: pip cannot build it.
    """
    source = folder / "source"
    shutil.copytree(ROOT / "edge_runtime", source / "edge_runtime", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    _pip("wheel", "--no-deps", *_isolation(), "-w", str(folder), str(source))
    shutil.rmtree(source)
    return next(folder.glob("fetal_head_edge-*.whl"))


def fetch_packages(folder: Path, machine: str, version: tuple[int, int], glibc: str) -> None:
    """Download what the wheel needs on a device, as wheels.

    Args:
        folder: Where to.
        machine: The device's architecture.
        version: (major, minor) of its Python.
        glibc: Version of its C library.

    Raises:
        FetalHeadError: There are none, or no network here either.
    """
    newest = int(glibc.split(".")[1])
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, _OLDEST_GLIBC - 1, -1)]
    platforms.append(f"manylinux2014_{machine}")
    _pip(
        "download", "--only-binary=:all:", "--implementation", "cp", "--python-version", "{}.{}".format(*version),
        *(word for platform in platforms for word in ("--platform", platform)), "-d", str(folder), *PACKAGES,
    )  # fmt: skip


def _isolation() -> list[str]:
    """Where setuptools is here and new enough, pip need not download it."""
    try:
        found = int(metadata.version("setuptools").split(".")[0])
    except (metadata.PackageNotFoundError, ValueError):
        return []
    return ["--no-build-isolation"] if found >= _OLDEST_SETUPTOOLS else []


def _pip(command: str, *arguments: str) -> None:
    call = [sys.executable, "-m", "pip", "--disable-pip-version-check", command, "-q", *arguments]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if "error: " in line.lower()] or lines or ["it said nothing"]
        raise FetalHeadError(
            f"pip {command} failed on this machine: {errors[-1].strip()}. It needs pip, and perhaps a network."
        )
