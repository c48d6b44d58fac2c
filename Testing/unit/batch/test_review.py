"""Which masks are looked through, what became of each, and what people decided."""

import nibabel
import numpy as np
import pytest

from skullstrip.batch.review import Review
from skullstrip.batch.tables import read_decisions, write_decision
from skullstrip.cli.main import main
from skullstrip.errors import InputError
from Testing.reviewed_batch import make_batch

PAGE = (
    "name,path,decision,comment,rater,decided\r\nd,/moved/d.nii.gz,reject,neck,Ann,2026-11-25\r\n"
)


@pytest.fixture
def table(tmp_path):
    return make_batch(tmp_path)


def names(review):
    return [case.name for case in review.cases]


def test_what_is_doubtful_rejected_or_corrected_is_looked_through_worst_first(table):
    assert names(Review(table)) == ["deep/c", "b"]
    for written in ("False", "FALSE"):  # the second by a spreadsheet
        table.write_text(table.read_text().replace(",False,", f",{written},"))
        assert [case.report()["keep_csf"] for case in Review(table).cases] == [True, False]
    (table.parent / "decisions.csv").write_text(PAGE, newline="")
    assert names(Review(table)) == ["deep/c", "b", "d"]
    table.write_text(table.read_text().replace("done,check", "corrected,"))
    review = Review(table)
    assert names(review) == ["deep/c", "b", "d"]
    assert [case.is_done for case in review.cases] == [False, True, False]


def test_a_correction_lies_on_the_scans_own_grid_in_the_place_of_the_mask(table):
    (table.parent / "decisions.csv").write_text(PAGE, newline="")
    review = Review(table)
    case = review.cases[2]
    image, mask = review.load(case)
    mask[:10] = True
    review.save(case, image, mask, "Ben")
    written, scan = nibabel.load(case.mask), nibabel.load(case.row["path"])
    assert case.mask == table.parent / "d_brain_mask.nii.gz"
    assert np.array_equal(np.asarray(written.dataobj), mask)
    for form in ("get_sform", "get_qform"):
        assert getattr(written, form)().tobytes() == getattr(scan, form)().tobytes()
    assert (case.state, case.report(), case.decision) == ("corrected", {}, "")
    line = (table.parent / "decisions.csv").read_text().splitlines()[1]
    assert line.startswith("d,/moved/d.nii.gz,,neck,Ben,")  # the comment stays


def test_what_was_decided_or_corrected_is_known_when_it_is_opened_again(table):
    (table.parent / "decisions.csv").write_text(PAGE, newline="")
    review = Review(table)
    assert (review.start(), review.following(0), review.following(2)) == (0, 1, None)
    image, mask = review.load(review.cases[0])
    mask[:10] = True
    review.save(review.cases[0], image, mask, "")
    review = Review(table)
    assert (review.start(), review.done) == (1, 1)
    review.decide(review.cases[1], "reject", "Ben")
    review = Review(table)
    assert (review.start(), review.done) == (1, 1)  # rejected ones are left, none is undecided
    for case in review.cases:
        review.decide(case, "accept", "Ben")
    review = Review(table)
    assert (review.start(), review.done, review.following(0)) == (0, 2, None)
    review.decide(review.cases[0], "reject", "Ann")  # as not corrected well enough
    assert not Review(table).cases[0].is_done


def test_an_empty_correction_is_refused(table):
    review = Review(table)
    case = review.cases[0]
    image, mask = review.load(case)
    before = case.mask.read_bytes()
    with pytest.raises(InputError, match="empty"):
        review.save(case, image, mask & False, "")
    assert case.mask.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("fail", "pass", "nothing is left"),
        ("mask_sha256", "hash", "no column 'mask_sha256'"),
        (",deep/c_brain_mask", ",../c_brain_mask", "would be outside"),
    ],
)
def test_a_table_that_cannot_be_looked_through_is_refused(table, old, new, words):
    table.write_text(table.read_text().replace("check", "pass").replace(old, new))
    with pytest.raises(InputError, match=words):
        Review(table)


def test_all_else_in_the_decisions_stays(tmp_path):
    path = tmp_path / "decisions.csv"
    text = 'name;decision;comment;site\na;accept;"two\nlines";Rome\n\'=b;Reject;;\n'
    path.write_text(text, encoding="utf-8-sig")
    write_decision(path, {"name": "'=b", "path": "/b"}, "accept", "=Ann")
    write_decision(path, {"name": "c", "path": "/c"}, "reject", " Ben ")
    first, *lines = path.read_bytes().decode().split("\r\n")
    assert first == "name,path,decision,comment,rater,decided,site"
    assert lines[0] == 'a,,accept,"two\nlines",,,Rome'
    assert lines[1].startswith("'=b,,accept,,'=Ann,20")
    assert lines[2].startswith("c,/c,reject,,Ben,20")
    assert read_decisions(path) == {"a": "accept", "=b": "accept", "c": "reject"}


def rated(path, decisions):
    rows = [f"{name},{decision},Ann" for name, decision in decisions.items()]
    path.write_text("\n".join(["name,decision,rater", *rows]) + "\n")
    return str(path)


def test_two_files_are_compared_by_what_both_decided(tmp_path, capsys):
    # The textbook's: 20 and 15 alike of 50, kappa 0.4.
    both = {f"{number:02d}": "accept" for number in range(25)}
    both |= {f"{number:02d}": "reject" for number in range(25, 50)}
    other = dict.fromkeys(both, "accept")
    other |= {f"{number:02d}": "reject" for number in [*range(20, 25), *range(35, 50)]}
    one = rated(tmp_path / "a.csv", both | {"x": "accept", "y": ""})
    assert main(["batch", "--decisions", one, rated(tmp_path / "b.csv", other)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == (
        "Both decided 50 scans, 35 of them alike (70%); Cohen's kappa 0.40. One alone decided 1."
    )
    assert len(lines) == 15
    assert lines[0].startswith("20: accept in ")
    alike = rated(tmp_path / "c.csv", {"20": "accept", "21": "accept"})
    assert main(["batch", "--decisions", one, alike]) == 0
    assert "kappa is not defined" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["name,decision\n", "name,what\na,accept\n"])
def test_files_without_decisions_in_common_are_refused(tmp_path, refused, content):
    (tmp_path / "b.csv").write_text(content)
    one = rated(tmp_path / "a.csv", {"a": "accept"})
    assert "b.csv" in refused("batch", "--decisions", one, tmp_path / "b.csv")
