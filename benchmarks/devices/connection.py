"""One connection to a device by the system's ssh: its config, agent and known hosts are the user's."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from edge_runtime.errors import FetalHeadError, UsageError

SCRIPT = Path(__file__).with_name("on_device.sh")

MARK = "fhe:"
"""Begins the lines of the script that are meant for this program."""

_SSH_FAILED = 255
"""The exit code of ssh for its own failures. The script never ends with it."""

_OURS = {
    # found dead after 45 s, so that the run can be followed again
    "ConnectTimeout": "15",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "3",
    # of a config that is made for people
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "PermitLocalCommand": "no",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
}

_UNREACHABLE = (
    "Could not resolve|Name or service not known|Connection refused|timed out|Timeout|No route to host|"
    "Network is unreachable|Host is down|Connection reset|Connection closed|Broken pipe|closed by remote host|"
    "read from master failed|disconnect|kex_exchange_identification|banner exchange"
)


class ConnectionLost(FetalHeadError):
    """The device cannot be reached, or no longer. Trying again may help."""

    code = "connection"


@dataclass(frozen=True)
class Connection:
    """How to reach a device.

    Attributes:
        destination: What ssh takes: ``user@host``, or a name from its config.
        given: The user's options of ssh, which stand first, because the first one wins.
        options: Those that are always given.
        first: Command line that a person needs before; empty if none.
    """

    destination: str
    given: tuple[str, ...]
    options: tuple[str, ...]
    first: str = ""

    @property
    def by_hand(self) -> str:
        """The command line that connects a person."""
        return self.first + shlex.join(["ssh", *self.given, self.destination])

    def script(self, action: str, folder: str, *arguments: str) -> str:
        """Run an action of ``on_device.sh``; returns what it printed.

        Raises:
            FetalHeadError: ssh or the action failed.
        """
        command = shlex.join(["sh", "-s", "--", action, folder, *arguments])
        with SCRIPT.open("rb") as script:
            return self._call(command, script).decode(errors="replace")

    def unpack(self, archive: IO[bytes], folder: str) -> None:
        """Unpack a compressed tar archive into a folder of the device.

        Raises:
            FetalHeadError: ssh or tar failed.
        """
        # as the user's own files, and not from the future where a board has no clock
        self._call(shlex.join(["env", "LC_ALL=C", "tar", "-xzmof", "-", "-C", folder]), archive)

    def follow(self, folder: str, offset: int, show: Callable[[bytes], None]) -> None:
        """Show the log of the run from a byte on, until the run has ended.

        Raises:
            ConnectionLost: The connection was lost meanwhile.
            FetalHeadError: ssh or the action failed.
        """
        command = shlex.join(["sh", "-s", "--", "follow", folder, str(offset)])
        with SCRIPT.open("rb") as script, tempfile.TemporaryFile() as said:
            with subprocess.Popen(self._ssh(command), stdin=script, stdout=subprocess.PIPE, stderr=said) as ssh:
                out = cast(io.BufferedReader, ssh.stdout)
                try:
                    while (line := out.readline()) and line.rstrip() != f"{MARK}log".encode():
                        pass
                    while chunk := out.read1():
                        show(chunk)
                except BaseException:
                    ssh.kill()
                    raise
            self._check(ssh.returncode, said)

    def close(self) -> None:
        """End the connection that the calls share."""
        subprocess.run([*self._begin(), "-O", "exit", "--", self.destination], capture_output=True, check=False)

    def _call(self, command: str, stdin: IO[bytes]) -> bytes:
        # the shared connection goes to the background with its stderr: a pipe would not end, a file does not matter
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(self._ssh(command), stdin=stdin, stdout=subprocess.PIPE, stderr=said, check=False)
            self._check(done.returncode, said)
        return done.stdout

    def _ssh(self, command: str) -> list[str]:
        return [*self._begin(), "-T", "--", self.destination, command]

    def _begin(self) -> list[str]:
        return ["ssh", *self.given, *self.options]

    def _check(self, code: int, said: IO[bytes]) -> None:
        """Raise what went wrong, in words, if something did."""
        if code == 0:
            return
        said.seek(0)
        text = said.read().decode(errors="replace")
        if code == _SSH_FAILED or code < 0:
            raise why_ssh_failed(text, self.destination, self.by_hand)
        raise FetalHeadError(why_device_failed(text, self.destination, self.by_hand))


def why_ssh_failed(text: str, destination: str, by_hand: str) -> FetalHeadError:
    """What ssh's own failure means, from what it printed."""
    host = destination.rpartition("@")[2]
    last = _last_line(text)
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in text:
        remove = re.search(r"ssh-keygen -f .* -R .*", text)  # Debian's ssh says it, with the right file and port
        return FetalHeadError(
            f"The host key of {host} is not the one that your known_hosts file holds. The device was installed anew, "
            "or another machine answers at its address. If you know why, remove the old key: "
            + (remove[0].strip() if remove else f"ssh-keygen -R {host}")
        )
    if "Host key verification failed" in text:
        return FetalHeadError(
            f"The host key of {host} is not known yet, and was not confirmed. Connect once by hand, compare the "
            f"fingerprint, and answer yes: {by_hand}"
        )
    if "Permission denied" in text or "Too many authentication failures" in text:
        return FetalHeadError(
            f"{host} refused to let you in ({last}). Check the user's name, which ssh takes from its config or from "
            f"user@host, and the password or key. This must work by hand: {by_hand}"
        )
    if re.search("Bad configuration option|no argument after keyword|Bad .*value|command-line line", text):
        return UsageError(f"ssh does not take an option ({last}). Correct --ssh-option, or ssh's config.")
    if re.search(_UNREACHABLE, text):
        return ConnectionLost(
            f"{host} cannot be reached ({last}). Is it on, in this network, and its ssh server enabled? "
            f"Check: {by_hand}"
        )
    return ConnectionLost(f"The connection to {host} was lost ({last}). Check: {by_hand}")


