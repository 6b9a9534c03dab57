"""Sending to an archive: nothing is lost and nothing is sent twice, whatever fails."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.__main__ import main
from tests.helpers.places import ROOT

pytest.importorskip("pynetdicom")

import pydicom

from tests.helpers.dicom_files import PATIENT, SYNTAXES, write_dicom
from tests.runtime.pacs.conftest import FRAME

SECRETS = ("SECRET", "19870605", "20250403")


def uid(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def waiting(spool: Path) -> int:
    return len(list((spool / "waiting").glob("*.dcm")))


@pytest.fixture
def send(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Send files into ``tmp_path / "spool"``: the exit code, and what was printed."""

    def call(*words: object, port: int | None = None, called: str = "ARCHIVE") -> tuple[int, str]:
        to = [] if port is None else ["--to", f"127.0.0.1:{port}", "--called", called]
        timeout = [] if "--timeout-s" in words else ["--timeout-s", "5"]
        code = main(["send", *map(str, words), *to, "--spool", str(tmp_path / "spool"), *timeout])
        printed = capsys.readouterr()
        assert not [secret for secret in SECRETS if secret in printed.out + printed.err]
        return code, printed.out + printed.err

    return call


def test_files_arrive_as_they_are_once(archive: Any, send: Any, files: list[Path], tmp_path: Path) -> None:
    server = archive()
    code, said = send(*files, port=server.port)
    assert code == 0 and f"3 files sent to ARCHIVE at 127.0.0.1:{server.port}, 0 waiting." in said
    for path in files:
        (data,) = server.stored[uid(path)]
        assert path.read_bytes().endswith(data) and len(data) > FRAME.size
    for words in (files, ()):
        code, said = send(*words, port=server.port if words else None)
        assert code == 0 and said.count("was sent before") == len(words) and "0 files sent" in said
    assert [len(got) for got in server.stored.values()] == [1, 1, 1]
    assert waiting(tmp_path / "spool") == 0 and all(path.exists() for path in files)


def test_every_transfer_syntax_is_sent_as_it_is(archive: Any, send: Any, tmp_path: Path) -> None:
    server = archive()
    paths = [write_dicom(tmp_path / f"{name}.dcm", [FRAME, FRAME], name) for name in SYNTAXES]
    assert send(*paths, port=server.port)[0] == 0
    for path in paths:
        assert path.read_bytes().endswith(server.stored[uid(path)][0]), path


def test_a_server_that_takes_implicit_files_alone_gets_them(archive: Any, send: Any, tmp_path: Path) -> None:
    server = archive(kinds=["1.2.840.10008.5.1.4.1.1.6.1"])
    server.server.ae.supported_contexts[0].transfer_syntax = ["1.2.840.10008.1.2"]
    path, packed = write_dicom(tmp_path / "a.dcm", FRAME), write_dicom(tmp_path / "b.dcm", FRAME, "rle")
    code, said = send(path, packed, port=server.port)
    assert (
        code == 1 and "b.dcm                    waits: the server does not take Ultrasound Image Storage as RLE" in said
    )
    assert list(server.stored) == [uid(path)] and server.stored[uid(path)][0].endswith(FRAME.tobytes())


@pytest.mark.parametrize(
    ("options", "called", "said"),
    [
        ({"require_called_aet": True}, "OTHER", "Called AE title not recognised"),
        ({"require_calling_aet": ["FRIEND"]}, "ARCHIVE", "Calling AE title not recognised"),
        ({"kinds": ["1.2.840.10008.5.1.4.1.1.88.33"]}, "ARCHIVE", "the server takes none of these kinds of files"),
    ],
)
def test_a_refused_association_loses_nothing(
    archive: Any, send: Any, files: list[Path], tmp_path: Path, options: Any, called: str, said: str
) -> None:
    code, printed = send(*files, port=archive(**options).port, called=called)
    assert code == 1 and printed.count(said) == 3 and printed.count(".dcm                    waits: ") == 3
    assert "python -m edge_runtime send --spool" in printed and waiting(tmp_path / "spool") == 3
    right = archive()
    code, printed = send(port=right.port)  # the address was wrong: nothing was sent there, so the spool takes another
    assert code == 0 and len(right.stored) == 3 and waiting(tmp_path / "spool") == 0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_no_server_then_one(archive: Any, send: Any, files: list[Path], tmp_path: Path) -> None:
    port = free_port()
    code, said = send(*files, port=port)
    assert code == 1 and said.count("there is no connection to 127.0.0.1") == 3
    server = archive(port=port)
    assert send()[0] == 0 and sorted(server.stored) == sorted(map(uid, files))


