"""What the verdict is calibrated on: masks of the network, and wrong ones, as rows of measures."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from skullstrip.grid.orientation import reorient_to_ras
from skullstrip.grid.regions import dice
from skullstrip.grid.resample import resample
from skullstrip.grid.volume import Volume
from skullstrip.mask.postprocess import solid_mask
from skullstrip.network.brain_region import find_brain_region
from skullstrip.network.engine import Engine
from skullstrip.network.manifest import Manifest
from skullstrip.network.predict import VIEWS, Prediction, View, Views, fuse, predict_head
from skullstrip.prepare.preprocess import prepare, restore
from skullstrip.quality.evidence import (
    Evidence,
    disagreement_map,
    gather_evidence,
    whole_block_means,
)
from skullstrip.quality.measures import measure

from ..data.pair import Pair
from ..evaluation.stress import UNTOUCHED
from .scans import read_spoilt
from .wrong_masks import DAMAGES, damaged_probability

OWN, MASK, BOTH = "own", "mask", "both"
BAD_DICE = 0.95  # masks below are to be flagged
SAMPLES = 20_000  # voxels of each mask for the confidence
DAMAGED_SAMPLES = 6000  # blocks of a damaged one
NEAR_VOXELS = 12  # around what either mask holds


@dataclass(frozen=True)
class Row:
    """One mask."""

    scan: str
    kind: str  # "own": the network's; "mask": damaged alone; "both": with the probability alike
    what: str  # perturbation or damage; "none" for a scan as it came
    strength: float
    dice: float  # with the reference: on the scan's own grid for "own", else in blocks of 2 mm
    volume_ml: float
    truth_ml: float
    measured: dict[str, float]

    @property
    def is_bad(self) -> bool:
        """Whether the mask should be flagged."""
        return self.dice < BAD_DICE


class Voxels(NamedTuple):
    """A sample of a mask's voxels; arrays of shape (n,)."""

    probability: np.ndarray
    disagreement: np.ndarray  # of the second look
    truth: np.ndarray  # bool


class Case(NamedTuple):
    """A mask of the network, and of a scan as it came every damage of it."""

    dice: float
    rows: list[Row]  # none where the network finds no brain
    samples: list[Voxels]  # of the network's mask, and of a damaged one


def make_cases(
    pair: Pair, what: str, strength: float, engine: Engine, manifest: Manifest
) -> dict[Views, Case]:
    """Run the network on a scan, spoilt or not; its slices for three views have those for fewer."""
    volume, mask = read_spoilt(pair, what, strength)
    settings = manifest.preprocessing
    prepared = prepare(volume, settings.spacing_mm)
    head = prepared.head
    region = find_brain_region(head, settings.spacing_mm, engine.predict)
    seen = predict_head(head, engine.predict, VIEWS[3], region=region)
    ras = reorient_to_ras(Volume(mask.astype(np.float32), volume.affine))[0]
    truth = resample(ras.array, prepared.source_spacing_mm, prepared.spacing_mm)[prepared.box]
    cases: dict[Views, Case] = {}
    for choice, views in views_of(seen.views).items():
        probability = seen.probability if views is seen.views else fuse(views, head.shape)
        found = Prediction(probability, views)
        evidence = gather_evidence(prepared, found, volume.affine, engine.predict, region)
        factor = round(evidence.block_mm / settings.spacing_mm)
        native = solid_mask(restore(probability, prepared))
        overlap = dice(native, mask)
        ml, truth_ml = (float(each.sum()) * volume.voxel_volume_ml for each in (native, mask))
        places = sample_places(probability, truth, f"{pair.name}/{what}/{strength:g}")
        at, blocks = tuple(places.T), tuple((places // factor).T)
        voxels = Voxels(probability[at], disagreement_map(evidence)[blocks], truth[at] >= 0.5)
        rows, samples = [], [voxels]
        if (solid := solid_mask(evidence.probability)).any():
            measured = measure(evidence, solid)
            rows.append(Row(pair.name, OWN, what, strength, overlap, ml, truth_ml, measured))
            if what == UNTOUCHED:
                right = whole_block_means(truth, factor) >= 0.5
                rows += damaged_rows(pair.name, evidence, solid, right)
                samples.append(damaged_sample(pair.name, evidence, solid, right, places))
        cases[choice] = Case(overlap, rows, samples)
    return cases


def views_of(every_third: tuple[View, ...]) -> dict[Views, tuple[View, ...]]:
    """Return what each choice of views has of every third slice along all axes."""
    every_sixth = []
    for view in every_third:
        kept = np.unique(np.append(np.arange(0, len(view.places), 2), len(view.places) - 1))
        every_sixth.append(View(view.axis, view.places[kept], view.slices[kept]))
    return {"auto": tuple(every_sixth), 1: every_third[:1], 3: every_third}


def sample_places(probability: np.ndarray, truth: np.ndarray, name: str) -> np.ndarray:
    """Random voxels of the box around what either mask holds, shape (n, 3)."""
    found = np.argwhere((probability[::2, ::2, ::2] >= 0.5) | (truth[::2, ::2, ::2] >= 0.5)) * 2
    if len(found) == 0:
        return np.zeros((0, 3), dtype=np.intp)
    low = np.maximum(found.min(axis=0) - NEAR_VOXELS, 0)
    high = np.minimum(found.max(axis=0) + NEAR_VOXELS, np.array(truth.shape) - 1)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.integers(low, high + 1, (SAMPLES, 3))


def damaged_rows(
    scan: str, evidence: Evidence, mask: np.ndarray, truth: np.ndarray
) -> Iterator[Row]:
    """Give every damage of a mask, with and without its probability; all in blocks."""
    for name, damage in DAMAGES.items():
        rng = np.random.default_rng([0, zlib.crc32(f"{scan}/{name}".encode())])
        wrong = damage(mask, evidence.block_mm, rng)
        if not wrong.any():
            continue
        probability = damaged_probability(evidence.probability, mask, wrong)
        likewise = replace(evidence, probability=probability)
        ml, truth_ml = (float(each.sum()) * evidence.block_ml for each in (wrong, truth))
        for kind, looked in ((MASK, evidence), (BOTH, likewise)):
            measured = measure(looked, wrong)
            yield Row(scan, kind, name, 0.0, dice(wrong, truth), ml, truth_ml, measured)


def damaged_sample(
    scan: str, evidence: Evidence, mask: np.ndarray, truth: np.ndarray, places: np.ndarray
) -> Voxels:
    """Return some blocks of a mask with a damage of its own, from around the voxels `places`."""
    rng = np.random.default_rng(zlib.crc32(scan.encode()))
    damage = list(DAMAGES.values())[rng.integers(len(DAMAGES))]
    wrong = damage(mask, evidence.block_mm, rng)
    probability = damaged_probability(evidence.probability, mask, wrong)
    low, high = (places // 2).min(axis=0), (places // 2).max(axis=0)
    at = tuple(rng.integers(low, high + 1, (DAMAGED_SAMPLES, 3)).T)
    disagreement = disagreement_map(replace(evidence, probability=probability))
    return Voxels(probability[at], disagreement[at], truth[at])


def table(rows: Iterable[Row], names: Sequence[str]) -> np.ndarray:
    """Measures of the rows as an array, shape (rows, names)."""
    return np.array([[row.measured[name] for name in names] for row in rows])
