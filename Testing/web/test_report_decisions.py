"""The report page in real Chromium: accepted, rejected, commented, kept, exported, imported."""

import csv
from datetime import datetime, timezone

import pytest

from skullstrip.batch.review import Review
from skullstrip.batch.tables import cell, read_decisions, read_rows
from skullstrip.escaping import escaped
from Testing.reviewed_batch import make_batch
from Testing.web.reports import current, names, row, study, wait_until

NO_STORAGE = """
Object.defineProperty(window, "localStorage", { get() { throw new Error("not allowed"); } });
"""


def exported(page, folder):
    with page.expect_download() as waiting:
        page.click("#export")
    assert waiting.value.suggested_filename == "decisions.csv"
    path = folder / "exported.csv"
    waiting.value.save_as(path)
    return path


def import_decisions(page, path):
    page.set_input_files("#file", path)
    wait_until(page, "/read from|not read/.test(document.querySelector('#count').textContent)")


def read(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def decisions(page):
    rows = page.locator("#rows tr[role=row]").all()
    found = {
        row.locator(".title").inner_text(): row.locator(".words .word").inner_text() for row in rows
    }
    return {name: word for name, word in found.items() if word}


def test_keys_accept_and_reject_and_go_on(page, tmp_path):
    page.keyboard.press("r")  # sub-11
    page.keyboard.press("r")  # sub-12
    page.keyboard.press("a")  # sub-05
    assert current(page) == "sub-01"
    assert decisions(page) == {"sub-11": "Rejected", "sub-12": "Rejected", "sub-05": "Accepted"}
    path = exported(page, tmp_path)
    assert [*read(path)[0]] == ["name", "path", "decision", "comment", "rater", "decided"]
    assert page.inner_text("#progress") == "Decided 3 of 12"
    assert page.locator("#storage-note").is_hidden()
    assert {line["name"]: line["decision"] for line in read(path)} == {
        "sub-05": "accept", "sub-11": "reject", "sub-12": "reject",
    }  # fmt: skip
    # As `batch --redo rejected` and a review in Slicer read it.
    assert read_decisions(path) == {"sub-11": "reject", "sub-12": "reject", "sub-05": "accept"}


def test_decisions_carry_their_time_and_the_name_that_was_given_once(open_report, tmp_path):
    page = open_report(study())
    page.fill("#rater", "Ann")
    page.focus("#grid")
    page.keyboard.press("r")
    page = open_report(study(), context=page.context)
    page.keyboard.press("j")
    page.keyboard.press("a")
    first, second = read(exported(page, tmp_path))
    assert (first["rater"], second["rater"]) == ("Ann", "Ann")
    assert datetime.fromisoformat(second["decided"][:-1] + "+00:00") <= datetime.now(timezone.utc)


def test_marks_by_mouse_stay_at_the_scan_and_in_the_opened_one_go_on_to_the_next(page):
    for marked in ({"sub-03": "Rejected"}, {}):  # a second click clears
        page.click("#scan-5 [data-mark=reject]")
        assert decisions(page) == marked
        assert current(page) == "sub-03"
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.keyboard.press("r")
    assert page.inner_text("#viewer-name") == "sub-12"
    page.click("#accept")
    assert page.inner_text("#viewer-name") == "sub-05"
    page.keyboard.press("Escape")
    assert decisions(page) == {"sub-11": "Rejected", "sub-12": "Accepted"}


def test_a_comment_may_hold_anything_and_what_was_exported_can_be_imported(open_report, tmp_path):
    comment = 'dura, "at the top"\nand j, a, r: "é"'
    page = open_report(study())
    page.keyboard.press("c")
    page.keyboard.type(comment)
    page.keyboard.press("Escape")  # leaves the comment
    assert page.locator("#viewer").is_visible()
    page.keyboard.press("r")
    page.keyboard.press("Escape")
    path = exported(page, tmp_path)
    before, (line,) = path.read_bytes(), read(path)
    assert line["comment"] == comment
    assert (line["name"], line["decision"]) == ("sub-11", "reject")
    page.keyboard.press("k")
    page.keyboard.press("u")
    assert decisions(page) == {}
    import_decisions(page, path)
    assert decisions(page) == {"sub-11": "Rejected"}
    assert exported(page, tmp_path).read_bytes() == before


def test_decisions_filter_and_the_walk_goes_on_though_the_scan_leaves_the_list(page):
    page.select_option("#decided", "")
    page.focus("#grid")
    page.keyboard.press("a")
    assert current(page) == "sub-12"
    assert "sub-11" not in names(page)
    page.keyboard.press("a")
    page.keyboard.press("a")
    page.select_option("#decided", "accept")
    page.focus("#grid")
    page.keyboard.press("Home")
    assert names(page) == ["sub-11", "sub-12", "sub-05"]
    page.keyboard.press("u")
    assert names(page) == ["sub-12", "sub-05"]
    assert current(page) == "sub-12"


def test_decisions_outlive_a_reload_and_a_resumed_batch_but_not_another_mask_or_scan(open_report):
    page = open_report(study())
    for key in "raa":
        page.keyboard.press(key)
    page.reload()
    page.wait_for_selector("#rows tr[role=row]")
    assert decisions(page) == {"sub-11": "Rejected", "sub-12": "Accepted", "sub-05": "Accepted"}
    rows = [*study(), row(13)]
    rows[11] |= {"seconds": 9.0, "verdict": "check", "finished": "later"}
    rows[4]["path"] = "/elsewhere/sub-05.nii.gz"
    rows[10]["mask_sha256"] = "f" * 64
    page = open_report(rows, context=page.context)
    assert decisions(page) == {"sub-12": "Accepted"}


def test_without_storage_decisions_are_taken_and_a_note_says_so(open_report, tmp_path):
    page = open_report(study(), init_script=NO_STORAGE)
    assert page.locator("#storage-note").is_visible()
    page.keyboard.press("r")
    assert decisions(page) == {"sub-11": "Rejected"}
    assert len(read(exported(page, tmp_path))) == 1


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_decisions_are_imported(page, tmp_path, end):
    path = tmp_path / "decisions.csv"
    lines = [
        "\ufeffname,path,decision,comment",
        'sub-01,/data/sub-01.nii.gz,reject,"a ""b"", c"',
        "sub-02,/moved/sub-02.nii.gz,accept,",
        "sub-03,/data/sub-04.nii.gz,accept,",  # the path says more than the name
        "sub-99,/data/sub-99.nii.gz,accept,",
        "sub-03,/data/sub-03.nii.gz,toString,",
        "",
    ]
    path.write_bytes(end.join(lines).encode())
    import_decisions(page, path)
    assert decisions(page) == {"sub-01": "Rejected", "sub-02": "Accepted", "sub-04": "Accepted"}
    assert page.inner_text("#scan-3 .comment") == 'a "b", c'
    assert page.inner_text("#count").startswith("3 decisions read from decisions.csv; 2 rows")


def test_the_page_and_a_review_in_slicer_read_each_others_decisions(open_report, tmp_path):
    table = make_batch(tmp_path / "batch")
    page = open_report(read_rows(table, ("name",), ""))
    page.fill("#rater", "Ann")
    page.focus("#grid")
    page.keyboard.press("c")
    page.keyboard.type("neck, left")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.press("Escape")
    exported(page, tmp_path).rename(table.parent / "decisions.csv")
    review = Review(table)
    assert {case.name: case.decision for case in review.cases} == {"deep/c": "reject", "b": ""}
    review.decide(review.cases[1], "accept", "Ben")
    image, mask = review.load(review.cases[0])
    mask[:9] = True
    review.save(review.cases[0], image, mask, "Ben")  # takes the rejection back
    import_decisions(page, table.parent / "decisions.csv")
    assert page.inner_text("#count") == "2 decisions read from decisions.csv"
    assert decisions(page) == {"b": "Accepted"}
    lines = {line["name"]: line for line in read(exported(page, tmp_path))}
    assert {name: line["rater"] for name, line in lines.items()} == {"b": "Ben", "deep/c": "Ben"}
    assert lines["deep/c"]["comment"] == "neck, left"


def test_a_name_is_no_formula_and_no_escape_in_the_export_and_is_known_again(open_report, tmp_path):
    name = "=cmd\x1b[2J\rx"
    page = open_report([row(1, name=name, path="/scans/x")])
    page.keyboard.press("r")
    path = exported(page, tmp_path)
    assert read(path)[0]["name"] == cell(name) == r"'=cmd\x1b[2J\rx"
    assert read_decisions(path) == {escaped(name): "reject"}
    page.keyboard.press("u")
    path.write_text(path.read_text().replace("/scans/x", "/moved/x"))
    import_decisions(page, path)
    assert [*decisions(page).values()] == ["Rejected"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it has no columns name or path, and decision"),
        ("one,two\n1,2\n", "it has no columns name or path, and decision"),
        ('name,decision\n"sub-01,accept\n', "its quotation marks do not match"),
    ],
)
def test_a_file_that_holds_no_decisions_is_refused(page, tmp_path, content, words):
    path = tmp_path / "other.csv"
    path.write_text(content)
    import_decisions(page, path)
    assert page.inner_text("#count") == f"other.csv was not read: {words}."
    assert decisions(page) == {}
