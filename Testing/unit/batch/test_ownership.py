"""What a batch may write: nothing that it reads, and nothing that it did not make."""

import os
import time

import pytest

from skullstrip.batch.ledger import Entry, FileState, Ledger
from skullstrip.batch.ownership import CLAIM_SECONDS, Ownership
from skullstrip.batch.scans import find_scans
from skullstrip.errors import OutputError


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "out") as ledger:
        yield ledger


@pytest.fixture
def scan(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"scan")
    return find_scans(str(tmp_path / "a.nii"), tmp_path / "out")[0]


def recorded(scan, out):
    states = {path: FileState.of(out / path) for path in (scan.brain, scan.mask)}
    return Entry({"name": scan.name, "status": "done"}, FileState(0, 0, ""), "", states)


def test_what_we_wrote_is_ours_until_it_is_changed(tmp_path, ledger, scan):
    out, own = tmp_path / "out", Ownership(tmp_path / "out", ledger)
    assert own.strangers(scan, None) == []
    for path in (scan.brain, scan.mask):
        (out / path).write_bytes(b"ours")
    assert own.strangers(scan, None) == [scan.brain, scan.mask]
    entry = recorded(scan, out)
    assert own.strangers(scan, entry) == []
    (out / scan.brain).write_bytes(b"mine")
    assert own.strangers(scan, entry) == [scan.brain]


def test_a_data_file_alone_is_a_strangers(tmp_path, ledger):
    (tmp_path / "a.hdr").write_bytes(b"scan")
    scan = find_scans(str(tmp_path / "a.hdr"), tmp_path / "out")[0]
    (tmp_path / "out" / "a_brain.img").write_bytes(b"mine")
    assert Ownership(tmp_path / "out", ledger).strangers(scan, None) == [scan.brain]


def test_what_was_being_written_when_all_was_killed_is_ours_unless_changed_much_later(
    tmp_path, ledger, scan
):
    out, own = tmp_path / "out", Ownership(tmp_path / "out", ledger)
    ledger.claim({scan.name: scan.outputs})
    (out / scan.mask).write_bytes(b"ours")
    assert own.strangers(scan, None) == []
    tomorrow = time.time() + CLAIM_SECONDS + 60
    os.utime(out / scan.mask, (tomorrow, tomorrow))
    assert own.strangers(scan, None) == [scan.mask]


def test_a_claim_ends_when_the_scan_is_recorded(tmp_path, ledger, scan):
    ledger.claim({scan.name: scan.outputs})
    ledger.record([Entry({"name": scan.name, "status": "failed"}, FileState(0, 0, ""), "")])
    (tmp_path / "out" / scan.mask).write_bytes(b"drawn by hand")
    assert Ownership(tmp_path / "out", ledger).strangers(scan, None) == [scan.mask]


@pytest.mark.parametrize("how", ["same", "hard link", "folder link", "not there yet"])
def test_what_the_batch_reads_is_never_written(tmp_path, how):
    out = tmp_path / "out"
    out.mkdir()
    source = out / "a_brain.nii"
    if how == "hard link":
        source = tmp_path / "b.nii"
    if how != "not there yet":
        source.write_bytes(b"scan")
    if how == "hard link":
        os.link(source, out / "a_brain.nii")
    if how == "folder link":
        (tmp_path / "link").symlink_to(out)
        source = tmp_path / "link" / "a_brain.nii"
    own = Ownership(out, None, [str(source)])
    own.refuse_inputs(["a_brain_mask.nii"])
    with pytest.raises(
        OutputError, match=r"a_brain\.nii would be replaced, which this batch reads"
    ):
        own.refuse_inputs(["a_brain.nii"])


def test_the_voxels_of_a_scan_are_never_written(tmp_path):
    (tmp_path / "a.hdr").write_bytes(b"header")
    (tmp_path / "a.img").write_bytes(b"voxels")
    own = Ownership(tmp_path, None, [str(tmp_path / "a.hdr")])
    with pytest.raises(OutputError, match="which this batch reads"):
        own.refuse_inputs(["a.img"])
