"""What is written into the page; what the page does with it is tested in `Testing/web`."""

import builtins
import json
import re

import pytest

from skullstrip.batch.report_page import TEMPLATES, page, write_report
from skullstrip.errors import EngineError, OutputError
from Testing.web.reports import row, study, write_pictures


def render(rows, folder):
    return "".join(page(rows, folder))


def data_of(html):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(text)


def scans_of(html):
    data = data_of(html)
    return [dict(zip(data["columns"], values, strict=True)) for values in data["rows"]]


def test_names_that_are_no_unicode_are_written(tmp_path):
    write_report([row(1, name="sub-\udce9")], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert scans_of(html)[0]["name"] == "sub-?"


def test_thumbnails_are_in_the_order_of_the_scans(tmp_path):
    (write_pictures(tmp_path) / "2.png").unlink()
    html = render([row(1), row(2, verdict="fail"), row(3)], tmp_path)
    (chunk,) = re.findall(r'id="thumbnails-0">(.*?)</script>', html, re.S)
    assert [bool(line) for line in chunk.split("\n")] == [False, True, True]


def test_the_script_comes_after_the_first_thumbnails_and_before_the_rest(tmp_path):
    def parts(scans):
        html = render([row(number, qc="") for number in range(scans)], tmp_path)
        return re.findall(r'thumbnails-\d(?=">)|"use strict"', html)

    assert parts(0) == ['"use strict"']
    assert parts(1) == ["thumbnails-0", '"use strict"']
    assert parts(120) == ["thumbnails-0", '"use strict"', "thumbnails-1", "thumbnails-2"]


def test_no_scans_make_a_page_too(tmp_path):
    html = render([], tmp_path)
    assert scans_of(html) == []
    assert "0 scans" in html


def test_the_page_is_replaced_whole_or_not_at_all(tmp_path):
    page = tmp_path / "report.html"
    page.mkdir()
    with pytest.raises(OutputError):
        write_report(study(), page)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_without_jinja2_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def fake(name, *rest):
        if name == "jinja2":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fake)
    with pytest.raises(EngineError, match="Jinja2"):
        write_report(study(), tmp_path / "report.html")


def test_no_script_could_end_its_own_element():
    for path in TEMPLATES.iterdir():
        if path.suffix in (".js", ".css"):
            text = path.read_text(encoding="utf-8")
            assert "</" not in text, path.name
            assert "innerHTML" not in text, path.name
            assert len(text.splitlines()) < 300, path.name
