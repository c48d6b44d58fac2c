"""A mask cut again from a kept probability is the one that a whole run would give."""

import numpy as np
import pytest

from skullstrip.errors import InputError
from skullstrip.files import brain_from_probability, read_on_grid
from skullstrip.io import images
from skullstrip.options import Options
from skullstrip.pipeline import extract_brain
from skullstrip.report import quality_line
from Testing.image_files import save
from Testing.phantoms import make_head
from Testing.stand_ins import ThresholdEngine

SPACING_MM = (3.0, 3.0, 3.0)


@pytest.mark.parametrize("border_mm", [-3.0, 0.0, 4.5])
@pytest.mark.parametrize("keep_csf", [True, False])
def test_another_border_needs_no_network(stand_in_weights, border_mm, keep_csf):
    head = make_head("LPS", SPACING_MM)
    options = {"engine": ThresholdEngine(), "weights": stand_in_weights}
    first = extract_brain(head.array, head.affine, **options)
    cut = {"border_mm": border_mm, "keep_csf": keep_csf}
    wanted = extract_brain(head.array, head.affine, **cut, **options)
    kept = first.brain_probability
    found = brain_from_probability(head.array, head.affine, kept, Options(**cut))
    np.testing.assert_array_equal(found.brain_mask, wanted.brain_mask)
    assert found.volume_ml == wanted.volume_ml
    assert found.engine == "none"
    assert [check.code for check in found.quality] == ["not_judged"]
    assert quality_line(found) == "not judged"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p[1:], "has shape"),
        (lambda p: p * 100, "reaches from 0 to 100"),
        (lambda p: p * np.nan, "reaches from nan"),
        (lambda p: p * 0, "No brain was found"),
    ],
)
def test_what_is_no_probability_of_this_scan_is_refused(change, message):
    head = make_head(spacing_mm=SPACING_MM)
    with pytest.raises(InputError, match=message):
        brain_from_probability(head.array, head.affine, change(head.brain_mask.astype(np.float32)))


def test_a_probability_on_another_grid_is_refused_in_one_sentence(tmp_path):
    head = make_head(spacing_mm=SPACING_MM)
    image = images.read_image(save(tmp_path / "T1.nii", head.array, head.affine))
    moved = head.affine.copy()
    moved[0, 3] += 1
    probability = head.brain_mask.astype(np.float32)
    same = read_on_grid(save(tmp_path / "p.nii", probability, head.affine), image, "probability")
    np.testing.assert_array_equal(same, probability)
    lost = head.affine * np.nan
    for affine, array in (
        (moved, probability),
        (head.affine, probability[1:]),
        (lost, probability),
    ):
        other = save(tmp_path / "q.nii", array, affine)
        with pytest.raises(InputError, match=r"is not on the grid of .*T1\.nii"):
            read_on_grid(other, image, "probability")
