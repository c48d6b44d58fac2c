"""The results table."""

import csv

import pytest

from skullstrip.batch.columns import COLUMNS
from skullstrip.batch.results import write_csv
from Testing.image_files import names

ROWS = [
    {"name": "a", "status": "done", "volume_ml": 1432.125, "views": "3", "reasons": 'x; "y",z'},
    {"name": "ä/b", "status": "failed", "message": "It is broken."},
]


def complete(row):
    return {**dict.fromkeys(COLUMNS), **row}


def test_the_csv_has_every_column_in_order_and_nothing_for_what_is_missing(tmp_path):
    path = write_csv(map(complete, ROWS), tmp_path)
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    assert reader.fieldnames == list(COLUMNS)
    assert [row["name"] for row in rows] == ["a", "ä/b"]
    assert rows[0]["reasons"] == ROWS[0]["reasons"]
    assert (rows[0]["volume_ml"], rows[1]["volume_ml"]) == ("1432.125", "")


def test_the_csv_has_a_line_a_scan_and_no_formula_whatever_scans_are_called(tmp_path):
    rows = [{"name": "=1+1\rb\nc\x1b[2J", "volume_ml": -1.0}, {"name": "\udcff", "path": "@x"}]
    text = write_csv(map(complete, rows), tmp_path).read_bytes().decode()
    assert len(text.splitlines()) == 3
    assert text.splitlines()[1].startswith(r"'=1+1\rb\nc\x1b[2J,")
    assert ",-1.0," in text
    assert "'@x" in text


def test_a_table_that_breaks_off_leaves_the_old_one_whole(tmp_path):
    old = write_csv(map(complete, ROWS), tmp_path).read_bytes()

    def breaking():
        yield complete(ROWS[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_csv(breaking(), tmp_path)
    assert (tmp_path / "results.csv").read_bytes() == old
    assert names(tmp_path) == ["results.csv"]
