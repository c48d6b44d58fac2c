"""BIDS: what is found in a data set, and what derivatives and their folder are called and say."""

import json

import pytest

from skullstrip._version import __version__
from skullstrip.batch import bids
from skullstrip.errors import InputError, OutputError
from Testing.bids_data import SCANS, make_bids


@pytest.fixture
def data_set(tmp_path):
    return make_bids(tmp_path / "raw data")


def test_raw_t1w_scans_are_found_and_nothing_else(data_set):
    scans = bids.find_bids_scans(data_set)
    assert [scan.bids_source for scan in scans] == list(SCANS)
    assert [scan.subject + scan.session for scan in scans] == ["01", "02a", "02b"]


def test_derivatives_keep_the_entities_of_their_source_which_their_sidecars_name(data_set):
    first, second, third = bids.find_bids_scans(data_set)
    assert first.mask == "sub-01/anat/sub-01_desc-brain_mask.nii.gz"
    place, source = "sub-02/ses-a/anat/sub-02_ses-a_acq-mprage_desc-brain", f"bids:raw:{SCANS[1]}"
    assert second.brain == f"{place}_T1w.nii.gz"
    assert second.qc == "qc/sub-02_ses-a_acq-mprage_T1w.png"
    assert third.mask == "sub-02/ses-b/anat/sub-02_ses-b_run-1_desc-brain_mask.nii.gz"
    written = bids.sidecars(second)
    mask, brain = written[f"{place}_mask.json"], written[f"{place}_T1w.json"]
    assert (mask["Type"], brain["SkullStripped"]) == ("Brain", True)
    for content in (mask, brain):
        assert (content["Sources"], content["SpatialReference"]) == ([source], source)


def test_unit1_of_mp2rage_is_stripped_beside_a_t1w_scan_of_the_same_name(data_set):
    (data_set / "sub-01/anat/sub-01_UNIT1.nii.gz").touch()
    first, second = bids.find_bids_scans(data_set, ["01"])
    assert second.brain == "sub-01/anat/sub-01_desc-brain_UNIT1.nii.gz"
    assert second.mask == "sub-01/anat/sub-01_desc-brainUNIT1_mask.nii.gz"
    assert len({first.mask, first.brain, first.qc, second.mask, second.brain, second.qc}) == 6


@pytest.mark.parametrize(("participants", "sessions"), [(["02"], ["a"]), (["sub-02"], ["ses-a"])])
def test_labels_are_taken_with_or_without_prefix(data_set, participants, sessions):
    scans = bids.find_bids_scans(data_set, participants, sessions)
    assert [scan.bids_source for scan in scans] == [SCANS[1]]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"participants": ["03"]}, "participant '03'"),
        ({"participants": ["01", "sub-04"]}, "participant '04'"),
        ({"sessions": ["c"]}, "session 'c'"),
        ({"participants": ["01"], "sessions": ["a"]}, "No participant asked for has a session"),
        *(({"also": [suffix]}, f"_{suffix}") for suffix in ("T1w", "PDw", "t2w")),
    ],
)
def test_a_label_or_suffix_that_no_scan_has_is_refused_by_name(data_set, asked, message):
    with pytest.raises(InputError, match=message):
        bids.find_bids_scans(data_set, **asked)


def test_a_folder_without_scans_and_one_scan_in_two_formats_are_refused(data_set, tmp_path):
    with pytest.raises(InputError, match="BIDS data set"):
        bids.find_bids_scans(tmp_path)
    (data_set / "sub-01/anat/sub-01_T1w.nii").touch()
    with pytest.raises(InputError, match="would both be called"):
        bids.find_bids_scans(data_set)


def test_other_scans_of_a_session_get_the_mask_of_its_first_t1w_scan(data_set):
    anat = data_set / "sub-02/ses-a/anat"
    for name in ("acq-late_T1w", "run-1_T2w", "part-phase_T2w", "FLAIR"):
        (anat / f"sub-02_ses-a_{name}.nii.gz").touch()
    scans = bids.find_bids_scans(data_set, also=["FLAIR", "T2w"])
    applied = {scan.name: [other.mask for other in scan.apply_to] for scan in scans}
    place = "sub-02/ses-a/anat/sub-02_ses-a"
    assert applied == {
        "sub-01_T1w": ["sub-01/anat/sub-01_desc-brainT2w_mask.nii.gz"],
        "sub-02_ses-a_acq-late_T1w": [
            f"{place}_desc-brainFLAIR_mask.nii.gz", f"{place}_run-1_desc-brainT2w_mask.nii.gz"
        ],
        "sub-02_ses-a_acq-mprage_T1w": [],
        "sub-02_ses-b_run-1_T1w": [],
    }  # fmt: skip
    beside = bids.sidecars(scans[0])
    sources = ["bids:raw:sub-01/anat/sub-01_T2w.nii.gz", "bids:raw:sub-01/anat/sub-01_T1w.nii.gz"]
    content = beside["sub-01/anat/sub-01_desc-brain_T2w.json"]
    assert (content["Sources"], content["SpatialReference"]) == (sources, sources[0])
    assert set(beside) < set(scans[0].outputs)


@pytest.fixture
def out(data_set):
    folder = data_set / "derivatives" / "skullstrip"
    folder.mkdir(parents=True)
    return folder


def described(data_set, out):
    bids.write_dataset_files(data_set, out)
    return json.loads((out / "dataset_description.json").read_text())


def describe(out, **fields):
    (out / "dataset_description.json").write_text(json.dumps(fields))


def test_the_folder_of_derivatives_describes_itself_and_names_the_raw_data_by_a_uri(
    data_set, out, tmp_path
):
    content = described(data_set, out)
    assert content["DatasetType"] == "derivative"
    assert content["GeneratedBy"] == [{"Name": "SkullStrip", "Version": __version__}]
    assert (out / content["DatasetLinks"]["raw"]).resolve() == data_set.resolve()
    assert "report.html" in (out / ".bidsignore").read_text().splitlines()
    assert "desc-brain_mask" in (out / "README").read_text()
    (tmp_path / "out").mkdir()
    assert described(data_set, tmp_path / "out")["DatasetLinks"]["raw"] == "../raw%20data"


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
        bids.require_place(data_set, data_set / "sub-01" / "..")


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
        bids.require_place(data_set, out)
    assert (out / "dataset_description.json").read_text() == text
