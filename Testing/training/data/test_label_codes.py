"""Label maps recoded for synthesis."""

import numpy as np
import pytest
from scipy import ndimage

from skullstrip.errors import InputError
from Testing.small_sources import SPACING_MM, brain_array, label_array
from training.data import label_codes
from training.data.label_codes import SHELL_MM, SKIN_MM, recode, tissue_of

SPACING = np.full(3, SPACING_MM)
PARTS = {"in", "shell", "skin", "fat", "deep"}


def recoded(monkeypatch):
    """The small head, its soft tissue large enough to be split by depth."""
    monkeypatch.setattr(label_codes, "SMALLEST_SPLIT", 1000)
    codes, names = recode(label_array(), brain_array(), SPACING)
    return codes, [name.split(":") for name in names]


TISSUES = {
    "white": (2, 41), "grey": (3, 17, 53), "csf": (24, 4), "lesion": (57,), "vessel": (62, 604),
    "eye": (506,), "bone": (165, 511), "sinus": (516,), "soft": (258, 507, 530), "choroid": (31,),
    "dura": (605,),
}  # fmt: skip


def test_a_label_belongs_to_its_tissue():
    found = {name: tuple(map(tissue_of, labels)) for name, labels in TISSUES.items()}
    assert found == {name: (name,) * len(labels) for name, labels in TISSUES.items()}


def test_every_voxel_keeps_its_label_under_unique_names_of_which_in_means_inside(monkeypatch):
    codes, names = recoded(monkeypatch)
    label_of_code = np.array([int(label) for _, label, _ in names])
    assert np.array_equal(label_of_code[codes], label_array())
    assert len({tuple(name) for name in names}) == len(names)
    assert np.array_equal(np.unique(codes), np.arange(len(names)))
    assert {part for _, _, part in names[1:]} == PARTS
    inside = np.array([part == "in" for _, _, part in names])
    assert np.array_equal(inside[codes], brain_array() & (label_array() > 0))


def test_the_shell_touches_the_mask_and_the_skin_the_air(monkeypatch):
    codes, names = recoded(monkeypatch)
    part = np.array([part for _, _, part in names])[codes]
    from_brain = ndimage.distance_transform_edt(~brain_array(), sampling=SPACING)
    depth = ndimage.distance_transform_edt(label_array() > 0, sampling=SPACING)
    outside = (label_array() > 0) & ~brain_array()
    assert np.array_equal(part == "shell", outside & (from_brain <= SHELL_MM))
    assert depth[part == "skin"].max() <= SKIN_MM < depth[part == "fat"].min()


def test_too_many_tissues_for_a_byte_are_refused():
    labels = np.arange(1, 8**3 + 1).reshape(8, 8, 8)
    mask = np.zeros(labels.shape, dtype=bool)
    mask[4, 4, 4] = True
    with pytest.raises(InputError, match="more than 256 codes"):
        recode(labels, mask, SPACING)
