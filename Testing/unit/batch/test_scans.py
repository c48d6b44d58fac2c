"""Which scans a batch has, and what their outputs are called."""

import os

import pytest

from skullstrip.batch.scans import find_scans
from skullstrip.errors import InputError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def found(source, out):
    return {scan.name: scan for scan in find_scans(str(source), out)}


def test_a_folder_is_searched_and_its_folders_are_mirrored(tmp_path):
    data = touch(tmp_path / "in", "b.nii.gz", "site 1/ä.mgz", "notes.txt")
    scans = found(data, tmp_path / "out")
    assert list(scans) == ["b", "site 1/ä"]
    scan = scans["site 1/ä"]
    assert scan.path == data / "site 1" / "ä.mgz"
    assert (scan.brain, scan.mask) == ("site 1/ä_brain.mgz", "site 1/ä_brain_mask.mgz")
    assert scan.qc == "qc/site 1/ä.png"


def test_folders_that_are_links_are_searched_once_and_loops_are_not(tmp_path):
    data = touch(tmp_path / "in", "a/x.nii", "z.nii")
    touch(tmp_path / "elsewhere", "y.nii", "deep/y.nii")
    links = {"linked": "../elsewhere", "linked_again": "../elsewhere", "a/inside": "../a",
             "a/top": "..", "above": "../..", "gone": "nowhere"}  # fmt: skip
    for name, target in links.items():
        (data / name).symlink_to(target)
    (tmp_path / "elsewhere" / "back").symlink_to("../in")
    assert sorted(found(data, tmp_path / "out")) == ["a/x", "linked/deep/y", "linked/y", "z"]


def test_a_link_or_path_whose_file_is_missing_is_a_scan_that_will_fail(tmp_path):
    data = touch(tmp_path / "in", "a.nii")
    (data / "b.nii").symlink_to("annex/b.nii")
    (data / "folder.nii").mkdir()
    (data / "c.nii").symlink_to("folder.nii")
    for source in (data, data / "*.nii"):
        assert list(found(source, tmp_path / "out")) == ["a", "b"]
    (data / "scans.csv").write_text("path\nmissing.nii.gz\n")
    assert list(found(data / "scans.csv", tmp_path / "out")) == ["missing"]


def test_results_hidden_files_data_files_and_the_output_folder_are_no_scans(tmp_path):
    names = (
        "a.nii.gz", "a_brain.nii.gz", "a_brain_mask.nii.gz", "x_desc-brain_mask.nii.gz",
        "x_desc-brain_T1w.nii.gz", "._a.nii.gz", ".hidden/b.nii", "out/c.nii.gz", "b.hdr", "b.img",
        "c.nhdr", "c.raw.gz", "sub/d.nii",
    )  # fmt: skip
    assert [scan.mask for scan in found(touch(tmp_path, *names), tmp_path / "out").values()] == [
        "a_brain_mask.nii.gz", "b_brain_mask.hdr", "c_brain_mask.nhdr", "sub/d_brain_mask.nii"
    ]  # fmt: skip


def test_scans_that_differ_by_their_ending_alone_get_it_into_their_names(tmp_path):
    data = touch(tmp_path, "a.nii", "a.nii.gz", "b.nii")
    scans = found(data, tmp_path / "out")
    assert sorted(scans) == ["a_nii", "a_nii_gz", "b"]
    assert len({output for s in scans.values() for output in (s.brain, s.mask, s.qc)}) == 9


@pytest.mark.parametrize("names", [("A.nii", "a.nii"), ("a.nii", "a.nii.gz", "a_nii.nii")])
def test_other_doubles_are_refused(tmp_path, names):
    data = touch(tmp_path, *names)
    if len(list(data.iterdir())) < len(names):
        pytest.skip("this file system takes the names for one")
    with pytest.raises(InputError, match="would both be called"):
        find_scans(str(data), tmp_path / "out")


def test_a_name_that_no_table_can_hold_is_refused(tmp_path):
    data = touch(tmp_path / "in", "ä/é.nii")
    assert list(found(data, tmp_path / "out")) == ["ä/é"]
    try:
        touch(data, os.fsdecode(b"b\xff.nii"))
    except OSError:
        pytest.skip("this file system takes no such name")
    with pytest.raises(InputError, match="no text"):
        find_scans(str(data), tmp_path / "out")


