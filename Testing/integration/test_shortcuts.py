"""What makes the fine pass short never costs brain: real heads, bundled weights."""

import numpy as np
import pytest

from skullstrip import extract_brain
from skullstrip.grid.regions import bounding_box
from skullstrip.grid.resample import resample
from skullstrip.grid.volume import Volume
from skullstrip.io.images import read_image
from skullstrip.mask.postprocess import solid_mask
from skullstrip.network.brain_region import find_brain_region
from skullstrip.network.engines import create_engine
from skullstrip.network.manifest import load_manifest
from skullstrip.network.predict import VIEWS, predict_head
from skullstrip.prepare.preprocess import prepare, restore
from training.evaluation.metrics import dice

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
