"""Scoring against masks at hand, and through a real HTTP server on loopback."""

import csv
import json
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import nibabel
import numpy as np
import pytest

from skullstrip.batch.records import Entry, FileState, write_record
from skullstrip.errors import InputError
from skullstrip.grid.regions import dice
from training.__main__ import run
from training.data.dataset import find_pairs
from training.data.pair import read_pair
from training.evaluation.evaluate import evaluate, read_scans
from training.evaluation.score import ScorerError, find_predictions, from_files, remote_dice

FAULTS = {
    "unknown": (404, b"{}", "status 404"),
    "no JSON": (200, b"\x1b[2J not JSON", "JSONDecodeError"),
    "no Dice": (200, b"[]", "TypeError"),
    "percent": (200, b'{"dice": 98.6}', "98.6, not between 0 and 1"),
}


class ScorerHandler(BaseHTTPRequestHandler):
    """The protocol's other side: unpacks the NIfTI and scores it against the server's truth."""

    truths: dict[str, np.ndarray] = {}  # noqa: RUF012

    def do_POST(self):
        name = unquote(self.path.removeprefix("/score/"))
        body = zlib.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        mask = np.asanyarray(nibabel.Nifti1Image.from_bytes(body).dataobj) > 0
        status, content, _ = FAULTS.get(name, (200, b"", ""))
        if name in self.truths:
            content = json.dumps({"dice": dice(mask, self.truths[name])}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Keep the test's output quiet."""


@pytest.fixture
def scorer(phantom_data):
    """The URL of a running scorer that knows the phantoms' masks."""
    ScorerHandler.truths = {pair.name: read_pair(pair)[1] for pair in find_pairs(phantom_data)} | {
        "ä /ß": read_pair(find_pairs(phantom_data)[0])[1]
    }
    with ThreadingHTTPServer(("127.0.0.1", 0), ScorerHandler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://john:secret@127.0.0.1:{server.server_address[1]}/score/"
        server.shutdown()
        thread.join()


@pytest.fixture
def predictions(phantom_data, tmp_path, nifti):
    """Masks of both phantoms, the second shifted by two voxels."""
    folder = tmp_path / "predictions"
    for shift, pair in zip((0, 2), find_pairs(phantom_data), strict=True):
        volume, truth = read_pair(pair)
        nifti(folder / f"{pair.name}_mask.nii.gz", np.roll(truth, shift, axis=0), volume.affine)
    return folder


def scored(predictions, data):
    return evaluate(read_scans(find_pairs(data)), from_files(find_predictions(predictions))).scores


def test_the_true_mask_scores_one_and_a_shifted_one_less(predictions, phantom_data):
    first, second = scored(predictions, phantom_data)
    assert first["dice"] == 1
    assert 0.8 < second["dice"] < 0.97
    assert 4 < second["hd95_mm"] <= 8  # the shift, or less where the surface is oblique to it


def test_masks_of_a_batch_are_known_by_their_scans(tmp_path):
    for name, status in (("IXI002_T1w", "done"), ("b/T1w", "corrected"), ("c", "failed")):
        row = {"name": name, "status": status, "brain_mask": f"{name}_brain_mask.nii.gz"}
        write_record(Entry(row, FileState(0, 0, ""), ""), tmp_path)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / row["brain_mask"]).touch()
    assert find_predictions(tmp_path) == {
        "IXI002": tmp_path / "IXI002_T1w_brain_mask.nii.gz",
        "b": tmp_path / "b/T1w_brain_mask.nii.gz",
    }


def test_a_missing_or_misplaced_mask_counts_with_dice_zero(predictions, phantom_data, nifti):
    (predictions / "one_mask.nii.gz").unlink()
    nifti(predictions / "two_mask.nii.gz", np.ones((5, 5, 5), dtype=bool), np.eye(4))
    scores = scored(predictions, phantom_data)
    assert [score["failure"] for score in scores] == ["no mask predicted", "mask on another grid"]
    assert [score["dice"] for score in scores] == [0, 0]


def test_the_command_gives_the_same_dice_at_hand_and_through_http_whatever_a_scan_is_called(
    scorer, predictions, phantom_data, tmp_path
):
    assert remote_dice(scorer, "ä /ß", predictions / "one_mask.nii.gz") == 1
    found = []
    for truth in ([str(phantom_data)], ["--url", scorer]):
        assert run("score", str(predictions), *truth, "-o", str(tmp_path)) == 0
        with open(tmp_path / "scores.csv", newline="", encoding="utf-8") as stream:
            found.append({row["scan"]: row["dice"] for row in csv.DictReader(stream)})
    assert found[0] == found[1]
    exact = [score["dice"] for score in scored(predictions, phantom_data)]
    assert [float(dice) for dice in found[0].values()] == pytest.approx(exact, abs=1e-6)
    assert "| one | 1.0000 |" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_a_server_answers_is_one_error_without_the_password(scorer, predictions, name):
    with pytest.raises(ScorerError, match=FAULTS[name][2]) as caught:
        remote_dice(scorer, name, predictions / "one_mask.nii.gz")
    assert "secret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["ftp://john:secret@host/", "http://john:secret@127.0.0.1:1/", "http:///", "file:///etc/"],
)
def test_an_address_that_is_none_is_refused_without_the_password(predictions, url):
    with pytest.raises(ScorerError) as caught:
        remote_dice(url, "one", predictions / "one_mask.nii.gz")
    assert "secret" not in str(caught.value)


def test_a_folder_without_masks_and_a_command_without_truth_are_refused(predictions, tmp_path):
    with pytest.raises(InputError, match="No mask is in"):
        find_predictions(tmp_path / "empty")
    with pytest.raises(InputError, match="either"):
        run("score", str(predictions))
