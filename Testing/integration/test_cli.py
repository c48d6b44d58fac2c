"""The command, as a user meets it: exit status, one sentence on stderr, nothing left behind.

The tests call `main` in this process, with `ThresholdEngine`, a stand-in for the network, where a
run must succeed.
"""

import json
import os
import shlex
import signal

import numpy as np
import pytest

from skullstrip import pipeline
from skullstrip.cli.main import main
from skullstrip.io import images
from Testing.image_files import assert_one_sentence, contents, names, save, save_head
from Testing.phantoms import make_head
from Testing.stand_ins import FailingEngine, ThresholdEngine


def noise(shape=(40, 40, 40)):
    return (100 * np.random.default_rng(0).random(shape)).astype(np.float32)


def test_without_options_brain_and_mask_stand_beside_the_scan(tmp_path, scan, stand_in, capsys):
    handler = signal.getsignal(signal.SIGTERM)
    assert main([str(scan), *stand_in]) == 0
    assert names(tmp_path) == ["T1.nii.gz", "T1_brain.nii.gz", "T1_brain_mask.nii.gz"]
    output, error = capsys.readouterr()
    # A threshold's mask is no ordinary one, so the verdict has something to say.
    assert all(line.startswith("skullstrip: warn: ") for line in error.splitlines())
    assert "mL" in output
    assert " s (stand-in, cpu)" in output
    assert str(tmp_path / "T1_brain_mask.nii.gz") in output
    assert signal.getsignal(signal.SIGTERM) is handler, "handled as before"
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize(
    ("options", "written"),
    [
        (["-o", "b.mgz"], ["b.mgz"]),
        (["-m", "m.nii", "-o", "b.nii.gz", "-p", "p.nrrd"], ["b.nii.gz", "m.nii", "p.nrrd"]),
        (["--qc", "q.png"], ["T1_brain.nii.gz", "T1_brain_mask.nii.gz", "q.png"]),
        (["--json", "j.json", "-m", "m.nii"], ["j.json", "m.nii"]),
        (["--mask=-m.nii", "--", "-T1.nii.gz"], ["-m.nii"]),
        (["--head", "h.nii"], ["h.nii"]),
        (["--surface", "s.vtp", "-m", "m.nii"], ["m.nii", "s.vtp"]),
    ],
)
def test_only_the_images_that_are_named_are_written(
    tmp_path, scan, stand_in, monkeypatch, options, written
):
    monkeypatch.chdir(tmp_path)
    named = ["-i", scan.name]
    if "--" in options:
        scan, named = scan.rename("-T1.nii.gz"), []
    assert main([*named, *stand_in, *options]) == 0
    assert names(tmp_path) == sorted([scan.name, *written])


def test_a_note_on_the_input_goes_to_stderr_and_a_quiet_run_says_nothing(scan, stand_in, capsys):
    save(scan, np.where(noise() > 1, noise(), np.nan))
    assert main([str(scan), "-q", *stand_in]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([str(scan), "--overwrite", *stand_in]) == 0
    assert "skullstrip: note: " in (said := capsys.readouterr().err)
    assert "voxels are NaN or infinite" in said


@pytest.mark.parametrize("name", ["T1_brain.nii.gz", "T1_brain_mask.nii.gz"])
def test_what_nobody_named_is_not_replaced_unasked(tmp_path, scan, stand_in, refused, name):
    corrected = tmp_path / name
    corrected.write_text("by hand")
    assert f"{name} is there already; use --overwrite" in refused(scan, *stand_in)
    assert names(tmp_path) == ["T1.nii.gz", name]
    assert corrected.read_text() == "by hand"
    assert main([str(scan), "--overwrite", *stand_in]) == 0
    assert images.read_image(corrected).array.any()


def test_a_kept_probability_is_cut_again(tmp_path, scan, stand_in, monkeypatch, capsys, refused):
    kept = tmp_path / "p.nii.gz"
    assert main([str(scan), "-p", str(kept), "-q", *stand_in]) == 0
    monkeypatch.setattr(pipeline, "create_engine", None)  # would fail
    mask = tmp_path / "m.nii.gz"
    options = ["--from-probability", str(kept), "-b", "2", "-m", str(mask)]
    report, picture = tmp_path / "r.json", tmp_path / "q.png"
    assert main([str(scan), *options, "--json", str(report), "--qc", str(picture)]) == 0
    assert mask.is_file()
    assert picture.is_file()
    assert json.loads(report.read_text())["engine"] == "none"
    assert "not judged" in capsys.readouterr().err
    other = save(tmp_path / "other.nii", noise((30, 30, 30)))
    refused(scan, "--from-probability", other, "-m", mask)


@pytest.mark.parametrize(
    "options",
    ["-m T1.nii.gz", "-o ''", "-o T1.nii.gz/brain.nii.gz", "-p p.png", "--surface s.obj",
     "--qc q.jpg", "-o x.nii -m x.nii", "--qc .", "--json -", "-b nan", "-b wide", "--views 2",
     "--threads 0", "--threads many", "--engine steam", "--device abacus", "--weights missing",
     "--unknown", "second.nii.gz", "--series 3", "--seg s.dcm", "--seg s.nii", "--seg-fractional"],
)  # fmt: skip
def test_a_bad_argument_is_refused_in_one_sentence(tmp_path, scan, monkeypatch, refused, options):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "create_engine", None)  # no network runs in vain
    refused("T1.nii.gz", *shlex.split(options))
    assert names(tmp_path) == ["T1.nii.gz"]


