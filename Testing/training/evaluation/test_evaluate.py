"""The evaluation around the real pipeline; its network is a stand-in (`ThresholdEngine`)."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skullstrip.errors import Cancelled, EngineError
from skullstrip.grid.volume import Volume
from Testing.stand_ins import FailingEngine
from training.__main__ import run
from training.data.pair import Pair
from training.data.pictures import PREDICTED, TRUTH, place_of_largest_error
from training.evaluation.evaluate import evaluate, read_scans, score_mask


def test_a_scan_is_judged_among_its_contrast_age_and_slice_thickness(head):
    def found(*groups, mm=4.0):
        volume = Volume(head[0].array, np.diag([1.0, 1.0, mm, 1.0]))
        pair = Pair("s", Path("i"), Path("m"), groups=groups)
        return score_mask(pair, volume, head[1], head[1])

    known = found(("contrast", "T2w"), ("age", "1.5"), ("sex", "f"), ("dice", "0.1"))
    assert (known["contrast"], known["age group"], known["sex"]) == ("T2w", "infant", "f")
    assert known["dice"] == 1
    bare = found(("age", "nan"))
    assert (bare["contrast"], bare["age group"]) == ("T1w", "not stated")
    assert [found(mm=side)["slice thickness"] for side in (1.0, 2.0, 4.5, 6.0)] == [
        "0 to 1.1 mm", "1.6 to 2.5 mm", "2.5 to 4.5 mm", "over 4.5 mm",
    ]  # fmt: skip


def test_a_scan_on_which_the_engine_fails_counts_with_dice_zero(phantom_pair, around):
    find = around(FailingEngine(EngineError("no memory")))
    (score,) = evaluate(read_scans([phantom_pair]), find).scores
    assert (score["dice"], score["failure"]) == (0, "no memory")


def test_a_cancelled_run_stops_the_evaluation(phantom_pair, around):
    with pytest.raises(Cancelled):
        evaluate(read_scans([phantom_pair]), around(FailingEngine(Cancelled("stop"))))


def test_only_the_worst_scans_are_drawn(head, monkeypatch):
    monkeypatch.setattr("training.evaluation.evaluate.WORST_SHOWN", 2)
    volume, truth = head
    paths = Path("i"), Path("m")
    scans = [(Pair(str(shift), *paths), volume, truth) for shift in (0, 3, 1, 2)]
    scores, worst = evaluate(scans, lambda pair, _: np.roll(truth, int(pair.name), axis=0))
    dice = [score["dice"] for score in scores]
    assert [shown for shown, _ in worst] == [dice[1], dice[3]]
    assert worst[0][1].tobytes() != worst[1][1].tobytes()


def test_the_picture_passes_through_the_largest_error():
    truth = np.zeros((20, 20, 20), dtype=bool)
    truth[5:15, 5:15, 5:15] = True
    predicted = truth.copy()
    predicted[5:10, 5:10, 5:10] = False
    place = place_of_largest_error(predicted, truth)
    assert all(5 <= index < 10 for index in place)
    assert place_of_largest_error(truth, truth).tolist() == [10, 10, 10]


def test_the_command_judges_on_each_scan_s_own_grid_and_writes_a_report_and_the_worst(
    phantom_data, stand_in, tmp_path, capsys
):
    assert run("evaluate", str(phantom_data), "--split", "all", "-o", str(tmp_path), *stand_in) == 0
    assert re.search(r"mean Dice (1\.0|0\.9)", capsys.readouterr().out)
    assert "weights: stand-in" in (tmp_path / "report.md").read_text()
    with open(tmp_path / "scores.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["scan"] for row in rows] == ["one", "two"]
    assert all(float(row["dice"]) > 0.9 for row in rows)
    assert all(float(row["volume_ml"]) == pytest.approx(1440, rel=0.1) for row in rows)
    found = [(row["contrast"], row["slice thickness"], row["orientation"]) for row in rows]
    assert found == [("T1w", "2.5 to 4.5 mm", "RAS"), ("T1w", "2.5 to 4.5 mm", "PIR")]
    with Image.open(tmp_path / "worst.png") as picture:
        assert {TRUTH, PREDICTED} <= {colour for _, colour in picture.getcolors(1 << 20)}
