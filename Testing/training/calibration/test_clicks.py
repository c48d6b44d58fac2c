"""The evaluation of clicks on a synthetic head: where they go, and what is compared."""

import numpy as np

from Testing.phantoms import make_head
from training.calibration.clicks import TOOLS, dice_after, table, worst_place
from training.calibration.wrong_masks import DAMAGES


def test_a_click_goes_to_the_middle_of_the_largest_piece_that_is_wrong():
    truth, mask = np.zeros((2, 30, 30, 30), dtype=bool)
    truth[5:25, 5:25, 5:25] = mask[5:25, 5:25, 5:25] = True
    mask[5:14, 5:14, 5:14] = False
    mask[0:4, 0:4, 0:4] = True
    place, inside = worst_place(mask, truth)
    assert (place == 9).all()
    assert inside
    mask[5:14, 5:14, 5:14] = True
    place, inside = worst_place(mask, truth)
    assert (place < 4).all()
    assert not inside


def test_a_lost_lobe_is_a_row_in_which_clicks_do_better_than_brushes():
    head = make_head()
    damaged = DAMAGES["lobe"](head.brain_mask, 2.0, np.random.default_rng(1))
    found = [dice_after(tool, head.array, damaged, head.brain_mask) for tool in TOOLS.values()]
    small, best, click = np.array(found)
    assert small[0] == best[0] == click[0] < best[1] < click[1]
    assert small[10] < best[10] <= click[10] + 0.001
    rows = table({name: [found] for name in DAMAGES}).splitlines()
    assert [row.split(" | ")[0].strip("| ") for row in rows[2:]] == [*DAMAGES, "all damaged"]
    assert f"{click[10]:.4f}" in rows[-1]
