"""Measures, estimate and verdict: each tells a wrong mask from the right one of a phantom.

The phantom's own mask is the right one; the evidence is made from it, with a soft surface.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from skullstrip.checks.input_checks import Check
from skullstrip.errors import WeightsError
from skullstrip.mask.postprocess import solid_mask
from skullstrip.network.manifest import Manifest
from skullstrip.network.predict import VIEWS
from skullstrip.quality.calibration import Calibrations, load_calibration
from skullstrip.quality.evidence import Evidence, disagreement_map, right_odds
from skullstrip.quality.measures import asymmetry, measure, roughness
from skullstrip.quality.verdict import capped, estimate, judge
from Testing.phantoms import make_head

BLOCK_MM = 2.0
SMALL_MM = 1.7  # in which the phantom's brain is small for an adult's head
MANIFEST = Manifest(name="other", weights_file="w.npz", weights_sha256="0" * 64)
TO_RAS = np.array([[-2.0, 0, 0, 50], [0, 2, 0, -30], [0, 0, 2, 7], [0, 0, 0, 1]])
HEAD = make_head("RAS", (BLOCK_MM,) * 3)
BRAIN = HEAD.brain_mask
X, Y, Z = np.indices(BRAIN.shape) - np.array(BRAIN.shape).reshape(3, 1, 1, 1) // 2
HALF = BRAIN & (X >= 0)
BELOW = BRAIN & (Z >= -10)  # without its lowest third, as without a cerebellum
LEAK = BRAIN | ((X - 16) ** 2 + (Y - 42) ** 2 + (Z + 10) ** 2 <= 6**2)  # 24 mm wide, as an eye is
STEM = BRAIN | ((abs(X + 0.5) < 5) & (abs(Y + 0.5) < 5) & (Z < 0))  # which leaves the image
WIDER, NARROWER = (
    change(BRAIN, iterations=3) for change in (ndimage.binary_dilation, ndimage.binary_erosion)
)
TISSUE = ndimage.binary_fill_holes(HEAD.array > 20)
SPECKS = ndimage.binary_dilation(
    np.random.default_rng(0).random(BRAIN.shape) > 0.97, np.ones((2, 2, 2))
)


def evidence_of(mask=BRAIN, second=None, **changes):
    """Evidence of a network that found `mask`, and `second` when it looked again."""
    places = np.arange(4, mask.shape[1], 8)
    looked = soft(mask if second is None else second)[:, places]
    ends = np.ones((3, 2), dtype=bool)
    looks = (np.moveaxis(looked, 1, 0).copy(), places)
    found = Evidence(soft(mask), *looks, BLOCK_MM, ends, TISSUE, TISSUE, TO_RAS)
    return replace(found, **changes)


def soft(mask):
    """Probability with a surface as sharp as the network's."""
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), 0.7)
    return (1 / (1 + np.exp(-12 * (smooth - 0.5)))).astype(np.float32)


def codes(judgement):
    return [check.code for check in judgement.reasons]


def index_of(reason):
    """The block that a reason points to."""
    assert reason.position_ras is not None
    return tuple(np.rint(np.linalg.solve(TO_RAS, [*reason.position_ras, 1])[:3]).astype(int))


@pytest.fixture(scope="module")
def calibration():
    return load_calibration().of("auto")


def test_the_right_mask_passes_with_a_high_estimate(calibration):
    found = judge(evidence_of(), calibration)
    assert (found.verdict, found.reasons) == ("pass", ())
    assert found.estimate.dice > 0.98
    assert 0 < found.estimate.dice_error < 0.02
    assert 0 < found.estimate.volume_error_ml < 60


@pytest.mark.parametrize("wrong", [HALF, BELOW, WIDER, NARROWER])
def test_a_wrong_mask_that_the_network_is_sure_of_is_flagged(calibration, wrong):
    found = judge(evidence_of(wrong, second=BRAIN), calibration)
    real = 2 * (wrong & BRAIN).sum() / (wrong.sum() + BRAIN.sum())
    assert "dice_low" in codes(found)
    assert found.estimate.dice == pytest.approx(real, abs=0.03)


def test_a_leak_that_costs_hardly_any_dice_is_flagged_by_the_second_look(calibration):
    found = judge(evidence_of(LEAK, second=BRAIN), calibration)
    assert found.verdict == "check"
    assert codes(found) == ["second_look"]
    assert found.estimate.dice > 0.97
    assert (LEAK & ~BRAIN)[index_of(found.reasons[0])]


def test_a_mask_that_differs_from_its_probability_is_measured_itself(calibration):
    assert estimate(measure(evidence_of(), BELOW), calibration).dice < 0.9


def test_a_second_look_that_misses_the_mask_confirms_nothing_of_it():
    evidence = evidence_of()
    beside = replace(evidence, coronal=evidence.coronal[:1], coronal_places=np.array([0]))
    assert measure(evidence)["second_dice"] > 0.99
    assert measure(beside)["second_dice"] == 0


