"""A phone's browser, here headless Chromium: what it computes, what it shows, and what happens when it is away."""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.devices.phone import command
from benchmarks.devices.phone.address import own_address
from benchmarks.frames.frame_set import read_frame_set
from benchmarks.frames.pack import PHANTOM
from benchmarks.suite.accuracy import score
from benchmarks.suite.artifacts import find_artifacts
from benchmarks.suite.document import load_document
from edge_runtime.artifact.manifest import load_manifest, read_model
from edge_runtime.artifact.network import Network
from edge_runtime.frame.preprocess import prepare
from edge_runtime.shipped import shipped_model
from tests.helpers.places import ROOT
from tests.helpers.tiny_model import make_artifact
from tests.measuring.devices.phone.conftest import Start

api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.slow

SMALL = shipped_model("edge-s")
NAME = "edge-s-full_int8"
FEW = ("--frames", 3, "--warmup", 1)
FRAMES = read_frame_set(PHANTOM).frames
TIMEOUT_MS = 120_000


BLOCK = re.search(
    r"<!-- tested in a browser -->\n```sh\n(.*?)```", (ROOT / "docs" / "devices.md").read_text(), re.DOTALL
)


class Phone:
    """A browser of its own, with the page open; every request and every complaint is kept."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.address = address
        self.context = browser.new_context(**{"viewport": {"width": 390, "height": 844}, **options})
        self.page = self.context.new_page()
        self.urls: list[str] = []
        self.answers: dict[tuple[str, int], bytes] = {}
        self.errors: list[str] = []
        self.page.on("request", self._sent)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if "Content Security" in said.text else None)

    def _sent(self, request: Any) -> None:
        self.urls.append(request.url)
        parts = urlsplit(request.url)
        if parts.path.endswith("/answer"):
            query = parse_qs(parts.query)
            self.answers[query["artifact"][0], int(query["frame"][0])] = request.post_data_buffer

    def open(self, name: str | None = "Phone One") -> Phone:
        """Open the page and, if it has a name, start."""
        self.page.goto(self.address)
        if name:
            self.page.locator("#model").fill(name)
            self.page.locator("#go").click()
        return self

    def shows(self, id: str, text: str | re.Pattern[str]) -> None:
        """Wait until it shows something."""
        api.expect(self.page.locator(f"#{id}")).to_have_text(text, timeout=TIMEOUT_MS)


@pytest.fixture
def phones(browser: Any) -> Iterator[list[Phone]]:
    """The phones of a test; none may have complained."""
    used: list[Phone] = []
    yield used
    for phone in used:
        phone.context.close()
        assert phone.errors == []


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("tiny"), "float32", of_phantoms=True)


def in_python(model: Path, index: int) -> np.ndarray:
    """The output tensor of a frame in Python's interpreter."""
    manifest, frame = load_manifest(model), FRAMES[index]
    network = Network(read_model(model, manifest), manifest)
    sizes = (frame.pixel_size_mm, frame.pixel_size_mm)
    network(prepare(frame.frame(), manifest.size, sizes, manifest.preprocessing.resize_rule).image)
    return network.output()


