"""The row of an image says what ``measure --json`` says of it, from every kind of source."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_runtime.__main__ import main
from tests.helpers.places import Run
from tests.runtime.archive.conftest import FRAMES, Rows, read_rows, write_table

Make = Callable[..., Rows]


def measured(run: Run, *call: object) -> list[dict[str, Any]]:
    """The lines of ``measure --json``."""
    done = run("edge_runtime", "measure", *call, "--model", "edge-s", "--json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_alike(rows: Rows, lines: list[dict[str, Any]], **other: Any) -> None:
    """All that ``measure`` says of each image is in its row; what differs is named."""
    assert len(rows) == len(lines) > 0
    for row, line in zip(rows, lines, strict=True):
        if times := line.pop("latency_ms", None):
            assert {*times, "read"} == row["latency_ms"].keys() and min(row["latency_ms"].values()) > 0
        assert {key: row[key] for key in line} == {**line, **{key: other[key] for key in other if line.get(key)}}
        assert row["model_sha256"]


def test_rows_of_real_images(archive: Make, run: Run, hc18: Path, tmp_path: Path) -> None:
    images = sorted((hc18 / "training_set").glob("*_HC.png"))[::80]
    (tmp_path / "real").mkdir()
    for image in images:
        shutil.copy(image, tmp_path / "real")
    copies = sorted((tmp_path / "real").iterdir())
    shutil.copy(images[0].with_name(f"{images[0].stem}_Annotation.png"), tmp_path / "real")
    sizes = ("--pixel-size-csv", hc18 / "training_set_pixel_size_and_HC.csv")
    rows = archive(tmp_path / "real", *sizes)
    check_alike(rows, measured(run, *copies, *sizes))
    shown = [row for row in rows if row["head_circumference_mm"]]
    assert len(shown) > 5
    for row in shown:
        low, high = row["interval_mm"]
        assert low < row["head_circumference_mm"] < high and row["head_circumference_px"] > 100
        assert row["head_circumference_px"] * row["pixel_size_mm"][0] == pytest.approx(row["head_circumference_mm"])


@pytest.mark.parametrize("options", [(), ("--pixel-size-mm", "0.2,0.21"), ("--pixel-size-mm", 0.2, "--any-size")])
def test_rows_of_images_of_several_sizes(archive: Make, run: Run, folder: Path, options: tuple[object, ...]) -> None:
    Image.fromarray(FRAMES[0][0][:, :700]).save(folder / "3.png")
    (folder / "+.png").write_bytes(b"")  # the first is the first that can be read
    rows = archive(folder, *options)
    check_alike(rows, measured(run, *sorted(folder.iterdir()), *options))
    reasons = [row["reason"] or "" for row in rows]
    if options == ():
        assert all("no pixel size" in reason for reason in reasons[1:])
    else:
        assert ("may not hold" in reasons[-1]) == ("--any-size" not in options)


BAD = ("cut.png", "empty.png", "text.png", "small.png", "deep.png", "missing.png", "several.tiff", "folder.png")


def make_bad(folder: Path) -> None:
    good = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("not an image")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "small.png")
    Image.fromarray(np.zeros((90, 90), np.uint16)).save(folder / "deep.png")
    Image.fromarray(FRAMES[0][0]).save(
        folder / "several.tiff", save_all=True, append_images=[Image.fromarray(FRAMES[1][0])]
    )
    (folder / "folder.png").mkdir()


def test_each_bad_file_of_a_list_costs_one_row_with_its_reason(archive: Make, run: Run, folder: Path) -> None:
    make_bad(folder)
    names = ["0.png", *BAD, "1.png", str(folder / "2.png")]
    (folder.parent / "list.txt").write_text("\n".join(f"images/{name}" for name in names[:-1]) + f"\n{names[-1]}\n\n")
    rows = archive(folder.parent / "list.txt", "--pixel-size-mm", 0.2)
    lines = measured(run, *(folder / name for name in names), "--pixel-size-mm", 0.2)
    assert [row["image"] for row in rows] == [*(f"images/{name}" for name in names[:-1]), names[-1]]
    for row, line in zip(rows, lines, strict=True):
        line["image"] = row["image"]
    check_alike(rows, lines)
    assert [row["reason"] is None for row in rows] == [name.removeprefix(f"{folder}/")[0].isdigit() for name in names]
    assert len({row["reason"] for row in rows}) == 1 + len(BAD)


def test_a_table_of_pixel_sizes_is_a_list_too_and_a_bad_size_costs_one_row(archive: Make, folder: Path) -> None:
    table = folder / "sizes.csv"
    Image.fromarray(FRAMES[0][0]).save(folder / "UP.PNG")
    table.write_text("filename;pixel size(mm)\n0.png;0,2\n1.png;wide\nUP.PNG;0,2\n")
    first, second, third = archive(table)
    assert first["pixel_size_mm"] == [0.2, 0.2] and first["pixel_size_from"] == "source" and not first["reason"]
    assert ("'wide'" in second["reason"] and second["head_circumference_mm"] is None and second["ellipse"] is None) or (
        second["ellipse"]
    )
    assert third["head_circumference_mm"] == first["head_circumference_mm"]


def test_an_image_that_the_table_lacks_costs_one_row(archive: Make, folder: Path) -> None:
    table = folder.parent / "sizes.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]))
    rows = archive(folder, "--pixel-size-csv", table)
    assert [row["reason"] is None for row in rows] == [True, True, False]
    assert f"{table} has no row for 2.png" in rows[2]["reason"]


def test_images_of_one_name_get_no_pixel_size_by_it(archive: Make, folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        shutil.copy(folder / "0.png", folder / name / "same.png")
    table = folder.parent / "sizes.csv"
    table.write_text("filename,pixel size(mm)\nsame.png,0.2\na/same.png,0.3\n0.png,0.2\n1.png,0.2\n2.png,0.2\n")
    rows = {row["image"]: row for row in archive(folder, "--pixel-size-csv", table)}
    assert rows["a/same.png"]["pixel_size_mm"] == [0.3, 0.3] and rows["0.png"]["pixel_size_mm"] == [0.2, 0.2]
    assert rows["b/same.png"]["pixel_size_mm"] is None and "no row for b/same.png" in rows["b/same.png"]["reason"]


def test_a_dicom_tree(archive: Make, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pydicom")
    from tests.helpers.dicom_files import PATIENT, region_of, whole, write_dicom

    tree, frame = tmp_path / "tree", FRAMES[0][0]
    (tree / "study" / "series").mkdir(parents=True)
    files = [tree / "study" / name for name in ("1.2.840.1", "IM0001", "clip.dcm", "cut.dcm", "two.dcm")]
    for file in files[:2]:
        write_dicom(file, frame, regions=[whole(frame, 0.02)])
    write_dicom(files[2], [frame, FRAMES[1][0]])
    files[3].write_bytes(files[0].read_bytes()[:-5000])
    write_dicom(files[4], frame, regions=[region_of((0, 0, 399, 539)), region_of((400, 0, 799, 539))])
    (tree / "study" / "series" / "notes").write_text("no image")
    (tree / ".hidden.dcm").write_bytes(b"")
    rows = archive(tree)
    check_alike([{**row, "image": Path(row["image"]).name} for row in rows], measured(run, *files))
    assert [row["image"] for row in rows] == [file.relative_to(tree).as_posix() for file in files]
    assert rows[0]["head_circumference_mm"] and rows[0]["pixel_size_from"] == "file" and rows[0]["part"]
    assert "holds 2 frames" in rows[2]["reason"] and rows[3]["reason"] and "2 tissue regions" in rows[4]["reason"]
    assert "1 left out: notes" in capsys.readouterr().err
    second = archive(tree, "--frame", 2, "--region", 1, out=tmp_path / "second")
    check_alike(second[2:3], [{**measured(run, files[2], "--frame", 2, "--region", 1)[0], "image": "study/clip.dcm"}])
    assert not [secret for secret in PATIENT.values() if secret in str(rows + second)]


def test_a_table_of_frames(archive: Make, run: Run, folder: Path, tmp_path: Path) -> None:
    frames = [frame for frame, _, _ in FRAMES]
    sizes = [size for _, _, size in FRAMES]
    table = write_table(tmp_path / "table.parquet", frames, image=["x", "x", "z"], pixel_size_mm=sizes)
    rows = archive(table)
    lines = measured(run, *sorted(folder.iterdir()), "--pixel-size-csv", tmp_path / "sizes.csv")
    for row, line in zip(rows, lines, strict=True):
        line["image"] = row["image"]
    check_alike(rows, lines, pixel_size_from="source")
    assert [(row["number"], row["image"]) for row in rows] == [(0, "x"), (1, "x"), (2, "z")]


def test_tables_of_many_rows_are_cut_and_put_together_again(archive: Make, tmp_path: Path) -> None:
    frame = FRAMES[0][0][::4, ::4]
    for name, count in (("a", 21), ("b/c", 7), ("d", 1)):
        columns = {
            "image": [f"{name} {n}" for n in range(count)],
            "pixel_size_mm": [0.4 + n / 100 for n in range(count)],
        }
        write_table(tmp_path / "tables" / f"{name}.parquet", [frame] * count, **columns)
    rows = archive(tmp_path / "tables")
    assert [row["image"] for row in rows] == [f"{name} {n}" for name, count in (("a", 21), ("b/c", 7), ("d", 1))
                                              for n in range(count)]  # fmt: skip
    assert [row["pixel_size_mm"][0] for row in rows[:21]] == [0.4 + n / 100 for n in range(21)]
    assert len(list((tmp_path / "out" / "rows").iterdir())) == 3 + 1 + 1


def test_a_bad_row_of_a_table_costs_one_row(archive: Make, tmp_path: Path) -> None:
    frame = FRAMES[0][0]
    columns: dict[str, list[Any]] = {
        "pixels": [frame.tobytes(), frame.tobytes()[1:], None, frame.tobytes(), b""],
        "height": [540, 540, 540, -540, 0], "width": [800, 800, 800, -800, 0],
        "pixel_size_mm": [0.2, 0.2, 0.2, 0.2, 0.2],
    }  # fmt: skip
    rows = archive(write_table(tmp_path / "table.parquet", [frame] * 5, **columns))
    assert [row["head_circumference_mm"] is None for row in rows] == [False, True, True, True, True]
    assert "431999 bytes for 800 x 540 pixels" in rows[1]["reason"] and "lacks its pixels" in rows[2]["reason"]
    assert all(f"row {number}" in row["reason"] for number, row in enumerate(rows) if number)


def test_a_damaged_row_group_costs_its_rows(archive: Make, tmp_path: Path) -> None:
    frames = [np.roll(FRAMES[0][0], 9 * n, 1) for n in range(10)]
    table = write_table(tmp_path / "table.parquet", frames, pixel_size_mm=[0.2] * 10)
    data = bytearray(table.read_bytes())
    at = len(data) * 7 // 10  # in the pixels of the second of two groups
    data[at : at + 60_000] = bytes(60_000)
    table.write_bytes(data)
    rows = archive(table)
    assert len(rows) == 10 and all(row["head_circumference_mm"] for row in rows[:5])
    assert "cannot be read" in rows[-1]["reason"]


def test_a_damaged_table_costs_one_row(archive: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables, frame = tmp_path / "tables", FRAMES[0][0]
    for name in ("a", "b", "c"):
        write_table(tables / f"{name}.parquet", [frame] * 2, image=[f"{name}0", f"{name}1"], pixel_size_mm=[0.2] * 2)
    cut = tables / "b.parquet"
    cut.write_bytes(cut.read_bytes()[:-100])
    rows = archive(tables)
    assert [row["image"] for row in rows] == ["a0", "a1", "b.parquet", "c0", "c1"]
    assert [row["head_circumference_mm"] is None for row in rows] == [False, False, True, False, False]
    assert "b.parquet cannot be read as a Parquet table" in rows[2]["reason"]
    said = capsys.readouterr()
    assert "1 table cannot be read, such as b.parquet: one row each" in said.err and "1 not readable" in said.out
    assert archive(tables) == rows


@pytest.mark.parametrize("kind", ["folder", "list", "table"])
def test_an_object_store(archive: Make, folder: Path, tmp_path: Path, kind: str) -> None:
    import fsspec

    here = archive(folder, "--pixel-size-mm", 0.2)
    store = fsspec.filesystem("memory")
    root = f"/{tmp_path.name}"
    sources = {
        "folder": f"memory:/{root}/frames",
        "list": f"memory:/{root}/list.txt",
        "table": f"memory:/{root}/t.parquet",
    }
    store.pipe({f"{root}/frames/{file.name}": file.read_bytes() for file in folder.iterdir()})
    store.pipe(f"{root}/list.txt", b"frames/0.png\nframes/1.png\nframes/2.png\nframes/3.png\n")
    table = write_table(tmp_path / "t.parquet", [frame for frame, _, _ in FRAMES])
    store.pipe(f"{root}/t.parquet", table.read_bytes())
    call = ["archive", sources[kind], "--out", f"memory:/{root}/out", "--processes", "1", "--model", "edge-s"]
    for _ in range(2):  # a rerun does nothing
        assert main([*call, "--pixel-size-mm", "0.2"]) == 0
    store.get(f"{root}/out", str(tmp_path / "got"), recursive=True)
    rows = read_rows(tmp_path / "got")
    assert [row["head_circumference_mm"] for row in rows[:3]] == [row["head_circumference_mm"] for row in here]
    assert [row["reason"] for row in rows[3:]] == (
        [f"There is no file memory:/{root}/frames/3.png."] if kind == "list" else []
    )
    store.rm(root, recursive=True)


def test_a_url_of_this_computer_is_its_path(archive: Make, folder: Path) -> None:
    rows = archive(f"file://{folder}", "--pixel-size-mm", 0.2)
    assert archive(folder, "--pixel-size-mm", 0.2) == rows
