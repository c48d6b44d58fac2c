"""Stand-ins for what a unit test cannot have: a trained network.

`ThresholdEngine` takes the network's place in `extract_brain(engine=...)`. It calls grey and white
matter brain by their intensity alone, which is enough on the phantom, whose scalp and skull differ.
"""

import hashlib

import numpy as np

from skullstrip.network.manifest import MANIFEST_NAME, Manifest, Preprocessing

BRAIN_INTENSITIES = (0.28, 0.85)


class StandIn:
    """What every engine says of itself; `predict` takes (N, H, W, 3) to (N, H, W, 1) float32."""

    name = "stand-in"
    device = "cpu"


class ThresholdEngine(StandIn):
    """Probability one between two intensities of the middle slice."""

    def predict(self, batch):
        low, high = BRAIN_INTENSITIES
        middle = batch[..., 1:2]
        return ((middle > low) & (middle < high)).astype(np.float32)


class BrightEngine(StandIn):
    """For a head that is all brain: probability one wherever it is bright."""

    def predict(self, batch):
        return (batch[..., 1:2] > 0.5).astype(np.float32)


class ContraryEngine(BrightEngine):
    """Finds no brain any more when the mask is judged; `progress` is to be told of each stage."""

    judging = False

    def progress(self, stage, _done, _total):
        self.judging |= stage == "judge"

    def predict(self, batch):
        found = super().predict(batch)
        return np.zeros_like(found) if self.judging else found


class BlindEngine(StandIn):
    """Finds no brain anywhere."""

    def predict(self, batch):
        return np.zeros((*batch.shape[:3], 1), dtype=np.float32)


class FailingEngine(StandIn):
    """Raises what it is given."""

    def __init__(self, error):
        self.error = error

    def predict(self, batch):
        raise self.error


def write_stand_in_weights(folder):
    """A manifest with a weights file that matches it and that only stand-in engines can run.

    Its spacing of 3 mm makes runs quick on phantoms of 3 mm.
    """
    content = b"stand-in weights"
    (folder / "weights.onnx").write_bytes(content)
    manifest = Manifest(
        name="stand-in",
        weights_file="weights.onnx",
        weights_sha256=hashlib.sha256(content).hexdigest(),
        preprocessing=Preprocessing(spacing_mm=3.0),
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return folder
