"""What is still to be done, and why."""

import os
from dataclasses import replace

import pytest

from skullstrip.batch.job import MASK_CORRECTED
from skullstrip.batch.options import BatchOptions
from skullstrip.batch.plan import reasons_to_do
from skullstrip.batch.records import Entry, FileState, write_record
from skullstrip.batch.scans import find_scans
from skullstrip.errors import InputError

DIGEST = "digest"


@pytest.fixture
def done(tmp_path):
    """Three scans that are done; returns (scans, out)."""
    out = tmp_path / "out"
    out.mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.nii").write_bytes(name.encode())
    scans = find_scans(str(tmp_path), out)
    for scan in scans:
        (out / scan.mask).write_bytes(b"mask")
        write_record(entry(scan, out), out)
    return scans, out


def entry(scan, out, status="done", verdict="pass"):
    row = {"name": scan.name, "path": str(scan.path), "status": status, "verdict": verdict}
    source = FileState.of(scan.path)
    row["input_sha256"] = source.sha256
    return Entry(row, source, DIGEST, {scan.mask: FileState.of(out / scan.mask)})


def reasons(done, digest=DIGEST, **options):
    scans, out = done
    found = reasons_to_do(scans, out, BatchOptions(**options), digest)
    return [reason for _, reason in found]


def record(done, **states):
    """Note of scans that they came out otherwise."""
    scans, out = done
    for scan in scans:
        if scan.name in states:
            write_record(entry(scan, out, **states[scan.name]), out)


def touch(done):
    scans, out = done
    for path in (scans[0].path, out / scans[0].mask):
        os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    ("change", "options", "expected"),
    [
        (record, {}, ["", "", ""]),
        (touch, {}, ["", "", ""]),  # known by their hash
        (record, {"digest": "other"}, ["other options"] * 3),
        (record, {"overwrite": True}, ["to be overwritten"] * 3),
        (lambda done: record(done, b={"status": "failed"}), {}, ["", "failed before", ""]),
        (lambda done: done[0][0].path.write_bytes(b"A"), {}, ["input changed", "", ""]),
        (lambda done: (done[1] / done[0][2].mask).unlink(), {}, ["", "", "output changed"]),
        (lambda done: record(done, b={"status": "failed"}), {"digest": "other", "redo": "failed"},
         ["", "failed before", ""]),
        (lambda done: record(done, a={"verdict": "check"}, c={"verdict": "fail"}),
         {"redo": "check"}, ["to be checked", "", "to be checked"]),
    ],
)  # fmt: skip
def test_what_is_to_be_done_again_is_done_again_and_nothing_else(done, change, options, expected):
    change(done)
    assert reasons(done, **options) == expected


def test_a_mask_for_fmriprep_that_is_asked_for_later_is_written(done):
    scans, _ = done
    scans[1] = replace(scans[1], for_fmriprep=("fmriprep/b.nii.gz",))
    assert reasons(done) == ["", "no mask for fMRIPrep yet", ""]


def test_another_scan_that_gets_the_mask_is_a_reason_and_so_is_a_change_of_it(done, tmp_path):
    scans, out = done
    scans[1] = replace(scans[1], apply_to=(scans[2],))
    known = entry(scans[1], out)
    write_record(replace(known, source=FileState.of(*scans[1].inputs)), out)
    assert reasons(done) == ["", "not applied to all yet", ""]
    outputs = known.outputs | {scans[2].mask: FileState.of(out / scans[2].mask)}
    write_record(replace(known, source=FileState.of(*scans[1].inputs), outputs=outputs), out)
    assert reasons(done) == ["", "", ""]
    scans[2].path.write_bytes(b"other")
    assert reasons(done)[1] == "input changed"


def other_folder(done, content):
    """The same names in another folder, the first with this content."""
    scans, out = done
    folder = out.parent / "other"
    folder.mkdir()
    for scan in scans:
        (folder / scan.path.name).write_bytes(scan.path.read_bytes())
    (folder / "a.nii").write_bytes(content)
    return find_scans(str(folder), out), out


@pytest.mark.parametrize("digest", [DIGEST, "other"])
def test_another_scan_of_the_same_name_is_not_written_over(done, digest):
    other = other_folder(done, b"A")
    with pytest.raises(InputError, match=r"was made of .*a\.nii, and .*other.a\.nii would replace"):
        reasons(other, digest=digest)
    assert reasons(other, overwrite=True) == ["to be overwritten"] * 3


@pytest.mark.parametrize("how", ["copied", "moved and changed", "changed, by another path"])
def test_the_same_scans_from_elsewhere_are_the_same_scans(done, how):
    scans, out = done
    if how == "changed, by another path":
        scans[0].path.write_bytes(b"A")
        (out.parent / "folder").mkdir()
        same = find_scans(str(out.parent / "folder" / ".."), out), out
    else:
        same = other_folder(done, b"a" if how == "copied" else b"A")
    if how == "moved and changed":
        scans[0].path.unlink()
    assert reasons(same) == ["" if how == "copied" else "input changed", "", ""]


@pytest.mark.parametrize("digest", [DIGEST, "other"])
@pytest.mark.parametrize("status", ["done", "failed"])
def test_a_mask_that_was_corrected_by_hand_is_never_made_again_unasked(done, digest, status):
    scans, out = done
    write_record(entry(scans[0], out, status), out)
    (out / scans[0].mask).write_bytes(b"by hand")
    for redo in (None, "rejected", "failed", "check"):
        (out / "decisions.csv").write_text("name,decision\na,reject\n")
        assert reasons(done, digest=digest, redo=redo)[0] == MASK_CORRECTED
    assert reasons(done, digest=digest, overwrite=True)[0] == "to be overwritten"


def corrected(scan, out):
    for path in (scan.brain, scan.qc):
        (out / path).parent.mkdir(exist_ok=True)
        (out / path).touch()
    return entry(scan, out, status="corrected")


def test_a_known_correction_is_left_until_mask_scan_or_brain_change(done):
    scans, out = done
    for scan in scans:
        write_record(corrected(scan, out), out)
    assert reasons(done, digest="other") == reasons(done, redo="check") == ["", "", ""]
    assert reasons(done, digest="other", overwrite=True) == ["to be overwritten"] * 3
    (out / scans[0].mask).write_bytes(b"and again")
    scans[1].path.write_bytes(b"B")
    (out / scans[2].brain).unlink()
    assert reasons(done) == [MASK_CORRECTED] * 3
    (out / scans[0].mask).unlink()
    assert reasons(done)[0] == "output changed"


def test_only_what_was_rejected_on_the_page_is_redone(done):
    out = done[1]
    text = "name,path,decision,comment\na,,accept,\nb,,reject,neck\nc,,,\n"
    (out / "decisions.csv").write_text(text)
    assert reasons(done, redo="rejected") == ["", "rejected", ""]
    elsewhere = out.parent / "mine.csv"
    elsewhere.write_text("name,decision\nc,Reject\n", encoding="utf-8-sig")
    assert reasons(done, redo="rejected", decisions=elsewhere) == ["", "", "rejected"]
