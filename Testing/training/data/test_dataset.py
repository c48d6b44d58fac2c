"""Data sets: scans and masks found in them, their splits, and what is noted of a run on them."""

import csv
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skullstrip.batch.records import CORRECTED, DONE, FAILED, Entry, FileState, write_record
from skullstrip.errors import InputError
from Testing.programs import run_program
from training.__main__ import run
from training.data.dataset import find_pairs, select_split, split_pairs
from training.data.pair import Pair, altered_files
from training.data.provenance import changed_files, describe_run, git, refuse_dirty_tree


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
             "IXI002_T1w.nii.gz", "IXI002_mask.nii.gz",
             "c.nii", "c_brain.nii", "c_brain_mask.nii")  # fmt: skip
    for name in files:
        touch(tmp_path / name)
    assert find_pairs(tmp_path) == tuple(
        Pair(subject, tmp_path / image, tmp_path / mask, dataset=tmp_path.name)
        for subject, image, mask in (
            ("IXI002", "IXI002_T1w.nii.gz", "IXI002_mask.nii.gz"),
            ("a", "a.nii.gz", "a_mask.nii.gz"),
            ("b", "b/T1w.nii", "b/mask.nii"),
            ("c", "c.nii", "c_brain_mask.nii"),  # the brain alone is no scan
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
        "dataset": "set", "license": "CC0", "sha256": digest, "scanner": "3T",
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


SHARES = {"train": 0.6, "val": 0.4}


def pair(subject, split="", scan="", dataset=""):
    return Pair(subject, Path("i"), Path("m"), scan=scan, split=split, dataset=dataset)


def split_subjects(subjects, seed=0):
    return split_pairs(map(pair, subjects), SHARES, seed)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.text(min_size=1), max_size=40), st.integers(0, 9))
def test_every_subject_gets_one_split_whatever_the_order(subjects, seed):
    splits = split_subjects(sorted(subjects), seed)
    assert splits.keys() == subjects
    assert splits == split_subjects(sorted(subjects, reverse=True), seed)


def test_the_shares_are_those_asked_for_and_a_new_subject_moves_few_others():
    subjects = [f"s{number}" for number in range(100)]
    before, after = split_subjects(subjects), split_subjects([*subjects, "new"])
    assert [list(before.values()).count(name) for name in SHARES] == [60, 40]
    assert sum(before[name] != after[name] for name in subjects) <= 3
    assert before != split_subjects(subjects, seed=1)


def test_every_data_set_has_its_share_of_each_split():
    pairs = [pair(f"{d}{i}", dataset=d) for d in ("a", "b") for i in range(10)]
    splits = split_pairs(pairs, {"train": 0.8, "val": 0.2})
    assert sum(splits[f"a{i}"] == "val" for i in range(10)) == 2
    assert sum(splits[f"b{i}"] == "val" for i in range(10)) == 2


@pytest.mark.parametrize("fractions", [{"train": 0.5}, {"train": 1.5, "val": -0.5}])
def test_fractions_that_do_not_add_up_are_refused(fractions):
    with pytest.raises(InputError, match="add up to 1"):
        split_pairs([pair("a")], fractions)


def test_a_person_in_two_splits_is_refused_wherever_data_are_read(phantom_data, tmp_path):
    paths = [phantom_data / f"{name}.nii.gz" for name in ("one", "two")]
    rows = [f"s,1,train,{paths[0]},{paths[0]}", f"s,2,val,{paths[1]},{paths[1]}"]
    text = "\n".join(["subject,scan,split,image,mask", *rows])
    (tmp_path / "data.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="subject s is in the splits train and val"):
        find_pairs(tmp_path / "data.csv")


def test_the_manifest_of_a_split_is_the_same_data_set_with_splits_and_hashes(
    phantom_data, tmp_path, capsys
):
    out, manifest = tmp_path / "splits.csv", tmp_path / "data.csv"
    command = [str(phantom_data), "-o", str(out), "--manifest", str(manifest)]
    assert run("split", *command, "--fractions", "train=0.5,val=0.5") == 0
    assert "1 train, 1 val" in capsys.readouterr().out
    pairs, again = find_pairs(phantom_data), find_pairs(manifest)
    same = [[(p.name, p.dataset, p.image.resolve()) for p in found] for found in (pairs, again)]
    assert same[0] == same[1]
    assert out.read_text().splitlines()[1:] == [f"{p.subject},{p.split}" for p in again]
    assert sorted(p.split for p in again) == ["train", "val"]
    assert all(len(p.image_sha256) == 64 and not altered_files(p) for p in again)


@pytest.fixture
def repository(tmp_path):
    """A small repository with one committed code file."""
    root = tmp_path / "repository"
    (root / "training").mkdir(parents=True)
    (root / "training" / "code.py").write_text("x = 1\n")
    for command in ("init -q", "add .", "-c user.name=t -c user.email=t@t commit -qm first"):
        run_program("git", "-C", root, *command.split(), check=True)
    return root


@pytest.mark.parametrize("name", ["code.py", "new.py"])
def test_changed_and_new_code_is_refused_and_files_that_decide_nothing_may_differ(repository, name):
    (repository / "notes.txt").write_text("note")
    assert changed_files(repository) == []
    refuse_dirty_tree(repository)
    (repository / "training" / name).write_text("x = 2\n")
    with pytest.raises(InputError, match=f"1 files differ.*training/{name}"):
        refuse_dirty_tree(repository)


def test_a_run_is_described_as_plain_data(repository, phantom_data):
    pairs = find_pairs(phantom_data)
    run = describe_run({"seed": 7, "name": "x"}, pairs, repository)
    assert run == json.loads(json.dumps(run))
    assert run["seed"] == 7
    assert run["commit"] == git("rev-parse", "HEAD", repository=repository)
    assert run["changed_files"] == []
    assert [entry["scan"] for entry in run["data"]] == ["one", "two"]
    digest = hashlib.sha256(pairs[0].image.read_bytes()).hexdigest()
    assert run["data"][0]["image_sha256"] == digest
    assert str(phantom_data) not in json.dumps(run)
    assert run["machine"]["processors"] > 0
    assert {"python", "numpy", "scipy", "nibabel"} <= run["versions"].keys()
