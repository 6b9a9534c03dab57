"""Result files on int8 and on the runtime: each kind is read, checked and written in one place, and the pages too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common import device
from benchmarks.common.measured import here_and_now
from benchmarks.common.render import Paragraph, to_markdown
from benchmarks.common.result_files import RESULTS
from benchmarks.cross.fold import read_fold
from benchmarks.fuzz.document import read_fuzz
from benchmarks.int8.earlier_peers import read_earlier_peers
from benchmarks.int8.emulated import read_emulated
from benchmarks.int8.export_cost import read_export_cost
from benchmarks.int8.interpreters import read_interpreters
from benchmarks.int8.ladder import read_ladder
from benchmarks.int8.rewrites import read_rewrites
from benchmarks.pages import int8_page, quality_page
from benchmarks.pages.command import INT8_PAGE, QUALITY_PAGE
from benchmarks.peers.document import read_peers
from benchmarks.predict.cost import read_predicted
from benchmarks.predict.counted import read_counts
from benchmarks.roofline.operators import read_operators
from benchmarks.runtime.archive_document import read_archive
from benchmarks.runtime.link_soak import read_link_soak
from benchmarks.runtime.outside_document import read_outside
from benchmarks.runtime.overhead_document import read_overhead
from benchmarks.runtime.quality_document import read_quality
from benchmarks.runtime.soak import read_soak
from benchmarks.search.latency import read_latency
from benchmarks.suite.document import load_document
from edge_runtime.artifact.manifest import load_manifest
from edge_runtime.common.record import to_json
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import ModelError, UsageError
from edge_runtime.shipped import DEFAULT_MODEL, SIZES, shipped_model
from export.quantization.calibration import TABLE, read_calibration
from tests.helpers.places import ROOT

READERS: dict[str, Callable[[Path], Any]] = {
    "cross/*.json": read_fold,
    "emulated/*.json": load_document,
    "interpreters/*.json": read_interpreters,
    "ladder/*.json": read_ladder,
    "peers/*.json": read_peers,
    "predict/instructions.json": read_counts,
    "predict/sizes.json": read_predicted,
    "seeds/*.json": read_fold,
    "sustained/*.json": load_document,
    "runtime/aarch64.json": read_emulated,
    "runtime/fuzz.json": read_fuzz,
    "runtime/outside.json": read_outside,
    "runtime/overhead.json": read_overhead,
    "runtime/quality.json": read_quality,
    "runtime/archive.json": read_archive,
    "runtime/archive-kill.json": read_archive,
    "runtime/soak-link.json": read_link_soak,
    "runtime/soak.json": read_soak,
    "runtime/*/outside.json": read_outside,
    "runtime/*/quality.json": read_quality,
    "sizes/*.json": read_latency,
    "speed/export-cost.json": read_export_cost,
    "speed/in-float.json": load_document,
    "speed/operators-*.json": read_operators,
    "speed/peers-*.json": read_earlier_peers,
    "speed/rewrites-*.json": read_rewrites,
}
FILES = {path: read for pattern, read in READERS.items() for path in sorted(RESULTS.glob(pattern))}
ELSEWHERE = {"runtime/wheels.json"}
"""Kinds that are tested with what writes them."""


def test_every_kind_has_committed_files_and_every_file_a_kind() -> None:
    assert all(list(RESULTS.glob(pattern)) for pattern in READERS)
    folders = {path.parent for path in FILES}
    there = {path.relative_to(RESULTS).as_posix() for folder in folders for path in folder.glob("*.json")}
    assert there - ELSEWHERE == {path.relative_to(RESULTS).as_posix() for path in FILES}


@pytest.mark.parametrize("path", [*FILES, TABLE], ids=lambda path: path.stem)
def test_a_committed_file_is_read_and_written_back_unchanged(path: Path) -> None:
    assert to_json(FILES.get(path, read_calibration)(path)) == json.loads(path.read_text())


def test_a_result_of_an_emulator_says_so_and_is_of_the_shipped_models() -> None:
    shipped = {load_manifest(shipped_model(size)).model_sha256 for size in SIZES}
    for document in map(load_document, (RESULTS / "emulated").glob("*.json")):
        assert document.device.emulated
        assert {result.model_sha256 for result in document.results} == shipped, "docs/devices.md quotes it as theirs"


MAY_LACK = {"date", "device", "profile", "rewrites", "threads", "tools", "phantom_hc_mm", "phantom_hc_mm_x86_64"}
"""Keys that some files of a kind lack."""

ONE_EACH = {read: path for path, read in FILES.items()}


@pytest.mark.parametrize(("read", "path"), ONE_EACH.items(), ids=[path.stem for path in ONE_EACH.values()])
def test_what_is_wrong_in_a_file_is_named(read: Callable[[Path], Any], path: Path, tmp_path: Path) -> None:
    good, other = json.loads(path.read_text()), tmp_path / "other.json"
    fields = good[0] if isinstance(good, list) else good
    for key in fields:
        rest = {k: v for k, v in fields.items() if k != key}
        for changed in [rest] * (key not in MAY_LACK) + [rest | {key: [["wrong"]]}]:
            other.write_text(json.dumps([changed] if isinstance(good, list) else changed))
            with pytest.raises(ModelError) as caught:
                read(other)
            assert key.replace("_", " ") in str(caught.value).replace("_", " ") and str(other) in str(caught.value)
    other.write_text("{")
    with pytest.raises(ModelError, match="not a JSON document"):
        read(other)
    with pytest.raises(UsageError, match="Make one with"):
        read(tmp_path / "none.json")


@pytest.mark.parametrize(("page", "build"), [(INT8_PAGE, int8_page.build), (QUALITY_PAGE, quality_page.build)])
def test_the_committed_page_is_made_from_the_committed_results(page: Path, build: Callable[[], Any]) -> None:
    assert (ROOT / page).read_text() == to_markdown(build()), "python -m benchmarks pages"


def test_a_page_says_what_its_document_says(tmp_path: Path) -> None:
    committed, nothing = quality_page.QUALITY, tmp_path / "none.json"
    document = json.loads(committed.read_text())
    document["device"] |= {"cpu": "4x Cortex-A76", "machine": "aarch64", "cores": 4, "int8_instructions": ["asimddp"]}
    document |= {"artifact": "other-full_int8", "data": "another set", "threads": 4, "date": "2031-02-03"}
    document["evidence_ms"] = {"least": 71.25, "median": 72.5}
    path = tmp_path / "quality.json"
    path.write_text(json.dumps(document))
    before, after = (
        " ".join(block.text for block in quality_page.build(p, nothing) if isinstance(block, Paragraph))
        for p in (committed, path)
    )
    for text in ("4x Cortex-A76 (int8 instructions: `asimddp`), `aarch64`, 4 cores; 4 threads", "2031-02-03"):
        assert text in after and text not in before
    for text in ("`other-full_int8` on another set", "71.25 ms", "72.50 ms"):
        assert text in after and text not in before
    for gone in ("EPYC", "Xeon", "HC18", DEFAULT_MODEL.stem, "edge-full_int8"):
        assert gone not in after


def test_a_machine_that_says_nothing_of_itself_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"machine": "riscv64", "os": "Linux", "tools": {}}
    monkeypatch.setattr(device, "fingerprint", lambda: dict.fromkeys(fingerprint()) | said)
    here = here_and_now(1, (), None)["device"]
    assert here.text == "unknown CPU, `riscv64`, unknown number of cores"
    assert "int8_instructions" not in to_json(here) and to_json(here)["cores"] is None
