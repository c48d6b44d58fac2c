"""Whether a scan is to be done, and what a worker does with it, by `ThresholdEngine`."""

import hashlib
import os
from contextlib import suppress
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from skullstrip import pipeline
from skullstrip.batch import job as work
from skullstrip.batch.job import MASK_CORRECTED, Job, reasons_to_do
from skullstrip.batch.options import BatchOptions
from skullstrip.batch.records import COLUMNS, Entry, FileState, read_record, write_record
from skullstrip.batch.run import scans_of
from skullstrip.batch.scans import find_scans, sidecar_of
from skullstrip.checks.input_checks import Check
from skullstrip.errors import InputError
from skullstrip.options import Options
from Testing.bids_data import make_bids
from Testing.image_files import names, save, save_head
from Testing.stand_ins import FailingEngine, ThresholdEngine

DIGEST = "digest"


@pytest.fixture
def done(tmp_path):
    """Three scans that are done, with outputs that are no images; returns (scans, out)."""
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
    states = {scan.mask: FileState.of(out / scan.mask)}
    return Entry(row, FileState.of(scan.path), DIGEST, states)


def reasons(done, digest=DIGEST, **options):
    scans, out = done
    return [reason for _, reason in reasons_to_do(scans, Job(out, BatchOptions(**options), digest))]


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


def test_a_mask_for_fmriprep_or_another_scan_that_is_asked_for_later_is_a_reason(done):
    scans, out = done
    scans[0] = replace(scans[0], for_fmriprep=("fmriprep/a.nii.gz",))
    scans[1] = replace(scans[1], apply_to=(scans[2],))
    known = replace(entry(scans[1], out), source=FileState.of(*scans[1].inputs))
    write_record(known, out)
    assert reasons(done) == ["no mask for fMRIPrep yet", "not applied to all yet", ""]
    outputs = known.outputs | {scans[2].mask: FileState.of(out / scans[2].mask)}
    write_record(replace(known, outputs=outputs), out)
    assert reasons(done)[1] == ""
    (out / scans[2].mask).write_bytes(b"corrected")
    assert reasons(done)[1] == ""
    (out / scans[2].mask).unlink()
    assert reasons(done)[1] == "output changed"
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
    (out / "decisions.csv").write_text("name,decision\na,reject\n")
    for redo in (None, "rejected", "failed", "check"):
        assert reasons(done, digest=digest, redo=redo)[0] == MASK_CORRECTED
    assert reasons(done, digest=digest, overwrite=True)[0] == "to be overwritten"


def test_a_known_correction_is_left_until_mask_scan_or_brain_change(done):
    scans, out = done
    (out / "qc").mkdir()
    for scan in scans:
        for path in (scan.brain, scan.qc):
            (out / path).touch()
        write_record(entry(scan, out, status="corrected"), out)
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


@pytest.fixture
def engine(monkeypatch):
    """Let workers load the stand-in; returns a function that says how often they did."""
    loaded = []

    def load(*arguments):
        loaded.append(arguments)
        return ThresholdEngine()

    monkeypatch.setattr(pipeline, "create_engine", load)
    work.loaded_engine.cache_clear()
    yield lambda: len(loaded)
    work.loaded_engine.cache_clear()


@pytest.fixture
def job(tmp_path, stand_in_weights):
    out = tmp_path / "out"
    return Job(out, BatchOptions(Options(weights=stand_in_weights, border_mm=1.0)), DIGEST)


@pytest.fixture
def head(tmp_path):
    return save_head(tmp_path / "in" / "deep" / "T1.nii.gz", "LAS", (3.0, 3.0, 3.0))


@pytest.fixture
def scan(head, job):
    return find_scans(str(head.parents[1]), job.out)[0]


def do(scan, job, reason="new"):
    """Have a worker do a scan; returns what is recorded of it."""
    row = work.process_scan((scan, reason), job)
    entry = read_record(scan.name, job.out)
    assert entry.row == {**dict.fromkeys(COLUMNS), **row}
    return entry


