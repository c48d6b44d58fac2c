"""What is written into the page; what the page does with it is tested in `Testing/web`."""

from __future__ import annotations

import builtins
import json
import re
from pathlib import Path

import pytest

from SkullStripLib.batch.report_page import TEMPLATES, render, write_report
from SkullStripLib.errors import EngineError, OutputError
from Testing.web.reports import row, study


def data_of(html: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(text)


def scans_of(html: str) -> list[dict]:
    data = data_of(html)
    return [dict(zip(data["columns"], values, strict=True)) for values in data["rows"]]


def test_rows_of_text_and_rows_of_numbers_give_the_same_page(tmp_path: Path) -> None:
    rows = study()
    texts = [{key: str(value) for key, value in scan.items()} for scan in rows]
    assert scans_of(render(rows, tmp_path)) == scans_of(render(texts, tmp_path))


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "pass"),
        ({"verdict": "check"}, "check"),
        ({"verdict": ""}, "none"),
        ({"verdict": "pass", "status": "failed"}, "error"),
        ({"verdict": "of a later version"}, "none"),
    ],
)
def test_verdict_and_status_make_one_state(tmp_path: Path, changes: dict, state: str) -> None:
    assert scans_of(render([row(1, **changes)], tmp_path))[0]["state"] == state


def test_what_is_no_number_is_missing(tmp_path: Path) -> None:
    rows = [row(1, volume_ml="nan", seconds="", dice_estimate=None, dice_error="inf")]
    scan = scans_of(render(rows, tmp_path))[0]
    numbers = ("volume_ml", "seconds", "dice_estimate", "dice_error")
    assert [scan[name] for name in numbers] == [None] * 4


def test_a_scan_keeps_its_id_until_its_mask_is_another(tmp_path: Path) -> None:
    def identity(**changes: object) -> str:
        return scans_of(render([row(0), row(1, **changes)], tmp_path))[1]["id"]

    assert identity() == identity(seconds=9.0, verdict="check", finished="later")
    assert identity() != identity(mask_sha256="0")
    assert identity() != identity(path="/elsewhere/sub-01.nii.gz")


def test_names_that_are_no_unicode_are_written(tmp_path: Path) -> None:
    write_report([row(1, name="sub-\udce9")], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert scans_of(html)[0]["name"] == "sub-?"


def test_reasons_and_what_the_checks_noticed_are_one_note(tmp_path: Path) -> None:
    rows = [row(1, reasons="Small.", message="Thick slices.")]
    assert scans_of(render(rows, tmp_path))[0]["reasons"] == "Small. Thick slices."


def test_no_scans_make_a_page_too(tmp_path: Path) -> None:
    html = render([], tmp_path)
    assert scans_of(html) == []
    assert "0 scans" in html


def test_the_page_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.mkdir()
    with pytest.raises(OutputError):
        write_report(study(), page)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_without_jinja2_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def fake(name: str, *rest: object) -> object:
        if name == "jinja2":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fake)
    with pytest.raises(EngineError, match="Jinja2"):
        write_report(study(), tmp_path / "report.html")


def test_no_script_could_end_its_own_element() -> None:
    for path in TEMPLATES.iterdir():
        if path.suffix in (".js", ".css"):
            text = path.read_text(encoding="utf-8")
            assert "</" not in text, path.name
            assert "innerHTML" not in text, path.name
            assert len(text.splitlines()) < 300, path.name
