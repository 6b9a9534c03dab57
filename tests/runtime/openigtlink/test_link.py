"""A running link, its answers, and what it does with what is wrong. The messages go through real sockets."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyigtl
import pytest
from PIL import Image

from edge_runtime import FetalHeadError, Segmenter, UsageError
from edge_runtime.__main__ import main
from edge_runtime.links.openigtlink.connections import MOST_PEERS, Address
from edge_runtime.links.openigtlink.image import PixelSizes
from edge_runtime.links.openigtlink.link import Ends, Link
from edge_runtime.streaming.stream import Rules
from tests.runtime.openigtlink.client import Answer, Client
from tests.runtime.openigtlink.programs import free_port
from tests.runtime.openigtlink.speaker import DEVICE, FRAME, HC_MM, SIZE, SKULL, SPACING_MM, image
from tests.runtime.openigtlink.test_image import WRONG, turned

HERE = Address("127.0.0.1", 0)
NO_HEAD = np.zeros(SIZE, np.uint8)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.load()


Start = Callable[..., Link]


@pytest.fixture
def start(segmenter: Segmenter) -> Iterator[Start]:
    """Starts a link, which runs in a thread until the test ends. ``link.said`` is what people are told."""
    with contextlib.ExitStack() as stack:

        def started(ends: Ends | None = None, given: Any = None, trust: bool = False, **rules: float) -> Link:
            said: list[str] = []
            rules = {"deadline_ms": 20_000, "stall_s": 20, **rules}
            link = Link(segmenter, ends or Ends(listen=HERE), PixelSizes(given, trust), Rules(**rules), said.append)
            link.said = said  # type: ignore[attr-defined]
            thread = threading.Thread(target=lambda: [None for _ in link])
            thread.start()
            stack.callback(thread.join)
            stack.callback(link.close)
            return link

        yield started


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert not [thread for thread in threading.enumerate() if thread not in before and thread.name.startswith("igtl")]


def connect(link: Link) -> Client:
    assert link.address is not None
    return Client(link.address)


def wait_for(done: Callable[[], object]) -> None:
    until = time.monotonic() + 10
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)


def check_no_number(answer: Answer) -> None:
    """Neither a number in mm nor anything of the frames before is left."""
    text = answer.text
    for key in ("head_circumference_mm", "measured_mm", "interval_mm", "summary"):
        assert key in text and text[key] is None
    assert text["reason"] and answer.status[2] == text["reason"]
    assert len(answer.points) == 0 == len(answer.line)
    assert answer.mask is None or not answer.mask.any()


def test_the_answer_lies_where_the_image_lies(start: Start) -> None:
    client = connect(start())
    matrix = turned(SPACING_MM, SPACING_MM)
    client.send(pyigtl.ImageMessage(FRAME[None], matrix, "ras", timestamp=1234.5, device_name=DEVICE))
    answer = client.answer()
    hc_mm = answer.text["head_circumference_mm"]
    assert hc_mm == pytest.approx(HC_MM, rel=0.03) and answer.status == (1, "measured", "")
    assert answer.names == dict(
        zip(("STRING", "STATUS", "POLYDATA", "IMAGE"), (DEVICE + end for end in ("_hc", "_stat", "_head", "_mask")),
            strict=True)
    )  # fmt: skip
    assert [time_s == pytest.approx(1234.5, abs=1e-6) for time_s in answer.times] == [True]
    assert np.allclose(answer.matrix, matrix, atol=1e-4)
    assert answer.line == [*range(360), 0]
    line = answer.points[answer.line]
    assert np.linalg.norm(np.diff(line, axis=0), axis=1).sum() == pytest.approx(hc_mm, rel=1e-3)
    centre = matrix @ [SKULL.center_x, SKULL.center_y, 0, 1]
    assert np.linalg.norm(answer.points.mean(axis=0) - centre[:3]) < 2
    assert answer.mask is not None and answer.mask.shape == SIZE and set(np.unique(answer.mask)) == {0, 255}
    overlap = (answer.mask > 0) & SKULL.interior(SIZE)
    assert overlap.sum() > 0.9 * (answer.mask > 0).sum()


def test_pixels_that_are_not_square(start: Start) -> None:
    client = connect(start())
    client.send(pyigtl.ImageMessage(FRAME[None, ::2], turned(SPACING_MM, 2 * SPACING_MM), device_name=DEVICE))
    answer = client.answer()
    assert answer.text["head_circumference_mm"] == pytest.approx(HC_MM, rel=0.03)
    assert answer.text["pixel_size_mm"] == pytest.approx([SPACING_MM, 2 * SPACING_MM])
    line = answer.points[answer.line]
    assert np.linalg.norm(np.diff(line, axis=0), axis=1).sum() == pytest.approx(HC_MM, rel=0.03)


def test_the_text_has_the_keys_of_stream(start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(FRAME).save(tmp_path / "a.png")
    main(["stream", str(tmp_path / "a.png"), "--json"])
    stream = json.loads(capsys.readouterr().out.splitlines()[0])
    client = connect(start())
    client.send(image(), image(NO_HEAD))
    for _ in range(2):
        assert client.answer().text.keys() == stream.keys() | {"timestamp_s", "pixel_size_mm"}
        client.send(image(NO_HEAD))


def test_what_is_refused_sends_no_number(start: Start) -> None:
    client = connect(start())
    for _ in range(6):  # enough for a median
        client.send(image())
        answer = client.answer("measured")
    assert answer.text["summary"] and answer.mask is not None and answer.mask.any()
    client.send(image(NO_HEAD))
    refused = client.answer()
    check_no_number(refused)
    assert refused.status[:2] == (4, "refused") and not refused.text["failed"]


def test_one_millimetre_gives_an_outline_and_no_number(start: Start) -> None:
    client = connect(start())
    client.send(image(spacing=1.0))
    answer = client.answer()
    assert answer.status[:2] == (4, "refused") and "exactly 1 mm" in answer.text["reason"]
    assert answer.text["head_circumference_mm"] is answer.text["measured_mm"] is answer.text["pixel_size_mm"] is None
    assert len(answer.points) == 360 and answer.mask is not None and answer.mask.any()


def test_a_spacing_may_be_trusted_or_given(start: Start) -> None:
    client = connect(start(given=SPACING_MM))
    client.send(image(spacing=1.0))
    assert client.answer().text["head_circumference_mm"] == pytest.approx(HC_MM, rel=0.03)
    client = connect(start(trust=True))
    client.send(image(FRAME[::2, ::2], spacing=1.0))  # a head of more than half a metre
    assert "exactly 1 mm" not in client.answer().text["reason"]


def test_a_late_result_sends_no_number(start: Start) -> None:
    client = connect(start(deadline_ms=0.01))
    client.send(image())
    answer = client.answer()
    check_no_number(answer)
    assert answer.status[:2] == (7, "late")


def test_wrong_types_are_named_and_the_stream_goes_on(start: Start) -> None:
    link = start()
    client = connect(link)
    for name, (pixels, matrix, why) in WRONG.items():
        client.send(image())
        assert client.answer().status[1] == "measured"
        with np.errstate(invalid="ignore"):
            matrix = np.diag([0.2, 0.2, 0.2, 1]) if matrix is None else matrix
            client.send(pyigtl.ImageMessage(pixels, matrix, device_name=DEVICE))
        answer = client.answer()
        check_no_number(answer)
        assert why in answer.text["reason"] and answer.status[:2] == (2, "failed"), name
    client.send(image())
    assert client.answer().text["counts"]["failed"] == len(WRONG)


def test_other_messages_are_told_once(start: Start) -> None:
    link = start()
    client = connect(link)
    other = pyigtl.TransformMessage(np.eye(4), device_name="ProbeToTracker")
    client.send(other, other, pyigtl.StringMessage("depth 80", device_name="Depth"), image(), other, image())
    client.answer("measured")
    assert len(client.notes) == 2 and client.notes[0].startswith("TRANSFORM messages are not measured")
    assert len([line for line in link.said if "'ProbeToTracker' is not used" in line]) == 1  # type: ignore[attr-defined]


def test_one_sender_is_measured_until_it_leaves(start: Start) -> None:
    link = start()
    first, second = connect(link), connect(link)
    first.send(image())
    first.answer("measured")
    second.send(image(NO_HEAD))
    wait_for(lambda: [line for line in link.said if "another sender" in line])  # type: ignore[attr-defined]
    first.send(image(), image(NO_HEAD, device_name="Other"))
    assert first.answer("measured", "refused").text["image"] == DEVICE
    first.socket.close()
    wait_for(lambda: [line for line in link.said if line.startswith("disconnected")])  # type: ignore[attr-defined]
    second.send(image(NO_HEAD))
    assert second.answer("refused").text["reason"] and "another sender" in second.notes[0]


def test_a_device_is_chosen_and_long_names_are_cut(start: Start) -> None:
    client = connect(start(Ends(listen=HERE, device="Image_Transducer_2")))
    client.send(image(NO_HEAD), image(device_name="Image_Transducer_2"))
    answer = client.answer()
    assert answer.text["image"] == "Image_Transducer_2" and answer.text["counts"]["received"] == 1
    assert answer.names["IMAGE"] == "Image_Transduce_mask" and "--device" in client.notes[0]


def test_images_come_from_one_end_and_results_go_to_the_other(start: Start) -> None:
    scanner = start()  # plays the scanner: what connects to it is the other link
    assert scanner.address is not None
    link = start(Ends(connect=scanner.address, listen=HERE))
    client = connect(link)
    wait_for(lambda: scanner._readers.all)
    client.send(image(NO_HEAD))
    wait_for(lambda: [line for line in link.said if "is not used" in line])  # type: ignore[attr-defined]
    scanner._readers.all[0].offer([image().pack()])
    assert client.answer("measured").text["counts"]["received"] == 1
    assert client.notes and "alone" in client.notes[0]
    assert not [line for line in scanner.said if "is not used" in line]  # type: ignore[attr-defined]
    assert scanner.stream.counts.received == 0


def test_garbage_ends_a_connection_and_no_other(start: Start) -> None:
    link = start()
    client, rng = connect(link), np.random.default_rng(0)
    for garbage in (
        b"GET / HTTP/1.1\r\n\r\n" * 8,
        *(rng.bytes(300) for _ in range(3)),
        image().pack()[:-1] + bytes(900),
    ):
        other = connect(link)
        with contextlib.suppress(OSError):
            other.send(garbage)
        with pytest.raises((EOFError, OSError)):
            while True:
                other.answer()
    wait_for(lambda: len([line for line in link.said if "not OpenIGTLink" in line]) == 5)  # type: ignore[attr-defined]
    client.send(image())
    assert client.answer("measured")


def test_a_stall_and_the_end_take_the_number_away(start: Start) -> None:
    link = start(stall_s=0.3)
    client = connect(link)
    assert client.answer().text["image"] == "link"
    client.send(image())
    client.answer("measured")
    stalled = client.answer("stalled")
    check_no_number(stalled)
    assert stalled.text["stalled"] and stalled.text["image"] == DEVICE and stalled.mask is not None
    client.send(image())
    client.answer("measured")
    link.close()
    last = client.answer("stalled")
    while last.text["reason"] != "the link has ended":
        last = client.answer("stalled")
    check_no_number(last)


def test_a_program_that_does_not_read_gets_the_newest_later(start: Start) -> None:
    link = start()
    lazy, sender = connect(link), connect(link)
    for _ in range(30):  # 13 MB, more than a socket holds
        sender.send(image())
        newest = sender.answer().text["sequence"]
    assert newest == 30
    read = []
    while not read or read[-1] != newest:
        read.append(lazy.answer().text["sequence"])
    assert len(read) < 25 and read == sorted(set(read))


def test_too_many_programs_are_turned_away(start: Start) -> None:
    link = start()
    clients = [connect(link) for _ in range(MOST_PEERS)]
    wait_for(lambda: len(link._readers.all) == MOST_PEERS)
    with pytest.raises((EOFError, OSError)):
        connect(link).answer()
    clients[0].send(image())
    assert clients[-1].answer("measured")


def test_a_link_needs_an_end() -> None:
    with pytest.raises(UsageError, match="Give HOST:PORT"):
        main(["link"])


@pytest.mark.parametrize("text", ["host:0", "host:65536", ":18944", "a:b", "host:١٢", "[::1]:"])
def test_an_address_that_is_none_is_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["link", text])
    assert ended.value.code == 2 and "is not a host and a port" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["pyigtl", "crcmod"])
def test_what_is_missing_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyigtl", "pyigtl.comm", "pyigtl.messages"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FetalHeadError, match=rf"{package}.*pip install 'fetal-head-edge\[igtl\]'"):
        main(["link", "--listen", str(free_port())])
