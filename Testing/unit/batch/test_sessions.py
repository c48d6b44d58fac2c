"""Scans of one person whose volumes differ by more than their intervals explain."""

import csv

import pytest

from skullstrip.batch.columns import COLUMNS
from skullstrip.batch.results import write_results
from skullstrip.batch.sessions import Spans


def scan(subject, volume_ml, error_ml=20.0, **more):
    row = dict.fromkeys(COLUMNS) | {"name": f"{subject}{volume_ml}", "status": "done"}
    return row | {"subject": subject, "volume_ml": volume_ml, "volume_error_ml": error_ml} | more


def flagged(*rows):
    spans = Spans(rows)
    return [bool(spans.noted(row).get("unlike")) for row in rows]


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
