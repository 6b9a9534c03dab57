from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.places import Run
from train.data.phantom import make_phantom


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


def test_a_pixel_may_have_two_sizes(run: Run, model: Path, images: Path) -> None:
    frame = images / "0.png"
    for call in (
        ("measure", frame, "--model", model, "--json", "--pixel-size-mm", "0.15,0.17"),
        ("measure", "--pixel-size-mm", "0.15,0.17", frame, "--model", model, "--json"),
        ("stream", "--pixel-size-mm", "0.15,0.17", frame, "--model", model, "--json"),
    ):
        done = run("edge_runtime", *call)
        assert done.returncode == 0, done.stderr
        line = json.loads(done.stdout.splitlines()[0])
        assert line.get("pixel_size_mm", [0.15, 0.17]) == [0.15, 0.17]
    one = run("edge_runtime", "measure", "--pixel-size-mm", 0.15, frame, "--model", model, "--json")
    assert json.loads(one.stdout)["pixel_size_mm"] == [0.15, 0.15]


def test_the_first_size_is_the_width(run: Run, tmp_path: Path) -> None:
    frame, _, mm = make_phantom(0)
    Image.fromarray(frame).save(tmp_path / "tall.png")  # its head is taller than it is wide
    hc = []
    for size in (mm, f"{mm},{1.1 * mm}", f"{1.1 * mm},{mm}", 1.1 * mm):
        done = run("edge_runtime", "measure", tmp_path / "tall.png", "--pixel-size-mm", size, "--json")
        hc.append(json.loads(done.stdout)["head_circumference_mm"])
    small, high, wide, large = hc
    assert small < wide < high < large == pytest.approx(1.1 * small)


@pytest.mark.parametrize(
    ("size", "seen"), [("0.1,0.2,0.3", "one number, or two"), ("0,15", "use a point for decimals"), ("0.1,9", "differ")]
)
def test_an_impossible_pair_of_pixel_sizes(run: Run, model: Path, images: Path, size: str, seen: str) -> None:
    done = run("edge_runtime", "measure", images / "0.png", "--model", model, "--pixel-size-mm", size)
    assert done.returncode == 2 and seen in done.stderr and not done.stdout


def test_two_sizes_with_a_space_between_are_no_image_and_no_square_pixel(run: Run, model: Path, images: Path) -> None:
    done = run("edge_runtime", "measure", "--pixel-size-mm", 0.15, 0.17, images / "0.png", "--model", model)
    assert done.returncode == 2 and "--pixel-size-mm 0.15,0.17" in done.stderr and not done.stdout


def test_a_frame_of_several_is_chosen(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    first, second = (Image.open(images / f"{i}.png") for i in range(2))
    cine = tmp_path / "cine.tiff"
    first.save(cine, save_all=True, append_images=[second])
    refused = run("edge_runtime", "measure", cine, images / "1.png", "--model", model, "--json")
    lines = [json.loads(line) for line in refused.stdout.splitlines()]
    assert refused.returncode == 1 and "holds 2 frames" in lines[0]["reason"] and "quality" in lines[1]
    for command in ("measure", "stream"):
        done = run("edge_runtime", command, cine, images / "1.png", "--model", model, "--json", "--frame", 1)
        assert done.returncode == 0, done.stderr
    chosen = run("edge_runtime", "measure", cine, "--model", model, "--json", "--frame", 2)
    assert json.loads(chosen.stdout)["ellipse"] == lines[1]["ellipse"]
    assert run("edge_runtime", "measure", cine, "--model", model, "--frame", 0).returncode == 2
    beyond = run("edge_runtime", "measure", cine, "--model", model, "--frame", 3)
    assert beyond.returncode == 2 and "there is no frame 3" in beyond.stderr


def test_a_folder_and_a_missing_file_are_wrong_calls_and_the_others_are_measured(
    run: Run, model: Path, images: Path, tmp_path: Path
) -> None:
    for wrong, seen in ((images, "is a folder"), (tmp_path / "no.png", "There is no file")):
        done = run("edge_runtime", "measure", wrong, images / "1.png", "--model", model, "--json")
        first, second = (json.loads(line) for line in done.stdout.splitlines())
        assert done.returncode == 2 and seen in done.stderr and seen in first["reason"]
        assert second["quality"]["regions"] >= 1


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
    assert done.returncode == 2 and "would be written twice" in done.stderr
    assert not (tmp_path / "m").exists()


def test_a_mask_is_always_a_png(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    (images / "0.png").rename(images / "frame.PNG")
    for name in ("photo.jpg", "1.2.840"):
        Image.open(images / "1.png").save(images / name, format="JPEG")
    names = ("frame.PNG", "photo.jpg", "1.2.840")
    masks = tmp_path / "masks"
    done = run("edge_runtime", "measure", *(images / name for name in names), "--model", model, "--mask-dir", masks)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in masks.iterdir()) == ["1.2.840.png", "frame.png", "photo.png"]
    assert all(Image.open(path).format == "PNG" for path in masks.iterdir())


@pytest.mark.parametrize("option", ["--mask-dir", "--overlay-dir"])
def test_two_images_that_would_share_a_file_are_refused_before_anything_is_measured(
    run: Run, model: Path, images: Path, tmp_path: Path, option: str
) -> None:
    Image.open(images / "0.png").save(images / "0.jpg")
    done = run("edge_runtime", "measure", images / "0.jpg", images / "0.png", "--model", model, option, tmp_path / "m")
    assert done.returncode == 2 and "would both give 0.png" in done.stderr
    assert not done.stdout and not (tmp_path / "m").exists()


def test_no_image_is_overwritten_by_whatever_path(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "0.png").hardlink_to(images / "0.png")
    before = (images / "0.png").read_bytes()
    done = run("edge_runtime", "measure", images / "0.png", "--model", model, "--overlay-dir", links)
    assert done.returncode == 2 and "one of the images" in done.stderr
    Image.open(images / "0.png").save(images / "other.jpg")
    (tmp_path / "same").symlink_to(images)
    done = run("edge_runtime", "measure", images / "other.jpg", "--model", model, "--mask-dir", tmp_path / "same")
    assert done.returncode == 2 and "own folder" in done.stderr
    done = run(
        "edge_runtime", "measure", images / "0.png", "--model", model, "--mask-dir", tmp_path / "m",
        "--overlay-dir", tmp_path / "x" / ".." / "m",
    )  # fmt: skip
    assert done.returncode == 2 and "name the same folder" in done.stderr
    assert (images / "0.png").read_bytes() == before and not (tmp_path / "m").exists()


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
    assert "head if the probability is above 0.5" in shown.stdout
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


def test_an_image_of_a_wrong_size_is_named(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    small, wide, large, huge = (tmp_path / f"{name}.png" for name in ("small", "wide", "large", "huge"))
    for path, size in ((small, (30, 20)), (wide, (17000, 40)), (large, (10000, 10000)), (huge, (20000, 20000))):
        Image.new("1", size).save(path)
    done = run("edge_runtime", "measure", small, wide, large, huge, images / "1.png", "--model", model, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and "quality" in lines[4]
    said = done.stderr.splitlines()
    assert len(said) == 4, done.stderr  # no warning of Pillow's about a large image
    for path, line in zip((small, wide, large, huge), said, strict=True):
        assert line.startswith(f"error: {path}")
    assert "20 high and 30 wide" in said[0] and "10000 x 10000" in said[2]
    assert all("at most 67108864" in line and "damaged" not in line for line in said[2:])