def test_a_host_that_is_unknown_and_a_server_of_another_kind(files: list[Path], tmp_path: Path, capsys: Any) -> None:
    call = ["send", str(files[0]), "--called", "A", "--timeout-s", "1", "--spool"]
    assert main([*call, str(tmp_path / "a"), "--to", "no.such.invalid:104"]) == 1
    assert "there is no computer no.such.invalid" in capsys.readouterr().out
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert main([*call, str(tmp_path / "b"), "--to", f"127.0.0.1:{silent.getsockname()[1]}"]) == 1
    assert "did not accept an association" in capsys.readouterr().out and time.monotonic() - began < 5


ANSWERS = {
    0xA700: "waits: the server refused it: it is out of resources (status A700)",
    0xA901: "waits: the server refused it: the file is not what its kind must be (status A901)",
    0xC123: "waits: the server refused it: it cannot understand the file (status C123)",
    0x0124: "waits: the server refused it: it is not allowed (status 0124)",
    0x0110: "waits: the server refused it: it gave no reason (status 0110)",
    0x0000: "sent\n",
    0xB000: "sent: the server changed or left out elements (status B000)",
    0x0111: "sent: the server had it already",
}


def test_each_answer_is_told_and_what_was_refused_is_sent_again(archive: Any, send: Any, tmp_path: Path) -> None:
    server = archive()
    server.answers = [*ANSWERS]
    files = [write_dicom(tmp_path / f"{n}.dcm", FRAME) for n in range(len(ANSWERS))]
    code, printed = send(*files, port=server.port)
    for n, said in enumerate(ANSWERS.values()):
        assert f"{n}.dcm                    {said}" in printed
    assert code == 1 and waiting(tmp_path / "spool") == 5 and len(server.stored) == 2
    assert send()[0] == 0 and sorted(server.stored) == sorted(map(uid, files[:7]))
    assert [len(got) for got in server.stored.values()] == [1] * 7


