"""What the page's script is given of each scan."""

import json

import pytest

from skullstrip.batch.report_data import ReportData
from Testing.web.reports import row, study


def scans_of(rows):
    data = json.loads("".join(ReportData(rows).json()))
    return [dict(zip(data["columns"], values, strict=True)) for values in data["rows"]]


def test_rows_of_text_and_rows_of_numbers_give_the_same_page():
    rows = study()
    texts = [{key: str(value) for key, value in scan.items()} for scan in rows]
    assert scans_of(rows) == scans_of(texts)


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
def test_verdict_and_status_make_one_state(changes, state):
    assert scans_of([row(1, **changes)])[0]["state"] == state


def test_what_is_no_number_is_missing():
    rows = [row(1, volume_ml="nan", seconds="", dice_estimate=None, dice_error="inf")]
    scan = scans_of(rows)[0]
    numbers = ("volume_ml", "seconds", "dice_estimate", "dice_error")
    assert [scan[name] for name in numbers] == [None] * 4


def test_a_scan_keeps_its_id_until_its_mask_is_another():
    def identity(**changes):
        scans = scans_of([row(0), row(1, **changes)])
        return {scan["name"]: scan["id"] for scan in scans}["sub-01"]

    assert identity() == identity(seconds=9.0, verdict="check", finished="later")
    assert identity() != identity(mask_sha256="0")
    assert identity() != identity(path="/elsewhere/sub-01.nii.gz")


def test_reasons_and_what_the_checks_noticed_are_one_note():
    rows = [row(1, reasons="Small.", message="Thick slices.")]
    assert scans_of(rows)[0]["reasons"] == "Small. Thick slices."


def test_scans_to_be_looked_at_come_first_and_so_do_their_pictures():
    verdicts = ["pass", "check", "fail", "pass"]
    rows = [row(number, verdict=verdict) for number, verdict in enumerate(verdicts)]
    assert [scan["name"] for scan in scans_of(rows)] == ["sub-02", "sub-01", "sub-00", "sub-03"]
    assert list(ReportData(rows).pictures()) == ["qc/2.png", "qc/1.png", "qc/0.png", "qc/3.png"]


def test_the_summary_counts_the_scans_of_each_kind():
    found = ReportData(study()).summary()
    assert found.startswith("12 scans · 9 pass · 1 check · 1 fail · 1 not stripped · 20")


def test_rows_are_read_one_at_a_time_and_none_is_kept():
    class Counted(dict):
        alive = 0

        def __init__(self, content):
            super().__init__(content)
            Counted.alive += 1

        def __del__(self):
            Counted.alive -= 1

    most = 0

    def rows():
        nonlocal most
        for number in range(100):
            yield Counted(row(number))
            most = max(most, Counted.alive)

    assert len(scans_of(rows())) == 100
    assert most <= 2
