"""Measures, estimate and verdict: each tells a wrong mask from the right one of a phantom.

The phantom's own mask is the right one; the evidence is made from it, with a soft surface.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from skullstrip.checks.input_checks import Check
from skullstrip.errors import WeightsError
from skullstrip.mask.postprocess import solid_mask
from skullstrip.network.manifest import Manifest
from skullstrip.network.predict import VIEWS
from skullstrip.quality.calibration import KEYS, Calibrations, load_calibration
from skullstrip.quality.confidence import disagreement_map, right_odds
from skullstrip.quality.evidence import Evidence
from skullstrip.quality.measures import measure, roughness
from skullstrip.quality.verdict import capped, estimate, judge
from Testing.phantoms import make_head

BLOCK_MM = 2.0
CUBE = np.ones((2, 2, 2))
SMALL_MM = 1.7  # in which the phantom's brain is small for an adult's head
NUMBERS = dict.fromkeys(KEYS["confidence"], 1.0)
MANIFEST = Manifest(name="other", weights_file="w.npz", weights_sha256="0" * 64)
TO_RAS = np.array([[-2.0, 0, 0, 50], [0, 2, 0, -30], [0, 0, 2, 7], [0, 0, 0, 1]])


def evidence_of(mask, second=None):
    """Evidence of a network that found `mask`, and `second` when it looked again."""
    places = np.arange(4, mask.shape[1], 8)
    looked = soft(mask if second is None else second)[:, places]
    ends = np.ones((3, 2), dtype=bool)
    tissue = ndimage.binary_fill_holes(make_head("RAS", (2.0, 2.0, 2.0)).array > 20)
    looks = (np.moveaxis(looked, 1, 0).copy(), places)
    return Evidence(soft(mask), *looks, BLOCK_MM, ends, tissue, tissue, TO_RAS)


def codes(judgement):
    return [check.code for check in judgement.reasons]


def index_of(reason):
    """The block that a reason points to."""
    assert reason.position_ras is not None
    return tuple(np.rint(np.linalg.solve(TO_RAS, [*reason.position_ras, 1])[:3]).astype(int))


def soft(mask):
    """Probability with a surface as sharp as the network's."""
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), 0.7)
    return (1 / (1 + np.exp(-12 * (smooth - 0.5)))).astype(np.float32)


@pytest.fixture(scope="module")
def brain():
    return make_head("RAS", (2.0, 2.0, 2.0)).brain_mask


@pytest.fixture(scope="module")
def calibration():
    return load_calibration().of("auto")


