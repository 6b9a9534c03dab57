from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import FetalHeadError, InputError, UsageError
from edge_runtime.head.ellipse import fit_ellipse, outline_points
from tests.helpers.places import Run
from train.data.hc18 import TABLE, find_data, find_local, read_dataset
from train.data.phantom import MARKER, make_dataset, make_phantom
from train.data.splits import FOLDS, make_split

LEAVE_THE_FRAME = ("186_HC.png", "346_HC.png", "628_2HC.png", "787_HC.png")


@pytest.fixture
def copy(phantom: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(phantom, tmp_path / "copy"))


def edit_table(root: Path, name: str, values: list[str] | None) -> None:
    rows = list(csv.reader((root / TABLE).open()))
    rows = [r if r[0] != name else [name, *values] for r in rows if r[0] != name or values is not None]
    with (root / TABLE).open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.mark.slow
def test_reference_masks_of_all_images_give_the_tables_circumference_within_a_tenth_of_a_millimetre(hc18: Path) -> None:
    worst = ("", 0.0)
    samples = read_dataset(hc18).samples
    for sample in samples.values():
        found = fit_ellipse(outline_points(sample.mask(), 0.5)).perimeter * sample.pixel_size_mm
        worst = max(worst, (sample.name, abs(found - sample.hc_mm)), key=lambda w: w[1])
    assert len(samples) == 930
    assert worst[1] < 0.1, worst


def test_contour_masks_are_larger_by_the_line_and_do_not_leak(hc18: Path) -> None:
    dataset = read_dataset(hc18)
    for name in ("010_HC.png", *LEAVE_THE_FRAME):
        sample = dataset.samples[name]
        ellipse, contour = sample.mask("ellipse"), sample.mask("contour")
        assert ellipse.shape == sample.frame().shape
        assert 1.0 < contour.sum() / ellipse.sum() < 1.06, name
        assert (ellipse & ~contour).sum() < 0.001 * ellipse.sum()


def test_phantoms_are_repeatable_measurable_and_say_what_they_are(phantom: Path) -> None:
    frame, skull, pixel_size = make_phantom(3)
    again, _, _ = make_phantom(3)
    assert np.array_equal(frame, again)
    dataset = read_dataset(phantom)
    assert dataset.is_phantom and "not ultrasound" in dataset.title
    sample = dataset.samples["003_HC.png"]
    assert sample.hc_mm == pytest.approx(skull.perimeter * pixel_size)
    assert sample.ellipse().perimeter == pytest.approx(skull.perimeter, rel=1e-3)


def test_a_phantom_is_not_written_over_other_data(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="not written over"):
        make_dataset(tmp_path)
    assert (tmp_path / "mine.txt").exists()


