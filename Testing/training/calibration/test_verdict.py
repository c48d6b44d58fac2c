"""The calibration of the verdict: damaged masks, what is measured of them, what is fitted to it.

The rows that are fitted are made: their measures follow from their Dice by known rules.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skullstrip.errors import InputError
from skullstrip.grid.regions import dice
from skullstrip.network.manifest import load_manifest
from skullstrip.network.predict import VIEWS
from skullstrip.quality.calibration import KEYS, Calibrations
from skullstrip.quality.verdict import judge_measures
from Testing.phantoms import make_head
from Testing.stand_ins import ThresholdEngine
from training.__main__ import run
from training.augment.synthesis import LOOKS
from training.calibration import calibrate
from training.calibration.calibrate import Work, do_work, judge_unseen
from training.calibration.cases import BOTH, DAMAGED_SAMPLES, MASK, OWN, SAMPLES, Case, Row, Voxels
from training.calibration.fit import (
    Found,
    fit_calibration,
    fit_confidence,
    fit_doubt,
    fit_intervals,
    fit_second_look,
)
from training.calibration.report import judge_rows, roc, write_quality_report
from training.calibration.scans import choose_scans, stress_of
from training.calibration.wrong_masks import DAMAGES, damaged_probability
from training.data.pair import Pair

BLOCK_MM = 2.0
GROWS = {"grow", "eye", "dura", "neck"}
SHRINKS = {"erode", "cerebellum", "half", "lobe", "slab", "holes"}


@pytest.fixture(scope="module")
def brain():
    return make_head("RAS", (2.0, 2.0, 2.0), field_of_view_mm=(220, 260, 260)).brain_mask


def damaged(brain, name, seed=0):
    return DAMAGES[name](brain, BLOCK_MM, np.random.default_rng(seed))


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_repeatable_and_leaks_only_add_and_losses_only_remove(brain, name):
    before = brain.copy()
    wrong = damaged(brain, name)
    assert (brain == before).all()
    assert (wrong == damaged(brain, name)).all()
    assert 0.4 < dice(wrong, brain) < 0.999
    assert not (name in GROWS and (brain & ~wrong).any())
    assert not (name in SHRINKS and (wrong & ~brain).any())


def test_an_eye_is_in_front_and_to_one_side(brain):
    added = np.argwhere(damaged(brain, "eye") & ~brain)
    middle = np.argwhere(brain).mean(axis=0)
    assert added[:, 1].mean() > middle[1] + 20
    assert abs(added[:, 0].mean() - middle[0]) > 8


def test_the_probability_follows_the_damage_and_stays_elsewhere(brain):
    probability = np.where(brain, 0.97, 0.02).astype(np.float32)
    wrong = damaged(brain, "cerebellum")
    followed = damaged_probability(probability, brain, wrong)
    assert dice(followed >= 0.5, wrong) > 0.99
    upper = np.s_[:, :, brain.shape[2] // 2 + 10 :]
    assert (followed[upper] == probability[upper]).all()
    assert damaged_probability(probability, brain, brain) is probability


def test_a_scan_as_it_came_is_measured_with_every_damage_and_kept(
    phantom_pair, stand_in_weights, tmp_path, monkeypatch
):
    engine = ThresholdEngine(), load_manifest(stand_in_weights)[0]
    monkeypatch.setattr(calibrate, "worker_engine", lambda _: engine)
    work = Work(phantom_pair, "none", 0.0, None, tmp_path)
    cases = do_work(work)
    assert cases.keys() == VIEWS.keys()
    for case in cases.values():
        own, *damaged = case.rows
        assert (own.kind, own.what) == (OWN, "none")
        assert own.dice == case.dice > 0.9
        assert {(row.kind, row.what) for row in damaged} == {
            (kind, name) for kind in (MASK, BOTH) for name in DAMAGES
        }
        assert all(row.dice < own.dice for row in damaged)
        assert [len(voxels.truth) for voxels in case.samples] == [SAMPLES, DAMAGED_SAMPLES]
        assert all(0.1 < voxels.truth.mean() < 0.9 for voxels in case.samples)
    monkeypatch.setattr(calibrate, "worker_engine", None)
    assert do_work(work)["auto"].rows == cases["auto"].rows


CONFIDENCE = dict.fromkeys(KEYS["confidence"], 1.0)


def made_rows(count=120, seed=0):
    """Own masks whose doubts tell their Dice, and damaged ones that only the second look sees."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        own = number % 2 == 0
        error = float(rng.uniform(0.009, 0.03) if number % 6 else rng.uniform(0.08, 0.3))
        seen = error if own else 0.014
        measured = {
            "volume_ml": 1400.0, "edge_share": 0.0, "removed_ml": 0.1,
            "asymmetry": float(rng.uniform(0.02, 0.04)), "roughness": 5.4,
            "own_dice": 1 - 0.9 * seen, "surface_entropy": 0.5 + 4 * (seen if own else 0.01),
            "second_dice": 1 - (error + 0.004), "second_own_dice": 0.986, "disagreement_cm2": 0.2,
            "bare_cm2": 0.0, "head_share": 0.58, "other_ml": 0.0,
        }  # fmt: skip
        kind, what = (OWN, "none" if error < 0.03 else "noise") if own else (BOTH, "grow")
        lost = float(rng.normal(0, error * 1400))
        rows.append(Row(f"s{number}", kind, what, 0.0, 1 - error, 1400.0, 1400 - lost, measured))
    return rows


