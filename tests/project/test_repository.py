"""What must hold of the files themselves."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks.common.result_files import RESULTS
from benchmarks.pages.command import fill, shipped_results, sources, written_by_hand
from benchmarks.pages.quoted import quote
from benchmarks.study.results import load_all
from benchmarks.suite.document import newest_result
from edge_runtime.errors import UsageError
from tests.helpers.places import ROOT


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_hc18_image_is_committed(hc18: Path) -> None:
    theirs = {hashlib.sha256(p.read_bytes()).hexdigest() for p in (hc18 / "training_set").iterdir()}
    assert not [p for p in tracked() if hashlib.sha256(p.read_bytes()).hexdigest() in theirs]
    assert not [p for p in tracked() if re.fullmatch(r"\d{3}_\d?HC.*\.png", p.name)]


def test_no_registry_host_and_no_path_of_a_machine_is_committed() -> None:
    hosts = ("pypi" + ".org", "files.python" + "hosted", "registry.npm" + "js", "/work" + "/", "/root" + "/")
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [(path.name, host) for host in hosts if host in text]
    assert not found


def test_the_readme_names_only_files_and_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", readme, flags=re.MULTILINE)
    modules = set(re.findall(r"python -m ([a-z_.]+)", readme)) - {"venv", "pip"}
    links = re.findall(r"\]\((?!http)([^)#]+)\)", readme)
    assert targets and modules and links  # else nothing is tested below
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert (path / "__main__.py").exists() or path.with_suffix(".py").exists(), module
    for link in links:
        assert (ROOT / link).exists(), link


def test_a_quoted_figure_is_renewed_and_an_unknown_one_refused() -> None:
    text = "by <!-- quoted: soak-rise-mb -->9.9<!-- end --> MB"
    assert quote(text) != text and quote(quote(text)) == quote(text)
    with pytest.raises(UsageError, match="no figure 'speed'"):
        quote("<!-- quoted: speed -->1<!-- end -->")


def test_the_figures_of_the_pages_are_those_of_the_committed_results() -> None:
    runs = load_all()
    marked = [page for page in written_by_hand(ROOT) if "python -m benchmarks pages" in page.read_text()]
    assert {page.name for page in marked} >= {"README.md", "MODEL_CARD.md"}
    for page in written_by_hand(ROOT):
        text = page.read_text()
        results = sources(text) or shipped_results()
        assert len(results) == 2, page
        assert fill(text, results, runs) == text, f"{page.name}: call python -m benchmarks pages"


def test_the_report_finds_the_newest_result_by_the_date_in_it(tmp_path: Path) -> None:
    committed = sorted((ROOT / RESULTS).glob("*.json"))
    dates = {path: json.loads(path.read_text())["conditions"]["date"] for path in committed}
    assert len(dates) > 1 and dates[newest_result(ROOT / RESULTS)] == max(dates.values())
    document = json.loads(committed[0].read_text())
    for name, date in (("a", "2031-05-01"), ("b", "2032-05-01"), ("c", "2030-05-01")):  # neither the first nor the last
        document["conditions"]["date"] = f"{date}T00:00:00+00:00"
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    assert newest_result(tmp_path).name == "b.json"


def test_arrows_do_not_turn() -> None:
    """Light code never imports heavy code: the runtime imports no stage, training neither export nor benchmarks."""
    forbidden = {
        "edge_runtime": ("train", "export", "benchmarks"),
        "train": ("export", "benchmarks"),
        "export": ("benchmarks",),
    }
    for package, others in forbidden.items():
        for path in (ROOT / package).rglob("*.py"):
            for other in others:
                assert not re.search(rf"^\s*(from|import) {other}\b", path.read_text(), flags=re.MULTILINE), path