@pytest.mark.parametrize(
    ("words", "usage"), [([], "skullstrip T1.nii.gz"), (["batch"], "skullstrip batch IN OUT")]
)
def test_no_argument_shows_what_to_type(capsys, words, usage):
    assert main(words) == 2
    output, error = capsys.readouterr()
    assert output == ""
    assert usage in error
    assert "--help" in error


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("--bordr 2 T1.nii.gz", "did you mean --border?"),
        ("T1.nii.gz --no-cfs", "did you mean --no-csf?"),
        ("batch in out --job=2", "did you mean --jobs?"),
        ("bacth in out", "did you mean 'skullstrip batch'?"),
        ("help", "did you mean 'skullstrip --help'?"),
        ("batch a.nii b.nii out", "put a glob in quotes"),
        ("--apply-to FLAIR.nii T1.nii", "give it before '--apply-to'"),
        ("-T1.nii.gz", "write ./-T1.nii.gz"),
        ("./-T1.nii.gz brain.nii", "brain.nii does not exist; an output is named with -o or -m"),
        ("-o .. ./-T1.nii.gz", ".. is a folder; name a file to write"),
    ],
)
def test_a_misspelt_word_or_one_like_an_option_is_answered_with_what_was_meant(
    scan, monkeypatch, refused, words, meant
):
    monkeypatch.chdir(scan.parent)
    scan.rename("-T1.nii.gz")
    assert meant in refused(*words.split())


