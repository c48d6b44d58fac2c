"""What the official BIDS validator says of the derivatives."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from skullstrip.cli.batch import bids_main
from Testing.bids_data import VALID, make_valid_bids
from Testing.programs import run_program

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def validator():
    found = shutil.which("bids-validator-deno", path=Path(sys.executable).parent)
    return found or pytest.skip("bids-validator-deno is not installed")


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    """A raw data set with its derivatives inside, whose authors somebody filled in."""
    folder = make_valid_bids(tmp_path_factory.mktemp("bids") / "data")
    out = folder / "derivatives" / "skullstrip"
    words = [str(folder), str(out), "participant", "--jobs", "1", "--fmriprep", "sessionwise"]
    assert bids_main(words) == 0
    path = out / "dataset_description.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"Authors": ["Ann", "Bob"]}))
    (out / "decisions.csv").write_text("name,decision\n")
    assert bids_main(words) == 0
    return folder


def issues(validator, folder):
    """(severity, code, place) of all that is found."""
    found = run_program(validator, "--format", "json", folder, env=os.environ | {"NO_COLOR": "1"})
    content = json.loads(found.stdout)
    assert content["summary"]["subjects"] != []
    return [
        (issue["severity"], issue["code"], issue["location"])
        for issue in content["issues"]["issues"]
    ]


def test_the_derivatives_are_valid_without_a_warning(validator, data_set):
    out = data_set / "derivatives" / "skullstrip"
    assert len(list(out.glob("sub-*/**/*_desc-brain*_mask.nii.gz"))) == len(VALID)
    assert issues(validator, out) == []


def test_the_raw_data_with_derivatives_inside_are_as_valid_as_before(validator, data_set, tmp_path):
    before = issues(validator, make_valid_bids(tmp_path / "data"))
    assert sorted(issues(validator, data_set)) == sorted(before)
    assert "error" not in {severity for severity, _, _ in before}


def test_the_validator_sees_what_is_wrong(validator, data_set, tmp_path):
    out = shutil.copytree(data_set / "derivatives" / "skullstrip", tmp_path / "out")
    (out / ".bidsignore").unlink()
    next(out.rglob("*_desc-brain_T1w.json")).unlink()
    codes = {code for severity, code, _ in issues(validator, out) if severity == "error"}
    assert codes >= {"NOT_INCLUDED", "SIDECAR_KEY_REQUIRED"}
