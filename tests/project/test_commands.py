"""What all commands promise alike: their help teaches, and a wrong call ends with 2 and one line."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import benchmarks.__main__
import edge_runtime.__main__
import examples.scanner.__main__
import export.__main__
import train.__main__
from export.commands import export as export_command
from tests.helpers.places import ROOT, Run
from train import weights
from train.data import download, phantom

WITHOUT_TORCH = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "tensorflow", "onnxruntime", "safetensors"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from export.__main__ import COMMANDS, main
for words in ([], *([name] for name in COMMANDS)):
    try:
        main([*words, "--help"])
    except SystemExit as ended:
        assert ended.code == 0, words
"""


def test_the_export_commands_explain_themselves_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


NOT_NUMBERS = ("", " ", "x", "nan", "-3", "--3", "1,5", "0x10", "1_000", "\u0663", " 3", "1e999x", "None", "-inf")
INFINITE = ("inf", "1e999", "1" + "0" * 400)
MAY_BE_INFINITE = ("--max-dice-drop", "--max-hc-shift-mm", "--max-hc-shift-share")
"""What may be lost: ``inf`` allows any loss."""


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def all_parsers() -> Iterator[argparse.ArgumentParser]:
    for package in (edge_runtime.__main__, benchmarks.__main__, train.__main__):
        parser = package.build_parser()
        yield from (parser, *subcommands(parser).values())
    yield from (download.build_parser(), phantom.build_parser(), weights.build_parser())
    yield examples.scanner.__main__.build_parser()
    yield export_command.build_parser("other commands:\n  x")
    for module in dict.fromkeys(module for module, _ in export.__main__.COMMANDS.values()):
        parser = import_module(f"export.commands.{module}").build_parser()
        yield from subcommands(parser).values() or (parser,)


PARSERS = {parser.prog: parser for parser in all_parsers()}


def numeric_options() -> Iterator[tuple[str, str, int]]:
    """Every option of every command that takes a number, with how many it takes."""
    for prog, parser in PARSERS.items():
        for action in parser._actions:
            if action.option_strings and action.type not in (None, str, Path) and not action.choices:
                yield prog, action.option_strings[-1], action.nargs if isinstance(action.nargs, int) else 1


def refused(parser: argparse.ArgumentParser, *arguments: str) -> str:
    """What a parser prints when it refuses a call."""
    with contextlib.redirect_stderr(io.StringIO()) as printed, pytest.raises(SystemExit) as caught:
        parser.parse_args(arguments)
    assert caught.value.code == 2
    return printed.getvalue()


def test_the_commands_are_all_there() -> None:
    assert len(PARSERS) > 30 and len(list(numeric_options())) > 40
    for prog, option in (
        ("python -m edge_runtime stream", "--fps"), ("python -m train", "--lr"), ("python -m export", "--jobs"),
        ("python -m benchmarks ladder", "--max-dice-drop"), ("python -m export calibration", "--seeds"),
    ):  # fmt: skip
        assert (prog, option) in {(prog, option) for prog, option, _ in numeric_options()}


@pytest.mark.parametrize(("prog", "option", "count"), numeric_options())
def test_a_bad_number_ends_with_2_and_one_line(prog: str, option: str, count: int) -> None:
    for text in (*NOT_NUMBERS, *(() if option in MAY_BE_INFINITE else INFINITE)):
        given = [f"{option}={text}"] if count == 1 else [option, *[text] * count]
        said = refused(PARSERS[prog], *given)
        assert len(said.splitlines()) == 1 and said.startswith("error: ") and len(said) < 300, (text, said)
        assert option in said, (text, said)


def test_no_option_takes_a_number_unchecked() -> None:
    """``float`` takes nan, and ``int`` takes -3."""
    for prog, parser in PARSERS.items():
        for action in parser._actions:
            assert action.type not in (int, float), (prog, action.dest)


