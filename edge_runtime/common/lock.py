"""A lock on a folder: two runs that write the same files would destroy each other's work."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_runtime.common.cli import say
from edge_runtime.errors import UsageError

LOCK = ".lock"
_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # the last two are what Windows answers
_FAR = 1 << 30  # Windows locks bytes: this one is never read, so that others can still read who holds the lock

_TRIES = 100


@contextmanager
def locked(folder: Path, option: str = "--out") -> Iterator[None]:
    """Hold a folder for this process. The folder is made if it does not exist, and removed again if it stays empty.

    The system drops the lock when the process ends, however it ends. A lock file that is left over does not count.
    Where the file system has no locks, a warning is printed and nothing is locked.

    Args:
        folder: The folder.
        option: The option that names it, for messages.

    Raises:
        UsageError: Another process holds the folder, or the folder cannot be written.
    """
    made = not folder.exists()
    try:
        descriptor = _open_locked(folder, option)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error}. Choose another {option}.") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no file that is open; it stays, and does no harm
            (folder / LOCK).unlink()  # before the lock is dropped: later, it could be another run's
        os.close(descriptor)
        if made:
            with contextlib.suppress(OSError):  # it holds a run now
                folder.rmdir()


def _open_locked(folder: Path, option: str) -> int:
    path = folder / LOCK
    for _ in range(_TRIES):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # the last run removed the folder just now
            continue
        try:
            _lock(descriptor, path, option)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                with contextlib.suppress(OSError):  # on a full disk: it is only for messages
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last run removed the file after it was opened here: it locks nothing
    raise FileNotFoundError(errno.ENOENT, "the lock file disappears", str(path))


def _lock(descriptor: int, path: Path, option: str) -> None:
    """Take the lock, or raise UsageError if another process holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (OSError, ImportError) as error:
        if not isinstance(error, OSError) or error.errno not in _HELD:
            say(f"warning: {path.parent} cannot be locked here ({error}). Do not start a second run into it.")
            return
        try:
            holder = path.read_text(errors="replace").strip()[:100] or "unknown process"
        except OSError:
            holder = "unknown process"
        raise UsageError(
            f"{path.parent} is in use by another run ({holder}). Wait until it ends, stop it, or choose another "
            f"{option}."
        ) from None
