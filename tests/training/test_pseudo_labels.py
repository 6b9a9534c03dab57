"""Images that networks outline, and training on them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.errors import InputError, UsageError
from edge_runtime.head.ellipse import Ellipse
from tests.helpers.places import ROOT
from tests.helpers.short_run import go
from train.checkpoint import load_checkpoint
from train.config import TrainConfig
from train.data.hc18 import read_dataset
from train.data.phantom import make_phantom
from train.data.pseudo_labels import learn_from, mean_ellipse, read_pseudo_labels, unlabelled_images
from train.data.splits import make_split
from train.frames.pool import UNSURE, make_pool
from train.pseudo_label import images_seen, main, outlines, spread_of

TEACHER = ROOT / "checkpoints" / "edge-l"


@pytest.fixture(scope="module")
def root(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom data set with two images that have no annotations, and one without a head."""
    root = Path(shutil.copytree(phantom, tmp_path_factory.mktemp("data") / "set"))
    (root / "test_set").mkdir()
    rows = ["filename,pixel size(mm)"]
    for seed in (70, 71):
        frame, _, size = make_phantom(seed)
        Image.fromarray(frame).save(root / "test_set" / f"{seed}_HC.png")
        rows.append(f"{seed}_HC.png,{size}")
    Image.fromarray(np.zeros((540, 800), np.uint8)).save(root / "test_set" / "72_HC.png")
    (root / "test_set_pixel_size.csv").write_text("\n".join([*rows, "72_HC.png,0.2"]))
    return root


@pytest.fixture(scope="module")
def table(root: Path) -> Path:
    """Their outlines, by the shipped network."""
    out = root / "outlined.csv"
    assert main([str(TEACHER), "--data", str(root), "--out", str(out)]) == 0
    return out


def test_the_mean_of_ellipses_lies_between_them() -> None:
    one = Ellipse(10, 20, 8, 5, 30)
    same = mean_ellipse([one] * 3)
    assert (same.center_x, same.center_y, same.semi_major, same.semi_minor, same.angle_deg) == pytest.approx(
        (10, 20, 8, 5, 30)
    )
    between = mean_ellipse([Ellipse(0, 0, 8, 5, 170), Ellipse(2, 4, 10, 7, 10)])
    assert (between.center_x, between.center_y) == pytest.approx((1, 2))
    assert min(between.angle_deg, 180 - between.angle_deg) < 2, "170 and 10 degrees: 180, and not 90"
    assert 8.5 < between.semi_major < 9.1 and 5.9 < between.semi_minor < 6.5
    assert spread_of([Ellipse(0, 0, 9, 9, 0), Ellipse(0, 0, 11, 11, 0)]) == pytest.approx(0.1)


def test_a_network_outlines_a_frame_and_its_mirror_image_alike() -> None:
    frame, head, _ = make_phantom(70)
    one, mirrored = outlines([load_checkpoint(TEACHER)], frame) or []
    assert one != mirrored
    for found in (one, mirrored):
        assert (found.center_x, found.center_y) == pytest.approx((head.center_x, head.center_y), abs=6)
        assert found.perimeter == pytest.approx(head.perimeter, rel=0.05)


def test_the_command_writes_outlines_and_how_they_were_made(root: Path, table: Path) -> None:
    samples = read_pseudo_labels(table, root)
    train = make_split(read_dataset(root), "grouped").train
    assert [sample.name for sample in samples[:2]] == ["test_set/70_HC.png", "test_set/71_HC.png"]
    assert {sample.name for sample in samples[2:]} <= {f"training_set/{name}" for name in train}
    assert len(samples) > 0.9 * len(train)
    for sample in samples[:2]:
        _, head, size = make_phantom(int(sample.path.name.split("_")[0]))
        assert sample.hc_mm == pytest.approx(head.perimeter * size, rel=0.05)
        assert sample.mask().sum() == pytest.approx(np.pi * head.semi_major * head.semi_minor, rel=0.08)
    record = json.loads(table.with_suffix(".json").read_text())
    assert "test_set/72_HC.png" in record["left_out"] and record["images"] == len(samples)
    assert record["validation"]["dice"] > 0.9 and record["teachers"][0]["strategy"] == "edge-l"
    assert record["teachers"][0]["weights_sha256"] == load_checkpoint(TEACHER).sha256


def test_nothing_is_overwritten(root: Path, table: Path) -> None:
    with pytest.raises(UsageError, match="--overwrite"):
        main([str(TEACHER), "--data", str(root), "--out", str(table)])
    with pytest.raises(UsageError, match=r"end with \.csv"):
        main([str(TEACHER), "--data", str(root), "--out", str(root / "outlined.txt")])


def test_a_teacher_that_saw_what_judges_is_refused(root: Path, tmp_path: Path) -> None:
    seen = Path(shutil.copytree(TEACHER, tmp_path / "seen"))
    info = json.loads((seen / "checkpoint.json").read_text())
    dataset = read_dataset(root)
    info["data"] |= {"title": dataset.title, "files": {"train": sorted(dataset.samples)}}
    (seen / "checkpoint.json").write_text(json.dumps(info))
    with pytest.raises(UsageError, match=r"was trained on .* of the parts that judge"):
        main([str(seen), "--data", str(root), "--out", str(tmp_path / "labels.csv")])
    assert not (tmp_path / "labels.csv").exists()


