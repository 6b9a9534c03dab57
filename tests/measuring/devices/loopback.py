"""A device to measure on: a real OpenSSH server on this machine, with a home, a PATH and packages of its own.

Nothing of the user's or the system's ssh is read or changed: the server has its own config and keys, and the commands
under test find an ``ssh`` first on their PATH that names a config of its own.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.places import ROOT

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SSH = shutil.which("ssh")
PYTHON = Path(sys._base_executable)  # type: ignore[attr-defined]  # no environment of its own
TOOLS = Path(np.__file__).parents[1]
"""Where the packages are that stand-in wheels lead to."""

HOST = "scanner.local"
LINKED = ("ai-edge-litert", "numpy", "pillow", "matplotlib")


def make_stand_ins(folder: Path) -> Path:
    """Wheels with the names of real packages that lead to those installed here, so that pip needs no network."""
    for name in LINKED:
        stem = f"{name.replace('-', '_')}-99.0"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}-stand-in.pth", f"{TOOLS}\n")
            wheel.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0\n")
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    found = metadata.distribution("setuptools")  # the real one: our wheel is built with it
    with zipfile.ZipFile(folder / f"setuptools-{found.version}-py3-none-any.whl", "w") as wheel:
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                wheel.write(Path(str(found.locate_file(file))), str(file))
    return folder


def make_environment(folder: Path, wheels: Path) -> Path:
    """An environment with the stand-ins, to be copied where a test need not wait for a new one."""
    subprocess.run([PYTHON, "-m", "venv", folder], check=True)
    call = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--no-index", "--find-links", wheels, *LINKED]
    subprocess.run(call, check=True)
    return folder


@dataclass
class Loopback:
    """The device. ``place`` holds everything of it; ``environment`` is copied in place of each new one.

    Its user's login shell is ``shell``; None for that of this machine's user.
    """

    place: Path
    wheels: Path
    environment: Path | None
    variables: dict[str, str] = field(default_factory=dict)
    shell: str | None = None
    server: subprocess.Popen[bytes] | None = None
    port: int = 0

    def __post_init__(self) -> None:
        for name in ("home", "bin", "host"):
            (self.place / name).mkdir(parents=True)
        for name in ("key", "host_key", "other_key"):
            call = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(self.place / name)]
            subprocess.run(call, check=True)
        shutil.copy(self.place / "key.pub", self.place / "authorized_keys")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.know("host_key")
        copied = f'[ "$1 $2" != "-m venv" ] || exec cp -r {self.environment} "$3"\n' if self.environment else ""
        self.command("python3", f'{copied}exec {PYTHON} "$@"')
        self._script(self.place / "host" / "python3", f'exec {PYTHON} "$@"')
        user = getpass.getuser()
        # -l first: the page's commands name a user whom this machine does not have
        self._script(self.place / "host" / "ssh", f'exec {SSH} -F {self.place}/config -l {user} "$@"')
        (self.place / "config").write_text(
            f"Host {HOST}\n  HostName 127.0.0.1\n  Port {self.port}\n  IdentityFile {self.place}/key\n"
            f"  IdentitiesOnly yes\n  UserKnownHostsFile {self.place}/known_hosts\n  StrictHostKeyChecking yes\n"
            "  PasswordAuthentication no\n  RemoteCommand echo a config for people\n"
        )
        self.start()

    @property
    def home(self) -> Path:
        return self.place / "home"

    def know(self, key: str) -> None:
        """Let the user know the device by this key."""
        public = (self.place / f"{key}.pub").read_text()
        (self.place / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")

    def command(self, name: str, script: str) -> None:
        """A program that the device finds first."""
        self._script(self.place / "bin" / name, script)

    def start(self) -> None:
        """Start the server."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(parents=True, exist_ok=True)  # sshd asks for it, as Debian's service makes it
        variables = {
            "HOME": self.home,
            "PATH": f"{self.place}/bin:/usr/bin:/bin",
            "PIP_NO_INDEX": 1,
            "PIP_FIND_LINKS": self.wheels,
            **self.variables,
        }
        force = f'ForceCommand exec {self.shell} -c "$SSH_ORIGINAL_COMMAND"\n' if self.shell else ""
        (self.place / "sshd_config").write_text(
            f"{force}"
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.place}/host_key\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.place}/authorized_keys\nStrictModes no\nPermitRootLogin yes\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n"
            f"SetEnv {' '.join(f'{name}={value}' for name, value in variables.items())}\n"
        )
        call = [str(SSHD), "-D", "-e", "-f", str(self.place / "sshd_config")]
        with (self.place / "sshd.log").open("ab") as log:
            self.server = subprocess.Popen(call, stderr=log)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        pytest.fail((self.place / "sshd.log").read_text())

    def cut(self) -> None:
        """Cut every connection; new ones can be made."""
        assert self.server is not None
        for child in Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text().split():
            for each in (*Path(f"/proc/{child}/task/{child}/children").read_text().split(), child):
                with contextlib.suppress(ProcessLookupError):
                    if b"sshd" in Path(f"/proc/{each}/cmdline").read_bytes():
                        os.kill(int(each), signal.SIGKILL)

    def stop(self) -> None:
        """End the server with its connections; what runs in the background of the device goes on."""
        if self.server is not None:
            self.cut()
            self.server.terminate()
            self.server.wait()
            self.server = None

    def call(self, *arguments: object, source: Path = ROOT) -> subprocess.Popen[str]:
        """Start ``python -m benchmarks device`` as a user of this machine would."""
        command = [sys.executable, "-m", "benchmarks", "device", *map(str, arguments)]
        return subprocess.Popen(
            command, cwd=source, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: object) -> tuple[int, str]:
        """The same to its end: its exit code and what it printed."""
        process = self.call(*arguments)
        said, _ = process.communicate(timeout=300)
        assert f'File "{ROOT}' not in said, said  # a traceback of this machine
        return process.returncode, said

    @property
    def environ(self) -> dict[str, str]:
        """What the user's commands find."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
            "PATH": f"{self.place}/host:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }

    @staticmethod
    def _script(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
