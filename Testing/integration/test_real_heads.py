"""Real heads: no check warns of one, each of one spoilt, and the short fine pass costs no brain."""

import numpy as np
import pytest

from skullstrip import extract_brain
from skullstrip.checks.appearance import appearance_findings, field_of_view_findings
from skullstrip.checks.input_checks import CT_BONE, DARK_FLUID, check_input, fluid_and_bone
from skullstrip.grid.orientation import orientation_of, reorient_to_ras, then
from skullstrip.grid.regions import bounding_box, dice
from skullstrip.grid.resample import resample
from skullstrip.grid.volume import Volume
from skullstrip.io.images import read_image
from skullstrip.mask.postprocess import solid_mask
from skullstrip.network.brain_region import find_brain_region
from skullstrip.network.engines import create_engine
from skullstrip.network.manifest import load_manifest
from skullstrip.network.predict import VIEWS, predict_head
from skullstrip.prepare.head_orientation import UPRIGHT, turn_to_upright, turns
from skullstrip.prepare.intensity import scale_intensities
from skullstrip.prepare.preprocess import prepare, restore
from Testing.unit.checks.test_input_checks import region_of
from Testing.unit.prepare.test_head_orientation import is_upright

EVERY = 14
CUT_MM = 20.0  # below the scalp's top: about 5 mm of brain are gone
MARGIN = 0.2  # of the contrast's limit
LEAST_MARGIN_MM = 2.0
QUALITY_LOST = 5e-4  # in Dice with the reference mask, on average
SAME_MASK = 0.99
REAL_SCAN_DICE = 0.95
HEADS = (
    *("MRHead", "ds011_sub-04", "ds011_sub-08", "petdeface01", "pycortexS1", "colin27"),
    *("IXI093-HH-1359", "IXI242-HH-1722"),  # where the coarse pass missed most
)

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]


@pytest.fixture(scope="module")
def heads(shared_data):
    """The scan, as read, and its reference mask; each is read when its turn comes."""
    paths = sorted((shared_data / "t1").glob("*_T1w.nii.gz"))[::EVERY]
    assert len(paths) >= 10
    return lambda: (
        (read_image(path), read_image(path.with_name(path.name.replace("T1w", "mask"))).array > 0)
        for path in paths
    )


def test_nothing_is_found_of_a_real_head_and_what_is_spoilt_is_noticed(heads):
    for scan, mask in heads():
        array, affine = scan.array, scan.affine
        assert (*scan.checks, *check_input(array, affine)) == (), scan.path
        assert [c for c, _ in appearance_findings(array * mask, affine)] == ["already_stripped"]
        assert [c for c, _ in field_of_view_findings(*without_top(array, affine))] == ["head_cut"]


def test_real_fluid_is_dark_and_that_of_negatives_is_not(heads):
    for scan, mask in heads():
        volume, _ = reorient_to_ras(Volume(scale_intensities(scan.array), scan.affine))
        brain, _ = reorient_to_ras(Volume(mask.astype(np.float32), scan.affine))
        head = resample(volume.array, volume.spacing_mm, np.ones(3))
        region = region_of(resample(brain.array, volume.spacing_mm, np.ones(3)) >= 0.5)
        fluid, bone = fluid_and_bone(head, region)
        assert fluid < DARK_FLUID - MARGIN / 2, scan.path
        assert bone < CT_BONE, scan.path
        assert fluid_and_bone(1 - head, region)[0] > DARK_FLUID + MARGIN, scan.path


def test_no_reference_mask_leaves_the_box_that_the_network_sees(heads):
    for scan, mask in heads():
        prepared = prepare(Volume(scan.array, scan.affine), 1.0)
        inside = restore(np.ones(prepared.head.shape, np.float32), prepared) > 0.5
        assert not (mask & ~inside).any(), scan.path


def test_real_brains_lie_right_and_are_turned_back_when_they_do_not(heads):
    for scan, mask in heads():
        volume, _ = reorient_to_ras(Volume(mask, scan.affine))
        for wrong in turns()[::5]:
            spacing_mm = volume.spacing_mm[list(wrong.axes)]
            turn = turn_to_upright(wrong.apply(volume.array), spacing_mm)
            assert is_upright(then(wrong, turn)), scan.path
        assert turn_to_upright(volume.array, volume.spacing_mm) == UPRIGHT, scan.path


def without_top(array, affine):
    """The image without what lies above `CUT_MM` below the scalp's top."""
    orientation = orientation_of(affine)
    ras = orientation.apply(array)
    areas = np.count_nonzero(ras > 0.25 * np.percentile(ras, 95), axis=(0, 1))
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)[list(orientation.axes)]
    top = np.flatnonzero(areas * spacing_mm[0] * spacing_mm[1] > 500).max()
    return ras[:, :, : top - round(CUT_MM / spacing_mm[2])], np.diag([*spacing_mm, 1.0])


@pytest.fixture(scope="module")
def engine():
    return create_engine("onnxruntime", *load_manifest(), device="cpu")


def load(data, subject):
    """A prepared head, and its reference mask."""
    image = read_image(data / "t1" / f"{subject}_T1w.nii.gz")
    volume = Volume(image.array, image.affine)
    mask = read_image(data / "t1" / f"{subject}_mask.nii.gz").array > 0
    return prepare(volume, 1.0), mask


@pytest.mark.parametrize("subject", HEADS)
def test_the_region_of_a_real_head_holds_the_reference_mask_with_a_margin(
    subject, shared_data, engine
):
    prepared, mask = load(shared_data, subject)
    in_ras = prepared.orientation.apply(mask).astype(np.float32)
    at_1_mm = resample(in_ras, prepared.source_spacing_mm, prepared.spacing_mm)
    brain = bounding_box(at_1_mm[prepared.box] >= 0.5)
    region = find_brain_region(prepared.head, 1.0, engine.predict)
    assert region is not None
    for part, found, size in zip(brain, region.box(), prepared.head.shape, strict=True):
        assert found.start == 0 or part.start - found.start >= LEAST_MARGIN_MM
        assert found.stop == size or found.stop - part.stop >= LEAST_MARGIN_MM


def test_the_bundled_weights_find_the_brain_of_a_real_scan(shared_data):
    scan, reference = (
        read_image(shared_data / "t1" / f"MRHead_{what}.nii.gz") for what in ("T1w", "mask")
    )
    found = extract_brain(scan.array, scan.affine)
    assert dice(found.brain_mask, reference.array > 0) > REAL_SCAN_DICE


@pytest.mark.parametrize(
    ("long", "has_region", "short"),
    [(VIEWS[1], False, VIEWS[1]), (VIEWS[3], True, VIEWS["auto"])],
    ids=["a region for the whole head", "every sixth slice for every third"],
)
def test_the_short_way_is_as_good_as_the_long_one(shared_data, engine, long, has_region, short):
    lost = []
    for subject in ("ds011_sub-08", "colin27"):
        prepared, reference = load(shared_data, subject)
        region = find_brain_region(prepared.head, 1.0, engine.predict)
        masks = []
        for slices, part in ((long, region if has_region else None), (short, region)):
            found = predict_head(prepared.head, engine.predict, slices, region=part)
            restored = restore(found.probability, prepared)
            masks.append(solid_mask(restored))
        assert dice(*masks) > SAME_MASK
        lost.append(dice(masks[0], reference) - dice(masks[1], reference))
    assert np.mean(lost) < QUALITY_LOST