def test_a_scan_that_goes_well_is_a_row_with_hashes_of_what_lies_on_disk(engine, job, scan, head):
    entry = do(scan, job)
    row = entry.row
    assert row["status"] == "done", row
    assert 1000 < row["volume_ml"] < 2000
    assert row["seconds"] > 0
    assert (row["name"], row["border_mm"], row["engine"]) == ("deep/T1", 1.0, "stand-in")
    assert job.options.method.settings().items() <= row.items()
    assert row["brain_mask"] == "deep/T1_brain_mask.nii.gz"
    assert names(job.out / "deep") == ["T1_brain.nii.gz", "T1_brain_mask.nii.gz"]
    assert (job.out / row["qc"]).is_file()
    mask = (job.out / row["brain_mask"]).read_bytes()
    assert row["mask_sha256"] == hashlib.sha256(mask).hexdigest()
    assert row["input_sha256"] == hashlib.sha256(head.read_bytes()).hexdigest()
    assert set(entry.outputs) == {row["brain_mask"], row["brain"], row["qc"]}
    assert all(state.still_holds(job.out / path) for path, state in entry.outputs.items())
    assert do(scan, job).row["status"] == "done"
    assert engine() == 1, "the network is loaded once for many scans"


def link_nowhere(path):
    path.unlink()
    path.symlink_to("annex/object.nii.gz")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b"no image"), "cannot be read as an image"),
        (link_nowhere, "is a link to a file that is not there; fetch"),
        (lambda path: save(path, np.zeros((30, 30, 30), np.int16)), "only zeros"),
    ],
)
def test_a_bad_scan_is_a_row_with_one_sentence_and_no_outputs(
    engine, job, scan, head, spoil, message
):
    spoil(head)
    entry = do(scan, job)
    assert entry.row["status"] == "failed"
    assert message in entry.row["message"]
    assert "\n" not in entry.row["message"]
    assert entry.outputs == {}
    assert [path.name for path in job.out.rglob("*") if path.is_file()] == ["T1.json"]


@pytest.mark.usefixtures("engine")
def test_the_row_says_by_what_options_what_was_found_and_where(monkeypatch, job, scan):
    strip_images, found = work.strip_images, {}

    monkeypatch.setattr(work, "strip_images", lambda *a: replace(strip_images(*a), **found))
    reasons = Check("rough", "warn", "It is rough."), Check("cut", "warn", "Cut.", (-1.0, 2.5, 3.0))
    lies = (Check("orientation_unlikely", "warn", "It lies."),)
    for reorient, checks, turned in ((True, lies, True), (True, (), False), (False, lies, False)):
        found |= {"quality": reasons, "checks": checks}
        method = replace(job.options.method, reorient=reorient, keep_csf=False)
        row = do(scan, replace(job, options=BatchOptions(method))).row
        assert (row["reasons"], row["places"]) == ("It is rough.; Cut.", "; -1.0 2.5 3.0")
        assert row["message"] == "; ".join(check.message for check in checks)
        assert (row["reorient"], row["turned"], row["keep_csf"]) == (reorient, turned, False)
    assert work.give_up(scan, job, "Gone.")["keep_csf"] is True


def correct(mask):
    """Take a slab out of a mask, as somebody may by hand; returns the voxels that are left."""
    image = nibabel.load(mask)
    array = np.asarray(image.dataobj).copy()
    array[:, :, : array.shape[2] // 2] = 0
    nibabel.save(nibabel.Nifti1Image(array, image.affine), mask)
    return np.count_nonzero(array)


@pytest.mark.usefixtures("engine")
def test_the_mask_for_fmriprep_follows_a_correction_and_what_else_was_changed_is_kept(
    job, tmp_path
):
    data = make_bids(tmp_path / "data", spacing_mm=3.0)
    scan = scans_of(str(data), job.out, BatchOptions(bids=True, fmriprep="first-lex"))[0]
    assert set(do(scan, job).outputs) == set(scan.outputs)
    assert names(job.out / "sub-01" / "anat") == [
        f"sub-01_desc-brain_{end}" for end in ("T1w.json", "T1w.nii.gz", "mask.json", "mask.nii.gz")
    ]
    voxels = correct(job.out / scan.mask)
    sidecar, turned = job.out / sidecar_of(scan.mask), scan.for_fmriprep[0]
    sidecar.write_text("{}")
    (job.out / scan.brain).write_bytes(b"by hand")
    entry = do(scan, job, MASK_CORRECTED)
    assert entry.row["status"] == "corrected"
    assert np.count_nonzero(nibabel.load(job.out / turned).dataobj) == voxels
    assert entry.outputs[turned].still_holds(job.out / turned)
    assert sidecar.read_text() == "{}"
    assert (job.out / scan.brain).read_bytes() == b"by hand"
    assert not entry.outputs[scan.brain].still_holds(job.out / scan.brain)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda mask: mask.write_bytes(b"cut short"), "cannot be read as an image"),
        (lambda mask: save(mask, np.ones((9, 9, 9), np.uint8)), "is not on the grid of"),
    ],
)
def test_a_mask_that_was_changed_to_something_else_is_kept_and_told(job, scan, spoil, message):
    first = do(scan, job)
    spoil(job.out / scan.mask)
    before = (job.out / scan.mask).read_bytes()
    entry = do(scan, job, MASK_CORRECTED)
    assert entry.row["status"] == "failed"
    assert entry.row["message"].startswith("The mask was changed since it was made. ")
    assert message in entry.row["message"]
    assert entry.outputs == first.outputs
    assert (job.out / scan.mask).read_bytes() == before


