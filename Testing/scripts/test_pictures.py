"""The pictures of README and docs, drawn from a made head by the network that ships."""

import numpy as np
import pytest
from PIL import Image

from scripts import pictures
from Testing.image_files import save
from Testing.phantoms import make_head


@pytest.mark.slow
def test_every_picture_is_drawn_and_shows_orange(tmp_path, monkeypatch):
    head = make_head("PIR", (3.0, 3.0, 3.0))
    scan = save(tmp_path / "head.nii.gz", head.array, head.affine)
    monkeypatch.setattr("sys.argv", ["pictures", str(scan), "--out", str(tmp_path)])
    pictures.main()
    for path in pictures.TARGETS.values():
        values = np.asarray(Image.open(tmp_path / path).convert("RGB"), dtype=int)
        assert ((values[..., 0] - values[..., 2]) > 60).mean() > 0.005, path
    assert Image.open(tmp_path / pictures.TARGETS["thumbnail"]).size == (260, 280)
