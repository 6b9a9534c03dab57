"""A real archive: pynetdicom's server on loopback, which keeps what it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from train.data.phantom import make_phantom

FRAME = make_phantom(0)[0][::4, ::4]


class Archive:
    """A server. What it has is in ``stored``: how often it got each SOP Instance UID, and the data set.

    Attributes:
        answers: The status of each answer to come; then success.
    """

    def __init__(self, title: str = "ARCHIVE", port: int = 0, kinds: list[str] | None = None, **options: Any) -> None:
        import pynetdicom

        self.stored: dict[str, list[bytes]] = {}
        self.answers: list[int] = []
        entity = pynetdicom.AE(title)
        for name, value in options.items():
            setattr(entity, name, value)
        for context in pynetdicom.AllStoragePresentationContexts if kinds is None else ():
            entity.add_supported_context(context.abstract_syntax, pynetdicom.ALL_TRANSFER_SYNTAXES)
        for kind in kinds or ():
            entity.add_supported_context(kind)
        handlers = [(pynetdicom.evt.EVT_C_STORE, self._store)]
        self.server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        self.port = self.server.server_address[1]

    def _store(self, event: Any) -> int:
        answer = self.answers.pop(0) if self.answers else 0
        if answer == 0 or answer & 0xF000 == 0xB000:
            data: bytes = event.request.DataSet.getvalue()
            self.stored.setdefault(event.request.AffectedSOPInstanceUID, []).append(data)
        return answer


@pytest.fixture
def archive() -> Iterator[Callable[..., Archive]]:
    """Start archives: ``archive()``."""
    pytest.importorskip("pynetdicom")
    started: list[Archive] = []

    def start(**options: Any) -> Archive:
        started.append(Archive(**options))
        return started[-1]

    yield start
    for each in started:
        each.server.shutdown()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three images to send."""
    pytest.importorskip("pydicom")
    from tests.helpers.dicom_files import write_dicom

    (tmp_path / "images").mkdir()
    return [write_dicom(tmp_path / "images" / f"{n}.dcm", FRAME + n) for n in range(3)]