def test_data_is_found_in_the_stated_order(phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("HC18_DIR", raising=False)
    monkeypatch.setenv("HC18_URL", "http://127.0.0.1:9")  # nothing listens there
    shared = Path(shutil.copytree(phantom, tmp_path / "shared" / "hc18"))
    assert find_data(None).root.resolve() == shared
    local = Path(shutil.copytree(phantom, work / "data" / "hc18"))
    assert find_data(None).root.resolve() == local
    monkeypatch.setenv("HC18_DIR", str(phantom))
    assert find_data(None).root == phantom
    assert find_data(str(shared)).root == shared


def test_without_data_or_network_the_phantom_is_used_and_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HC18_DIR", raising=False)
    monkeypatch.setenv("HC18_URL", "http://127.0.0.1:9")
    dataset = find_data(None)
    assert dataset.is_phantom and (dataset.root / MARKER).exists()
    assert "phantom instead" in capsys.readouterr().out


def test_without_pooch_the_phantom_is_used_and_the_package_named(
    phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HC18_DIR", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)
    shutil.copytree(phantom, tmp_path / "data" / "phantom")  # one that is there is kept
    assert find_data(None).is_phantom
    said = capsys.readouterr().out
    assert "phantom instead" in said and "pip install" in said and "pooch" in said
    with pytest.raises(FetalHeadError, match="pooch"):
        find_data("download")


def test_a_folder_in_the_environment_that_does_not_exist_is_a_wrong_call(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "nowhere"
    done = run("benchmarks", "run", "edge_runtime/models", env={"HC18_DIR": str(missing)})
    assert done.returncode == 2 and f"$HC18_DIR is {missing}" in done.stderr
    monkeypatch.setenv("HC18_DIR", str(missing))
    with pytest.raises(UsageError, match="HC18_DIR"):
        find_local()


def test_suffixes_in_any_case_are_read(copy: Path) -> None:
    names = read_dataset(copy).samples
    for path in [*copy.glob("training_set/*[02468]_HC.png"), *copy.glob("training_set/*[0369]_HC_Annotation.png")]:
        path.rename(path.with_suffix(".PNG"))
    dataset = read_dataset(copy)
    assert list(dataset.samples) == list(names)
    assert dataset.samples["002_HC.png"].frame().shape == (540, 800)
    shutil.copy(copy / "training_set" / "002_HC.PNG", copy / "training_set" / "002_HC.png")
    with pytest.raises(InputError, match="two files of one image"):
        read_dataset(copy)


def test_what_is_no_image_is_counted_and_said(copy: Path) -> None:
    for path in list((copy / "training_set").iterdir()):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    (copy / "training_set" / "Thumbs.db").write_bytes(b"")
    (copy / "training_set" / "019_HC.png").unlink()
    dataset = read_dataset(copy)
    assert len(dataset.samples) == 19
    assert "19 images in" in dataset.summary and "42 left out: ._000_HC.png, " in dataset.summary
    assert "1 row of the table without an image" in dataset.summary


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "no folder"),
        ("file", "is a file"),
        ("empty", "is empty"),
        ("data/training_set", "Give --data {root}/data."),
    ],
)
def test_a_wrong_data_folder_is_told_from_others(phantom: Path, tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    shutil.copytree(phantom, tmp_path / "data")
    with pytest.raises(UsageError) as caught:
        find_data(str(tmp_path / place))
    assert said.format(root=tmp_path) in str(caught.value)


def test_a_table_without_circumferences_is_named(copy: Path) -> None:
    lines = (copy / TABLE).read_text().splitlines()
    (copy / TABLE).write_text("\n".join(line.rpartition(",")[0] for line in lines))
    with pytest.raises(UsageError, match="no column 'head circumference"):
        read_dataset(copy)


def test_an_image_without_annotation_is_an_error_with_its_name(copy: Path) -> None:
    (copy / "training_set" / "004_HC_Annotation.png").unlink()
    with pytest.raises(InputError, match=r"004_HC\.png has no annotation"):
        read_dataset(copy)


def test_an_image_without_a_row_is_an_error_with_its_name(copy: Path) -> None:
    edit_table(copy, "004_HC.png", None)
    with pytest.raises(InputError, match=r"no row for 004_HC\.png"):
        read_dataset(copy)


@pytest.mark.parametrize("value", ["0", "-0.1", "nan", "inf", "wide", ""])
def test_an_impossible_pixel_size_is_an_error_with_its_value(copy: Path, value: str) -> None:
    edit_table(copy, "004_HC.png", [value, "200"])
    with pytest.raises(InputError, match=r"pixel size\(mm\)' of 004_HC\.png"):
        read_dataset(copy)


def test_an_empty_annotation_is_an_error_with_its_name(copy: Path) -> None:
    from edge_runtime.frame.image_files import write_mask

    write_mask(copy / "training_set" / "004_HC_Annotation.png", np.zeros((540, 800), bool))
    with pytest.raises(InputError, match=r"004_HC_Annotation\.png"):
        read_dataset(copy).samples["004_HC.png"].mask()


def test_a_folder_of_another_layout_is_an_error_that_tells_the_layout(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="training_set"):
        read_dataset(tmp_path)


def test_grouped_shares_no_exam_between_its_parts(hc18: Path, phantom: Path) -> None:
    for dataset in (read_dataset(hc18), read_dataset(phantom)):
        split = make_split(dataset, "grouped")
        exams = [{name.split("_")[0] for name in part} for part in (split.train, split.val, split.test)]
        assert all(exams)
        assert not (exams[0] & exams[1] or exams[0] & exams[2] or exams[1] & exams[2])


def test_the_splits_of_hc18_are_the_lists(hc18: Path) -> None:
    dataset = read_dataset(hc18)
    train, test = ((hc18 / "splits" / f"paper_{p}.txt").read_text().split() for p in ("train", "test"))
    paper, grouped = make_split(dataset, "paper"), make_split(dataset, "grouped")
    assert (set(paper.train), set(paper.test), paper.val) == (set(train), set(test), ())
    assert set(grouped.train) | set(grouped.val) == set(train)
    assert len(grouped.test) == 69 and set(grouped.test) < set(test)
    assert make_split(dataset, "grouped") == grouped
    assert make_split(dataset, "grouped", seed=1).val != grouped.val


def test_folds_test_every_exam_once_but_those_that_judge(hc18: Path, phantom: Path) -> None:
    for dataset in (read_dataset(hc18), read_dataset(phantom)):
        held_out = set(make_split(dataset, "grouped").test)
        folds = [make_split(dataset, name) for name in FOLDS]
        assert sorted(n for fold in folds for n in fold.test) == sorted(dataset.samples.keys() - held_out)
        for fold in folds:
            exams = [{name.split("_")[0] for name in part} for part in (fold.train, fold.test)]
            assert not exams[0] & exams[1] and fold.val == () and not held_out & {*fold.train, *fold.test}
            assert 0.15 < len(exams[1]) / len(exams[0] | exams[1]) < 0.25


def test_a_list_that_names_a_missing_image_is_an_error(copy: Path) -> None:
    (copy / "splits").mkdir()
    (copy / "splits" / "paper_train.txt").write_text("000_HC.png\n999_HC.png\n")
    (copy / "splits" / "paper_test.txt").write_text("001_HC.png\n")
    with pytest.raises(InputError, match=r"999_HC\.png"):
        make_split(read_dataset(copy), "paper")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_of_any_dialect_are_read_alike(copy: Path, encoding: str) -> None:
    (copy / "splits").mkdir()
    (copy / "splits" / "paper_train.txt").write_bytes("000_HC.png \r\n\r\n001_HC.PNG\r\n000_HC.png".encode(encoding))
    (copy / "splits" / "paper_test.txt").write_bytes("002_HC.png\n".encode(encoding))
    split = make_split(read_dataset(copy), "paper")
    assert (split.train, split.test) == (("000_HC.png", "001_HC.png"), ("002_HC.png",))


def test_an_image_in_both_lists_is_refused(copy: Path) -> None:
    (copy / "splits").mkdir()
    (copy / "splits" / "paper_train.txt").write_text("000_HC.png\n001_HC.png\n")
    (copy / "splits" / "paper_test.txt").write_text("001_HC.png\n")
    with pytest.raises(InputError, match=r"001_HC\.png"):
        make_split(read_dataset(copy), "paper")
