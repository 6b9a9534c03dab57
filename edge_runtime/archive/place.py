"""A folder on this computer or in an object store: the same few calls for both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from edge_runtime.common.files import write_bytes
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, InputError, SourceError, UsageError


@dataclass(frozen=True)
class Place:
    """A folder.

    Attributes:
        where: Its path or URL, as it was given.
        store: The fsspec file system of a URL. None for a folder on this computer.
        root: Its path on that file system.
    """

    where: str
    store: Any
    root: str

    @property
    def path(self) -> Path:
        """The folder on this computer."""
        return Path(self.root)

    def name_of(self, name: str) -> str:
        """The path or URL of something in it, for messages."""
        return str(self.path / name) if self.store is None else f"{self.where.rstrip('/')}/{name}"

    def at(self, name: str) -> str:
        """The path of something in it, on its file system."""
        if self.store is None:
            return str(self.path / name)
        return f"{self.root.rstrip('/')}/{name}" if name else self.root

    def kind(self, name: str = "") -> str | None:
        """``folder`` or ``file``; None if there is no such thing."""
        if self.store is None:
            path = Path(self.at(name))
            return "folder" if path.is_dir() else "file" if path.exists() else None
        with _told(self.where):
            at = self.at(name)
            return "folder" if self.store.isdir(at) else "file" if self.store.exists(at) else None

    def files(self, folder: str = "") -> Iterator[str]:
        """The files in a folder and in those below it, as paths from here; hidden ones are left out.

        A link to a folder elsewhere is followed, once. What a link within the folder leads to is there anyway.

        Raises:
            UsageError: It cannot be listed.
        """
        if self.store is not None:
            with _told(self.where):
                start = self.at(folder).rstrip("/")
                found = [name[len(self.root.rstrip("/")) + 1 :] for name in self.store.find(start)]
            yield from (name for name in found if not any(part.startswith(".") for part in name.split("/")))
            return

        def stop(error: OSError) -> None:
            raise UsageError(f"{self.where} cannot be listed: {error}. Change its permissions, or name another folder.")

        root, seen = Path(self.at(folder)).resolve(), set()

        def is_new(path: Path) -> bool:
            target = path.resolve()
            if path.is_symlink() and (target.is_relative_to(root) or root.is_relative_to(target)):
                return False
            is_known = target in seen
            seen.add(target)
            return not is_known

        for top, folders, names in os.walk(Path(self.at(folder)), onerror=stop, followlinks=True):
            folders[:] = [name for name in sorted(folders) if not name.startswith(".") and is_new(Path(top) / name)]
            for name in names:
                if not name.startswith("."):
                    yield (Path(top) / name).relative_to(self.root).as_posix()

    def open(self, name: str) -> BinaryIO:
        """Open a file to read parts of it.

        Raises:
            UsageError: There is no such file.
        """
        opener = open if self.store is None else self.store.open
        try:
            file: BinaryIO = opener(self.at(name), "rb")
        except FileNotFoundError:
            raise UsageError(f"There is no file {self.name_of(name)}.") from None
        return file

    def read(self, name: str, limit: int) -> bytes:
        """A whole file from an object store.

        Raises:
            UsageError: There is no such file.
            InputError: It is larger than ``limit``, in bytes.
            SourceError: The store cannot be reached.
        """
        with _told(self.name_of(name) if name else self.where):
            data: bytes = self.store.cat_file(self.at(name), end=limit + 1)
        if len(data) > limit:
            raise InputError(f"{self.name_of(name)} has more than {limit} bytes, the most that is read.")
        return data

    def load(self, name: str) -> bytes | None:
        """A file of ours. None if there is none."""
        if self.kind(name) is None:
            return None
        with self.open(name) as file:
            return file.read()

    def save(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all: renamed into place on this computer, one put in an object store.

        Raises:
            UsageError: It cannot be written.
        """
        if self.store is None:
            write_bytes(Path(self.at(name)), data)
            return
        try:
            self.store.pipe_file(self.at(name), data)
        except OSError as error:
            raise UsageError(
                f"{self.name_of(name)} cannot be written: {error}. Check the address, and rights."
            ) from error

    def remove(self, name: str) -> None:
        """Remove a file of ours, if it is there."""
        if self.store is None:
            Path(self.at(name)).unlink(missing_ok=True)
            return
        with suppress(FileNotFoundError), _told(self.where):
            self.store.rm_file(self.at(name))


def open_place(where: str) -> Place:
    """A folder, or the folder that will be one, by its path or URL.

    Raises:
        UsageError: Nothing reads such URLs, or the package that does is not installed.
    """
    if "://" not in where:
        return Place(where, None, where)
    fsspec = require("fsspec")
    try:
        store, root = fsspec.core.url_to_fs(where := where.rstrip("/"))
    except (ImportError, ValueError, OSError) as error:
        raise UsageError(
            f"{where} cannot be opened: {error}. Install what fsspec needs for it, or correct it."
        ) from error
    if "file" in (store.protocol if isinstance(store.protocol, tuple) else (store.protocol,)):
        return Place(root, None, root)
    return Place(where, store, root)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Tell the errors of an object store: one that is about a file is the file's, all others are the store's."""
    try:
        yield
    except FetalHeadError:
        raise
    except (FileNotFoundError, IsADirectoryError):
        raise UsageError(f"There is no file {where}.") from None
    except PermissionError as error:
        raise InputError(f"{where} may not be read: {error}. Check your rights.") from None
    except Exception as error:  # each store has its own
        raise SourceError(f"{where} cannot be read: {error!s:.300}. Run it again; what is done stays done.") from error
