import csv
import hashlib
from collections import Counter

import pytest

from skullstrip.batch.records import CORRECTED, DONE, FAILED, Entry, FileState, write_record
from skullstrip.errors import InputError
from training.data.dataset import find_pairs, select_split
from training.data.pair import Pair, altered_files


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(path.name.encode())
    return path


def write_manifest(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_scans_with_masks_beside_them_or_in_folders_of_subjects_make_pairs(tmp_path):
    files = ("a.nii.gz", "a_mask.nii.gz", "b/T1w.nii", "b/mask.nii", "alone.nii.gz",
             "IXI002_T1w.nii.gz", "IXI002_mask.nii.gz")  # fmt: skip
    for name in files:
        touch(tmp_path / name)
    assert find_pairs(tmp_path) == tuple(
        Pair(subject, tmp_path / image, tmp_path / mask, dataset=tmp_path.name)
        for subject, image, mask in (
            ("IXI002", "IXI002_T1w.nii.gz", "IXI002_mask.nii.gz"),
            ("a", "a.nii.gz", "a_mask.nii.gz"),
            ("b", "b/T1w.nii", "b/mask.nii"),
        )
    )


def test_bids_scans_find_their_masks_among_derivatives(tmp_path):
    touch(tmp_path / "dataset_description.json")
    masks = {}
    for session in ("a", "b", "c"):  # the last has none of the brain
        scan = f"sub-01_ses-{session}"
        touch(tmp_path / f"sub-01/ses-{session}/anat/{scan}_T1w.nii.gz")
        folder = tmp_path / f"derivatives/manual/sub-01/ses-{session}/anat"
        touch(folder / f"{scan}_space-MNI152_desc-brain_mask.nii.gz")
        touch(folder / f"{scan}_label-lesion_mask.nii.gz")
        if session != "c":
            masks[scan] = touch(folder / f"{scan}_desc-brain_mask.nii.gz")
    pairs = find_pairs(tmp_path)
    assert {pair.name: pair.mask for pair in pairs} == masks
    assert {pair.subject for pair in pairs} == {"sub-01"}


def test_a_manifest_gives_splits_hashes_and_groups(tmp_path):
    image, mask = touch(tmp_path / "i.nii.gz"), touch(tmp_path / "m.nii.gz")
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    row = {
        "subject": "s", "image": "i.nii.gz", "mask": "m.nii.gz", "split": "val",
        "dataset": "set", "licence": "CC0", "sha256": digest, "scanner": "3T",
    }  # fmt: skip
    (pair,) = find_pairs(write_manifest(tmp_path / "list.csv", [row]))
    assert pair == Pair(
        "s", image, mask, split="val", dataset="set", licence="CC0", image_sha256=digest,
        groups=(("scanner", "3T"),),
    )  # fmt: skip
    assert altered_files(pair) == ()
    image.write_bytes(b"altered")
    assert altered_files(pair) == (image,)


ROW = {"subject": "s", "image": "i.nii.gz", "mask": "i.nii.gz", "sha256": ""}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROW | {"image": ""}], "Line 2 of the manifest has no image"),
        ([ROW | {"image": "absent.nii.gz"}], "is missing"),
        ([ROW | {"sha256": "12"}], "16 to 64 hexadecimal"),
        ([ROW, ROW], "Two scans are called s"),
        ([{"subject": "s"}], "no column 'image'"),
    ],
)
def test_a_faulty_manifest_is_refused_in_one_sentence(tmp_path, rows, message):
    with pytest.raises(InputError, match="No scan with a mask"):
        find_pairs(tmp_path)
    touch(tmp_path / "i.nii.gz")
    with pytest.raises(InputError, match=message):
        find_pairs(write_manifest(tmp_path / "list.csv", rows))


def test_an_unknown_split_names_those_that_exist(tmp_path):
    pairs = (Pair("a", tmp_path, tmp_path, split="train"), Pair("b", tmp_path, tmp_path))
    assert len(select_split(pairs, "all")) == 2
    with pytest.raises(InputError, match=r"'val'.*\(none\), train"):
        select_split(pairs, "val")


@pytest.mark.shared_data
def test_the_development_data_are_read_as_they_are(shared_data):
    pairs = find_pairs(shared_data)
    assert Counter(pair.split for pair in pairs) == {"train": 130, "labelmap": 38, "val": 25}
    assert {pair.dataset for pair in pairs if pair.subject.startswith("IXI")} == {"IXI"}
    assert {pair.dataset for pair in pairs if pair.subject.startswith("ds011")} == {
        "OpenNeuro ds000011"
    }
    assert all(len(pair.image_sha256) == 16 for pair in pairs)
    assert all(pair.licence for pair in pairs)


def write_batch(out, **rows):
    """Write the output folder of a batch: a mask and a record for each scan."""
    for name, row in rows.items():
        mask = f"{name}_brain_mask.nii.gz"
        touch(out / mask)
        known = {"name": name, "brain_mask": mask, "status": CORRECTED} | row
        write_record(Entry(known, FileState(0, 0, ""), ""), out)


def test_of_a_batch_those_masks_are_taken_that_somebody_corrected(tmp_path):
    image, out = touch(tmp_path / "in/a.nii.gz"), tmp_path / "out"
    untouched = {"path": str(image), "status": DONE}
    write_batch(out, a={"path": str(image)}, b=untouched, c=untouched | {"status": FAILED})
    touch(out / "dataset_description.json")  # a batch of BIDS is no data set of ours
    assert find_pairs(out) == (Pair("a", image, out / "a_brain_mask.nii.gz", "a", dataset="out"),)


def test_of_a_batch_accepted_masks_are_taken_if_asked_for(tmp_path):
    scan = {"path": str(touch(tmp_path / "scan.nii.gz")), "status": DONE}
    write_batch(tmp_path, a=scan, b=scan, c=scan | {"status": FAILED}, d=scan)
    decisions = "name,decision\na,accept\nb,reject\nc,accept\n"
    (tmp_path / "decisions.csv").write_text(decisions, encoding="utf-8")
    assert [pair.name for pair in find_pairs(tmp_path, accepted=True)] == ["a"]
    with pytest.raises(InputError, match=r"listed as corrected; start the batch once more"):
        find_pairs(tmp_path)


def test_scans_of_a_batch_that_were_moved_are_found_by_their_names(tmp_path):
    moved, out = touch(tmp_path / "now/s1/T1.nii.gz"), tmp_path / "out"
    write_batch(out, **{"s1/T1": {"path": "/before/s1/T1.nii.gz", "subject": "x"}})
    with pytest.raises(InputError, match=r"/before/s1/T1.nii.gz, .* is not there; .* --scans\.$"):
        find_pairs(out)
    (pair,) = find_pairs(out, scans=tmp_path / "now")
    assert (pair.subject, pair.name, pair.image) == ("x", "s1_T1", moved)
