import hashlib
import json

import pytest

from skullstrip.errors import InputError
from Testing.programs import run_program
from training.data.dataset import find_pairs
from training.data.provenance import changed_files, describe_run, git, refuse_dirty_tree


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