class Killed(BaseException):
    """What no worker hears of, as of SIGKILL."""


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("is_corrected", [False, True])
@pytest.mark.parametrize("runs", [("qc",), (None, "qc"), (None, "brain")])
def test_after_a_kill_between_two_outputs_ours_are_replaced_and_a_correction_is_kept(
    monkeypatch, job, scan, runs, is_corrected
):
    replace_file, out = os.replace, job.out
    for number, killed_at in enumerate(runs):
        job = replace(job, options=BatchOptions(replace(job.options.method, border_mm=number)))

        def replace_or_be_killed(source, target, output=killed_at):
            if output and target == out / getattr(scan, output):
                raise Killed
            replace_file(source, target)

        with monkeypatch.context() as patched, suppress(Killed):
            patched.setattr(os, "replace", replace_or_be_killed)
            work.process_scan((scan, "new"), job)
    mask = job.out / scan.mask
    voxels = correct(mask) if is_corrected else None
    ((_, reason),) = reasons_to_do([scan], job)
    assert reason == (MASK_CORRECTED if is_corrected else "output changed")
    entry = do(scan, job, reason)
    assert entry.row["status"] == ("corrected" if is_corrected else "done"), entry.row
    assert voxels in (None, np.count_nonzero(nibabel.load(mask).dataobj))
    assert all(state.still_holds(job.out / path) for path, state in entry.outputs.items())
    assert set(entry.outputs) == set(scan.outputs)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("odd\nthing")])
def test_an_engine_that_breaks_is_a_row(monkeypatch, engine, job, scan, error):
    monkeypatch.setattr(pipeline, "create_engine", lambda *_: FailingEngine(error))
    row = do(scan, job).row
    assert row["status"] == "failed"
    assert "\n" not in row["message"]
    assert row["input_sha256"]


def test_a_dicom_folder_is_a_scan_that_has_changed_when_one_slice_has(engine, job, head):
    dicom = pytest.importorskip("Testing.dicom_files", exc_type=ImportError)
    image = nibabel.load(head)
    series = dicom.datasets(np.asarray(image.dataobj), image.affine)
    head.unlink()
    folder = dicom.save(head.parent / "visit", series)
    (scan,) = find_scans(str(head.parents[1]), job.out)
    entry = do(scan, job)
    assert entry.row["status"] == "done", entry.row
    assert (job.out / "deep" / "visit_brain_mask.nii.gz").is_file()
    assert entry.source.still_holds(scan.path)
    slice_ = folder / "IM0021"
    slice_.write_bytes(slice_.read_bytes()[:-1] + b"\1")
    assert not entry.source.still_holds(scan.path)


def test_other_scans_of_the_session_get_the_mask_and_stand_in_the_row(engine, job, head):
    flair = save_head(head.with_name("FLAIR.nii.gz"), "RAS", (3.0, 3.0, 5.0))
    table = head.with_name("scans.csv")
    table.write_text("path,apply_to\nT1.nii.gz,FLAIR.nii.gz")
    (scan,) = find_scans(str(table), job.out)
    entry = do(scan, job)
    assert entry.row["status"] == "done", entry.row
    assert entry.row["applied_to"].startswith("FLAIR.nii.gz: ")
    assert "FLAIR.nii.gz: " in entry.row["reasons"]  # a threshold's mask is no ordinary one
    assert set(entry.outputs) == set(scan.outputs)
    mask = nibabel.load(job.out / "FLAIR_brain_mask.nii.gz")
    assert mask.shape == nibabel.load(flair).shape
    assert (job.out / entry.row["qc_applied"]).read_bytes().startswith(b"\x89PNG")
    assert entry.source.still_holds(head, flair)
