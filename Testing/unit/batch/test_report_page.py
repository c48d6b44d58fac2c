"""What is written into the page; what the page does with it is tested in `Testing/web`."""

import json
import re
import weakref

import numpy as np
import pytest

from skullstrip.batch.report_page import FEWEST, TEMPLATES, page, volume_limits, write_report
from Testing.web.reports import row, write_pictures


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


def test_a_scan_keeps_its_id_until_its_mask_is_another(tmp_path):
    def identity(**changes):
        return scan(tmp_path, **changes)["id"]

    assert identity() == identity(seconds=9.0, verdict="check", finished="later")
    assert identity() != identity(mask_sha256="0")
    assert identity() != identity(path="/elsewhere/sub-01.nii.gz")


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
