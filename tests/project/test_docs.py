"""Every command, link and example of the README and the docs: does it exist, and is it a call that is taken?"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import tomllib

from edge_runtime import golden_frames
from tests.helpers.places import ROOT

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "MODEL_CARD.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
MAKEFILE = (ROOT / "Makefile").read_text()
PYTHON = re.compile(r"(?:\S*/)?python3? -m (\S+)(.*)")
OURS = ("edge_runtime", "train", "export", "benchmarks", "examples")


class Taken(Exception):
    """The arguments were parsed; nothing is run."""


def commands(page: Path) -> Iterator[str]:
    """The lines of a page's shell blocks, without comments."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True) if line.count('"') % 2 == 0 else []
            if words:
                yield shlex.join(words)


CALLS = sorted({(page.name, command) for page in PAGES for command in commands(page)})


def parse(module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command of ours parse its arguments, and stop it there."""
    original = argparse.ArgumentParser.parse_args

    def parse_args(self: argparse.ArgumentParser, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)  # type: ignore[call-overload]
        raise Taken

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    is_package = (ROOT / module.replace(".", "/")).is_dir()
    with pytest.raises((Taken, SystemExit)) as ended:
        import_module(f"{module}.__main__" if is_package else module).main(arguments)
    assert isinstance(ended.value, Taken) or ("--help" in arguments and ended.value.code == 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_line_of_a_paragraph_begins_with_a_comment(page: Path) -> None:
    found = re.findall(r"^.*\S\n[ >]*<!-- quoted.*", page.read_text(), flags=re.MULTILINE)
    assert not found, (
        "an HTML block begins there: what follows is another paragraph, and its Markdown is shown as it is"
    )


@pytest.mark.parametrize(("page", "command"), CALLS)
def test_every_command_is_taken(page: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", MAKEFILE, flags=re.MULTILINE), command
        for name in (word.partition("=")[0] for word in words[2:]):
            assert re.search(rf"^{name} \?=", MAKEFILE, flags=re.MULTILINE), f"{command}: the Makefile has no {name}"
    elif words[0].endswith("fetal-head-edge"):
        scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
        assert "fetal-head-edge" in scripts
        parse("edge_runtime", words[1:], monkeypatch)
    elif words[0] == "torchrun":
        module = words.index("-m") + 1
        parse(words[module], words[module + 1 :], monkeypatch)
    elif (match := PYTHON.fullmatch(command)) and match[1].split(".")[0] in OURS:
        parse(match[1], shlex.split(match[2]), monkeypatch)


def test_the_pages_show_commands() -> None:
    assert len([c for c in CALLS if c[0] == "README.md"]) >= 8 and len(CALLS) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
            assert anchor in slugs, target


def test_the_readme_is_short_and_its_example_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    assert readme.count("\n") <= 150
    (example,) = re.findall(r"^```python\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    shown: list[object] = []
    frame = np.kron(golden_frames()[0], np.ones((3, 3), np.uint8))
    exec(example, {"frame": frame, "show": lambda *what: shown.extend(what)})
    assert isinstance(shown[0], float) and len(shown) == 4
