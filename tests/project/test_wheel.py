from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.places import ROOT
from train.data.phantom import make_phantom


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # A copy of the tracked files: building in the checkout would leave build/ behind.
    source = folder / "source"
    source.mkdir()
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if name.startswith(("edge_runtime/", "pyproject", "README", "LICENSE")) and (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    call = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(call, check=True, capture_output=True, text=True)
    return next(folder.glob("fetal_head_edge-*.whl"))


@pytest.mark.slow
def test_the_wheel_ships_the_runtime_alone_typed_and_with_its_model(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names}
    assert packages == {"edge_runtime", next(p for p in packages if p.endswith(".dist-info"))}
    assert {"edge_runtime/py.typed", "edge_runtime/models/edge-full_int8.tflite"} <= set(names)
    assert "edge_runtime/models/edge-full_int8.json" in names
    assert wheel.stat().st_size < 8_000_000


@pytest.fixture(scope="module")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel, numpy and ai-edge-litert (and what that needs); no Pillow."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    call = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", f"{wheel}[litert]"]
    subprocess.run(list(map(str, call)), check=True, capture_output=True, text=True)
    return python


def in_bare(python: Path, *args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run([str(python), *map(str, args)], cwd=cwd, env=environment, capture_output=True, text=True)


_MEASURE = """
import sys
import numpy as np
from edge_runtime import Segmenter
frame = np.load(sys.argv[1])
result = Segmenter.load().measure(frame, pixel_size_mm=0.15)
print(result.head_circumference_mm, result.mask.shape)
heavy = {"torch", "tensorflow", "onnx", "PIL", "scipy", "cv2", "matplotlib", "pooch"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.slow
def test_it_runs_in_an_environment_of_numpy_and_litert_alone(bare_python: Path, tmp_path: Path) -> None:
    import numpy as np

    np.save(tmp_path / "frame.npy", make_phantom(0)[0])
    done = in_bare(bare_python, "-c", _MEASURE, tmp_path / "frame.npy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(540, 800)" in done.stdout
    listed = in_bare(bare_python, "-m", "pip", "list", "--format=json", cwd=tmp_path)
    assert not {"pillow", "torch", "tensorflow", "scipy"} & {p["name"].lower() for p in json.loads(listed.stdout)}


@pytest.mark.slow
def test_reading_files_without_pillow_names_the_extra(bare_python: Path, tmp_path: Path) -> None:
    Image.fromarray(make_phantom(0)[0]).save(tmp_path / "frame.png")
    done = in_bare(bare_python, "-m", "edge_runtime", "measure", "frame.png", cwd=tmp_path)
    assert done.returncode == 1
    assert "fetal-head-edge[images]" in done.stderr and "Traceback" not in done.stderr
    assert in_bare(bare_python, "-m", "edge_runtime", "verify", cwd=tmp_path).returncode == 0