def test_a_network_that_doubts_everything_is_believed(calibration):
    doubted = 0.5 + 0.2 * (soft(BRAIN) - 0.5)
    assert judge(evidence_of(probability=doubted), calibration).verdict == "fail"


def test_two_unsure_looks_may_differ_more_than_two_sure_ones(calibration):
    measured = measure(evidence_of(second=ndimage.binary_dilation(BRAIN)))
    unsure = {**measured, "second_own_dice": 0.94}
    assert estimate(unsure, calibration).dice > estimate(measured, calibration).dice


def test_pieces_away_from_the_brain_are_named_with_their_volume(calibration):
    pieces = BRAIN.copy()
    pieces[2:16, 2:16, 2:16] = True
    found = judge(evidence_of(pieces), calibration)
    (removed,) = [check for check in found.reasons if check.code == "pieces_removed"]
    assert "22 mL" in removed.message
    assert (pieces & ~BRAIN)[index_of(removed)]


LEFT = X + 0.1 * len(BRAIN) < 0
BLANKED = {"tissue": TISSUE & ~LEFT, "signal": TISSUE & ~LEFT, "probability": soft(BRAIN) * ~LEFT}


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"tissue": BRAIN, "signal": BRAIN}, "brain_bare"), (BLANKED, "brain_bare"),
     ({"other_ml": 900.0}, "second_brain"), ({"block_mm": 1.4}, "brain_small"),
     ({"block_mm": 2.4}, "brain_large"), ({"block_mm": SMALL_MM}, "small_for_head")],
)  # fmt: skip
def test_a_brain_that_does_not_fit_its_head_is_named(calibration, changes, code):
    evidence = evidence_of(**changes)
    found = judge(evidence, calibration)
    assert found.verdict != "pass"
    (reason,) = [check for check in found.reasons if check.code == code]
    if code == "brain_bare":  # a place on the brain's surface
        mask = solid_mask(evidence.probability)
        surface = mask & ~ndimage.binary_erosion(mask)
        assert surface[index_of(reason)]


THIN_SCALP = ndimage.binary_dilation(BRAIN, iterations=3) & ~BRAIN  # a child's


@pytest.mark.parametrize(
    ("changes", "code", "verdict"),
    [
        ({"tissue": BRAIN}, "brain_bare", None),  # a side far from the coil
        ({"mask": STEM}, "brain_cut", None),
        ({"block_mm": SMALL_MM, "tissue": THIN_SCALP}, "small_for_head", "pass"),
        ({"block_mm": SMALL_MM, "tissue": BRAIN | True}, "small_for_head", None),  # no air
        ({"tissue": TISSUE | SPECKS}, "small_for_head", "pass"),
    ],
)
def test_what_only_looks_like_a_fault_is_not_named(calibration, changes, code, verdict):
    found = judge(evidence_of(**changes), calibration)
    assert code not in codes(found)
    assert found.verdict == (verdict or found.verdict)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("is_end", [True, False])
