"""Tables as spreadsheets of several countries write them, and ours as they get it."""

import csv
import itertools

import pytest

from skullstrip.batch.records import COLUMNS
from skullstrip.batch.results import Volumes, write_csv, write_results
from skullstrip.batch.tables import cell, read_rows, text_of
from skullstrip.errors import InputError
from Testing.image_files import names

ROWS = [
    {"name": "=1+1\rb\nc\x1b[2J", "volume_ml": -1.5, "reasons": 'x; "y",z', "path": "@x"},
    {"name": "ä/\udcff", "status": "failed"},
]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_every_kind_are_read(tmp_path, separator):
    lines = [f"name{separator}path", f'a{separator}"x,y;z.nii"', "b", ""]
    table = tmp_path / "table.csv"
    for encoding, end in itertools.product(("utf-8", "utf-8-sig"), ("\n", "\r\n")):
        table.write_bytes(end.join(lines).encode(encoding))
        rows = read_rows(table, ("path",), "do this")
        assert rows == [{"name": "a", "path": "x,y;z.nii"}, {"name": "b", "path": ""}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read as a table"),
        ("path\n\xe9".encode("latin-1"), "cannot be read as a table"),
        (b"", "has no column 'path'"),
        (b"file\nx", "has no column 'path'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_advice(tmp_path, content, message):
    table = tmp_path / "table.csv"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(InputError, match=f"{message}.*; do this\\."):
        read_rows(table, ("path", "name"), "do this")


def test_the_results_have_every_column_a_line_a_scan_and_no_formula(tmp_path):
    path = write_csv([dict.fromkeys(COLUMNS) | row for row in ROWS], tmp_path)
    assert len(path.read_bytes().splitlines()) == 3
    with path.open(newline="", encoding="utf-8") as stream:
        first, second = csv.DictReader(stream)
    assert list(first) == list(COLUMNS)
    assert first["name"] == r"'=1+1\rb\nc\x1b[2J"
    assert (first["volume_ml"], first["reasons"], first["path"]) == ("-1.5", 'x; "y",z', "'@x")
    assert (second["name"], second["volume_ml"]) == (r"ä/\udcff", "")


def test_a_table_that_breaks_off_leaves_the_old_one_whole(tmp_path):
    rows = [dict.fromkeys(COLUMNS) | row for row in ROWS]
    old = write_csv(rows, tmp_path).read_bytes()

    def breaking():
        yield rows[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_csv(breaking(), tmp_path)
    assert (tmp_path / "results.csv").read_bytes() == old
    assert names(tmp_path) == ["results.csv"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "'tis", "a"])
def test_no_text_is_a_formula_in_a_table_and_it_is_read_back(text):
    assert str(cell(text))[0] not in "=+-@"
    assert text_of(cell(text)) == text


def scan(subject, volume_ml, error_ml=20.0, **more):
    row = dict.fromkeys(COLUMNS) | {"name": f"{subject}{volume_ml}", "status": "done"}
    return row | {"subject": subject, "volume_ml": volume_ml, "volume_error_ml": error_ml} | more


def flagged(*rows):
    volumes = Volumes(rows)
    return [bool(volumes.compared(row).get("unlike")) for row in rows]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([scan("01", 1400.0), scan("01", 1439.0)], [False, False]),
        ([scan("01", 1400.0), scan("01", 1441.0)], [True, True]),
        ([scan("01", 1400.0), scan("02", 1500.0)], [False, False]),
        ([scan("", 1400.0), scan("", 1500.0)], [False, False]),
        ([scan("01", 1400.0), scan("01", 1500.0, status="failed")], [False, False]),
        ([scan("01", 1400.0), scan("01", 1500.0, None)], [False, False]),
        ([scan("01", 1400.0), scan("01", 1445.0), scan("01", 1430.0, 30.0)], [True, True, False]),
    ],
    ids=["explained", "not", "others", "nobody", "failed", "no interval", "one between"],
)
def test_only_volumes_of_one_person_whose_intervals_are_apart_are_flagged(rows, expected):
    assert flagged(*rows) == expected


def test_the_table_says_which_volumes_beside_what_it_said_before(tmp_path):
    rows = [scan("01", 1400.0, message="Thick."), scan("01", 1500.0)]
    write_results(lambda: iter(rows), tmp_path)
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as stream:
        first, second = (row["message"] for row in csv.DictReader(stream))
    assert first == f"Thick. {second}"
    assert "1400 ± 20 mL and 1500 ± 20 mL" in second
