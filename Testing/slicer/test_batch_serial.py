"""A folder without Dask: files chosen, one child for all, bad files told apart."""

from __future__ import annotations

from pathlib import Path

import nibabel
import pytest

pytest.importorskip("PySide6")
from skullstrip.errors import InputError
from Testing.phantoms import make_head
from Testing.slicer.child_stand_ins import script_process
from Testing.slicer.test_batch import folder  # noqa: F401

# Does for each file what the real child tells of it, without a network.
FILES = """
emit(event="started", pid=os.getpid())
for index, file in enumerate(request["files"]):
    emit(event="file", index=index, state="running")
    if "broken" in file["input"]:
        emit(event="file", index=index, state="failed", message="It is broken.")
    else:
        emit(event="file", index=index, state="done", volume_ml=1234.56, verdict="check",
             checks=["Look."])
emit(event="result", report={})
"""


def test_scans_are_found_in_order_and_our_own_outputs_left_out(folder, tmp_path) -> None:  # noqa: F811
    from SkullStripSlicer.batch_serial import findScans

    (folder / ".hidden").mkdir()
    for name in ("._a.nii.gz", ".hidden/d.nii"):  # as macOS leaves them on other disks
        (folder / name).write_bytes(b"nothing")
    found = findScans(folder, tmp_path / "out")
    assert [path.as_posix() for path in found] == ["a.nii.gz", "b/c.nii", "broken.nii.gz"]


def test_the_output_folder_is_not_searched(folder) -> None:  # noqa: F811
    from SkullStripSlicer.batch_serial import findScans

    assert [path.name for path in findScans(folder, folder / "b")] == ["a.nii.gz", "broken.nii.gz"]


def test_a_folder_without_scans_is_refused(tmp_path) -> None:
    from SkullStripSlicer.batch_serial import findScans

    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="No image file"):
        findScans(tmp_path / "empty", tmp_path / "out")


def test_one_child_is_given_all_files(folder, tmp_path, scene, monkeypatch) -> None:  # noqa: F811
    from SkullStripSlicer.logic import StripLogic

    monkeypatch.setattr("SkullStripSlicer.batch_logic.hasBatchPackages", lambda: False)
    changes = []
    scans = StripLogic(script_process(FILES)).stripFolder(
        folder, tmp_path / "out", scanChanged=lambda scan: changes.append((scan.name, scan.state))
    )
    done = ("done", "Look.", 1234.56, "check")
    assert [(scan.state, scan.message, scan.volumeMl, scan.verdict) for scan in scans] == [
        done, done, ("failed", "It is broken.", None, ""),
    ]  # fmt: skip
    assert changes[:2] == [("a.nii.gz", "running"), ("a.nii.gz", "done")]


@pytest.mark.slow
def test_the_real_child_strips_a_folder_and_passes_over_a_broken_file(
    folder, tmp_path, weights, scene, monkeypatch  # noqa: F811
) -> None:  # fmt: skip
    from SkullStripSlicer.logic import StripLogic

    monkeypatch.setattr("SkullStripSlicer.batch_logic.hasBatchPackages", lambda: False)
    head = make_head("RAS", (2.5, 2.5, 2.5))
    nibabel.save(nibabel.Nifti1Image(head.array, head.affine), folder / "a.nii.gz")
    (folder / "b" / "c.nii").unlink()
    scans = StripLogic().stripFolder(folder, tmp_path / "out", weights=weights)
    assert [scan.state for scan in scans] == ["done", "failed"]
    assert "cannot be read" in scans[1].message
    mask = nibabel.load(Path(tmp_path, "out", "a_brain_mask.nii.gz"))
    assert mask.shape == head.array.shape
    assert scans[0].volumeMl == pytest.approx(mask.get_fdata().sum() * 2.5**3 / 1000, rel=1e-3)
