"""The wheel as a user gets it: built from a clean copy, installed alone, and run by its commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.shipped import DEFAULT_MODEL, DEFAULT_SIZE, SIZES
from tests.helpers.places import ROOT
from train.data.phantom import make_phantom

FRAME, _, PIXEL_SIZE_MM = make_phantom(0)
RESEARCH_ONLY = "Research use only; not a medical device.\n"


def clean_copy(folder: Path) -> Path:
    """The tracked files that a wheel is made of: building in the checkout would leave build/ behind."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if name.startswith(("edge_runtime/", "pyproject", "README", "LICENSE")) and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def build(source: Path, out: Path) -> Path:
    """A wheel of a source tree or archive."""
    call = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(source)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}  # else the wheel holds the files' times
    subprocess.run(call, check=True, capture_output=True, text=True, env=environment)
    return next(out.glob("fetal_head_edge-*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return build(clean_copy(folder / "source"), folder)


@pytest.mark.slow
def test_the_wheel_ships_the_runtime_alone_typed_and_with_its_model(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names}
    assert packages == {"edge_runtime", next(p for p in packages if p.endswith(".dist-info"))}
    listed = subprocess.run(["git", "ls-files", "edge_runtime"], cwd=ROOT, capture_output=True, text=True, check=True)
    others = {f"edge_runtime/models/{size}-full_int8" for size in SIZES if size != DEFAULT_SIZE}
    tracked = {name for name in listed.stdout.split() if (ROOT / name).exists()}
    assert {name for name in tracked if name.rsplit(".", 1)[0] in others} == tracked - set(names)
    assert {"edge_runtime/py.typed", f"edge_runtime/models/{DEFAULT_MODEL.name}"} <= set(names)
    assert wheel.stat().st_size < 3_000_000


@pytest.mark.slow
def test_a_wheel_built_again_and_one_from_the_source_archive_are_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    source = clean_copy(tmp_path / "source")
    backend = "from setuptools.build_meta import build_sdist; build_sdist('../sdist')"
    subprocess.run([sys.executable, "-c", backend], cwd=source, check=True, capture_output=True)
    archive = next((tmp_path / "sdist").glob("fetal_head_edge-*.tar.gz"))
    with tarfile.open(archive) as file:
        files = {Path(name).relative_to(Path(name).parts[0]).as_posix() for name in file.getnames()}
    assert {"pyproject.toml", "LICENSE", "edge_runtime/py.typed", "edge_runtime/head/ellipse.py"} <= files
    shutil.rmtree(source)
    again = build(clean_copy(tmp_path / "source"), tmp_path / "again")
    assert again.read_bytes() == wheel.read_bytes()
    assert build(archive, tmp_path / "from archive").read_bytes() == wheel.read_bytes()


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment in which the wheel alone was asked for."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    call = [programs / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel]
    subprocess.run(list(map(str, call)), check=True, capture_output=True, text=True)
    return programs


def call(program: Path, *args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run([str(program), *map(str, args)], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(FRAME).save(tmp_path / "frame.png")
    np.save(tmp_path / "frame.npy", FRAME)
    return tmp_path


@pytest.mark.slow
def test_the_plain_install_measures_an_image_file_and_prints_nothing_else(bare: Path, folder: Path) -> None:
    line = ("measure", "frame.png", "--pixel-size-mm", PIXEL_SIZE_MM)
    done = call(bare / "fetal-head-edge", *line, cwd=folder)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("frame.png ") and " mm (" in done.stdout and done.stdout.endswith(RESEARCH_ONLY)
    module = call(bare / "python", "-m", "edge_runtime", *line, "--json", cwd=folder)
    console = call(bare / "fetal-head-edge", *line, "--json", cwd=folder)
    assert module.stderr == console.stderr == ""
    measured = [json.loads(text.stdout)["head_circumference_mm"] for text in (module, console)]
    assert measured[0] == measured[1] and measured[0] > 100
    installed = call(bare / "python", "-m", "pip", "list", "--format=json", cwd=folder)
    assert not {"torch", "tensorflow", "scipy"} & {package["name"].lower() for package in json.loads(installed.stdout)}


@pytest.mark.slow
def test_a_size_that_the_wheel_lacks_is_named_with_where_it_can_be_had(bare: Path, folder: Path) -> None:
    done = call(bare / "fetal-head-edge", "info", "--model", "edge-l", cwd=folder)
    assert done.returncode == 2 and "The model edge-l is not in this installation, which has edge-m." in done.stderr
    assert call(bare / "fetal-head-edge", "info", "--model", DEFAULT_SIZE, cwd=folder).returncode == 0


@pytest.mark.slow
def test_usage_lines_name_the_command_that_was_called(bare: Path, folder: Path) -> None:
    for program, name in (((bare / "fetal-head-edge",), "fetal-head-edge"),
                          ((bare / "python", "-m", "edge_runtime"), "python -m edge_runtime")):  # fmt: skip
        wrong = call(*program, "measure", cwd=folder)
        assert wrong.returncode == 2 and wrong.stderr.endswith(f"(see {name} measure --help)\n")
        helped = call(*program, "--help", cwd=folder)
        assert helped.returncode == 0 and f"  {name} measure frame.png" in helped.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("measure", "frame.png"),
        ("stream", "frame.png", "--pixel-size-mm", PIXEL_SIZE_MM),
        ("bench", "--frames", "2", "--warmup", "0"),
        ("tune", "--rounds", "10"),
        ("info",),
        ("verify",),
    ],
    ids=lambda command: command[0],
)
def test_a_zipapp_runs_every_command(bare: Path, folder: Path, command: tuple[str, ...]) -> None:
    app = clean_copy(folder / "app")
    (app / "__main__.py").write_text("import runpy\nrunpy.run_module('edge_runtime', run_name='__main__')\n")
    assert call(bare / "python", "-m", "zipapp", app, "-o", "packed.pyz", cwd=folder).returncode == 0
    shutil.rmtree(app)
    done = call(bare / "python", "packed.pyz", *command, cwd=folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert call(bare / "python", "packed.pyz", "measure", cwd=folder).stderr.endswith(
        "(see packed.pyz measure --help)\n"
    )


_MEASURE = """
import sys
import numpy as np
from edge_runtime import Segmenter
result = Segmenter.load().measure(np.load(sys.argv[1]), pixel_size_mm=0.15)
print(result.head_circumference_mm, result.mask.shape)
heavy = {"torch", "tensorflow", "onnx", "PIL", "scipy", "cv2", "matplotlib", "pooch"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.slow
def test_embedding_needs_no_pillow_and_reading_a_file_says_what_to_install(bare: Path, folder: Path) -> None:
    # last in this file: the environment is shared, and has no Pillow afterwards
    assert call(bare / "python", "-m", "pip", "uninstall", "-q", "-y", "pillow", cwd=folder).returncode == 0
    done = call(bare / "python", "-c", _MEASURE, "frame.npy", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "(540, 800)" in done.stdout
    done = call(bare / "fetal-head-edge", "measure", "frame.png", cwd=folder)
    assert done.returncode == 1
    assert "pip install pillow" in done.stderr and "Traceback" not in done.stderr
    assert call(bare / "fetal-head-edge", "verify", cwd=folder).returncode == 0
