"""Virtual environments of the engines, made once and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.cli import say
from edge_runtime.common.files import write_bytes
from edge_runtime.errors import FetalHeadError

_LIMIT_S = 3600
"""To install one environment over a slow line."""

_DONE = "installed.txt"


@dataclass(frozen=True)
class Environment:
    """What an engine needs.

    Attributes:
        name: Of its folder.
        packages: What pip installs, with versions.
        alone: What pip installs without what these packages ask for.
        torch: Whether it also sees the packages of this project's environment, for its torch: a second one takes
            several GB.
    """

    name: str
    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()
    torch: bool = False

    @property
    def folder(self) -> str:
        """Its folder's name: another one for other packages, another Python or another project environment."""
        key = repr((self.packages, self.alone, self.torch and sys.prefix, sys.version_info[:2]))
        return f"{self.name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def make(environment: Environment, folder: Path) -> Path:
    """Make an environment, unless it is there.

    Args:
        environment: What it needs.
        folder: Where environments are kept.

    Returns:
        Its Python.

    Raises:
        FetalHeadError: It could not be made.
    """
    place = folder / environment.folder
    scripts = place / ("Scripts" if sys.platform == "win32" else "bin")
    python = scripts / f"python{'.exe' if sys.platform == 'win32' else ''}"
    if (place / _DONE).is_file():
        return python
    wanted = (*environment.packages, *environment.alone)
    say(f"  {environment.name}: installing {', '.join(wanted)} into {place.name}")
    shutil.rmtree(place, ignore_errors=True)
    _call([sys.executable, "-m", "venv", "--without-pip", str(place)])
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    _call([*pip, *environment.packages])
    if environment.alone:
        _call([*pip, "--no-deps", *environment.alone])
    if environment.torch:
        ours = "\n".join(dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib")))
        write_bytes(_packages_of(python) / "zz-project.pth", ours.encode())
    write_bytes(place / _DONE, "\n".join(wanted).encode())
    return python


def _packages_of(python: Path) -> Path:
    return Path(_call([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())


def _call(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetalHeadError(f"the environment could not be made: {error}") from error
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR:")]
        reason = next(iter(errors or said[::-1]), "pip said nothing")
        raise FetalHeadError(f"the environment could not be made: {reason}")
    return done.stdout
