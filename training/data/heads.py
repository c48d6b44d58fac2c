"""More whole-head label maps: one code table, masks by one rule, infants' brains put into heads.

Writes maps, masks and a manifest that `prepare` takes. Maps that `configs/held_back.txt` names get
the split "truth": `synthetic` makes scans with exact masks from them, and nothing trains on them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage

from skullstrip.batch.tables import read_rows, write_rows
from skullstrip.grid.orientation import reorient_to_ras
from skullstrip.grid.regions import largest_component
from skullstrip.grid.volume import Volume

from .dataset import ADVICE
from .label_codes import DURA, FAT, MARROW, MUSCLE, OUTER_VESSEL, SKIN, head_box, is_outside
from .pair import HELD_BACK_SPLIT, LABEL_MAP_SPLIT, read_volume

HELD_BACK = Path(__file__).parents[1] / "configs" / "held_back.txt"
CLOSED_MM, WIDENED_MM = 10.0, 1.0
CSF = 24
BRAINWEB = {
    1: CSF, 2: 3, 3: 2, 4: FAT, 5: MUSCLE, 6: SKIN, 7: 165, 8: OUTER_VESSEL, 9: MUSCLE,
    10: DURA, 11: MARROW,
}  # fmt: skip
NEONATE = {1: 258, 2: CSF, 3: 3, 4: 2, 5: 16, 6: 8}
BRAIN_ONLY = "infant_brain_only"
FAMILIES = {  # data set and age group of each folder
    "synthseg_C": ("SynthSeg training label maps, family C", "adult"),
    "brainweb": ("BrainWeb, 20 normal models", "adult"),
    "neonate": ("4D neonatal head model (Brigadoi 2014)", "infant"),
    BRAIN_ONLY: ("Infant brain maps in made-up heads", "infant"),
}
TWIN = "bibsnet_0mo_aseg_acpc"  # the same as JLF_Template01
SEED = 20261125
SKULL_MM = 1.0  # of a newborn, inside the one label that is scalp and skull
DEGREES = 2  # of the grid of directions in which a brain's radius is measured
HEAD_MARGIN_MM = np.array([[30.0, 35.0, 55.0], [30.0, 30.0, 25.0]])  # beyond an infant's brain


def read_map(path: Path, family: str) -> Volume:
    """Read a map, turn it to RAS+ and translate its family's codes into the project's."""
    volume = reorient_to_ras(read_volume(path))[0]
    labels = np.rint(volume.array).astype(np.int32)
    table = {"brainweb": BRAINWEB, "neonate": NEONATE}.get(family)
    if table:
        codes = np.zeros(max(table) + 1, dtype=np.int32)
        codes[list(table)] = list(table.values())
        labels = codes[labels]
    if family == "neonate":
        inner_mm = ndimage.distance_transform_edt(is_outside(labels), sampling=volume.spacing_mm)
        labels[(labels == 258) & (inner_mm <= SKULL_MM)] = 165
    return Volume(labels, volume.affine)


def brain_mask(labels: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Make a map's mask: tissue closed by 10 mm and widened by 1 mm inside the map's own CSF."""
    fluid = np.isin(labels, (CSF, OUTER_VESSEL))
    tissue = ~is_outside(labels) & ~fluid
    hull = within(closed(tissue, CLOSED_MM, spacing_mm), WIDENED_MM, spacing_mm)
    return ndimage.binary_fill_holes(largest_component(hull & (tissue | fluid)))


def within(mask: np.ndarray, mm: float, spacing_mm: np.ndarray) -> np.ndarray:
    """Whatever lies in the mask or at most so far from it."""
    return ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= mm


def closed(mask: np.ndarray, mm: float, spacing_mm: np.ndarray) -> np.ndarray:
    """Close by a ball."""
    edge = int(np.ceil(mm / spacing_mm.min())) + 1
    wide = within(np.pad(mask, edge), mm, spacing_mm)
    back = ndimage.distance_transform_edt(wide, sampling=spacing_mm) > mm
    return back[(slice(edge, -edge),) * 3] | mask


def put_into_head(brain: Volume, donor: Volume, rng: np.random.Generator) -> Volume:
    """Give a brain without a head the extracerebral tissue of another map, warped around it.

    Both skulls' insides are taken for stars about their centres: a voxel looks up the donor in its
    direction, at the same share of the way to the inside of the skull, or as far outside of it.
    """
    spacing = brain.spacing_mm
    margin = np.ceil(HEAD_MARGIN_MM / spacing).astype(int)
    box = head_box(brain.array, 0)
    pad = [
        (max(0, low - part.start), max(0, part.stop + high - size))
        for low, high, part, size in zip(*margin, box, brain.array.shape, strict=True)
    ]
    labels = np.pad(brain.array, pad)
    affine = moved(brain.affine, [-low for low, _ in pad])
    inside = closed(labels > 0, CLOSED_MM, spacing)
    inside = within(inside, float(rng.uniform(1.0, 5.0)), spacing)  # room for fluid
    outer = is_outside(donor.array)
    theirs = closed(largest_component(~outer), 3.0, donor.spacing_mm)  # without gaps
    nearest = ndimage.distance_transform_edt(
        ~(outer & (donor.array > 0)), return_distances=False, return_indices=True
    )
    outside_only = np.where(outer, donor.array, donor.array[tuple(nearest)])

    centre, reach = radii(inside, spacing)
    their_centre, their_reach = radii(theirs, donor.spacing_mm)
    thickness = float(rng.uniform(1.0, 1.4)) * their_reach.mean() / reach.mean()
    away = np.stack(np.meshgrid(*map(np.arange, labels.shape), indexing="ij")).astype(np.float32)
    away = (away - centre[:, None, None, None]) * spacing[:, None, None, None].astype(np.float32)
    distance = np.sqrt((away**2).sum(axis=0)) + 1e-3
    ours_here, theirs_here = look_up(reach, away, distance), look_up(their_reach, away, distance)
    there = np.where(
        distance <= ours_here,
        distance * theirs_here / ours_here,
        theirs_here + (distance - ours_here) * thickness,
    )
    points = away * (there / distance) / donor.spacing_mm[:, None, None, None]
    points += their_centre[:, None, None, None]
    head = ndimage.map_coordinates(outside_only, points, order=0, mode="constant", prefilter=False)
    return Volume(np.where(inside, np.where(labels > 0, labels, CSF), head), affine)


