"""The records: what was done is known again, whoever was killed, and whose a file is with it."""

import os

import nibabel
import nrrd
import pytest

from skullstrip.batch.records import (
    COLUMNS,
    LOCK,
    RECORDS,
    Entry,
    FileState,
    is_stranger,
    locked,
    read_record,
    rows,
    write_record,
)
from skullstrip.errors import OutputError
from Testing.image_files import OBLIQUE, voxels


def entry(name="a/b", **columns):
    row = {"name": name, "status": "done", "volume_ml": 1432.125, "views": "1", "input_sha256": "i"}
    outputs = {f"{name}_brain_mask.nii.gz": FileState(3, 4, "o")}
    return Entry(row | columns, FileState(1, 2**60 + 1, "i"), "options", outputs, outputs)


@pytest.mark.parametrize(
    ("write", "header", "data"),
    [
        (lambda path: nrrd.write(str(path), voxels()), "T1.nhdr", "T1.raw.gz"),
        (lambda path: nibabel.save(nibabel.Spm99AnalyzeImage(voxels(), OBLIQUE), path),
         "T1.hdr", "T1.mat"),
        (lambda path: nibabel.save(nibabel.Nifti1Pair(voxels(), OBLIQUE), path),
         "A.HDR", "A.IMG"),
    ],
)  # fmt: skip
def test_the_state_of_an_image_is_that_of_all_its_files(tmp_path, write, header, data):
    write(tmp_path / header)
    state = FileState.of(tmp_path / header)
    assert state.still_holds(tmp_path / header)
    content = (tmp_path / data).read_bytes()
    (tmp_path / data).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(tmp_path / data, (2e9, 2e9))  # clocks may be too coarse to tell the two writes apart
    assert not state.still_holds(tmp_path / header)
    (tmp_path / data).write_bytes(content)
    assert state.still_holds(tmp_path / header), "known by its hash"
    (tmp_path / header).unlink()
    assert not state.still_holds(tmp_path / header)


def test_what_is_recorded_is_known_again_also_without_a_column_of_today(tmp_path):
    write_record(entry(), tmp_path)
    found, known = read_record("a/b", tmp_path), entry()
    assert (found.source, found.options) == (known.source, "options")
    assert (found.outputs, found.earlier) == (known.outputs, known.earlier)
    assert found.row == {**dict.fromkeys(COLUMNS), **known.row}
    assert list(found.row) == list(COLUMNS)
    assert read_record("other", tmp_path) is None
    path = tmp_path / RECORDS / "a" / "b.json"
    path.write_text(path.read_text().replace('"views"', '"view"'))
    assert read_record("a/b", tmp_path).row["views"] is None


def test_a_newer_record_takes_the_place_of_the_older_and_rows_are_sorted(tmp_path):
    for each in (entry("c"), entry(status="failed"), entry(status="done")):
        write_record(each, tmp_path)
    assert [(row["name"], row["status"]) for row in rows(tmp_path)] == [
        ("c", "done"),
        ("a/b", "done"),
    ]


def test_a_batch_alone_shuts_others_out_and_jobs_for_single_participants_share(tmp_path):
    for others_share in (False, True):
        with (
            locked(tmp_path, others_share),
            pytest.raises(OutputError, match="Another batch is at work"),
            locked(tmp_path),
        ):
            pass
    with locked(tmp_path, shared=True), locked(tmp_path, shared=True):
        pass


def test_a_folder_that_cannot_be_locked_is_not_said_to_be_at_work(tmp_path):
    with locked(tmp_path):
        pass
    (tmp_path / LOCK).write_bytes(b"no database" * 99)
    with pytest.raises(OutputError, match="cannot be locked"), locked(tmp_path):
        pass


@pytest.mark.parametrize(
    "text",
    ["no json", "[]", '{"row": 1}', '{"row": {}, "source": {}, "outputs": {}, "earlier": {}}'],
)
def test_a_damaged_record_is_one_sentence(tmp_path, text):
    write_record(entry("a"), tmp_path)
    (tmp_path / RECORDS / "a.json").write_text(text)
    with pytest.raises(OutputError, match=r"cannot be read \(.*; remove it"):
        read_record("a", tmp_path)


def test_what_was_written_or_was_there_before_is_ours_until_it_is_changed(tmp_path):
    mask = tmp_path / "a_brain_mask.nii"
    assert not is_stranger(mask.name, None, tmp_path)
    mask.write_bytes(b"ours")
    assert is_stranger(mask.name, None, tmp_path)
    states = {mask.name: FileState.of(mask)}
    for known in (
        Entry({}, FileState(0, 0, ""), "", **{key: states}) for key in ("outputs", "earlier")
    ):
        assert not is_stranger(mask.name, known, tmp_path)
    mask.write_bytes(b"mine")
    assert is_stranger(mask.name, known, tmp_path)
    (tmp_path / "a_brain.img").write_bytes(b"mine")  # a data file alone is a stranger's, too
    assert is_stranger("a_brain.hdr", None, tmp_path)
