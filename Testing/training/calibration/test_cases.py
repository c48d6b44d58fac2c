"""What the verdict is calibrated on is measured once; the network is a stand-in."""

from skullstrip.network.manifest import load_manifest
from skullstrip.network.predict import VIEWS
from Testing.stand_ins import ThresholdEngine
from training.calibration import calibrate
from training.calibration.calibrate import Work, do_work
from training.calibration.cases import BOTH, DAMAGED_SAMPLES, MASK, OWN, SAMPLES
from training.calibration.wrong_masks import DAMAGES


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