@pytest.mark.parametrize("prog", PARSERS)
def test_help_says_what_the_command_does_and_shows_an_example_that_parses(prog: str) -> None:
    text = PARSERS[prog].format_help()
    description, epilog = PARSERS[prog].description or "", PARSERS[prog].epilog or ""
    assert len(description) > 40 and description.endswith(".")
    for raw in ("``", ":func:", ":mod:", "Args:", "Raises:"):
        assert raw not in text, raw
    lines = [line[line.index("python -m ") :] for line in epilog.splitlines() if "python -m " in line]
    examples = [line for line in lines if "  " not in line and "COMMAND" not in line]
    assert examples
    for example in examples:
        words = shlex.split(example)[2:]
        name = max((p for p in PARSERS if f"python -m {' '.join(words)} ".startswith(f"{p} ")), key=len)
        PARSERS[name].parse_args(words[len(name.split()) - 2 :])  # ends the test where it does not parse


@pytest.mark.parametrize("package", ["edge_runtime", "export", "benchmarks"])
def test_help_lists_the_commands_with_a_line_each(run: Run, package: str) -> None:
    shown = run(package, "--help").stdout
    names = [prog.split()[3] for prog in PARSERS if prog.startswith(f"python -m {package} ")]
    assert len(names) > 5
    for name in names:
        assert re.search(rf"^ +{name} +\S+ \S+", shown, flags=re.MULTILINE), name


@pytest.mark.parametrize(
    "call",
    [
        ("export", "--checkpoint", "no-such-folder"),
        ("export", "--recipes", "int4"),
        ("export", "--rewrite", "no-such"),
        ("export", "--out", "README.md"),
        ("export", "explain", "--checkpoint", "no-such-folder"),
        ("export", "explain", "--rewrite", "no-such"),
        ("export", "explain", "--picture", "README.md/x.svg"),
        ("export", "calibration", "--checkpoint", "no-such-folder"),
        ("export", "sizes", "--strategy", "no-such"),
        ("benchmarks", "run", "no-such-folder"),
        ("benchmarks", "run", "--out", "README.md"),
        ("benchmarks", "overhead", "no-such.tflite"),
        ("benchmarks", "peers", "--checkpoint", "no-such-folder"),
        ("benchmarks", "ladder", "no-such-folder"),
        ("benchmarks", "export-cost", "no-such-folder"),
        ("benchmarks", "train-speed", "--strategies", "no-such"),
        ("benchmarks", "rewrites", "--strategy", "no-such"),
        ("benchmarks", "study", "no-such"),
        ("benchmarks", "soak", "--figure", "README.md/x.svg"),
        ("benchmarks", "outside", "no-such-folder"),
        ("benchmarks", "outside", "docs", "--out", "README.md"),
        ("benchmarks", "outside", "docs", "--report", "README.md/x.html"),
        ("train", "--strategy", "no-such"),
    ],
    ids=" ".join,
)
def test_flags_are_checked_before_data_and_heavy_imports(
    call: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def searched(*_: object) -> None:
        pytest.fail("data was searched first")

    def imported(name: str) -> None:
        pytest.fail(f"{name} was imported first")

    from edge_runtime.errors import UsageError

    package = import_module(f"{call[0]}.__main__")
    command = call[1] if call[1][0] != "-" else ""
    for module in (*modules_of(call[0], command), package):
        for name, fake in (("find_data", searched), ("require", imported), ("find_frames", searched)):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, fake)
    with pytest.raises(UsageError) as caught:
        package.main(list(call[1:]))
    assert str(caught.value) and "Traceback" not in capsys.readouterr().err


def modules_of(package: str, command: str) -> list[object]:
    if package == "export":
        name = export.__main__.COMMANDS[command][0] if command in export.__main__.COMMANDS else "export"
        return [import_module(f"export.commands.{name}")]
    if package == "benchmarks":
        names = benchmarks.__main__.COMMANDS[command].module, "suite.run"
        return [import_module(f"benchmarks.{name}") for name in names]
    return []
