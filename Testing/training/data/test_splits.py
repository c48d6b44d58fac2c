from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skullstrip.errors import InputError
from training.data.pair import Pair, altered_files
from training.data.splits import (
    load_pairs,
    main,
    read_splits,
    refuse_leaks,
    split_pairs,
    split_subjects,
    with_splits,
)


def pair(subject, split="", scan="", dataset=""):
    return Pair(subject, Path("i"), Path("m"), scan=scan, split=split, dataset=dataset)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.text(min_size=1), max_size=40), st.integers(0, 9))
def test_every_subject_gets_one_split_whatever_the_order(subjects, seed):
    splits = split_subjects(sorted(subjects), seed=seed)
    assert splits.keys() == subjects
    assert splits == split_subjects(sorted(subjects, reverse=True), seed=seed)


def test_the_shares_are_those_asked_for_and_a_new_subject_moves_few_others():
    subjects = [f"s{number}" for number in range(100)]
    shares = {"train": 0.6, "val": 0.4}
    before, after = split_subjects(subjects, shares), split_subjects([*subjects, "new"], shares)
    assert [list(before.values()).count(name) for name in shares] == [60, 40]
    assert sum(before[name] != after[name] for name in subjects) <= 3
    assert before != split_subjects(subjects, shares, seed=1)


def test_every_data_set_has_its_share_of_each_split():
    pairs = [pair(f"{d}{i}", dataset=d) for d in ("a", "b") for i in range(10)]
    splits = split_pairs(pairs, {"train": 0.8, "val": 0.2})
    assert sum(splits[f"a{i}"] == "val" for i in range(10)) == 2
    assert sum(splits[f"b{i}"] == "val" for i in range(10)) == 2


@pytest.mark.parametrize("fractions", [{"train": 0.5}, {"train": 1.5, "val": -0.5}])
def test_fractions_that_do_not_add_up_are_refused(fractions):
    with pytest.raises(InputError, match="add up to 1"):
        split_subjects(["a"], fractions)


def test_a_subject_in_two_splits_or_in_none_is_refused(tmp_path):
    (tmp_path / "splits.csv").write_text("subject,split\na,train\na,val\n")
    with pytest.raises(InputError, match="subject a is in the splits train and val"):
        read_splits(tmp_path / "splits.csv")
    with pytest.raises(InputError, match="subject a is in the splits"):
        refuse_leaks([pair("a", "train", "a1"), pair("a", "val", "a2")])
    with pytest.raises(InputError, match="subject b has no split"):
        with_splits([pair("a"), pair("b")], {"a": "train"})


def test_the_command_writes_a_list_that_the_data_set_loads_with(phantom_data, tmp_path, capsys):
    out = tmp_path / "splits.csv"
    command = [str(phantom_data), "-o", str(out), "--fractions", "train=0.5,val=0.5"]
    assert main(command) == 0
    assert "1 train, 1 val" in capsys.readouterr().out
    assert sorted(p.split for p in load_pairs(phantom_data, out)) == ["train", "val"]


def test_the_manifest_of_a_split_is_the_same_data_set_with_splits_and_hashes(
    phantom_data, tmp_path
):
    out, manifest = tmp_path / "splits.csv", tmp_path / "data.csv"
    assert main([str(phantom_data), "-o", str(out), "--manifest", str(manifest)]) == 0
    pairs, again = load_pairs(phantom_data, out), load_pairs(manifest)
    same = [
        [(p.name, p.split, p.dataset, p.image.resolve()) for p in found] for found in (pairs, again)
    ]
    assert same[0] == same[1]
    assert all(len(p.image_sha256) == 64 and not altered_files(p) for p in again)