def test_a_brain_cut_by_the_edge_of_the_image_is_named_and_by_the_edge_of_the_box_not(
    calibration, axis, is_end
):
    cut = np.moveaxis(np.moveaxis(BRAIN, axis, 0)[BRAIN.shape[axis] // 3 :], 0, axis)
    ends = np.full((3, 2), is_end)
    found = judge(evidence_of(cut, image_ends=ends, tissue=~cut, signal=~cut), calibration)
    reasons = [check for check in found.reasons if check.code == "brain_cut"]
    assert bool(reasons) == is_end
    if reasons:
        index = index_of(reasons[0])
        assert index[axis] == 0
        assert cut[index]


def test_hardly_any_brain_fails(calibration):
    found = judge(evidence_of(BRAIN & False), calibration)
    assert (found.verdict, codes(found)) == ("fail", ["no_brain"])
    warning = Check("noise", "warn", "It is noisy.")
    assert capped(found.verdict, (), [warning]) == ("fail", (warning,))


def test_roughness_of_a_ball_is_that_of_a_ball_and_grows_with_dents():
    i, j, k = np.ogrid[:60, :60, :60]
    ball = (i - 30) ** 2 + (j - 30) ** 2 + (k - 30) ** 2 <= 24**2
    noise = np.random.default_rng(0).normal(size=ball.shape)
    dents = ndimage.gaussian_filter(noise, 2) > 0.05
    assert roughness(ball) == pytest.approx((36 * np.pi) ** (1 / 3), rel=0.03)
    assert roughness(ball & ~dents) > 1.3 * roughness(ball)


def test_confidence_falls_near_the_surface_and_where_the_looks_disagree(calibration):
    evidence = evidence_of(LEAK, second=BRAIN)
    odds = right_odds(evidence.probability, disagreement_map(evidence), calibration)
    deep = ndimage.binary_erosion(BRAIN, iterations=8)
    leaked = ndimage.binary_erosion(LEAK & ~BRAIN)
    surface = (evidence.probability > 0.3) & (evidence.probability < 0.7)
    assert odds[leaked].mean() < odds[deep].mean() - 0.5
    assert odds[surface].max() < odds[deep].min()


# ---- left against right, across the mask's own mid-plane -----------------------------------------

SYMMETRIC = 0.03  # what blocks of 2 mm leave of nothing
DAMAGED = 0.05  # what the missing part is of the whole, about


def made_brain():
    """A hemisphere's egg on either side, wider behind than in front, and a cerebellum below."""
    x, y, z = (np.arange(size) - size / 2 + 0.5 for size in (90, 110, 90))
    x, y, z = np.meshgrid(x, y, z, indexing="ij")
    width = 31 - 0.16 * y
    cerebrum = (x / width) ** 2 + (y / 42) ** 2 + ((z - 4) / 32) ** 2 <= 1
    flat = z > -14 + 0.1 * y
    cerebellum = (x / 25) ** 2 + ((y + 22) / 16) ** 2 + ((z + 16) / 14) ** 2 <= 1
    return (cerebrum & flat) | cerebellum


def turned(mask, degrees):
    turn = Rotation.from_euler("yz", degrees, degrees=True).as_matrix()
    middle = (np.array(mask.shape) - 1) / 2
    shift = middle - turn @ middle
    return ndimage.affine_transform(mask.astype(np.float32), turn, shift, order=1) >= 0.5


@pytest.mark.parametrize("degrees", [(0, 0), (20, 15), (30, 0), (0, 30), (-30, 10), (25, -25)])
def test_a_brain_is_as_symmetric_as_it_is_however_the_head_is_turned(degrees):
    brain = made_brain()
    assert asymmetry(turned(brain, degrees)) < SYMMETRIC
    brain[:32, 40:, :45] = False  # without a temporal lobe
    assert asymmetry(turned(brain, degrees)) > DAMAGED


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 5), (3, 1, 1), (2, 4, 1)])
def test_a_mask_of_a_few_blocks_in_a_row_is_symmetric(shape):
    mask = np.zeros((8, 8, 8), dtype=bool)
    mask[tuple(slice(2, 2 + size) for size in shape)] = True
    assert asymmetry(mask) == pytest.approx(0, abs=1e-9)


# ---- the calibration's file ----------------------------------------------------------------------


def by_views(calibration, **changes):
    return Calibrations({str(views): replace(calibration, **changes) for views in VIEWS})


def test_every_choice_of_views_has_a_calibration_of_its_own(calibration):
    written = Calibrations(
        {str(views): replace(calibration, check_below=i / 3) for i, views in enumerate(VIEWS)}
    )
    read = Calibrations.from_json(written.to_json())
    assert read == written
    assert [read.of(views).check_below for views in VIEWS] == [0, 1 / 3, 2 / 3]


@pytest.mark.parametrize("broken", ["", "[1]", '{"allowance": 1}', '{"auto": {"unknown": 1}}',
    '{"auto": 1}', {"limits": {"asymmetry": 0.1}}, {"second": 3},
    *({"second": {"allowance": value, "distrust": 1, "usual_doubt": 1}}
      for value in ("much", None, float("nan")))])  # fmt: skip
def test_a_broken_calibration_is_refused_in_one_sentence(tmp_path, calibration, broken):
    words = "calibration of the verdict cannot be read"
    if not isinstance(broken, str):
        words += " .*'(limits|second)' must (have|hold)"
        content = json.loads(by_views(calibration).to_json())
        content["3"].update(broken)
        broken = json.dumps(content)
    (tmp_path / "quality.json").write_text(broken)
    with pytest.raises(WeightsError, match=words):
        load_calibration(MANIFEST, tmp_path)


def test_weights_without_a_calibration_are_judged_by_the_bundled_one(tmp_path, calibration):
    assert load_calibration(MANIFEST, tmp_path).of("auto") == calibration


@pytest.mark.parametrize("named", ["", "0" * 64])
def test_a_more_lenient_calibration_than_the_manifest_names_is_refused(
    tmp_path, calibration, named
):
    lenient = by_views(calibration, check_below=0.1)
    sealed = replace(MANIFEST, calibration_sha256=lenient.sha256)
    for end in ("\n", "\r\n"):  # which make no other calibration
        written = lenient.to_json().replace("\n", end)
        (tmp_path / "quality.json").write_bytes(written.encode())
        with pytest.raises(WeightsError, match="manifest beside it names"):
            load_calibration(replace(MANIFEST, calibration_sha256=named), tmp_path)
        assert load_calibration(sealed, tmp_path) == lenient