def test_a_glob_keeps_the_folders_below_its_first_wildcard(tmp_path):
    data = touch(tmp_path, "in/s1/x/T1.nii.gz", "in/s2/x/T1.nii.gz", "in/s2/x/T2.nii.gz")
    assert list(found(data / "in" / "s*" / "x" / "T1*", data)) == ["s1/x/T1", "s2/x/T1"]
    assert list(found(data / "in" / "**" / "T2.nii.gz", data)) == ["s2/x/T2"]
    assert list(found(data / "in" / "s1" / "x" / "T1.nii.gz", data)) == ["T1"]


def test_a_table_names_paths_relative_to_itself_subjects_and_sessions(tmp_path):
    data = touch(tmp_path, "in/s1/T1.nii.gz", "in/s2/T1.nii.gz")
    table = data / "scans.csv"
    table.write_text(
        f"subject,path,session\n01,in/s1/T1.nii.gz,a\n02,{data / 'in/s2/T1.nii.gz'},\n,,\n"
    )
    scans = found(table, data / "out")
    assert list(scans) == ["s1/T1", "s2/T1"]
    assert [(s.subject, s.session) for s in scans.values()] == [("01", "a"), ("02", "")]
    assert all(scan.path.is_file() for scan in scans.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 'path'"),
        ("path\n,\n", "column 'path'"),
        ("name,path\n../up,a.nii\n", "would leave the output folder"),
        ("name,path\n/top,a.nii\n", "would leave the output folder"),
        ("name,path\nc:\\up,a.nii\n", "would leave the output folder"),
        ("name,path\na,b\0.nii\n", "no text|NUL"),  # csv itself refuses it until Python 3.11
        ("name,path\na\0,b.nii\n", "no text|NUL"),
        (f"name,path\n{'a' * 251},b.nii\n", "b.nii has too long a name"),
    ],
)
def test_a_table_without_scans_or_with_names_that_leave_the_folder_is_refused(
    tmp_path, text, message
):
    table = touch(tmp_path, "a.nii") / "scans.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=message):
        find_scans(str(table), tmp_path / "out")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "'' does not exist"),
        ("missing", "'missing' does not exist"),
        (".", "'.' holds no image"),
        ("*.nii", "holds no image"),
        ("missing.csv", r"missing.csv cannot be read as a table \(No such file or directory\)"),
    ],
)
def test_no_scan_at_all_is_refused(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        find_scans(source, tmp_path / "out")


def test_a_folder_of_dicom_files_is_one_scan_called_like_the_folder(tmp_path):
    begin = bytes(128) + b"DICM"
    data = touch(tmp_path / "in", "a.nii", "visit 1/IM0001", "visit 2/1.2.840.77", "notes/README")
    for file in (data / "visit 1" / "IM0001", data / "visit 2" / "1.2.840.77"):
        file.write_bytes(begin)
    scans = found(data, tmp_path / "out")
    assert list(scans) == ["a", "visit 1", "visit 2"]
    assert scans["visit 1"].path == data / "visit 1"
    assert scans["visit 1"].mask == "visit 1_brain_mask.nii.gz"
    assert list(found(data / "visit 1", tmp_path / "out")) == ["visit 1"]


def test_a_table_names_scans_that_get_the_same_mask(tmp_path):
    table = touch(tmp_path, "a/T1.nii", "a/FLAIR.mgz", "b/T1.nii", "b/T2.nii") / "scans.csv"
    rows = ["path,name,apply_to", "a/T1.nii,,a/FLAIR.mgz; b/T2.nii", "b/T1.nii,x/second,b/T2.nii"]
    table.write_text("\n".join(rows))
    first, second = found(table, tmp_path / "out").values()
    assert [other.mask for other in first.apply_to] == [
        "a/FLAIR_brain_mask.mgz", "b/T2_brain_mask.nii"
    ]  # fmt: skip
    assert second.mask == "x/second_brain_mask.nii"
    assert [other.brain for other in second.apply_to] == ["x/second_T2_brain.nii"]
    assert first.inputs == [tmp_path / "a/T1.nii", tmp_path / "a/FLAIR.mgz", tmp_path / "b/T2.nii"]
    assert {"qc/a/T1.png", "qc/a/FLAIR.png", "qc/b/T2.png"} < set(first.outputs)
    table.write_text("path,apply_to\na/T1.nii,a/FLAIR.mgz\nb/T1.nii,a/FLAIR.mgz")
    with pytest.raises(InputError, match=r"FLAIR.mgz is named twice; leave one out."):
        find_scans(str(table), tmp_path / "out")
