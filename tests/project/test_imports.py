"""The import graph: no circle, no arrow upwards, no folder that is too full."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.helpers.places import ROOT

ORDER = {
    "edge_runtime": (
        "errors shipped common head.components frame head metrics quality artifact stages measurement device "
        "segmenter streaming timing output links archive commands __main__"
    ),
    "train": (
        "protocols networks.patch_shape strategies data config frames augment divergence networks weights progress "
        "checkpoint pseudo_label start state device team run loop __main__"
    ),
    "export": (
        "recipes images tflite conversion verification artifact job quantization quality pipeline commands __main__"
    ),
    "benchmarks": (
        "common trainings machine frames roofline suite devices study int8 predict search runtime fuzz peers pictures "
        "pages challenge cross commands __main__"
    ),
    "examples": ("scanner scanner.growth scanner.screen scanner.sources scanner.server scanner.__main__"),
}
"""Modules and rooms, each of which may import those before it, and no other.

A module that its room's place does not fit has its own: the search for a frame's content looks for connected regions.
"""

MOST_MODULES = 16
"""In one folder; more are not found at a glance."""

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ORDER
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imported(node: ast.AST) -> Iterator[str]:
    """Modules of the project that a syntax tree imports, wherever in it, but for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from (
                full if (full := f"{child.module}.{alias.name}") in MODULES else child.module for alias in child.names
            )
        yield from imported(child)


GRAPH = {
    name: {other for other in imported(ast.parse(path.read_text())) if other in MODULES and other != name}
    for name, path in MODULES.items()
}


def place(module: str) -> tuple[int, int]:
    """Of a module in the order: its package's, and its own or its room's within that."""
    package, _, rest = module.partition(".")
    names = ORDER[package].split()
    own = [name for name in names if f"{rest}.".startswith(f"{name}.")]
    assert not rest or own, f"{module} has no place in ORDER"
    return list(ORDER).index(package), names.index(max(own, key=len)) if rest else -1


def test_there_is_no_circle() -> None:
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    try:
        TopologicalSorter({name: others - packages for name, others in GRAPH.items()}).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1]))


@pytest.mark.parametrize("package", ORDER)
def test_no_arrow_points_upwards(package: str) -> None:
    upwards = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in sorted(others)
        if name.startswith(f"{package}.") and name.count(".") and place(other) > place(name)
    ]
    assert not upwards


def test_a_package_reaches_only_those_before_it() -> None:
    before = {"edge_runtime": set(), "train": {"edge_runtime"}, "export": {"edge_runtime", "train"}}
    before |= {"benchmarks": {*before}, "examples": {"edge_runtime", "train"}}
    for name, others in GRAPH.items():
        package = name.split(".")[0]
        reached = {other.split(".")[0] for other in others} - {package}
        assert reached <= before[package], name


def test_every_folder_holds_few_modules() -> None:
    folders = {path.parent for path in ROOT.glob("tests/**/*.py")} | {path.parent for path in MODULES.values()}
    counts = {folder: len([p for p in folder.glob("*.py") if p.name != "__init__.py"]) for folder in folders}
    assert not {str(folder.relative_to(ROOT)): n for folder, n in counts.items() if n > MOST_MODULES}


def test_every_room_says_what_it_is_for() -> None:
    rooms = {name: path for name, path in MODULES.items() if path.name == "__init__.py"}
    assert not [name for name, path in rooms.items() if not ast.get_docstring(ast.parse(path.read_text()))]


def test_the_data_rooms_are_free_of_torch() -> None:
    names = [name for name in MODULES if name.startswith(("train.data", "train.frames", "edge_runtime."))]
    program = (
        "import importlib, sys\n"
        f"for name in {[name for name in names if not name.endswith('__main__')]}: importlib.import_module(name)\n"
        "print(sorted({'torch', 'tensorflow', 'onnx'} & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
