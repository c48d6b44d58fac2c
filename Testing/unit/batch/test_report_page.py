"""Tables as spreadsheets of several countries write them, and ours; what is written into the page.

What the page does with it is tested in `Testing/web`.
"""

import csv
import itertools
import json
import re
import weakref

import numpy as np
import pytest

from skullstrip.batch.records import COLUMNS
from skullstrip.batch.report_page import (
    FEWEST,
    TEMPLATES,
    compared_volumes,
    page,
    volume_limits,
    write_csv,
    write_report,
    write_results,
)  # fmt: skip
from skullstrip.batch.tables import cell, read_rows, text_of
from skullstrip.errors import InputError
from Testing.image_files import names
from Testing.web.reports import row, write_pictures

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


def of_person(subject, volume_ml, error_ml=20.0, **more):
    found = dict.fromkeys(COLUMNS) | {"name": f"{subject}{volume_ml}", "status": "done"}
    return found | {"subject": subject, "volume_ml": volume_ml, "volume_error_ml": error_ml} | more


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([of_person("01", 1400.0), of_person("01", 1439.0)], [False, False]),
        ([of_person("01", 1400.0), of_person("01", 1441.0)], [True, True]),
        ([of_person("01", 1400.0), of_person("02", 1500.0)], [False, False]),
        ([of_person("", 1400.0), of_person("", 1500.0)], [False, False]),
        ([of_person("01", 1400.0), of_person("01", 1500.0, status="failed")], [False, False]),
        ([of_person("01", 1400.0), of_person("01", 1500.0, None)], [False, False]),
        (
            [of_person("01", 1400.0), of_person("01", 1445.0), of_person("01", 1430.0, 30.0)],
            [True, True, False],
        ),
    ],
    ids=["explained", "not", "others", "nobody", "failed", "no interval", "one between"],
)
def test_only_volumes_of_one_person_whose_intervals_are_apart_are_flagged(rows, expected):
    assert ["unlike" in row for row in map(compared_volumes(rows), rows)] == expected


def test_the_table_says_which_volumes_beside_what_it_said_before(tmp_path):
    rows = [of_person("01", 1400.0, message="Thick."), of_person("01", 1500.0)]
    write_results(lambda: iter(rows), tmp_path)
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as stream:
        first, second = (row["message"] for row in csv.DictReader(stream))
    assert first == f"Thick. {second}"
    assert "1400 ± 20 mL and 1500 ± 20 mL" in second


def scans_in(html):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    data = json.loads(text)
    return [dict(zip(data["columns"], values, strict=True)) for values in data["rows"]]


def scan(tmp_path, **changes):
    (found,) = scans_in("".join(page([row(1, **changes)], tmp_path)))
    return found


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "pass"),
        ({"verdict": "check"}, "check"),
        ({"verdict": ""}, "none"),
        ({"verdict": "pass", "status": "failed"}, "error"),
        ({"verdict": "", "status": "corrected"}, "corrected"),
        ({"verdict": "of a later version"}, "none"),
    ],
)
def test_verdict_and_status_make_one_state(tmp_path, changes, state):
    assert scan(tmp_path, **changes)["state"] == state


def test_what_is_no_number_is_missing_and_text_may_be_one(tmp_path):
    found = scan(tmp_path, volume_ml="nan", seconds="", dice_estimate=None, dice_error="0.5")
    numbers = ("volume_ml", "seconds", "dice_estimate", "dice_error")
    assert [found[name] for name in numbers] == [None, None, None, 0.5]


def test_rows_are_read_one_at_a_time_and_none_is_kept(tmp_path):
    class Counted(dict):
        pass

    seen = []

    def rows():
        for number in range(100):
            made = Counted(row(number, qc=""))
            seen.append(weakref.ref(made))
            yield made
            del made
            assert sum(one() is not None for one in seen) <= 1

    assert len(scans_in("".join(page(rows(), tmp_path)))) == 100


def test_names_are_in_one_line_as_in_the_table(tmp_path):
    write_report([row(1, name="sub-\udce9\n")], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert scans_in(html)[0]["name"] == r"sub-\udce9\n"


def test_thumbnails_are_in_the_order_of_the_scans(tmp_path):
    (write_pictures(tmp_path) / "2.png").unlink()
    html = "".join(page([row(1), row(2, verdict="fail"), row(3)], tmp_path))
    (chunk,) = re.findall(r'id="thumbnails-0">(.*?)</script>', html, re.S)
    assert [bool(line) for line in chunk.split("\n")] == [False, True, True]


@pytest.mark.parametrize(
    ("scans", "expected"),
    [
        (0, ['"use strict"']),
        (1, ["thumbnails-0", '"use strict"']),
        (120, ["thumbnails-0", '"use strict"', "thumbnails-1", "thumbnails-2"]),
    ],
)
def test_the_script_comes_after_the_first_thumbnails_and_before_the_rest(tmp_path, scans, expected):
    html = "".join(page([row(number, qc="") for number in range(scans)], tmp_path))
    assert re.findall(r'thumbnails-\d(?=">)|"use strict"', html) == expected
    assert len(scans_in(html)) == scans


def test_no_script_could_end_its_own_element():
    for path in TEMPLATES.iterdir():
        if path.suffix in (".js", ".css"):
            text = path.read_text(encoding="utf-8")
            assert "</" not in text, path.name
            assert "innerHTML" not in text, path.name


def test_the_limits_are_those_of_iglewicz_and_hoaglin_and_outliers_hardly_move_them():
    volumes = [1300.0, 1350.0, 1400.0, 1450.0, 1500.0, 1550.0, 1600.0, 1650.0, 1700.0]
    limits = volume_limits(volumes)
    assert limits["median"] == 1500.0
    # The median absolute deviation is 100; a modified z-score is 0.6745 of it, 3.5 the limit.
    assert limits["high"] - 1500 == pytest.approx(3.5 * 100 / 0.6745, rel=1e-4)
    assert 1500 - limits["low"] == pytest.approx(limits["high"] - 1500)
    many = volumes * 50
    assert volume_limits([*many, *[30_000.0] * 9])["high"] == pytest.approx(limits["high"], rel=0.1)


@pytest.mark.parametrize(
    "volumes", [[], [1450.0] * 50, list(range(1400, 1400 + FEWEST - 1)), [np.nan] * 20]
)
def test_where_the_spread_says_nothing_there_are_no_limits(volumes):
    assert volume_limits(volumes) is None
