"""The data that `make train-smoke` makes; the steps themselves are run by the training tests."""

import numpy as np

from scripts import train_smoke
from training.__main__ import COMMANDS
from training.data.dataset import find_pairs
from training.data.sources import source_from_pair


def test_the_made_data_are_a_data_set_of_scans_and_a_label_map(tmp_path):
    pairs = find_pairs(train_smoke.make_data(tmp_path))
    assert [(pair.name, pair.split) for pair in pairs] == [
        ("head0", "train"), ("head1", "train"), ("head2", "val"), ("labels", "labelmap"),
    ]  # fmt: skip
    sources = [source_from_pair(pair) for pair in pairs]
    assert [source.is_labels for source in sources] == [False, False, False, True]
    assert not np.array_equal(sources[0].voxels, sources[1].voxels)


def test_every_step_is_run_and_the_first_failure_ends_it(tmp_path, monkeypatch):
    done = []

    def fail_at_export(command):  # stands in for the commands
        done.append(command[0])
        return 2 if command[0] == "export" else 0

    monkeypatch.setattr(train_smoke, "training", fail_at_export)
    assert train_smoke.main(["--folder", str(tmp_path)]) == 2
    assert done == ["prepare", "train", "export"]
    assert set(done) <= set(COMMANDS)
