from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.places import Run
from tests.helpers.tiny_model import make_artifact
from train.data.phantom import make_phantom


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("model"), "full_int8")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(make_phantom(i)[0]).save(folder / f"{i}.png")
    (folder / "sizes.csv").write_text("filename,pixel size(mm)\n0.png,0.2\n1.png,0.1\n")
    return folder


def test_json_lines_masks_and_table(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    call = ("measure", images / "0.png", images / "1.png", "--model", model, "--pixel-size-csv", images / "sizes.csv")
    done = run("edge_runtime", *call, "--mask-dir", masks, "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["image"] for line in lines] == ["0.png", "1.png"]
    for line in lines:
        assert {"head_circumference_mm", "reason", "ellipse", "quality", "latency_ms"} <= set(line)
        mask = np.asarray(Image.open(masks / line["image"]))
        assert mask.shape == (540, 800) and set(np.unique(mask)) <= {0, 255}
        if line["head_circumference_mm"] is None:
            assert line["reason"]
    table = run("edge_runtime", *call)
    assert table.returncode == 0 and "0.png" in table.stdout and "not a medical device" in table.stdout


def test_an_all_black_frame_is_refused_with_a_reason(run: Run, model: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((540, 800), np.uint8)).save(tmp_path / "black.png")
    done = run("edge_runtime", "measure", tmp_path / "black.png", "--model", model, "--pixel-size-mm", 0.1, "--json")
    line = json.loads(done.stdout)
    assert done.returncode == 0
    assert line["head_circumference_mm"] is None and "no image" in line["reason"]


@pytest.mark.parametrize("kind", ["text", "truncated", "one pixel", "16 bit"])
def test_an_unusable_image_is_reported_and_the_others_are_measured(
    run: Run, model: Path, images: Path, tmp_path: Path, kind: str
) -> None:
    bad = tmp_path / "bad.png"
    if kind == "text":
        bad.write_text("not an image")
    elif kind == "truncated":
        bad.write_bytes((images / "0.png").read_bytes()[:5000])
    elif kind == "one pixel":
        Image.fromarray(np.zeros((1, 1), np.uint8)).save(bad)
    else:
        Image.fromarray(np.arange(10000, dtype=np.uint16).reshape(100, 100)).save(bad)
    done = run("edge_runtime", "measure", bad, images / "1.png", "--model", model, "--json")
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert first["head_circumference_mm"] is None and first["reason"] in done.stderr
    assert second["quality"]["regions"] >= 1


def test_an_rgba_image_is_measured_as_its_grey_one(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    Image.open(images / "0.png").convert("RGBA").save(tmp_path / "rgba.png")
    done = run("edge_runtime", "measure", images / "0.png", tmp_path / "rgba.png", "--model", model, "--json")
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["ellipse"] == second["ellipse"] and first["quality"] == second["quality"]


@pytest.mark.parametrize("size", ["0", "-1", "nan", "wide"])
def test_an_impossible_pixel_size_is_a_wrong_call(run: Run, model: Path, images: Path, size: str) -> None:
    done = run("edge_runtime", "measure", images / "0.png", "--model", model, f"--pixel-size-mm={size}")
    assert done.returncode == 2 and size in done.stderr and "above 0" in done.stderr


def test_a_table_without_the_image_is_a_wrong_call(run: Run, model: Path, images: Path) -> None:
    (images / "sizes.csv").write_text("filename,pixel size(mm)\n0.png,0.2\n")
    done = run("edge_runtime", "measure", images / "1.png", "--model", model, "--pixel-size-csv", images / "sizes.csv")
    assert done.returncode == 2 and "no row for 1.png" in done.stderr
    (images / "sizes.csv").write_text("name,size\n0.png,0.2\n")
    done = run("edge_runtime", "measure", images / "1.png", "--model", model, "--pixel-size-csv", images / "sizes.csv")
    assert done.returncode == 2 and "'filename'" in done.stderr


def test_masks_never_overwrite_images_or_each_other(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    before = (images / "0.png").read_bytes()
    done = run("edge_runtime", "measure", images / "0.png", "--model", model, "--mask-dir", images)
    assert done.returncode == 2 and "overwrite" in done.stderr
    assert (images / "0.png").read_bytes() == before
    done = run("edge_runtime", "measure", *[images / "0.png"] * 2, "--model", model, "--mask-dir", tmp_path / "m")
    assert done.returncode == 2 and "come twice" in done.stderr


def test_a_mask_folder_that_cannot_be_written_is_a_wrong_call(run: Run, model: Path, images: Path) -> None:
    below_a_file = images / "sizes.csv" / "masks"
    done = run("edge_runtime", "measure", images / "0.png", "--model", model, "--mask-dir", below_a_file)
    assert done.returncode == 2 and "cannot be written" in done.stderr


def test_bench_info_and_verify(run: Run, model: Path) -> None:
    done = run("edge_runtime", "bench", "--model", model, "--frames", 5, "--warmup", 1, "--json")
    document = json.loads(done.stdout)
    result = document["results"][0]
    assert set(result["latency_ms"]) == {"preprocess", "invoke", "postprocess", "total"}
    assert {"p50", "p90", "p99"} <= set(result["latency_ms"]["invoke"])
    assert result["size_bytes"] == model.stat().st_size and result["time_to_first_result_ms"] > 0
    assert document["device"]["cores"] >= 1
    assert "first ms" in run("edge_runtime", "bench", "--model", model, "--frames", 3).stdout
    assert run("edge_runtime", "bench", "--model", model, "--frames", 1).returncode == 2

    shown = run("edge_runtime", "info", "--model", model)
    assert shown.returncode == 0 and "Not a medical device" in shown.stdout
    assert (
        json.loads(run("edge_runtime", "info", "--model", model, "--json").stdout)["manifest"]["name"]
        == "tiny-full_int8"
    )
    assert run("edge_runtime", "verify", "--model", model).returncode == 0
    missing = run("edge_runtime", "verify", "--model", "no.tflite")
    assert missing.returncode == 2 and "no.tflite" in missing.stderr


def test_a_corrupted_model_ends_with_1_and_no_traceback(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    bad = tmp_path / model.name
    bad.write_bytes(model.read_bytes()[::-1])
    bad.with_suffix(".json").write_bytes(model.with_suffix(".json").read_bytes())
    done = run("edge_runtime", "measure", images / "0.png", "--model", bad)
    assert done.returncode == 1 and "sha256" in done.stderr and "Traceback" not in done.stderr
