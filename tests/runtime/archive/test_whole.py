"""One row an image, whatever is stopped or killed; nothing of two archives is mixed; wrong calls."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.__main__ import main
from edge_runtime.archive.place import open_place
from edge_runtime.archive.plan import Settings
from edge_runtime.archive.run import find_archive
from edge_runtime.archive.worker import Worker
from edge_runtime.errors import FetalHeadError, ModelError, UsageError
from export.commands.sign import make_key
from tests.helpers.places import ROOT, Run
from tests.runtime.archive.conftest import FRAMES, Rows, links, read_rows, start, write_table

Make = Callable[..., Rows]

SLOWLY = (
    "import signal, time\n"
    "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # the tests may run under nohup
    "from edge_runtime import __main__\n"
    "from edge_runtime.archive import worker\n"
    "measure = worker.measure_item\n"
    "worker.measure_item = lambda *rest: (time.sleep(0.05), measure(*rest))[1]\n"
    "__main__.command()"
)
"""The command, with images that take long on any computer."""


def files(out: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (out / "rows").iterdir()}


ENDS = {
    signal.SIGKILL: (-9, ""),
    signal.SIGINT: (130, "stopped\n"),
    signal.SIGTERM: (143, "terminated\n"),
    signal.SIGHUP: (129, "terminated\n"),  # the terminal was closed
}


@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_a_run_that_is_ended_midway_is_continued(archive: Make, many: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "out"
    process = start(many, out, "--processes", 1, program=SLOWLY)
    assert process.stdout is not None
    done = [json.loads(process.stdout.readline())["done"] for _ in range(2)]
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    (out / "attempts" / ".part-00000002.json.killed.tmp").touch()  # as if the kill had come within a write
    before = files(out)
    assert (process.returncode, said) == ENDS[signal.Signals(number)]
    assert done == [8, 16] and 2 <= len(before) < 12
    rows = archive(many)
    assert len(rows) == 96 and before.items() <= files(out).items()
    assert [row["image"] for row in rows] == [f"links/{n:02d}.png" for n in range(96)]
    assert rows[3]["head_circumference_mm"] == rows[0]["head_circumference_mm"] is not None
    assert not list(out.rglob("*.tmp")) and not list((out / "attempts").iterdir())


def test_a_rerun_does_only_what_is_missing(
    archive: Make, many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, out = archive(many), tmp_path / "out"
    capsys.readouterr()
    (out / "rows" / "part-00000007.parquet").unlink()
    before = files(out)
    again = archive(many, "--json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("part") for line in lines] == [7, None] and lines[-1]["finished"] and lines[-1]["of"] == 96
    assert before.items() <= files(out).items() and len(files(out)) == 12
    figures = [[{**row, "latency_ms": None} for row in found] for found in (rows, again)]
    assert figures[0] == figures[1]


def test_a_part_counts_though_its_process_was_killed_after_it_was_written(folder: Path, tmp_path: Path) -> None:
    (folder / "3.png").write_bytes(b"")
    found = find_archive(
        str(folder), open_place(str(tmp_path / "out")), Settings(pixel_size_mm=(0.2, 0.2)), model=Path("edge-s")
    )
    worker = Worker(found.job)
    reports = [worker.measure(0) for _ in range(2)]
    assert [(report.images, report.measured, report.unread) for report in reports] == [(4, 3, 1)] * 2


def test_an_image_that_ends_each_process_costs_one_row(tmp_path: Path, folder: Path) -> None:
    """A decoder that crashes takes its process with it; here a file of a certain content does."""
    source, poison = links(folder, 24), tmp_path / "links" / "10.png"
    poison.unlink()
    Image.fromarray(FRAMES[0][0][:77]).save(poison)
    program = (
        "import os, signal, sys\n"
        "from edge_runtime import __main__\n"
        "from edge_runtime.archive import frames\n"
        "decode = frames.decode_picture\n"
        "def crash(data, *rest):\n"
        "    picture = decode(data, *rest)\n"
        "    if len(picture.pixels) == 77: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    return picture\n"
        "frames.decode_picture = crash\n"
        "__main__.command()"
    )
    codes = []
    while not codes or (codes[-1] != 0 and len(codes) < 9):
        process = start(source, tmp_path / "out", "--processes", 1, program=program)
        process.communicate(timeout=120)
        codes.append(process.returncode)
    assert codes == [-signal.SIGSEGV] * 4 + [0]
    rows = read_rows(tmp_path / "out")
    assert len(rows) == 24 and not list((tmp_path / "out" / "attempts").iterdir())
    assert [row["image"] for row in rows if row["reason"] and "process ended" in row["reason"]] == ["links/10.png"]
    assert all(row["head_circumference_mm"] for row in (rows[9], rows[12]))


def test_another_model_source_or_setting_is_refused(
    archive: Make, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sizes = tmp_path / "out", ("--pixel-size-csv", tmp_path / "sizes.csv")
    rows = archive(folder, *sizes)
    before = files(out)
    other = tmp_path / "other"
    other.mkdir()
    for file in folder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    for source, options, said in (
        (folder, (*sizes, "--model", "edge-m"), r"another model: edge-s-full_int8 \(\w{12}\) there, edge-m"),
        (other, sizes, r"another source: \S*images there, \S*other in this call"),
        (folder, (*sizes, "--frame", 1), "other settings: frame None there, frame 1 in this call"),
        (folder, ("--pixel-size-mm", 0.2), "other settings"),
    ):
        with pytest.raises(UsageError, match=said):
            archive(source, *options)
    (tmp_path / "sizes.csv").write_text((tmp_path / "sizes.csv").read_text().replace("0.png,0", "0.png,1"))
    with pytest.raises(UsageError, match="another list of images or pixel sizes"):
        archive(folder, *sizes)
    (folder / "3.png").write_bytes(b"")
    with pytest.raises(UsageError, match="another number of images: 3 there, 4 in this call"):
        archive(folder, *sizes)
    assert files(out) == before and read_rows(out) == rows
    assert len(archive(folder, *sizes, out=tmp_path / "second")) == 4


def test_a_folder_that_is_no_archive_is_left_alone(archive: Make, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds thesis\.txt, but no archive\.json"):
        archive(folder)
    assert [file.name for file in out.iterdir()] == ["thesis.txt"]
    (out / "thesis.txt").unlink()
    (out / "archive.json").write_text("{")
    with pytest.raises(ModelError, match=r"archive\.json is damaged"):
        archive(folder)
    (out / "archive.json").write_text('{"schema_version": 9}')
    with pytest.raises(ModelError, match="schema version 9"):
        archive(folder)
    with pytest.raises(UsageError, match="cannot be written"):
        archive(folder, out=folder / "0.png")


def test_a_second_run_into_the_folder_is_refused(many: Path, tmp_path: Path, run: Run) -> None:
    process = start(many, tmp_path / "out", "--processes", 1, program=SLOWLY)
    assert process.stdout is not None and process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    second = run("edge_runtime", "archive", many, "--out", tmp_path / "out", "--processes", 1, "--model", "edge-s")
    process.kill()
    process.communicate()
    assert second.returncode == 2 and "is in use by another run" in second.stderr


def test_sources_that_are_none(archive: Make, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "0.png").write_bytes(b"")
    table = write_table(tmp_path / "mixed" / "t.parquet", [FRAMES[0][0]])
    (tmp_path / "not.parquet").write_bytes(b"PAR1")
    (tmp_path / "twice.txt").write_text("images/0.png\nimages/1.png\nimages/0.png\n")
    (tmp_path / "nothing.txt").write_text("\n\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\x00\xfe")
    (tmp_path / "columns.csv").write_text("name,size\na,1\n")
    for source, said in (
        (tmp_path / "none", "There is no file or folder"),
        (tmp_path / "empty", "holds no images"),
        (tmp_path / "mixed", r"holds image files, such as 0\.png, and tables, such as t\.parquet"),
        (folder / "0.png", "a source is a folder, a list of files"),
        (tmp_path / "not.parquet", "cannot be read as a Parquet table"),
        (write_table(tmp_path / "few.parquet", [FRAMES[0][0]], width=[]), "has no column 'width'"),
        (write_table(tmp_path / "no.parquet", [np.zeros((0, 0), np.uint8)][:0], image=["x"][:0]), "no column|without"),
        (tmp_path / "twice.txt", r"names images/0\.png 2 times"),
        (tmp_path / "nothing.txt", "is empty"),
        (tmp_path / "binary.txt", "cannot be read as a list"),
        (tmp_path / "columns.csv", "no column 'filename'"),
        ("nosuch://bucket/frames", "cannot be opened"),
        ("", "The source is empty"),
    ):
        with pytest.raises(UsageError, match=said):
            archive(source)
    with pytest.raises(UsageError, match="lies in the source"):
        main(["archive", str(folder), "--out", str(folder / "rows"), "--processes", "1"])
    assert not (folder / "rows").exists()
    for source in (table, tmp_path / "sizes.csv"):
        with pytest.raises(UsageError, match="eave out --pixel-size-csv"):
            archive(source, "--pixel-size-csv", tmp_path / "sizes.csv")
    with pytest.raises(UsageError, match="--any-size"):
        archive(folder, "--any-size")
    with pytest.raises(UsageError, match="There is no model file"):
        archive(folder, "--model", tmp_path / "no.tflite")
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_used_ends_the_command_before_ray_starts(run: Run, folder: Path, tmp_path: Path) -> None:
    whole = ROOT / "edge_runtime/models/edge-s-full_int8.tflite"
    cut = tmp_path / whole.name
    cut.write_bytes(whole.read_bytes()[:-1])
    shutil.copy(whole.with_suffix(".json"), tmp_path)
    make_key(tmp_path / "ours")
    key = tmp_path / "ours.pub"
    for options, said in ((("--model", cut), "edge-s-full_int8.tflite"), (("--trusted-key", key), "is not signed")):
        done = run("edge_runtime", "archive", folder, "--out", tmp_path / "out", "--processes", 2, *options)
        assert done.returncode == 1 and done.stderr.startswith("error: ") and said in done.stderr
        assert done.stderr.count("\n") == 1 and not done.stdout and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("module", "processes"), [("pyarrow", 1), ("ray", 2)])
def test_a_missing_package_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, processes: int
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # Ray's settings must not reach other tests
    with pytest.raises(FetalHeadError, match=rf"'{module}'.*pip install 'fetal-head-edge\[archive\]'"):
        main(["archive", str(folder), "--out", str(tmp_path / "out"), "--processes", str(processes)])
    assert not (tmp_path / "out").exists()


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    program = "import sys, edge_runtime.__main__; print({'ray', 'pyarrow', 'fsspec', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True).stdout == "set()\n"


def test_a_source_that_is_gone_midway_costs_no_rows(archive: Make, folder: Path, tmp_path: Path) -> None:
    inside, out = tmp_path / "inside", tmp_path / "out"
    inside.mkdir()
    for number in range(64):
        shutil.copy(folder / f"{number % 3}.png", inside / f"{number:02d}.png")
    process = start(inside, out, "--processes", 1, "--pixel-size-mm", 0.2, program=SLOWLY)
    assert process.stdout is not None and process.stdout.readline()
    inside.rename(tmp_path / "away")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "is not there any more" in said and "make the same call again" in said
    assert 0 < len(files(out)) < 8
    (tmp_path / "away").rename(inside)
    rows = archive(inside, "--pixel-size-mm", 0.2)
    assert len(rows) == 64 and all(row["head_circumference_mm"] for row in rows)
    (inside / "03.png").unlink()  # one file that is gone is that file's row
    assert archive(inside, "--pixel-size-mm", 0.2, out=tmp_path / "new")[3]["image"] == "04.png"


def test_names_that_are_not_text(archive: Make, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = os.fsdecode(b"odd\xff.png")
    try:
        shutil.copy(folder / "0.png", folder / odd)
    except OSError:
        pytest.skip("this file system takes no such name")
    (folder / os.fsdecode(b"note\xff.txt")).write_text("x")
    (folder / os.fsdecode(b"bad\xff.png")).write_bytes(b"")
    rows = archive(folder, "--pixel-size-mm", 0.2)
    found = {row["image"]: row for row in rows}
    assert len(rows) == 5 and found["odd\\udcff.png"]["head_circumference_mm"]
    assert "bad\\udcff.png" in found["bad\\udcff.png"]["reason"]


def test_linked_folders_are_followed_once(archive: Make, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    (other / "deep").mkdir(parents=True)
    shutil.copy(folder / "0.png", other / "deep" / "a.png")
    shutil.copy(folder / "0.png", other / "b.png")
    (folder / "linked").symlink_to(other)
    (folder / "again").symlink_to(other / "deep")
    (folder / "up").symlink_to(tmp_path)
    (folder / "self").symlink_to(folder)
    (folder / "sub").mkdir()
    (folder / "sub" / "inner").symlink_to(folder / "sub")
    rows = archive(folder, "--pixel-size-mm", 0.2)
    assert [row["image"] for row in rows] == ["0.png", "1.png", "2.png", "again/a.png", "linked/b.png"]


def test_only_what_is_ours_is_tidied(archive: Make, folder: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "out" / ".cache" / ".other.tmp"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("x")
    (tmp_path / "out" / ".mine.tmp").write_text("x")
    archive(folder, "--pixel-size-mm", 0.2)
    assert theirs.exists() and (tmp_path / "out" / ".mine.tmp").exists()


def test_rows_inside_the_source_are_refused(archive: Make, folder: Path) -> None:
    for source, out in (
        (folder, folder / "rows"),
        (f"file://{folder}", folder / "rows"),
        ("memory://hospital", "memory://hospital/rows"),
    ):
        if "memory" in str(source):
            fsspec = pytest.importorskip("fsspec")
            fsspec.filesystem("memory").pipe_file("/hospital/0.png", (folder / "0.png").read_bytes())
        with pytest.raises(UsageError, match="lies in the source"):
            main(["archive", str(source), "--out", str(out), "--processes", "1", "--pixel-size-mm", "0.2"])
    assert not (folder / "rows").exists()


def test_damaged_notes_of_an_archive_are_made_again(archive: Make, many: Path, tmp_path: Path) -> None:
    rows, out = archive(many), tmp_path / "out"
    first, second = (out / "rows" / f"part-{number:08d}.parquet" for number in (0, 1))
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:-20])
    (out / "attempts" / "part-00000001.json").write_text("{")
    for damage in (b"PAR1", None):
        (out / "listing.parquet").unlink() if damage is None else (out / "listing.parquet").write_bytes(damage)
        again = archive(many)
        assert [row["head_circumference_mm"] for row in again] == [row["head_circumference_mm"] for row in rows]
        first.unlink()
    assert len(archive(many)) == 96


def test_a_table_of_other_content_and_options_of_files_are_refused(archive: Make, tmp_path: Path) -> None:
    frames = [frame for frame, _, _ in FRAMES]
    table = write_table(tmp_path / "t.parquet", frames, pixel_size_mm=[0.4] * 3)
    archive(table)
    write_table(table, frames, pixel_size_mm=[0.2] * 3)
    with pytest.raises(UsageError, match="another list of images or pixel sizes"):
        archive(table)
    for option in ("--frame", "--region"):
        with pytest.raises(UsageError, match="are for image files"):
            archive(table, option, 2, out=tmp_path / "new")
    with pytest.raises(UsageError, match="--out is empty"):
        main(["archive", str(table), "--out", " ", "--processes", "1"])


def test_images_without_a_pixel_size_are_told_at_once(
    archive: Make, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive(folder)
    assert "no pixel size for 3 of 3 images: they get no circumference in mm" in capsys.readouterr().err
    archive(folder, "--pixel-size-csv", folder.parent / "sizes.csv", out=folder.parent / "second")
    assert "no pixel size" not in capsys.readouterr().err