def why_device_failed(text: str, destination: str, by_hand: str) -> str:
    """What the failure of a command on the device means, from what it printed."""
    host = destination.rpartition("@")[2]
    last = _last_line(text)
    if "No space left" in text or "Disk quota exceeded" in text:
        return f"The disk of {host} became full. Free some space there, or name a folder on another disk with --folder."
    if "tar" in text and "not found" in text:
        return f"{host} has no tar ({last}). Install it there, for example with: sudo apt install tar"
    return f"A command failed on {host}: {last}. Look at the device: {by_hand}"


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


@contextlib.contextmanager
def connect(
    destination: str, port: int | None = None, ssh_options: Sequence[str] = (), first: str = ""
) -> Iterator[Connection]:
    """A connection that all calls share, so that a password is asked for once; it is closed at the end.

    Args:
        destination: What ssh takes: ``user@host``, or a name from its config.
        port: Its port; None for that of ssh's config.
        ssh_options: What follows ``-o`` of ssh. These win over our own.
        first: As in :class:`Connection`.

    Raises:
        UsageError: This machine has no ssh, or the destination is not one.
    """
    if not re.fullmatch(r"[^\s\0-\x1f-][^\s\0-\x1f]*", destination):
        raise UsageError(f"{destination!r} is not a destination of ssh. Give user@host, or a name from ssh's config.")
    # in a short place: the path of a socket has about 100 characters at most
    with tempfile.TemporaryDirectory(prefix="fhe-ssh-") as place:
        given = [f"-o{option}" for option in ssh_options]
        given += [] if port is None else ["-p", str(port)]
        shared = {"ControlMaster": "auto", "ControlPath": f"{place}/s", "ControlPersist": "10m"}
        ours = [f"-o{name}={value}" for name, value in {**shared, **_OURS}.items()]
        connection = Connection(destination, tuple(given), tuple(ours), first)
        try:
            subprocess.run(["ssh", "-V"], capture_output=True, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise UsageError(f"ssh cannot be started here: {error}. Install OpenSSH's client.") from error
        try:
            yield connection
        finally:
            connection.close()