_DYING = """
import os, sys
from pathlib import Path
import pynetdicom
folder, port, deadly = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def store(event):
    uid = event.request.AffectedSOPInstanceUID
    if deadly == "before" and len(list(folder.iterdir())) == 1:
        os._exit(9)
    with (folder / uid).open("ab") as file:
        file.write(b"x")
    if deadly == "after" and len(list(folder.iterdir())) == 2:
        os._exit(9)
    return 0
entity = pynetdicom.AE("ARCHIVE")
entity.supported_contexts = pynetdicom.AllStoragePresentationContexts
entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(pynetdicom.evt.EVT_C_STORE, store)])
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("deadly", "again"), [("before", 1), ("after", 2)])
def test_a_server_that_is_gone_midway(send: Any, files: list[Path], tmp_path: Path, deadly: str, again: int) -> None:
    kept, port = tmp_path / "kept", free_port()
    kept.mkdir()
    for state, code, left in ((deadly, 1, 2), ("never", 0, 0)):
        call = [sys.executable, "-c", _DYING, str(kept), str(port), state]
        with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout and server.stdout.readline() == "ready\n"
            got, said = send(*files, port=port)
            server.kill()
        assert got == code and waiting(tmp_path / "spool") == left, said
    assert "the connection was lost" not in said
    # the answer to the second was lost: it was sent again, under the same UID
    assert {path.name: len(path.read_bytes()) for path in kept.iterdir()} == {
        uid(files[0]): 1, uid(files[1]): again, uid(files[2]): 1
    }  # fmt: skip


def test_one_file_that_ends_the_server_does_not_hold_up_the_others(
    archive: Any, send: Any, files: list[Path], tmp_path: Path
) -> None:
    server = archive()
    poison, store = uid(files[0]), server._store

    def abort(event: Any) -> int:
        if event.request.AffectedSOPInstanceUID == poison:
            event.assoc.abort()
        return int(store(event))

    import pynetdicom

    server.server.bind(pynetdicom.evt.EVT_C_STORE, abort)
    code, said = send(*files, port=server.port)
    assert code == 1 and "0.dcm                    waits: the connection was lost" in said
    assert {uid(files[1]), uid(files[2])} <= set(server.stored) and waiting(tmp_path / "spool") == 1


@pytest.mark.parametrize("moment", ["while it waits for the answer", "before the file is deleted"])
def test_a_sender_that_is_killed_loses_nothing(
    archive: Any, send: Any, files: list[Path], tmp_path: Path, moment: str
) -> None:
    server = archive()
    program = "import os, sys\nfrom edge_runtime.__main__ import main\n"
    if moment == "before the file is deleted":
        program += "from pathlib import Path\nPath.unlink = lambda self, missing_ok=False: os.kill(os.getpid(), 9)\n"
    else:
        program += "from pynetdicom.association import Association\n"
        program += "Association.send_c_store = lambda self, *_: os.kill(os.getpid(), 9)\n"
    program += "main(sys.argv[1:])"
    spool = tmp_path / "spool"
    words = [*files, "--to", f"127.0.0.1:{server.port}", "--called", "ARCHIVE", "--spool", spool]
    done = subprocess.run([sys.executable, "-c", program, "send", *map(str, words)], cwd=ROOT, capture_output=True)
    assert done.returncode == -signal.SIGKILL and waiting(spool) == 3
    (spool / "waiting" / ".half.dcm.tmp").write_bytes(b"half a file")
    code, said = send()
    assert code == 0 and [len(server.stored[uid(path)]) for path in files] == [1, 1, 1], said
    assert not list((spool / "waiting").iterdir()) and len(list((spool / "sent").iterdir())) == 3


@pytest.mark.parametrize(
    ("silence", "ending"),
    [("a connection", signal.SIGINT), ("an association", signal.SIGTERM), ("an answer", signal.SIGINT)],
)
def test_a_sender_that_waits_for_a_silent_server_ends_when_told_to(
    archive: Any, files: list[Path], tmp_path: Path, silence: str, ending: signal.Signals
) -> None:
    reached, over, spool = threading.Event(), threading.Event(), tmp_path / "spool"
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as queue:
        port = server.getsockname()[1]
        if silence == "a connection":  # the queue of those that are not let in is full
            for _ in range(4):
                client = queue.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
        elif silence == "an answer":
            freezing = archive()
            port = freezing.port
            store = lambda event: (reached.set(), over.wait(60), freezing._store(event))[-1]  # noqa: E731
            import pynetdicom

            freezing.server.bind(pynetdicom.evt.EVT_C_STORE, store)
        words = [*files, "--to", f"127.0.0.1:{port}", "--called", "ARCHIVE", "--spool", spool, "--timeout-s", "60"]
        call = [sys.executable, "-m", "edge_runtime", "send", *map(str, words)]
        with subprocess.Popen(call, cwd=ROOT, stderr=subprocess.PIPE, text=True) as sender:
            try:
                if silence == "an association":
                    server.settimeout(60)
                    queue.enter_context(server.accept()[0])
                elif silence == "an answer":
                    assert reached.wait(60)
                else:
                    until = time.monotonic() + 60
                    while not (spool / "waiting").exists() or waiting(spool) < 3:
                        assert time.monotonic() < until
                        time.sleep(0.1)
                time.sleep(1)
                sender.send_signal(ending)
                _, said = sender.communicate(timeout=20)
            finally:
                over.set()
                sender.kill()
    assert sender.returncode == 128 + ending and said.count("\n") == 1, said
    assert waiting(spool) == 3


@pytest.mark.skipif(shutil.which("storescp") is None, reason="storescp is not installed (Debian: dcmtk)")
def test_dcmtks_server_and_what_it_stores(send: Any, tmp_path: Path) -> None:
    kept, port = tmp_path / "kept", free_port()
    kept.mkdir()
    frame = FRAME.repeat(20, axis=0).repeat(20, axis=1)  # more than what fits on the way to a server that hangs
    big = write_dicom(tmp_path / "big.dcm", [frame] * 3)
    with subprocess.Popen(["storescp", "-od", str(kept), "-aet", "ARCHIVE", str(port)]) as server:
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            small = write_dicom(tmp_path / "small.dcm", FRAME)
            assert send(small, port=port)[0] == 0
            server.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            code, said = send(big, "--timeout-s", 1, port=port)
            assert code == 1 and waiting(tmp_path / "spool") == 1 and time.monotonic() - began < 15, said
            server.send_signal(signal.SIGCONT)
            assert send()[0] == 0
        finally:
            server.kill()
    found = {str(pydicom.dcmread(path).SOPInstanceUID): pydicom.dcmread(path) for path in kept.iterdir()}
    assert set(found) == {uid(small), uid(big)} and found[uid(big)].PatientName == PATIENT["PatientName"]
    assert (found[uid(big)].pixel_array == frame).all()