def leak(brain):
    """A ball of 24 mm at the front, as an eye is."""
    i, j, k = np.ogrid[tuple(map(slice, brain.shape))]
    x, y, z = (size // 2 for size in brain.shape)
    ball = (i - x - 16) ** 2 + (j - y - 42) ** 2 + (k - z + 10) ** 2 <= 6**2
    return brain | ball


def half(brain):
    halved = brain.copy()
    halved[: len(brain) // 2] = False
    return halved


def below(brain):
    """Without its lowest third, as without a cerebellum."""
    cut = brain.copy()
    cut[:, :, : brain.shape[2] // 2 - 10] = False
    return cut


def test_the_right_mask_passes_with_a_high_estimate(brain, calibration):
    found = judge(evidence_of(brain), calibration)
    assert (found.verdict, found.reasons) == ("pass", ())
    assert found.estimate.dice > 0.98
    assert 0 < found.estimate.dice_error < 0.02
    assert 0 < found.estimate.volume_error_ml < 60


def wider(brain):
    return ndimage.binary_dilation(brain, iterations=3)


def narrower(brain):
    return ndimage.binary_erosion(brain, iterations=3)


@pytest.mark.parametrize("damage", [half, below, wider, narrower])
def test_a_wrong_mask_that_the_network_is_sure_of_is_flagged(brain, calibration, damage):
    wrong = damage(brain)
    found = judge(evidence_of(wrong, second=brain), calibration)
    real = 2 * (wrong & brain).sum() / (wrong.sum() + brain.sum())
    assert "dice_low" in codes(found)
    assert found.estimate.dice == pytest.approx(real, abs=0.03)


def test_a_leak_that_costs_hardly_any_dice_is_flagged_by_the_second_look(brain, calibration):
    found = judge(evidence_of(leak(brain), second=brain), calibration)
    assert found.verdict == "check"
    assert codes(found) == ["second_look"]
    assert found.estimate.dice > 0.97
    assert (leak(brain) & ~brain)[index_of(found.reasons[0])]


def test_a_mask_that_differs_from_its_probability_is_measured_itself(brain, calibration):
    assert estimate(measure(evidence_of(brain), below(brain)), calibration).dice < 0.9


def test_a_network_that_doubts_everything_is_believed(brain, calibration):
    evidence = evidence_of(brain)
    unsure = replace(evidence, probability=0.5 + 0.2 * (evidence.probability - 0.5))
    assert judge(unsure, calibration).verdict == "fail"


def test_two_unsure_looks_may_differ_more_than_two_sure_ones(brain, calibration):
    measured = measure(evidence_of(brain, second=ndimage.binary_dilation(brain)))
    unsure = {**measured, "second_own_dice": 0.94}
    assert estimate(unsure, calibration).dice > estimate(measured, calibration).dice


def test_pieces_away_from_the_brain_are_named_with_their_volume(brain, calibration):
    pieces = brain.copy()
    pieces[2:16, 2:16, 2:16] = True
    found = judge(evidence_of(pieces), calibration)
    removed = [check for check in found.reasons if check.code == "pieces_removed"]
    assert "22 mL" in removed[0].message


def without_scalp(evidence):
    stripped = evidence.probability >= 0.5
    return replace(evidence, tissue=stripped, signal=stripped)


def blanked(evidence):
    left = np.arange(len(evidence.tissue))[:, None, None] < 0.4 * len(evidence.tissue)
    return replace(
        evidence,
        tissue=evidence.tissue & ~left,
        signal=evidence.signal & ~left,
        probability=evidence.probability * ~left,
    )


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(without_scalp, "brain_bare"), (blanked, "brain_bare"),
     (lambda evidence: replace(evidence, other_ml=900.0), "second_brain"),
     (lambda evidence: replace(evidence, block_mm=1.4), "brain_small"),
     (lambda evidence: replace(evidence, block_mm=2.4), "brain_large"),
     (lambda evidence: replace(evidence, block_mm=SMALL_MM), "small_for_head")],
)  # fmt: skip
def test_a_brain_that_does_not_fit_its_head_is_named(brain, calibration, spoil, code):
    evidence = spoil(evidence_of(brain))
    found = judge(evidence, calibration)
    assert found.verdict != "pass"
    (reason,) = [check for check in found.reasons if check.code == code]
    if code == "brain_bare":  # a place on the brain's surface
        mask = solid_mask(evidence.probability)
        surface = mask & ~ndimage.binary_erosion(mask)
        assert surface[index_of(reason)]


def dark_side(evidence):
    """A side far from the coil."""
    return replace(without_scalp(evidence), signal=evidence.signal)


def childs(evidence):
    mask = evidence.probability >= 0.5
    thin = ndimage.binary_dilation(mask, iterations=3) & ~mask
    return replace(evidence, block_mm=SMALL_MM, tissue=thin)


def airless(evidence):
    """Air as bright as tissue."""
    return replace(evidence, block_mm=SMALL_MM, tissue=np.ones(evidence.tissue.shape, bool))


def speckled(evidence):
    specks = np.random.default_rng(0).random(evidence.tissue.shape) > 0.97
    return replace(evidence, tissue=evidence.tissue | ndimage.binary_dilation(specks, CUBE))


def with_a_stem(evidence):
    """A stem that leaves the image."""
    x, y, z = (size // 2 for size in evidence.tissue.shape)
    stem = evidence.probability >= 0.5
    stem[x - 5 : x + 5, y - 5 : y + 5, :z] = True
    return evidence_of(stem)


@pytest.mark.parametrize(
    ("look", "code"),
    [(dark_side, "brain_bare"), (with_a_stem, "brain_cut"),
     *((look, "small_for_head") for look in (childs, airless, speckled))],
)  # fmt: skip
def test_what_only_looks_like_a_fault_is_not_named(brain, calibration, look, code):
    found = judge(look(evidence_of(brain)), calibration)
    assert code not in codes(found)
    assert found.verdict == "pass" or look in (dark_side, airless, with_a_stem)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("is_end", [True, False])
def test_a_brain_cut_by_the_edge_of_the_image_is_named_and_by_the_edge_of_the_box_not(
    brain, calibration, axis, is_end
):
    cut = np.moveaxis(np.moveaxis(brain, axis, 0)[brain.shape[axis] // 3 :], 0, axis)
    evidence = replace(
        evidence_of(cut), image_ends=np.full((3, 2), is_end), tissue=~cut, signal=~cut
    )
    found = [c for c in judge(evidence, calibration).reasons if c.code == "brain_cut"]
    assert bool(found) == is_end
    if found:
        index = index_of(found[0])
        assert index[axis] == 0
        assert cut[index]


def test_hardly_any_brain_fails(brain, calibration):
    found = judge(evidence_of(np.zeros_like(brain)), calibration)
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


def test_confidence_falls_near_the_surface_and_where_the_looks_disagree(brain, calibration):
    evidence = evidence_of(leak(brain), second=brain)
    odds = right_odds(evidence.probability, disagreement_map(evidence), calibration)
    deep = ndimage.binary_erosion(brain, iterations=8)
    leaked = ndimage.binary_erosion(leak(brain) & ~brain)
    surface = (evidence.probability > 0.3) & (evidence.probability < 0.7)
    assert odds[leaked].mean() < odds[deep].mean() - 0.5
    assert odds[surface].max() < odds[deep].min()


def by_views(calibration):
    return Calibrations({str(views): calibration for views in VIEWS})


def test_every_choice_of_views_has_a_calibration_of_its_own(calibration):
    written = Calibrations(
        {str(views): replace(calibration, check_below=i / 3) for i, views in enumerate(VIEWS)}
    )
    read = Calibrations.from_json(written.to_json())
    assert read == written
    assert [read.of(views).check_below for views in VIEWS] == [0, 1 / 3, 2 / 3]


BROKEN = ("", "[1]", '{"allowance": 1}', '{"auto": {"unknown": 1}}', '{"auto": 1}')
CHANGED = (
    ("limits", {"asymmetry": 0.1}, "have"),
    ("second", 3, "have"),
    *(("confidence", NUMBERS | {"both": value}, "hold") for value in ("much", None, float("nan"))),
)


@pytest.mark.parametrize("broken", [*BROKEN, *CHANGED])
def test_a_broken_calibration_is_refused_in_one_sentence(tmp_path, calibration, broken):
    words = "calibration of the verdict cannot be read"
    if not isinstance(broken, str):
        name, value, must = broken
        words = f"{words} .*'{name}' must {must}"
        broken = by_views(replace(calibration, **{name: value})).to_json()
    (tmp_path / "quality.json").write_text(broken)
    with pytest.raises(WeightsError, match=words):
        load_calibration(MANIFEST, tmp_path)


def test_weights_without_a_calibration_are_judged_by_the_bundled_one(tmp_path, calibration):
    assert load_calibration(MANIFEST, tmp_path).of("auto") == calibration


@pytest.mark.parametrize("named", ["", "0" * 64])
def test_a_more_lenient_calibration_than_the_manifest_names_is_refused(
    tmp_path, calibration, named
):
    lenient = by_views(replace(calibration, check_below=0.1))
    sealed = replace(MANIFEST, calibration_sha256=lenient.sha256)
    for end in ("\n", "\r\n"):  # which make no other calibration
        written = lenient.to_json().replace("\n", end)
        (tmp_path / "quality.json").write_bytes(written.encode())
        with pytest.raises(WeightsError, match="manifest beside it names"):
            load_calibration(replace(MANIFEST, calibration_sha256=named), tmp_path)
        assert load_calibration(sealed, tmp_path) == lenient
