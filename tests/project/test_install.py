"""What pyproject.toml promises: which interpreter a machine gets, which extras there are, and who names them."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

from edge_runtime import FetalHeadError
from edge_runtime.common.optional import PACKAGES, require
from tests.helpers.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def installed(system: str, machine: str, python: str) -> dict[str, str]:
    """What the plain install asks for on a machine: package to version."""
    environment = {"sys_platform": system, "platform_machine": machine, "python_version": python, "extra": ""}
    wanted: dict[str, str] = {}
    for line in PROJECT["dependencies"]:
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate(environment):
            wanted[need.name] = ",".join(filter(None, (wanted.get(need.name), str(need.specifier))))
    return wanted


@pytest.mark.parametrize(
    ("system", "machine", "pythons", "interpreter"),
    [
        ("linux", "x86_64", ("3.10", "3.11", "3.12", "3.13", "3.14"), "ai-edge-litert"),
        ("linux", "aarch64", ("3.10", "3.11", "3.12", "3.13", "3.14"), "ai-edge-litert"),
        ("darwin", "arm64", ("3.10", "3.14"), "ai-edge-litert"),
        ("win32", "AMD64", ("3.10", "3.14"), "ai-edge-litert"),
        ("linux", "armv7l", ("3.10", "3.11"), "tflite-runtime"),
        ("linux", "armv8l", ("3.10", "3.11"), "tflite-runtime"),
        ("linux", "armv7l", ("3.12", "3.13"), None),
        ("linux", "i686", ("3.11",), None),
        ("darwin", "x86_64", ("3.11", "3.13"), None),
        ("win32", "ARM64", ("3.13",), None),
    ],
)
def test_the_plain_install_asks_for_the_interpreter_that_has_wheels(
    system: str, machine: str, pythons: tuple[str, ...], interpreter: str | None
) -> None:
    for python in pythons:
        wanted = installed(system, machine, python)
        assert wanted.keys() & {"ai-edge-litert", "tflite-runtime"} == ({interpreter} if interpreter else set())
        assert {"numpy", "pillow"} <= wanted.keys()
        assert ("<2" in wanted["numpy"]) == (interpreter == "tflite-runtime")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def brings(extra: str | None) -> set[str]:
    """The packages that an extra asks for, or the plain install."""
    return {Requirement(line).name for line in (EXTRAS[extra] if extra else PROJECT["dependencies"])}


def test_each_optional_module_names_a_package_that_its_extra_brings() -> None:
    for package, extra in PACKAGES.values():
        assert package in brings(extra), (package, extra)


def test_every_module_that_is_required_is_known() -> None:
    """Engines that are compared with ours are not optional packages: ``benchmarks peers`` installs them itself."""
    required = set()
    for path in tracked("*.py", ":!benchmarks/peers/engines"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require":
                required |= {str(part.value).split(".")[0] for part in node.args if isinstance(part, ast.Constant)}
    assert required and required <= PACKAGES.keys()


def test_extras_are_named_only_where_they_exist() -> None:
    named = []
    for path in tracked("*.py", "*.md", "Makefile", ".ci/*", "*.toml"):
        for group in re.findall(
            r"(?:fetal[-_]head[-_]edge[\w.-]*|['\" ]\.|\$wheel)\[([a-z][a-z, ]*)\]", path.read_text()
        ):
            named += [(path.name, extra.strip()) for extra in group.split(",")]
    assert named and [(name, extra) for name, extra in named if extra not in EXTRAS] == []


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("pooch", r"pip install 'fetal-head-edge\[train\]'  \(or: pip install pooch\)"),
        ("PIL.Image", r"Install it with: pip install pillow$"),
        ("no_such_module", r"Install it with: pip install no_such_module$"),
    ],
)
def test_a_missing_module_is_named_with_what_installs_it(
    module: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(FetalHeadError, match=said):
        require(module)


def test_names_that_older_commands_used_are_still_accepted() -> None:
    assert EXTRAS["litert"] == EXTRAS["images"] == [] and "tflite" in EXTRAS
