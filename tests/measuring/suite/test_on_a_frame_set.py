"""Runs over a frame set: what a device measures is what the data set gives."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.frames.frame_set import read_frame_set
from benchmarks.frames.pack import PHANTOM
from benchmarks.suite.document import load_document
from edge_runtime.artifact.manifest import load_manifest, write_manifest
from edge_runtime.errors import UsageError
from edge_runtime.segmenter import Segmenter
from tests.helpers.places import ROOT, Run
from tests.helpers.some_limits import make_limits
from tests.helpers.tiny_model import make_artifact
from train.data.hc18 import hash_samples, read_dataset

FAST = ("--frames", "3", "--warmup", "1", "--rounds", "2")


@pytest.fixture(scope="module")
def packed(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("frames") / "few.frames"
    assert main(["pack", "--data", str(phantom), "--split-part", "paper", "--images", "3", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("artifacts"), "full_int8", of_phantoms=True)


def test_a_device_scores_a_frame_set_as_it_scores_the_data_set(
    hc18: Path, artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tmp_path / "hc18.frames"
    assert main(["pack", "--data", str(hc18), "--images", "3", "--out", str(frames)]) == 0
    assert "do not commit or publish it" in capsys.readouterr().out
    documents = []
    for source in (["--frame-set", str(frames)], ["--data", str(hc18), "--images", "3"]):
        out = tmp_path / f"{source[0]}.json"
        assert main(["run", str(artifact), *source, "--out", str(out), *FAST]) == 0
        documents.append(load_document(out))
    of_set, of_data = documents
    assert of_set.results[0].images == of_data.results[0].images
    assert of_set.results[0].n_refused_on_device == of_data.results[0].n_refused_on_device
    same = ("data", "is_phantom", "split", "split_sha256", "n_images", "n_images_in_test_part", "images_sha256")
    for name in same:
        assert getattr(of_set.conditions, name) == getattr(of_data.conditions, name), name
    assert of_set.conditions.images_sha256 == hash_samples(read_dataset(hc18).select(
        [score.image for score in of_set.results[0].images]
    ))  # fmt: skip
    assert of_set.conditions.frame_set_sha256 and of_data.conditions.frame_set_sha256 is None


def test_a_frame_set_needs_numpy_and_the_interpreter_alone(packed: Path, artifact: Path, tmp_path: Path) -> None:
    arguments = ["run", str(artifact), "--frame-set", str(packed), "--out", str(tmp_path / "r.json"), *FAST]
    code = (
        "import sys; from benchmarks.__main__ import main\n"
        f"assert main({arguments}) == 0\n"
        "places = {n.split('.')[0]: getattr(m, '__file__', None) or '' for n, m in list(sys.modules.items())}\n"
        "print('MODULES', *sorted(n for n, f in places.items() if 'site-packages' in f))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    modules = set(done.stdout.split("MODULES")[1].split())
    assert "numpy" in modules and not modules & {"PIL", "torch", "tensorflow", "matplotlib", "scipy", "pooch"}, modules


def test_a_broken_frame_set_ends_a_run_before_anything_is_measured(
    run: Run, packed: Path, artifact: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.frames").write_bytes(packed.read_bytes()[:-10])
    done = run("benchmarks", "run", artifact, "--frame-set", tmp_path / "cut.frames", "--out", tmp_path / "r.json")
    assert done.returncode == 1 and "cut short" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "r.json").exists()
    done = run("benchmarks", "run", artifact, "--frame-set", tmp_path / "no.frames", "--out", tmp_path / "r.json")
    assert done.returncode == 2 and "There is no frame set" in done.stderr


def test_two_sources_of_images_are_a_wrong_call(packed: Path, artifact: Path) -> None:
    with pytest.raises(UsageError, match="brings its own images"):
        main(["run", str(artifact), "--frame-set", str(packed), "--data", "phantom"])
    with pytest.raises(UsageError, match="brings its own images"):
        main(["run", str(artifact), "--frame-set", str(packed), "--split-part", "paper"])
    with pytest.raises(UsageError, match="is a folder, not a frame set"):
        main(["run", str(artifact), "--frame-set", str(packed.parent)])


def test_artifacts_without_manifests_and_an_empty_folder_are_named(
    packed: Path, artifact: Path, run: Run, tmp_path: Path
) -> None:
    bare, out = tmp_path / "bare", tmp_path / "r.json"
    bare.mkdir()
    for _ in range(2):  # an empty folder, then one with a model that has no manifest
        done = run("benchmarks", "run", bare, "--frame-set", packed, "--out", out)
        assert done.returncode == 2 and not out.exists()
        assert "holds no artifact (a .tflite file with its .json manifest beside it)" in done.stderr
        (bare / "model.tflite").write_bytes(artifact.read_bytes())
    done = run("benchmarks", "run", artifact, bare / "model.tflite", "--frame-set", packed, "--out", out, *FAST)
    assert done.returncode == 1 and "1 of 2 failed: model" in done.stdout and "Traceback" not in done.stderr
    good, failed = load_document(out).results
    assert good.error is None and good.accuracy and "no manifest" in (failed.error or "").lower()


def test_a_frame_is_timed_with_the_models_own_limits(artifact: Path, tmp_path: Path) -> None:
    model = Path(shutil.copy(artifact, tmp_path))
    limits = make_limits(bounds={"core": (1e6, None)})  # no image is good enough
    write_manifest(model, replace(load_manifest(artifact), quality={"limits": limits.to_json()}))
    segmenter = Segmenter.load(model)
    shown = []
    for frame in read_frame_set(PHANTOM).frames:
        given = (frame.frame(), frame.pixel_size_mm)
        assert segmenter.measure(*given).head_circumference_mm is None
        assert segmenter.examine(*given, own_limits=True).verdict.head_circumference_mm is None
        shown.append(segmenter.examine(*given).verdict.head_circumference_mm is not None)
    assert any(shown)
