"""The network's masks of scans, as they come and spoilt, with the evidence to judge them by.

The verdict is calibrated and tested on these. One file a case, in a folder that is used again, so
that measures can be changed without running the network.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skullstrip.grid.orientation import reorient_to_ras
from skullstrip.grid.regions import block_means
from skullstrip.grid.resample import resample
from skullstrip.grid.volume import Volume
from skullstrip.mask.postprocess import brain_mask_from_probability
from skullstrip.network.brain_region import find_brain_region
from skullstrip.network.engine import Engine
from skullstrip.network.manifest import Manifest
from skullstrip.network.predict import (
    VIEWS,
    Prediction,
    View,
    Views,
    fuse,
    predict_head,
)
from skullstrip.prepare.preprocess import Prepared, prepare, restore
from skullstrip.quality.evidence import Evidence, gather_evidence, whole_blocks
from training.evaluation.metrics import dice

from ..data.pair import Pair
from .scans import read_spoilt

SAMPLES = 20_000  # voxels of each case for the confidence
NEAR_VOXELS = 12  # around what either mask holds


@dataclass(frozen=True)
class Case:
    """One mask of the network with its evidence and the truth.

    Parameters
    ----------
    scan, perturbation, strength
        Which scan, spoilt how.
    truth : ndarray of float32, shape of `evidence.probability`
        The reference mask's share of each block.
    dice : float
        Of the network's mask on the scan's own grid.
    voxels : ndarray of int, shape (n, 3)
        A random sample of the head's voxels, in voxels of the network's grid.
    voxel_probability, voxel_truth : ndarray, shape (n,)
    """

    scan: str
    perturbation: str
    strength: float
    evidence: Evidence
    truth: np.ndarray
    dice: float
    volume_ml: float
    truth_ml: float
    voxels: np.ndarray
    voxel_probability: np.ndarray
    voxel_truth: np.ndarray


def case_path(folder: Path, scan: str, perturbation: str, strength: float) -> Path:
    """Return where a case is kept."""
    return folder / f"{scan}__{perturbation}_{strength:g}.npz"


def make_cases(
    pair: Pair, perturbation: str, strength: float, engine: Engine, manifest: Manifest
) -> dict[Views, Case]:
    """Run the network on a scan, spoilt or not; its slices for three views have those for fewer."""
    volume, mask = read_spoilt(pair, perturbation, strength)
    settings = manifest.preprocessing
    offset = settings.neighbour_offset
    prepared = prepare(volume, settings)
    head = prepared.head
    region = find_brain_region(head, settings.spacing_mm, engine.predict, offset)
    seen = predict_head(head, engine.predict, VIEWS[3], offset, None, region)
    truth = head_truth(mask, volume, prepared)
    cases: dict[Views, Case] = {}
    for choice, views in views_of(seen.views).items():
        probability = seen.probability if views is seen.views else fuse(views, head.shape)
        evidence = gather_evidence(
            prepared,
            Prediction(probability, views),
            predict=engine.predict,
            offset=offset,
            region=region,
        )
        native = brain_mask_from_probability(restore(probability, prepared), volume.spacing_mm)
        voxels = sample_voxels(probability, truth, f"{pair.name}/{perturbation}/{strength:g}")
        factor = round(evidence.block_mm / settings.spacing_mm)
        at = tuple(voxels.T)
        cases[choice] = Case(
            scan=pair.name,
            perturbation=perturbation,
            strength=strength,
            evidence=evidence,
            truth=whole_blocks(block_means(truth, factor), truth.shape, factor),
            dice=dice(native, mask),
            volume_ml=float(native.sum()) * volume.voxel_volume_ml,
            truth_ml=float(mask.sum()) * volume.voxel_volume_ml,
            voxels=voxels,
            voxel_probability=probability[at],
            voxel_truth=truth[at] >= 0.5,
        )
    return cases


def views_of(every_third: tuple[View, ...]) -> dict[Views, tuple[View, ...]]:
    """Return what each choice of views has of every third slice along all axes."""
    every_sixth = []
    for view in every_third:
        kept = np.unique(np.append(np.arange(0, len(view.places), 2), len(view.places) - 1))
        every_sixth.append(View(view.axis, view.places[kept], view.slices[kept]))
    return {"auto": tuple(every_sixth), 1: every_third[:1], 3: every_third}


def head_truth(mask: np.ndarray, volume: Volume, prepared: Prepared) -> np.ndarray:
    """Return the reference mask on the network's grid, shape of `prepared.head`, in [0, 1]."""
    ras = reorient_to_ras(Volume(mask.astype(np.float32), volume.affine))[0]
    return resample(ras.array, prepared.source_spacing_mm, prepared.spacing_mm)[prepared.box]


def sample_voxels(probability: np.ndarray, truth: np.ndarray, name: str) -> np.ndarray:
    """Random voxels of the box around what either mask holds, shape (n, 3)."""
    found = np.argwhere((probability[::2, ::2, ::2] >= 0.5) | (truth[::2, ::2, ::2] >= 0.5)) * 2
    if len(found) == 0:
        return np.zeros((0, 3), dtype=np.int16)
    low = np.maximum(found.min(axis=0) - NEAR_VOXELS, 0)
    high = np.minimum(found.max(axis=0) + NEAR_VOXELS, np.array(truth.shape) - 1)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.integers(low, high + 1, (SAMPLES, 3)).astype(np.int16)


def write_case(folder: Path, case: Case) -> None:
    """Keep a case; half precision, about 6 MB."""
    np.savez(
        case_path(folder, case.scan, case.perturbation, case.strength),
        probability=case.evidence.probability.astype(np.float16),
        second=case.evidence.second.astype(np.float16),
        places=case.evidence.places,
        block_mm=case.evidence.block_mm,
        image_ends=case.evidence.image_ends,
        tissue=case.evidence.tissue,
        signal=case.evidence.signal,
        other_ml=case.evidence.other_ml,
        truth=case.truth.astype(np.float16),
        figures=np.array([case.dice, case.volume_ml, case.truth_ml]),
        voxels=case.voxels,
        voxel_probability=case.voxel_probability.astype(np.float16),
        voxel_truth=case.voxel_truth,
    )


def read_case(path: Path) -> Case:
    """Read what `write_case` wrote."""
    scan, _, spoilt = path.stem.partition("__")
    perturbation, _, strength = spoilt.rpartition("_")
    with np.load(path, allow_pickle=False) as kept:
        dice_found, volume_ml, truth_ml = (float(value) for value in kept["figures"])
        return Case(
            scan=scan,
            perturbation=perturbation,
            strength=float(strength),
            evidence=Evidence(
                probability=kept["probability"].astype(np.float32),
                second=kept["second"].astype(np.float32),
                places=kept["places"],
                block_mm=float(kept["block_mm"]),
                image_ends=kept["image_ends"],
                tissue=kept["tissue"],
                signal=kept["signal"],
                other_ml=float(kept["other_ml"]),
            ),
            truth=kept["truth"].astype(np.float32),
            dice=dice_found,
            volume_ml=volume_ml,
            truth_ml=truth_ml,
            voxels=kept["voxels"],
            voxel_probability=kept["voxel_probability"].astype(np.float32),
            voxel_truth=kept["voxel_truth"],
        )