def but(row, **measured):
    return replace(row, measured=row.measured | measured)


@pytest.fixture
def calibration():
    return fit_calibration(made_rows(), CONFIDENCE, {"made": True})


def test_the_estimate_follows_the_dice_of_own_and_of_damaged_masks(calibration):
    for row in made_rows(seed=1):
        found = judge_measures(row.measured, calibration).estimate
        assert found.dice == pytest.approx(row.dice, abs=0.25 * (1 - row.dice) + 0.004)


def test_weights_without_a_good_mask_are_not_calibrated():
    rows = [replace(row, dice=0.9) for row in made_rows()]
    with pytest.raises(InputError, match=r"Dice 0\.95 or more"):
        fit_calibration(rows, CONFIDENCE, {})


def test_bad_masks_are_flagged_and_good_ones_pass(calibration):
    judged = judge_rows(made_rows(seed=2), calibration)
    assert roc(judged)[2] > 0.999  # the area under its curve
    bad = [entry.is_flagged for entry in judged if entry.row.is_bad]
    good = [entry.is_flagged for entry in judged if not entry.row.is_bad]
    assert len(bad) > 10
    assert np.mean(bad) == 1.0
    assert np.mean(good) < 0.05


def test_no_doubt_makes_a_mask_better():
    rows = made_rows()
    inverted = [
        but(row, surface_entropy=1.0 - row.measured["surface_entropy"])
        for row in rows
        if row.kind == OWN
    ]
    assert fit_doubt(inverted)["entropy"] == 0.0


def test_the_allowance_is_what_the_second_look_adds_to_the_error():
    rows = made_rows()
    doubt = fit_doubt([row for row in rows if row.kind == OWN])
    second = fit_second_look(rows, doubt, 0.014)
    assert second["allowance"] == pytest.approx(0.004 / 0.014, abs=0.1)
    assert second["distrust"] == 0.0


def test_a_second_look_that_doubts_itself_is_trusted_less_where_it_misleads():
    misled = [
        but(row, second_dice=0.9, second_own_dice=0.94)
        for row in made_rows(seed=1)
        if row.kind == OWN
    ]
    rows = made_rows() + misled
    doubt = fit_doubt([row for row in rows if row.kind == OWN])
    assert fit_second_look(rows, doubt, 0.014)["distrust"] >= 1.0


def test_intervals_hold_for_nineteen_of_twenty_masks_whatever_the_estimate_rests_on():
    rng = np.random.default_rng(0)
    spread = {"sure": 0.1, "unsure": 0.3, "contradicted": 0.5}
    found = []
    for row in made_rows(3000):
        ground = "contradicted" if row.kind == BOTH else ["sure", "unsure"][row.dice < 0.98]
        error = (1 - row.dice) / (1 + spread[ground] * float(rng.uniform(-1, 1)))
        found.append(Found(row, error, ground))
    widths, _ = fit_intervals(found)
    assert widths == {
        ground: pytest.approx(0.95 * width, abs=0.02) for ground, width in spread.items()
    }


def test_no_scan_is_judged_by_a_calibration_that_has_seen_it(monkeypatch):
    fitted = []

    def fit(rows, confidence, provenance):
        fitted.append({row.scan for row in rows})
        return fit_calibration(rows, confidence, provenance)

    def judge_by_the_last(rows, calibration):
        assert not {row.scan for row in rows} & fitted[-1]
        return judge_rows(rows, calibration)

    monkeypatch.setattr("training.calibration.calibrate.fit_calibration", fit)
    monkeypatch.setattr("training.calibration.calibrate.judge_rows", judge_by_the_last)
    rows = made_rows()
    judged = judge_unseen(rows, CONFIDENCE)
    assert sorted(entry.row.scan for entry in judged) == sorted(row.scan for row in rows)
    assert len(fitted) == 10


def test_the_threshold_stays_between_bad_and_doubtful(calibration):
    found = [calibration]  # estimates of good masks are all higher
    for second_dice in (0.94, 0.92):
        doubted = [but(row, second_dice=second_dice) for row in made_rows()]
        found.append(fit_calibration(doubted, CONFIDENCE, {}))
    assert [each.check_below for each in found] == [0.96, 0.954, 0.95]


