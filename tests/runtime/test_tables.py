"""Tables of pixel sizes as other programs save them: read rightly, or refused with the row."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.errors import UsageError
from edge_runtime.frame.pixel_sizes import pixel_size_of, read_csv
from tests.helpers.places import Run

HEADER = "filename,pixel size(mm)\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (HEADER + "a.png,0.236\n", "utf-8"),
        (HEADER + "a.png,0.236\n", "utf-8-sig"),
        (HEADER.replace(",", ";") + "a.png;0,236\n", "utf-8-sig"),
        (HEADER.replace(",", ";") + "a.png;0.236\n", "utf-8"),
        ("sep=;\r\n" + HEADER.replace(",", ";") + "a.png;0,236\r\n", "utf-8"),
        (HEADER.replace(",", "\t") + "a.png\t0,236\r\n", "utf-16"),
        (HEADER + '"a.png","0.236"\r\n', "utf-8"),
        ("\n" + HEADER + "\n\na.png , 0.236 \n\n,\n", "utf-8"),
        (HEADER + "a.png,0.236\na.png,0.236\n", "utf-8"),
        (HEADER + "a.PNG,0.236", "utf-8"),
        ("pixel size(mm),note,filename\r0.236,,a.png\r", "utf-8"),
    ],
)
def test_dialects_are_read_alike(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "sizes.csv"
    path.write_bytes(text.encode(encoding))
    rows = read_csv(path)
    assert list(rows) == ["a.png"]
    assert pixel_size_of(rows, "a.png", path) == pixel_size_of(rows, "a.PNG", path) == 0.236


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "a.png,0.2\nb.png,0,236\n", "row 3 has 3 fields, the header has 2"),
        (HEADER + "b.png,0,236\n", "decimal comma"),
        (HEADER + "\nb.png\n", "row 3 has 1 field, the header has 2"),
        ("filename,pixel size(mm),\nb.png,0,236\n", "row 2 has '236' in a column without a name"),
        (HEADER.replace(",", ";") + "a.png;0,2\nb.png;1.5\n", "others with a decimal point"),
        (HEADER + "a.png,0.2\na.png,0.3\n", "two rows for a.png that differ"),
        (HEADER + ",0.2\n", "row 2 has no file name"),
        (HEADER + '"a.png,0.2\nb.png,0.2\n', "cannot be read as a CSV table"),
        ("", "empty table"),
        (HEADER, "no rows"),
        ("name;size\na.png;0.2\n", "no column 'filename'"),
    ],
)
def test_a_table_that_could_be_misread_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "sizes.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"sizes\.csv") as caught:
        read_csv(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16-le", "latin-1"])
def test_other_encodings_are_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "sizes.csv"
    path.write_bytes((HEADER + "ä.png,0.2\n").encode(encoding))
    with pytest.raises(UsageError, match="save it as UTF-8"):
        read_csv(path)


def test_a_quoted_decimal_comma_is_refused_with_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "sizes.csv"
    path.write_text(HEADER + 'a.png,"0,236"\n')
    with pytest.raises(UsageError, match="decimal point"):
        pixel_size_of(read_csv(path), "a.png", path)


def test_measure_names_the_row_of_a_bad_table(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sizes.csv").write_text("filename,pixel size(mm),head circumference (mm)\na.png,0,236,281,70\n")
    done = run("edge_runtime", "measure", "a.png", "--pixel-size-csv", tmp_path / "sizes.csv")
    assert done.returncode == 2 and "row 2 has 5 fields, the header has 3" in done.stderr


def test_a_missing_table_is_named_without_an_errno(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "no.csv"
    done = run("edge_runtime", "measure", tmp_path / "0.png", "--pixel-size-csv", missing)
    assert done.returncode == 2 and done.stderr == f"error: There is no file {missing}.\n"
