"""A mask on the grids of other scans, with a stand-in network (`stand_ins.ThresholdEngine`)."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skullstrip import InputError, apply, apply_brain, extract_brain
from skullstrip.align import Alignment
from skullstrip.apply import judge_carried
from skullstrip.grid.regions import dice
from Testing.phantoms import make_head
from Testing.stand_ins import BlindEngine, ThresholdEngine

GRID_DICE = 0.96  # of a mask carried from 3 mm with the true one
HALF_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def options(stand_in_weights):
    return {"engine": ThresholdEngine(), "weights": stand_in_weights}


@pytest.fixture(scope="module")
def found(head, options):
    return extract_brain(head.array, head.affine, **options)


@pytest.mark.parametrize(
    ("codes", "spacing_mm", "turn"),
    [("RAS", (1.5, 1.5, 6.0), 0.0), ("PIR", (2.0, 2.0, 2.0), 25.0)],
)
def test_the_mask_lies_where_the_brain_is_on_any_grid(found, options, codes, spacing_mm, turn):
    other = make_head(codes, spacing_mm, oblique_degrees=turn)
    carried = apply_brain(found, other.array, other.affine, **options)
    assert dice(carried.brain_mask, other.brain_mask) > GRID_DICE
    assert_array_equal(carried.affine, other.affine)
    assert (carried.brain_probability.shape, carried.brain_mask.dtype) == (other.array.shape, bool)
    assert carried.volume_ml == pytest.approx(found.volume_ml, rel=0.03)


@pytest.mark.parametrize(
    "changed", [{}, {"border_mm": 4.0}, {"border_mm": -4.0}, {"keep_csf": False}]
)
def test_a_scan_on_the_same_grid_gets_the_very_same_mask(head, options, changed):
    found = extract_brain(head.array, head.affine, **options, **changed)
    carried = apply_brain(found, head.array, head.affine, **options, **changed)
    assert_array_equal(carried.brain_mask, found.brain_mask)
    assert carried.overlap > 0.97  # the stand-in sees the same brain again


def test_a_moved_border_is_carried_between_the_voxels(head, options):
    found = extract_brain(head.array, head.affine, border_mm=6.0, **options)
    finer = make_head("LPS", (1.5, 1.5, 1.5))
    carried = apply_brain(found, finer.array, finer.affine, **options)
    assert carried.volume_ml == pytest.approx(found.volume_ml, rel=0.02)
    assert carried.judged == "before border"


def test_scans_that_do_not_overlap_are_refused(found, head, options):
    away = head.affine.copy()
    away[0, 3] += 400
    with pytest.raises(InputError, match="Nothing of the brain lies in this scan"):
        apply_brain(found, head.array, away, **options)


def test_what_is_out_of_view_is_told(found, options):
    slab = make_head("LPS", (3.0, 3.0, 3.0), field_of_view_mm=(200, 240, 60))
    carried = apply_brain(found, slab.array, slab.affine, **options)
    (note,) = (check for check in carried.checks if check.code == "partly_in_view")
    share = slab.brain_mask.sum() * 0.027 / found.volume_ml
    assert f"{share:.0%} lies in" in note.message


def test_a_scan_in_which_the_network_finds_nothing_is_to_be_checked(found, head, options):
    carried = apply_brain(found, head.array, head.affine, **options | {"engine": BlindEngine()})
    assert_array_equal(carried.brain_mask, found.brain_mask)
    assert math.isnan(carried.overlap)
    (said,) = (check.message for check in carried.quality if check.code == "no_own_look")
    assert "in view); look" in said
    assert carried.verdict in ("check", "fail")


@pytest.mark.parametrize(
    ("source", "overlap", "look", "verdict", "codes"),
    [
        ("pass", 0.97, "pass", "pass", []),
        ("pass", 0.97, "check", "pass", []),
        ("pass", 0.90, "pass", "check", ["little_overlap"]),
        ("pass", 0.70, "check", "fail", ["little_overlap"]),
        ("pass", 0.70, "fail", "check", ["no_own_look"]),  # such a look speaks against no mask
        ("check", 0.97, "pass", "check", ["source_verdict"]),
        ("fail", 0.90, "pass", "fail", ["little_overlap", "source_verdict"]),
        ("not judged", 0.97, "pass", "not judged", ["source_verdict"]),
    ],
)
def test_the_verdict_is_of_the_overlap_and_never_better_than_the_masks_own(
    found, source, overlap, look, verdict, codes
):
    judged, reasons = judge_carried(source, overlap, replace(found, verdict=look))
    assert (judged, [reason.code for reason in reasons]) == (verdict, codes)


def test_aligned_scans_get_the_mask_where_the_motion_takes_it(found, head, options, monkeypatch):
    motion = Alignment(HALF_TURN, 0.0, 180.0)  # as if the other scan's header lied by so much
    monkeypatch.setattr(apply, "align", lambda *_: motion)
    carried = apply_brain(found, head.array, HALF_TURN @ head.affine, register="rigid", **options)
    assert_array_equal(carried.brain_mask, found.brain_mask)
    assert carried.alignment is motion
    assert "turned by 180.0 degrees" in carried.checks[0].message


def test_an_alignment_for_the_worse_is_refused(found, head, options, monkeypatch):
    off = np.eye(4)
    off[1, 3] = 15.0
    monkeypatch.setattr(apply, "align", lambda *_: Alignment(off, 15.0, 0.0))
    with pytest.raises(InputError, match=r"moved by 15\.0 mm .* agrees less"):
        apply_brain(found, head.array, head.affine, register="rigid", **options)
