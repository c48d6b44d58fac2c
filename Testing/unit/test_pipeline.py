"""The one function that strips a volume, with a stand-in network (`stand_ins.ThresholdEngine`).

The phantom's brain is known exactly; what is tested is everything around the network: that the
mask comes back on the input's own grid whatever that grid is.
"""

from dataclasses import replace

import nibabel
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skullstrip import InputError, extract_brain
from skullstrip.grid.regions import dice
from Testing.phantoms import make_head
from Testing.stand_ins import BlindEngine, BrightEngine, ContraryEngine, ThresholdEngine

# The stand-in cuts at fixed intensities and works at 3 mm, so partial volume costs some voxels.
PHANTOM_DICE = 0.94
GRIDS = {
    "PIR": {"orientation": "PIR"},
    "oblique 20 degrees": {"orientation": "LAS", "oblique_degrees": 20.0},
    "1 x 1 x 3 mm": {"spacing_mm": (1.0, 1.0, 3.0)},
    "cropped at the vertex": {"shift_mm": (0.0, 0.0, -40.0), "field_of_view_mm": (200, 240, 160)},
}


def strip(head, weights, **options):
    """Run the pipeline on a phantom with the stand-in network."""
    engine = options.pop("engine", ThresholdEngine())
    return extract_brain(head.array, head.affine, engine=engine, weights=weights, **options)


@pytest.mark.parametrize("name", GRIDS)
def test_the_mask_comes_back_on_the_input_grid(name, stand_in_weights):
    head = make_head(**GRIDS[name])
    before = head.array.copy()
    found = strip(head, stand_in_weights)
    assert_array_equal(head.array, before)
    voxel_ml = np.prod(GRIDS[name].get("spacing_mm", (2.0, 2.0, 2.0))) / 1000
    assert found.volume_ml == pytest.approx(found.brain_mask.sum() * voxel_ml)
    assert found.brain_mask.shape == head.array.shape
    assert found.brain_mask.dtype == bool
    assert found.brain_probability.dtype == np.float32
    assert_array_equal(found.affine, head.affine)
    assert dice(found.brain_mask, head.brain_mask) > PHANTOM_DICE


def test_a_nibabel_image_brings_its_affine_and_voxels_need_one(stand_in_weights):
    head = make_head()
    image = nibabel.Nifti1Image(head.array, head.affine)
    options = {"engine": ThresholdEngine(), "weights": stand_in_weights}
    found = extract_brain(image, **options)
    assert found in {found}  # whatever its arrays
    assert_array_equal(found.affine, image.affine)
    assert_array_equal(found.brain_mask, strip(head, stand_in_weights).brain_mask)
    for affine, words in (
        (None, "No affine is given"),
        ("RAS", "no array of numbers"),
        (2 * head.affine, r"last row is \[0. 0. 0. 2.\]"),
    ):
        with pytest.raises(InputError, match=words):
            extract_brain(head.array, affine, **options)


def test_views_agree_on_a_phantom_and_say_which_slices_they_are_of(stand_in_weights):
    head = make_head()
    one, three, auto = (strip(head, stand_in_weights, views=views) for views in (1, 3, "auto"))
    assert dice(one.brain_mask, three.brain_mask) > 0.99
    assert dice(auto.brain_mask, three.brain_mask) > 0.99
    assert one.views_used == "every slice along X"
    assert auto.views_used == "1 slice in 2 along X, Y, Z"


def test_a_scan_without_brain_is_refused_instead_of_giving_an_empty_mask(stand_in_weights):
    with pytest.raises(InputError, match=r"No brain was found; give an MRI"):
        strip(make_head(), stand_in_weights, engine=BlindEngine())


def bright_brain(**grid):
    """A phantom with its brain brightest, so that the stand-in `BrightEngine` makes no mistake."""
    head = make_head(**grid)
    return replace(head, array=0.4 * head.array + 60 * head.brain_mask)


def test_a_right_mask_passes_in_silence_and_a_cut_one_does_not(stand_in_weights):
    found = strip(bright_brain(), stand_in_weights, engine=BrightEngine())
    assert (found.verdict, found.quality) == ("pass", ())
    assert found.dice_estimate > 0.98
    cut = bright_brain(shift_mm=(0.0, 0.0, -60.0), field_of_view_mm=(200, 240, 160))
    found = strip(cut, stand_in_weights, engine=BrightEngine())
    assert found.verdict == "check"
    assert "brain_cut" in [check.code for check in found.quality]


def left_blanked(array):
    """Without its left third, inside the image."""
    return array * (np.arange(len(array))[:, None, None] > 0.4 * len(array))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda array: array - 1000, "ct_like"),
        (left_blanked, "brain_bare"),
        (lambda array: np.concatenate([array, array]), "pieces_removed"),
    ],
)
def test_a_scan_that_is_warned_of_never_passes_and_the_reason_is_told_once(
    spoil, code, stand_in_weights
):
    head = bright_brain()
    spoilt = replace(head, array=spoil(head.array))
    found = strip(spoilt, stand_in_weights, engine=BrightEngine())
    assert found.verdict != "pass"
    assert [check.code for check in found.findings].count(code) == 1
    assert code in [check.code for check in found.quality]


@pytest.mark.parametrize("options", [{"border_mm": 6.0}, {"border_mm": -6.0}, {"keep_csf": False}])
def test_the_verdict_is_of_the_mask_before_border_and_csf_and_says_so(options, stand_in_weights):
    head = make_head()
    plain, moved = strip(head, stand_in_weights), strip(head, stand_in_weights, **options)
    assert (moved.brain_mask != plain.brain_mask).any()
    assert (moved.verdict, moved.quality) == (plain.verdict, plain.quality)
    assert moved.dice_estimate == plain.dice_estimate
    assert (plain.judged, moved.judged[:6]) == ("as written", "before")
    assert plain.volume_error_ml > 0
    assert np.isnan(moved.volume_error_ml)
    assert_array_equal(moved.brain_confidence, plain.brain_confidence)


def test_the_confidence_is_on_the_input_grid_and_low_where_the_looks_disagree(stand_in_weights):
    head = bright_brain(orientation="PIR", spacing_mm=(1.5, 2.0, 2.5), oblique_degrees=15)
    sure = strip(head, stand_in_weights, engine=BrightEngine(), views=1).brain_confidence
    contrary = ContraryEngine()
    doubted = strip(head, stand_in_weights, engine=contrary, views=1, progress=contrary.progress)
    unsure = doubted.brain_confidence
    assert sure.shape == head.array.shape
    assert sure.dtype == np.float32
    assert 0 <= sure.min() <= sure.max() <= 1
    assert sure[head.brain_mask].mean() > 0.95
    assert unsure[head.brain_mask].mean() < sure[head.brain_mask].mean() - 0.02


def test_progress_names_every_stage_in_order(stand_in_weights):
    stages = []
    found = strip(make_head(), stand_in_weights, progress=lambda *word: stages.append(word[0]))
    assert list(dict.fromkeys(stages)) == list(found.timings)
    order = "check prepare load predict judge restore mask"
    assert list(found.timings) == order.split()