def test_outputs_are_pythons_and_the_result_is_one_of_the_suite(
    browser: Any, phones: list[Phone], start: Start, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "phone.json"
    desk = start(SMALL, tiny, *FEW, "--rounds", 2, "--out", out)
    assert "█" not in desk.said and "Open this address in a browser of this computer. A phone cannot" in desk.said
    phones.append(phone := Phone(browser, desk.address).open("Pixel 8"))
    phone.shows("hc", re.compile(r"HC \d+\.\d mm"))
    phone.shows("state", "Done")
    phone.shows("saved", re.compile("as phone.json"))
    assert desk.ends() == 0, desk.said

    assert phone.answers.keys() == {(name, i) for name in (NAME, "tiny-float32") for i in range(8)}
    for (name, index), sent in phone.answers.items():
        ours = in_python(SMALL if name == NAME else tiny, index)
        if name == NAME:
            assert sent == ours.tobytes(), index
        else:
            theirs = np.frombuffer(sent, np.float32).reshape(ours.shape)
            both = 2 * np.count_nonzero((theirs > 0) & (ours > 0))
            assert both / (np.count_nonzero(theirs > 0) + np.count_nonzero(ours > 0)) >= 0.999, index

    document = load_document(out)
    shipped, made = document.results
    assert (document.device.model, document.device.cpu, document.device.memory_bytes) == ("Pixel 8", None, None)
    assert document.device.browser and "HeadlessChrome" in document.device.browser.user_agent
    assert document.conditions.timed_steps == ("invoke",) and "host" not in document.conditions.arguments
    assert "127.0.0.1" not in out.read_text() and str(tmp_path) not in out.read_text()
    for result, model in ((shipped, SMALL), (made, tiny)):
        assert result.latency_ms is None and result.steps_ms and list(result.steps_ms) == ["invoke"]
        assert result.timed_frames == 6 and result.rounds and len(result.rounds) == 2
        (artifact,) = find_artifacts([model])
        scores, refused = score(artifact, FRAMES, 1)
        assert result.n_refused_on_device == refused
        if result is shipped:
            assert list(result.images) == scores
            assert result.agreement and (result.agreement.n_identical, result.agreement.mask_dice) == (8, 1.0)
        else:
            assert result.agreement and result.agreement.mask_dice >= 0.999

    assert main(["report", str(out), "--out", str(tmp_path / "report"), "--artifacts", str(SMALL.parent)]) == 0
    report = (tmp_path / "report" / "report.md").read_text()
    assert "The network alone, in a browser" in report and "| `edge-s-full_int8` | 0.41 |" in report
    assert "8 of 8" in report and "HeadlessChrome" in report and "2, all in one page" in report
    capsys.readouterr()
    assert main(["compare", str(out), str(out)]) == 0
    assert re.search(rf"{NAME}, shipped +invoke, median \(ms\)", capsys.readouterr().out)


def test_the_pages_command_gives_two_phones_a_result_each(
    browser: Any,
    phones: list[Phone],
    litert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said: list[str] = []
    addressed, code = threading.Event(), []

    def say(text: str) -> None:
        said.append(text)
        if "http://" in text:
            addressed.set()

    monkeypatch.setattr(command, "say", say)
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    assert BLOCK is not None
    options = ("--phones", "2", "--rounds", "1", "--host", "127.0.0.1", "--port", "0", "--litert", str(litert))
    call = [*shlex.split(BLOCK[1])[3:], *map(str, FEW), *options]
    thread = threading.Thread(target=lambda: code.append(main(call)), daemon=True)
    thread.start()
    assert addressed.wait(60)
    address = said[-1].splitlines()[-1]
    phones += [Phone(browser, address).open("Pixel 8") for _ in range(2)]
    for phone in phones:
        phone.shows("state", "Done")
    thread.join(60)
    assert code == [0]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 2 and re.fullmatch(r"pixel-8-[\d-]+-phantom\.json", names[1]) and "phantom-2" in names[0]
    one, other = (load_document(path) for path in tmp_path.iterdir())
    assert [r.artifact for r in one.results] == ["edge-l-full_int8", "edge-m-full_int8", NAME]
    assert [r.steps_ms for r in one.results] != [r.steps_ms for r in other.results]


def test_a_phone_that_joined_meanwhile_is_waited_for_and_overwrites_nothing(
    browser: Any, phones: list[Phone], start: Start, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    out = tmp_path / "phone.json"
    desk = start(SMALL, *FEW, "--rounds", 2, "--cooldown", 3, "--out", out)
    phones.append(first := Phone(browser, desk.address).open("Pixel 8"))
    desk.says("phone 1 .*round 1/2")
    phones.append(second := Phone(browser, desk.address).open("Pixel 9"))
    first.shows("state", "Done")
    second.shows("state", "Done")
    assert desk.ends() == 0, desk.said
    assert load_document(out).device.model == "Pixel 8"
    other = Path(desk.says(r"^wrote (\S*pixel-9\S*\.json)$")[1])
    request.addfinalizer((ROOT / other).unlink)
    assert load_document(ROOT / other).device.model == "Pixel 9"


def test_a_browser_that_is_closed_midway_goes_on_when_it_is_opened_again(
    browser: Any, phones: list[Phone], start: Start, tmp_path: Path
) -> None:
    out = tmp_path / "phone.json"
    desk = start(SMALL, *FEW, "--rounds", 2, "--cooldown", 4, "--out", out)
    first = Phone(browser, desk.address).open("Pixel 8")
    desk.says("round 1/2")
    kept = first.context.storage_state()
    first.context.close()
    assert len(first.answers) == 8
    desk.says(r"phone 1 \(Pixel 8\) was not heard of for 1\d s: was its browser closed.* What it did is kept")
    assert not out.exists() and "wrote" not in desk.said
    phones.append(second := Phone(browser, desk.address, storage_state=kept).open(name=None))
    second.shows("state", "Done")
    assert desk.ends() == 0, desk.said
    assert "phone 1 (Pixel 8) goes on" in desk.said and "phone 2" not in desk.said
    assert second.answers == {} and len(re.findall("round 1/2", desk.said)) == 1
    (result,) = load_document(out).results
    assert result.rounds and len(result.rounds) == 2 and result.accuracy and result.accuracy.n_images == 8


def test_a_lost_wifi_is_shown_and_the_measurement_goes_on_when_it_is_back(
    browser: Any, phones: list[Phone], start: Start, tmp_path: Path
) -> None:
    out = tmp_path / "phone.json"
    desk = start(SMALL, *FEW, "--rounds", 2, "--cooldown", 1, "--out", out)
    phones.append(phone := Phone(browser, desk.address).open())
    desk.says("round 1/2")
    phone.context.set_offline(True)
    phone.shows("state", "No connection")
    phone.shows("problem", "The computer does not answer. Is the Wi-Fi on? This page tries again by itself.")
    desk.says("was not heard of for")
    assert not out.exists()
    phone.context.set_offline(False)
    desk.says(r"phone 1 \(Phone One\) is back")
    phone.shows("state", "Done")
    api.expect(phone.page.locator("#problem")).not_to_be_visible()
    assert desk.ends() == 0, desk.said
    assert load_document(out).results[0].timed_frames == 6


def test_a_round_that_was_not_in_front_all_the_time_starts_anew(
    browser: Any, phones: list[Phone], start: Start, tmp_path: Path
) -> None:
    out = tmp_path / "phone.json"
    desk = start(SMALL, *FEW, "--rounds", 1, "--seconds", 2, "--out", out)
    phones.append(phone := Phone(browser, desk.address).open())
    phone.shows("p50", re.compile(r"\d+\.\d ms"))
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    phone.page.evaluate(hide, True)
    phone.page.wait_for_timeout(4000)
    assert "round 1/1" not in desk.said
    phone.page.evaluate(hide, False)
    phone.shows("state", "Done")
    assert desk.ends() == 0, desk.said
    assert (load_document(out).results[0].timed_seconds or 0) >= 2


def test_a_second_tab_takes_over_from_the_first(
    browser: Any, phones: list[Phone], start: Start, tmp_path: Path
) -> None:
    desk = start(SMALL, *FEW, "--rounds", 2, "--cooldown", 3, "--out", tmp_path / "phone.json")
    phones.append(first := Phone(browser, desk.address).open())
    desk.says("round 1/2")
    second = first.context.new_page()
    second.goto(desk.address)
    first.shows("state", "Stopped")
    first.shows("problem", "The computer says: the measurement goes on in another tab.")
    api.expect(second.locator("#state")).to_have_text("Done", timeout=TIMEOUT_MS)
    assert desk.ends() == 0 and "phone 2" not in desk.said


@pytest.mark.parametrize("change", ["wrong outputs", "a damaged model"])
def test_a_browser_that_computes_wrongly_gets_no_times(
    browser: Any, phones: list[Phone], start: Start, tiny: Path, tmp_path: Path, change: str
) -> None:
    out = tmp_path / "phone.json"
    desk = start(SMALL, tiny, *FEW, "--rounds", 1, "--out", out)
    phones.append(phone := Phone(browser, desk.address))
    if change == "wrong outputs":  # as of a model that LiteRT.js failed to prepare
        black = bytes(len(prepare(FRAMES[0].frame(), load_manifest(SMALL).size).image.tobytes()))
        phone.page.route(f"**/inputs/{NAME}/*", lambda route: route.fulfill(body=black))
        said = r"computes wrongly: its masks have a Dice of 0\.\d+ with Python's; it must be at least 0.999"
    else:
        phone.page.route(f"**/models/{NAME}", lambda route: route.fulfill(body=b"TFL3" + bytes(400)))
        said = "LiteRT.js cannot run it in this browser: "
    phone.open()
    phone.shows("state", "Done")
    api.expect(phone.page.locator("#table .errors")).to_have_text(re.compile(said))
    assert desk.ends() == 1 and f"1 of 2 failed: {NAME}" in desk.said
    failed, good = load_document(out).results
    assert (
        failed.error and re.search(said, failed.error) and failed.rounds is failed.accuracy is failed.steps_ms is None
    )
    assert good.error is None and good.accuracy and good.steps_ms


@pytest.mark.parametrize("isolated", [True, False])
def test_threads_where_the_page_is_isolated(
    browser: Any, phones: list[Phone], start: Start, tmp_path: Path, isolated: bool
) -> None:
    """Browsers isolate a page of this computer, but not one that came over the network without encryption."""
    address = own_address("0.0.0.0")
    if not isolated and address == "127.0.0.1":
        pytest.skip("this computer has no network")
    out = tmp_path / "phone.json"
    options = (*FEW, "--rounds", 1, "--threads", 2, "--out", out)
    desk = start(SMALL, *options, host="127.0.0.1" if isolated else "0.0.0.0")
    assert f"//{'127.0.0.1' if isolated else address}:" in desk.address
    assert ("█" in desk.said) is not isolated, "a QR code for phones"
    phones.append(phone := Phone(browser, desk.address).open())
    phone.shows("state", "Done")
    no = "1 thread, though 2 are wanted: this page is not cross-origin isolated, because it came over plain http."
    phone.shows("threads", "2 threads." if isolated else no)
    assert desk.ends() == 0, desk.said
    document = load_document(out)
    assert document.device.browser and document.device.browser.isolated is isolated
    assert document.conditions.threads == (2 if isolated else 1) and document.conditions.arguments["threads"] == 2
    assert document.results[0].agreement and document.results[0].agreement.n_identical == 8


def test_the_page_on_a_phone_and_on_a_desk(browser: Any, phones: list[Phone], start: Start, tmp_path: Path) -> None:
    desk = start(SMALL, *FEW, "--rounds", 1, "--seconds", 300, "--out", tmp_path / "phone.json")
    phones.append(phone := Phone(browser, desk.address).open(name=None))
    page, papers = phone.page, []

    def fit(*ids: str) -> None:
        for width, height in ((390, 844), (1280, 800)):
            page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                papers.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                for id, (left, top, right, bottom) in page.evaluate(PLACES, ids).items():
                    assert 0 <= left < right <= width and 0 <= top < bottom <= height, (id, width, scheme)

    fit("start", "model", "go", "state", "advice")
    page.locator("#go").click()
    phone.shows("state", "Ready")
    assert not page.evaluate("document.querySelector('#model').checkValidity()"), "the phone has no name"
    phone.open("Pixel 8")
    phone.shows("step", "Times: round 1 of 1")
    phone.shows("hc", re.compile(r"HC \d+\.\d mm"))
    phone.shows("p50", re.compile(r"\d+\.\d ms"))
    phone.shows("same", "8 of 8")
    fit("picture", "hc", "found", "p50", "same", "artifact", "progress", "step", "state", "advice", "threads")
    assert page.evaluate(BLUE) > 500, "the outline"
    assert len(set(papers)) == 2, "dark is dark"
    assert all(url.startswith((desk.address, "data:")) for url in phone.urls), "nothing from anywhere else"
    assert desk.interrupt() == 130 and "stopped" in desk.said and "wrote" not in desk.said


PLACES = """ids => Object.fromEntries(ids.map(id => {
  const box = document.getElementById(id).getBoundingClientRect();
  return [id, [box.left, box.top, box.right, box.bottom]];
}))"""
BLUE = """() => {
  const data = document.querySelector("canvas").getContext("2d").getImageData(0, 0, 800, 540).data;
  let blue = 0;
  for (let i = 0; i < data.length; i += 4) blue += data[i + 2] - data[i] > 100;
  return blue;
}"""
