"""BIDS: the description of a folder of derivatives, beside what is there already."""

import json

import pytest

from skullstrip._version import __version__
from skullstrip.batch import bids_dataset
from skullstrip.errors import OutputError
from Testing.bids_data import make_bids


@pytest.fixture
def data_set(tmp_path):
    return make_bids(tmp_path / "raw data")


@pytest.fixture
def out(data_set):
    folder = data_set / "derivatives" / "skullstrip"
    folder.mkdir(parents=True)
    return folder


def described(data_set, out):
    bids_dataset.write_dataset_files(data_set, out)
    return json.loads((out / "dataset_description.json").read_text())


def describe(out, **fields):
    (out / "dataset_description.json").write_text(json.dumps(fields))


def test_the_folder_of_derivatives_describes_itself(data_set, out):
    content = described(data_set, out)
    assert content["DatasetType"] == "derivative"
    assert content["GeneratedBy"] == [{"Name": "SkullStrip", "Version": __version__}]
    assert (out / content["DatasetLinks"]["raw"]).resolve() == data_set.resolve()
    assert "report.html" in (out / ".bidsignore").read_text().splitlines()
    assert "desc-brain_mask" in (out / "README").read_text()


def test_the_link_to_the_raw_data_is_a_uri(data_set, tmp_path):
    other = tmp_path / "out"
    other.mkdir()
    assert described(data_set, other)["DatasetLinks"]["raw"] == "../raw%20data"


def test_what_was_added_by_hand_stays(data_set, out):
    content = described(data_set, out)
    describe(out, **content | {"Authors": ["Ann", "Bob"], "Name": "Ours"})
    (out / ".bidsignore").write_bytes(b"caf\xe9")  # in another encoding
    (out / "README").rename(out / "README.md")
    again = [described(data_set, out) for _ in range(2)][1]
    assert again == content | {"Authors": ["Ann", "Bob"], "Name": "Ours"}
    ignored = (out / ".bidsignore").read_bytes().splitlines()
    assert ignored[:2] == [b"caf\xe9", b"qc"]
    assert len(set(ignored)) == len(ignored), "nothing is added twice"
    assert not (out / "README").exists(), "one README is enough"


def test_another_pipeline_keeps_its_name_and_its_links(data_set, out):
    other = {"Name": "fMRIPrep", "Version": "24.1.1"}
    ours = {"Name": "SkullStrip", "Version": "0.0.1"}
    links = {"templateflow": "https://example.org"}
    written = {"Name": "Anatomy", "GeneratedBy": [other, ours], "DatasetLinks": links}
    describe(out, DatasetType="derivative", **written)
    content = described(data_set, out)
    describe(out, DatasetType="derivative", GeneratedBy="bids::prov#x", DatasetLinks=[])
    replaced = described(data_set, out)
    assert (len(replaced["GeneratedBy"]), list(replaced["DatasetLinks"])) == (1, ["raw"])
    assert content["Name"] == "Anatomy"
    assert content["GeneratedBy"] == [other, {"Name": "SkullStrip", "Version": __version__}]
    assert set(content["DatasetLinks"]) == {"templateflow", "raw"}


def test_derivatives_are_not_written_into_the_raw_data(data_set):
    with pytest.raises(OutputError, match="derivatives"):
        bids_dataset.require_place(data_set, data_set / "sub-01" / "..")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"Name": "Another raw data set"}', "holds other data"),
        ('{"DatasetType": "raw"}', "holds other data"),
        ("{", "cannot be read"),
        ("[1]", "no JSON object"),
    ],
)
def test_a_folder_with_another_description_is_refused(data_set, out, text, message):
    (out / "dataset_description.json").write_text(text)
    with pytest.raises(OutputError, match=message):
        bids_dataset.require_place(data_set, out)
    assert (out / "dataset_description.json").read_text() == text