def test_several_scans_are_stripped_each_and_our_outputs_among_them_are_not(
    tmp_path, scan, stand_in, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.nii.gz").write_bytes(scan.read_bytes())
    (tmp_path / "broken.nii.gz").write_text("no image")
    engines = [ThresholdEngine()]
    monkeypatch.setattr(pipeline, "create_engine", lambda *_: engines.pop())  # once for all
    assert main(["T1.nii.gz", "broken.nii.gz", "b.nii.gz", *stand_in]) == 2
    done = ["T1.nii.gz", "T1_brain.nii.gz", "T1_brain_mask.nii.gz"]
    assert names(tmp_path) == sorted([*done, *(n.replace("T1", "b") for n in done),
                                      "broken.nii.gz"])  # fmt: skip
    assert "broken.nii.gz cannot be read" in capsys.readouterr().err
    engines.append(ThresholdEngine())
    assert main([*names(tmp_path), "--overwrite", *stand_in]) == 2
    assert not [name for name in names(tmp_path) if "_brain_brain" in name]
    assert main(["T1.nii.gz", "b.nii.gz", "-o", "x.nii.gz"]) == 2
    assert "for one" in capsys.readouterr().err


@pytest.mark.parametrize(
    "ending",
    [
        (KeyboardInterrupt(), 130, "Interrupted"),
        (RuntimeError("std::bad_alloc"), 1, "not enough memory"),
        (RuntimeError("odd\nthing"), 1, "RuntimeError: odd thing"),
    ],
)
def test_a_run_that_ends_early_says_so_and_leaves_nothing(
    scan, stand_in, monkeypatch, capsys, ending
):
    error, status, message = ending
    monkeypatch.setattr(pipeline, "create_engine", lambda *_: FailingEngine(error))
    assert main([str(scan), *stand_in]) == status
    output, text = capsys.readouterr()
    assert output == ""
    assert_one_sentence(text)
    assert message in text
    assert names(scan.parent) == ["T1.nii.gz"]


def test_what_native_libraries_print_stays_off_stderr(scan, stand_in, monkeypatch, capfd):
    def chatter(_, batch):
        os.write(2, b"I0000 oneDNN custom operations are on")
        return batch[..., :1]

    monkeypatch.setattr(ThresholdEngine, "predict", chatter)
    assert main([str(scan), *stand_in]) == 0
    assert "oneDNN" not in capfd.readouterr().err


@pytest.fixture
def series(tmp_path):
    """A folder, called like its patient: the slices of a scan, a short series, another scan."""
    dicom = pytest.importorskip("Testing.dicom_files", exc_type=ImportError)
    head, folder = make_head("LPS", (3.0, 3.0, 3.0)), tmp_path / "Roe_Jane"
    array = head.array.astype(np.int16)
    flair = {"SeriesNumber": 5, "SeriesDescription": "FLAIR"}
    dicom.save(folder, dicom.datasets(array, head.affine))
    dicom.save(folder / "few", dicom.datasets(array[..., :2], head.affine, SeriesNumber=4))
    dicom.save(folder / "flair", dicom.datasets(array, head.affine, **flair))
    return folder


def test_a_series_is_stripped_into_its_folder_and_the_patient_is_never_named(
    series, tmp_path, stand_in, capsys
):
    before = set(series.rglob("*"))
    assert main([str(series), *stand_in]) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[0].endswith(
        "holds 3 series; name a file of the one you want, or, outside a batch, use '--series N'."
    )
    assert [line.split()[0] for line in error[1:]] == ["3", "4", "5"]
    report = tmp_path / "report.json"
    words = ["--series", "3", "--json", str(report), "--qc", str(tmp_path / "qc.png")]
    assert main([str(series), *words, *stand_in]) == 0
    written = {path.name for path in series.rglob("*") if path not in before}
    stem = "series_3_t1_mprage_sag_brain"
    assert written == {f"{stem}.nii.gz", f"{stem}_mask.nii.gz"}
    assert json.loads(report.read_text())["input"] == "series_3_t1_mprage_sag"
    assert not [word for word in ("Roe", "Jane", "4711") if word in report.read_text()]


def test_files_of_a_series_that_a_shell_names_one_by_one_are_one_scan(series, stand_in, capsys):
    files = sorted(str(path) for path in series.glob("IM*"))
    assert main([*files, *stand_in]) == 0
    assert len(list(series.glob("*.nii.gz"))) == 2


def test_the_mask_goes_to_another_series_of_the_same_folder(series, stand_in):
    words = ["--series", "3", "--apply-to", str(series / "flair" / "IM0000")]
    assert main([str(series), *words, *stand_in]) == 0
    assert (series / "series_3_t1_mprage_sag_brain_mask.nii.gz").is_file()
    assert (series / "flair" / "series_5_FLAIR_brain_mask.nii.gz").is_file()


def test_a_dicom_file_is_never_replaced(series, stand_in, refused):
    dicom_file = next(series.glob("IM*")).rename(series / "slice.nii")
    before = dicom_file.read_bytes()
    words = ("--series", "3", "-m", dicom_file)
    assert "is also the input" in refused(series, *words, *stand_in)
    assert dicom_file.read_bytes() == before


def test_a_segmentation_goes_where_it_is_named_again_and_again(series, stand_in, capsys):
    out = series / "brain.dcm"  # among the scan's own files, whose part it is not
    for words in (["--seg", str(out)], ["--seg", str(out), "--seg-fractional"]):
        assert main([str(series), "--series", "3", *words, *stand_in]) == 0
    pydicom = pytest.importorskip("pydicom")
    assert pydicom.dcmread(out).SegmentationType == "FRACTIONAL"
    assert not list(series.glob("*.nii.gz"))


@pytest.fixture
def session(tmp_path, scan):
    """T1.nii.gz, and beside it FLAIR and T2 on grids of their own."""
    save_head(tmp_path / "FLAIR.nii.gz", "RAS", (3.0, 3.0, 5.0))
    save_head(tmp_path / "T2.nii.gz", "LPS", (3.0, 3.0, 3.0))
    return tmp_path


def test_other_scans_get_the_same_mask_and_each_its_lines(session, scan, stand_in, capsys):
    everything = [str(session / name) for name in names(session)]  # T1 is among them
    assert main([str(scan), "--apply-to", *everything, *stand_in]) == 0
    made = {
        f"{name}_brain{mask}.nii.gz" for name in ("T1", "FLAIR", "T2") for mask in ("", "_mask")
    }
    assert set(names(session)) == made | {"T1.nii.gz", "FLAIR.nii.gz", "T2.nii.gz"}
    shown = capsys.readouterr().out
    _, flair, t2 = (shown[shown.index(part) :] for part in ("Brain", "FLAIR.nii.gz:", "T2.nii.gz:"))
    assert "with the network's own look" in flair[: flair.index("T2.nii.gz:")]
    assert str(session / "T2_brain_mask.nii.gz") in t2
    again = [str(session / name) for name in names(session)]  # now with outputs of ours
    assert main([str(scan), "--apply-to", *again, *stand_in, "--overwrite"]) == 0
    assert set(names(session)) == made | {"T1.nii.gz", "FLAIR.nii.gz", "T2.nii.gz"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--apply-to T1.nii.gz", "names no scan beside the one to be stripped"),
        ("--register rigid", "'--register' aligns the scans of '--apply-to'"),
        ("T2.nii.gz --apply-to FLAIR.nii.gz", "2 scans are named"),
        ("--apply-to FLAIR.nii.gz", "FLAIR_brain_mask.nii.gz is there already"),
    ],
)
def test_what_cannot_be_applied_is_refused_and_nothing_lost(
    session, stand_in, monkeypatch, refused, words, sentence
):
    monkeypatch.chdir(session)
    (session / "FLAIR_brain_mask.nii.gz").write_text("by hand")
    before = contents(session)
    assert sentence in refused("T1.nii.gz", *words.split(), *stand_in)
    assert contents(session) == before