def radii(mask: np.ndarray, spacing_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre in voxels, and how far the mask reaches in each direction in mm (polar, azimuth)."""
    centre = np.array(ndimage.center_of_mass(mask))
    polar, azimuth = np.radians(np.mgrid[0 : 180 + DEGREES : DEGREES, 0:360:DEGREES])
    directions = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)]
    )
    steps = np.arange(0, 150, 0.5)
    points = directions[..., None] * steps / spacing_mm[:, None, None, None]
    points += centre[:, None, None, None]
    hit = ndimage.map_coordinates(mask.astype(np.uint8), points, order=0, mode="constant") > 0
    reach = np.where(hit, steps, 0).max(axis=-1)
    return centre, ndimage.gaussian_filter(reach, 2.0, mode=("nearest", "wrap"))


def look_up(reach: np.ndarray, away: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Read `radii` in the direction of each voxel."""
    polar = np.degrees(np.arccos(np.clip(away[2] / distance, -1, 1))) / DEGREES
    azimuth = np.degrees(np.arctan2(away[1], away[0])) % 360 / DEGREES
    wrapped = np.concatenate([reach, reach[:, :1]], axis=1)
    return ndimage.map_coordinates(wrapped, [polar, azimuth], order=1, mode="nearest")


def moved(affine: np.ndarray, voxels: list[int]) -> np.ndarray:
    """Return the affine of a grid that starts so many voxels further on."""
    shift = np.eye(4)
    shift[:3, 3] = voxels
    return affine @ shift


def cropped(head: Volume) -> Volume:
    """Without the air around the head, but for a few voxels."""
    box = head_box(head.array)
    return Volume(head.array[box], moved(head.affine, [part.start for part in box]))


def make_head(name: str, paths: dict[str, Path], kept: tuple[str, ...]) -> Volume:
    """Read a map; an infant's brain gets a head from a donor on its own side of the split."""
    head = read_map(paths[name], paths[name].parent.name)
    if paths[name].parent.name == BRAIN_ONLY:
        rng = np.random.default_rng([SEED, *name.encode()])
        newborn = name.startswith("JLF") or name.split("_")[1] in ("0mo", "1mo", "2mo", "3mo")
        family = "neonate" if newborn and rng.random() < 0.5 else "synthseg_C"
        donors = [
            other
            for other, path in sorted(paths.items())
            if path.parent.name == family and (other in kept) == (name in kept)
        ]
        donor = donors[int(rng.integers(len(donors)))]
        head = put_into_head(head, cropped(read_map(paths[donor], family)), rng)
    return cropped(head)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path, help="CSV of label maps: subject, kind, image, ...")
    parser.add_argument("out", type=Path, help="folder for maps, masks and MANIFEST.csv")


def run(arguments: argparse.Namespace) -> None:
    """Write every map of a manifest with its mask, and a manifest of them."""
    import nibabel

    manifest, out = arguments.manifest, arguments.out
    rows = {
        row["subject"].removesuffix("_1mm"): row
        for row in read_rows(manifest, ("subject", "kind", "image", "licence"), ADVICE)
        if row["kind"] == "labels" and row["subject"] != TWIN
    }
    paths = {name: manifest.parent / row["image"] for name, row in rows.items()}
    lines = map(str.strip, HELD_BACK.read_text(encoding="utf-8").splitlines())
    kept = tuple(line for line in lines if line and not line.startswith("#"))
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, path in sorted(paths.items(), reverse=True):
        head = make_head(name, paths, kept)
        mask = brain_mask(head.array, head.spacing_mm)
        dataset, age_group = FAMILIES[path.parent.name]
        row = {
            "subject": name,
            "split": HELD_BACK_SPLIT if name in kept else LABEL_MAP_SPLIT,
            "image": f"{name}_labels.nii.gz",
            "mask": f"{name}_mask.nii.gz",
            "dataset": dataset,
            "licence": rows[name]["licence"],
            "age_group": age_group,
        }
        for kind, array in (
            ("image", head.array.astype(np.int16)),
            ("mask", mask.astype(np.uint8)),
        ):
            nibabel.save(nibabel.Nifti1Image(array, head.affine), out / row[kind])
        print(f"{name}: {np.count_nonzero(mask) * head.voxel_volume_ml:.0f} ml", flush=True)
        written.append(row)
    write_rows(out / "MANIFEST.csv", tuple(written[0]), written)
