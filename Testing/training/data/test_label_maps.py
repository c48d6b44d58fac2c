"""Label maps: recoded for synthesis, their masks, and heads for brains without one."""

import numpy as np
import pytest
from scipy import ndimage

from skullstrip.errors import InputError
from skullstrip.grid.volume import Volume
from Testing.image_files import save
from Testing.small_sources import SPACING_MM, brain_array, label_array
from training.__main__ import run
from training.data import label_codes
from training.data.dataset import find_pairs
from training.data.heads import BRAIN_ONLY, CSF, brain_mask, put_into_head
from training.data.label_codes import SHELL_MM, SKIN_MM, is_outside, recode, tissue_of
from training.data.pair import HELD_BACK_SPLIT, LABEL_MAP_SPLIT, read_pair

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


AFFINE = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])


def brain_without_head(factor=0.7):
    """The small head's tissue alone, shrunk to an infant's."""
    tissue = np.where(is_outside(label_array()) | (label_array() == CSF), 0, label_array())
    return Volume(ndimage.zoom(tissue, factor, order=0), AFFINE)


def test_a_mask_fills_the_sulci_and_leaves_the_fluid_above_the_hull():
    labels = label_array().copy()
    labels[label_array().shape[0] // 2, :, :][labels[28] == 3] = CSF  # a cleft as wide as a voxel
    mask = brain_mask(labels, SPACING)
    assert not (mask & is_outside(labels)).any()
    assert mask[np.isin(labels, (2, 3, 4))].all()
    cleft = (labels == CSF) & (label_array() == 3)
    assert mask[cleft].mean() > 0.75
    assert mask[(label_array() == CSF)].mean() < 0.2


def test_a_brain_put_into_a_head_stays_as_it_is_inside_a_closed_skull():
    brain, donor = brain_without_head(), Volume(label_array(), AFFINE)
    head = put_into_head(brain, donor, np.random.default_rng(0))
    shift = np.rint((brain.affine - head.affine)[:3, 3] / SPACING).astype(int)
    kept = tuple(slice(s, s + n) for s, n in zip(shift, brain.array.shape, strict=True))
    tissue = brain.array > 0
    assert np.array_equal(head.array[kept][tissue], brain.array[tissue])
    inside = ~is_outside(head.array)
    assert inside.sum() > tissue.sum()  # fluid around the brain
    touching = head.array[ndimage.binary_dilation(inside) & ~inside]
    assert (touching == 165).mean() > 0.9
    assert (touching > 0).all()


def test_a_manifest_of_maps_gives_pairs_of_which_those_held_back_are_for_judging(tmp_path):
    brain = brain_without_head()
    rows = [(name, "synthseg_C", label_array()) for name in ("C01", "C03")]
    rows += [(name, BRAIN_ONLY, brain.array) for name in ("JLF_Template09", "bibsnet_8mo_x")]
    for name, family, labels in rows:
        (tmp_path / family).mkdir(exist_ok=True)
        save(tmp_path / family / f"{name}.nii.gz", labels.astype(np.int16), AFFINE)
    lines = [f"{name},labels,{family}/{name}.nii.gz,none" for name, family, _ in rows]
    text = "\n".join(["subject,kind,image,licence", *lines])
    (tmp_path / "maps.csv").write_text(text, encoding="utf-8")
    run("heads", str(tmp_path / "maps.csv"), str(tmp_path / "heads"))
    pairs = {pair.subject: pair for pair in find_pairs(tmp_path / "heads")}
    splits = {name: pair.split for name, pair in pairs.items()}
    assert splits == {
        "C01": LABEL_MAP_SPLIT, "bibsnet_8mo_x": LABEL_MAP_SPLIT,
        "C03": HELD_BACK_SPLIT, "JLF_Template09": HELD_BACK_SPLIT,
    }  # fmt: skip
    assert dict(pairs["C01"].groups)["age_group"] == "adult"
    assert dict(pairs["bibsnet_8mo_x"].groups)["age_group"] == "infant"


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_rule_gives_the_masks_that_came_with_the_first_maps(shared_data):
    pair = next(pair for pair in find_pairs(shared_data) if pair.name == "B01")
    volume, given = read_pair(pair)
    made = brain_mask(volume.array.astype(np.int32), volume.spacing_mm)
    assert 2 * (made & given).sum() / (made.sum() + given.sum()) > 0.999
