from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skullstrip.errors import InputError
from training.__main__ import run
from training.data.dataset import find_pairs, split_pairs, split_subjects
from training.data.pair import Pair, altered_files

SHARES = {"train": 0.6, "val": 0.4}


def pair(subject, split="", scan="", dataset=""):
    return Pair(subject, Path("i"), Path("m"), scan=scan, split=split, dataset=dataset)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.text(min_size=1), max_size=40), st.integers(0, 9))
def test_every_subject_gets_one_split_whatever_the_order(subjects, seed):
    splits = split_subjects(sorted(subjects), SHARES, seed)
    assert splits.keys() == subjects
    assert splits == split_subjects(sorted(subjects, reverse=True), SHARES, seed)


def test_the_shares_are_those_asked_for_and_a_new_subject_moves_few_others():
    subjects = [f"s{number}" for number in range(100)]
    before, after = split_subjects(subjects, SHARES), split_subjects([*subjects, "new"], SHARES)
    assert [list(before.values()).count(name) for name in SHARES] == [60, 40]
    assert sum(before[name] != after[name] for name in subjects) <= 3
    assert before != split_subjects(subjects, SHARES, seed=1)


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