def test_hardly_a_good_mask_of_a_sure_network_is_contradicted_over_the_limit(calibration):
    rows = [row for row in made_rows() if row.kind == OWN and not row.is_bad]
    areas = np.linspace(0, 4, len(rows)).tolist()
    spread = [but(row, disagreement_cm2=area) for row, area in zip(rows, areas, strict=True)]
    found = fit_calibration(spread, CONFIDENCE, {}).sure_disagreement_cm2
    assert found == pytest.approx(3.92, abs=0.01)
    assert calibration.limits["removed_ml"] == 14.0  # specks never flag a mask


def test_confidence_is_learned_from_voxels_that_are_right_where_the_network_is_sure():
    rng = np.random.default_rng(0)
    probability, doubted = rng.random(6000), rng.random(6000) < 0.5
    right = rng.random(6000) < np.where(doubted, 0.5, np.maximum(probability, 1 - probability))
    samples = [Voxels(probability, doubted * 0.5, (probability >= 0.5) == right)]
    found = fit_confidence([Case(0.98, [], samples)])
    assert found["certainty"] == pytest.approx(1, abs=0.15)
    sure = {"constant": 1.0, "certainty": 3.0}
    contradicted = sure | {"disagreement": np.log(50), "both": 3 * np.log(50), "strong": 0.3}
    odds = [sum(found[name] * term for name, term in of.items()) for of in (sure, contradicted)]
    assert odds[0] > 2
    assert abs(odds[1]) < 0.4


def test_the_report_has_every_table_and_a_picture(calibration, tmp_path):
    calibration = replace(calibration, confidence=dict.fromkeys(KEYS["confidence"], 0.5))
    sample = Voxels(np.full(9, 0.7), np.zeros(9), np.arange(9) < 6)
    judged = judge_rows(made_rows(), calibration)
    held_out = [f"s{n}" for n in range(60)]
    write_quality_report(tmp_path, judged, held_out, [sample, sample], calibration)
    text = (tmp_path / "quality.md").read_text()
    assert "mask and probability damaged" in text
    assert "AUC" in text
    assert "| 0.7 to 0.8 | 18 | 0.7" in text
    assert "| 0.667 |" in text
    assert (tmp_path / "roc.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "masks.csv").read_text().splitlines()) == 121


def test_the_command_calibrates_each_choice_of_views_and_learns_confidence_of_training_scans(
    stand_in_weights, tmp_path, monkeypatch
):
    rows, learned = {row.scan: row for row in made_rows(60)}, []
    pairs = [Pair(name, Path(), Path()) for name in rows]
    sample = Voxels(np.full(9, 0.7), np.zeros(9), np.arange(9) < 6)

    def measured(works, jobs):
        cases = {work: Case(1, [rows[work.pair.name]], [sample]) for work in works}
        return {work: dict.fromkeys(VIEWS, case) for work, case in cases.items()}

    def learn(cases):
        learned.append({row.scan for case in cases for row in case.rows})
        return CONFIDENCE

    monkeypatch.setattr(calibrate, "chosen_scans", lambda *_: (pairs[:50], pairs[50:], []))
    monkeypatch.setattr(calibrate, "do_all", measured)
    monkeypatch.setattr(calibrate, "stress_of", lambda _: [("none", 0.0)])
    monkeypatch.setattr(calibrate, "fit_confidence", learn)
    where = "--weights", str(stand_in_weights), "--calibration", str(tmp_path / "quality.json")
    assert run("quality", "data", *where, "-o", str(tmp_path)) == 0
    assert learned == [{pair.name for pair in pairs[:50]}] * len(VIEWS)
    written = Calibrations.from_json((tmp_path / "quality.json").read_text())
    for views in VIEWS:
        assert written.of(views).provenance["masks"] == 60
        assert (tmp_path / f"views-{views}" / "quality.md").is_file()


def test_every_scan_gets_its_own_stress_and_always_the_same():
    def scan(name, split="train"):
        return Pair(name, Path(), Path(), split=split)

    assert stress_of(scan("A")) == stress_of(scan("A"))
    assert len(stress_of(scan("A"))) == 5
    assert len({tuple(stress_of(scan(name))) for name in "ABCDEFGH"}) > 4
    assert stress_of(scan("A"))[0] == ("none", 0.0)
    assert {look for look, _ in stress_of(scan("A", "labelmap"))} <= set(LOOKS)


def test_small_data_sets_are_taken_whole():
    sets = {f"big{i}": "big" for i in range(9)} | {"x": "one", "y": "two"}
    pairs = [Pair(name, Path(), Path(), dataset=dataset) for name, dataset in sets.items()]
    chosen = choose_scans(pairs, 4)
    assert [pair.name for pair in chosen[:2]] == ["x", "y"]
    assert len(chosen) == 4