def test_what_the_network_before_a_teacher_saw_counts_too(root: Path, table: Path) -> None:
    dataset = read_dataset(root)
    teacher = load_checkpoint(TEACHER)
    here = {"title": dataset.title, "files": {"train": ["b.png"]}}
    elsewhere = {"title": "MINE", "files": {"train": ["c.png"]}}
    before = {"trained_on": {dataset.title: ["a.png"]}}
    for data, seen in (here, {"a.png", "b.png"}), (elsewhere, {"a.png"}):
        assert images_seen(replace(teacher, info={"data": data, "started_from": before}), dataset) == seen
    assert images_seen(replace(teacher, info={"data": elsewhere, "started_from": None}), dataset) == set()


def test_annotated_images_are_learned_with_the_mean_of_both_outlines(root: Path, table: Path) -> None:
    dataset, pseudo = read_dataset(root), read_pseudo_labels(table, root)
    outlined = {one.name: one for one in pseudo}
    part = dataset.select(sorted(one.path.name for one in pseudo[2:5]))
    learned = learn_from(part, pseudo)
    assert [one.name for one in learned[3:]] == ["test_set/70_HC.png", "test_set/71_HC.png"], "no other annotated image"
    for sample, one in zip(part, learned[:3], strict=True):
        drawn, seen = sample.ellipse(), outlined[f"training_set/{sample.name}"].outline
        assert one.ellipse() == mean_ellipse([drawn, seen]) and one.path == sample.path
        assert one.ellipse().semi_major == pytest.approx((drawn.semi_major + seen.semi_major) / 2, rel=1e-2)
    assert [one.name for one in learn_from(part, pseudo, limit=1)[3:]] == ["test_set/70_HC.png"]
    assert learn_from(part, pseudo[:2])[:3] == part, "where networks disagreed, the annotation"


def test_outlined_images_train_as_annotated_ones_do(root: Path, table: Path, tmp_path: Path) -> None:
    pseudo = read_pseudo_labels(table, root)[:2]
    pool = make_pool(pseudo, [], TrainConfig((64, 96), looks=2, negatives=0))
    assert len(pool.heads) == 2 and all((pool.masks[looks] == UNSURE - 1).any() for looks in pool.heads)
    go(tmp_path / "edge", read_dataset(root), pseudo=pseudo, epochs=1)
    info = json.loads((tmp_path / "edge" / "checkpoint.json").read_text())
    assert info["data"]["pseudo_labels"] == 2 and len(info["data"]["pseudo_labels_sha256"]) == 64
    go(tmp_path / "without" / "edge", read_dataset(root), epochs=1)
    weights = [load_checkpoint(tmp_path / name / "edge").sha256 for name in ("", "without")]
    assert weights[0] != weights[1]


def test_a_run_does_not_go_on_with_other_outlines(root: Path, table: Path, half: Path) -> None:
    with pytest.raises(UsageError, match="pseudo_labels: 0, now 2"):
        go(half, read_dataset(root), pseudo=read_pseudo_labels(table, root)[:2], resume=True)


def test_outlines_by_networks_that_saw_what_judges_do_not_train(root: Path, table: Path, tmp_path: Path) -> None:
    dataset, pseudo = read_dataset(root), read_pseudo_labels(table, root)
    copy = tmp_path / "outlined.csv"
    there = [replace(one, annotation=copy) for one in pseudo]
    with pytest.raises(UsageError, match=r"outlined\.json does not say .*Keep both files together"):
        go(tmp_path / "edge", dataset, pseudo=there)
    seen = make_split(dataset, "grouped").test[0]
    copy.with_suffix(".json").write_text(json.dumps({"trained_on": [seen]}))
    with pytest.raises(UsageError, match=rf"was trained on 1 image of the parts that judge, the first is {seen}"):
        go(tmp_path / "edge", dataset, pseudo=there)
    assert not list((tmp_path / "edge").glob("*.safetensors"))


def test_files_in_capitals_are_found(root: Path, table: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "set"))
    (copy / "test_set" / "70_HC.png").rename(copy / "test_set" / "70_HC.PNG")
    (copy / "test_set" / "._70_HC.png").touch()
    assert [one.name for one in unlabelled_images(copy)] == [f"test_set/{n}_HC.png" for n in (70, 71, 72)]
    assert read_pseudo_labels(table, copy)[0].path == copy / "test_set" / "70_HC.PNG"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("semi_major", "long", "'semi_major' of test_set/70_HC.png is None; a number is needed"),
        ("test_set/70_HC.png", "test_set/../test_set/70_HC.png", r"there is no .*HC18's test_set is needed"),
        ("71_HC.png", "99_HC.png", r"99_HC\.png, but there is no .*HC18's test_set is needed"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    root: Path, table: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    changed = tmp_path / "changed.csv"
    changed.write_text(table.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        read_pseudo_labels(changed, root)


def test_an_infinite_outline_is_refused(root: Path, table: Path, tmp_path: Path) -> None:
    header, row, *_ = table.read_text().splitlines()
    values = row.split(",")
    values[header.split(",").index("semi_major")] = "1e999"
    (tmp_path / "changed.csv").write_text("\n".join([header, ",".join(values)]))
    with pytest.raises(InputError, match=r"'semi_major' of test_set/70_HC\.png is '1e999'; a number is needed"):
        read_pseudo_labels(tmp_path / "changed.csv", root)


def test_a_data_set_without_such_images_is_refused(phantom: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no folder .*test_set"):
        main([str(TEACHER), "--data", str(phantom), "--out", str(tmp_path / "labels.csv")])
