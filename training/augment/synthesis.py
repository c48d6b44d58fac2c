"""An image from a label map: every tissue gets a random look.

After SynthSeg (Billot et al., Medical Image Analysis 2023) and SynthStrip (Hoopes et al.,
NeuroImage 2022), with priors for each kind of image (`tissue_contrast`).
"""

from __future__ import annotations

import numpy as np

from ..data.sources import Source
from .artefacts import smooth_noise
from .tissue_contrast import ANYTHING, tissue_means

MARROW_SHARE = 0.4  # how often a bone layer is bright with fat
SHELL_LOOKS = ("parent", "dura", "own")  # what touches the brain from outside
SHELL_SHARES = ((0.4, 0.3, 0.3), (0.15, 0.6, 0.25))  # the second after contrast agent
LAYERS = ("skin", "fat")  # depths of a label that is all of the scalp
FREE = ("soft", "lesion", "vessel", "eye", "sinus", "fat", "muscle", "skin", "dura", "marrow")


def paint(codes: np.ndarray, source: Source, look: str, rng: np.random.Generator) -> np.ndarray:
    """Paint codes as an image of a kind and scale as the library scales scans.

    `codes`, uint8 (planes, H, W), are neighbouring planes or a whole map, `look` is one of
    `tissue_contrast.LOOKS` or `ANYTHING`. Gives intensities of that shape, float32, about [0, 1],
    not clipped.
    """
    means = random_means(source.names, look, rng)
    spread = np.abs(rng.normal(0, 0.035, len(means)))
    second = np.clip(means + rng.normal(0, 0.18, len(means)), 0, 1.3)
    mixed = np.array([is_mixed(name, rng) for name in source.names])
    second = np.where(mixed, second, means)
    low, high = label_window(means, source.counts)
    patches = smooth_noise(codes.shape[1:], rng.uniform(0.02, 0.12), rng)[None] > 0
    image = np.where(patches, second.astype(np.float32)[codes], means.astype(np.float32)[codes])
    texture = rng.standard_normal(codes.shape, dtype=np.float32)
    image = image + spread.astype(np.float32)[codes] * _grain(texture, rng)
    return (image - np.float32(low)) / np.float32(high - low)


def random_means(names: tuple[str, ...], look: str, rng: np.random.Generator) -> np.ndarray:
    """One intensity for each code in an image of a kind, shape (len(names),)."""
    tissue_mean = tissue_means(look, rng)
    shell_look = rng.choice(SHELL_LOOKS, p=SHELL_SHARES[look == "t1ce"])
    dura = tissue_mean["dura"] if rng.random() < 0.6 else rng.uniform(0.1, 1.0)
    dura_in_fluid = rng.random() < 0.6  # some maps' fluid reaches to the bone
    layered = {part: rng.random() < 0.7 for part in LAYERS}
    label_mean: dict[str, float] = {}
    means = np.zeros(len(names))
    for code, name in enumerate(names):
        tissue, label, part = name.split(":")
        if label not in label_mean:
            label_mean[label] = _label_mean(tissue, tissue_mean, look, rng)
        means[code] = label_mean[label]
        if part == "shell" and shell_look != "parent" and (tissue != "csf" or dura_in_fluid):
            means[code] = dura if shell_look == "dura" else rng.uniform(0, 1)
        elif layered.get(part) and tissue == "soft":
            known = look != ANYTHING and rng.random() < 0.7
            means[code] = rng.normal(tissue_mean[part], 0.1) if known else rng.uniform(0, 1)
    return np.clip(means, 0, 1.3)


def _label_mean(tissue: str, means: dict[str, float], look: str, rng: np.random.Generator) -> float:
    """Vary a label about its tissue; extracerebral ones vary freely."""
    if tissue == "bone" and look != "ct" and rng.random() < MARROW_SHARE:
        return float(rng.normal(means["marrow"], 0.1))
    if tissue in FREE:
        freely = rng.random() < (0.4 if tissue == "soft" or look == ANYTHING else 0.2)
        return float(rng.uniform(0, 1.1) if freely else rng.normal(means[tissue], 0.1))
    if tissue == "air":
        return means["air"]
    return float(rng.normal(means[tissue], 0.03))


def is_mixed(name: str, rng: np.random.Generator) -> bool:
    """Return whether a code is broken into patches of two intensities."""
    tissue, _, part = name.split(":")
    if tissue == "air":
        return False
    return bool(rng.random() < (0.1 if part == "in" else 0.6))


def label_window(means: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Return what `intensity_window` would find in the whole painted volume."""
    order = np.argsort(means)
    ordered, weights = means[order], counts[order].astype(float)
    low = float(ordered[np.searchsorted(np.cumsum(weights), 0.005 * weights.sum())])
    bright = ordered > np.average(ordered, weights=weights)
    share = np.cumsum(weights * bright)
    high = float(ordered[min(np.searchsorted(share, 0.995 * share[-1]), len(ordered) - 1)])
    return low, max(high, low + 0.1)


def _grain(noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White noise, or noise smoothed to a random grain, with unit spread."""
    import cv2

    if rng.random() < 0.5:
        return noise
    width = float(rng.uniform(0.5, 2.0))
    smooth = np.stack([cv2.GaussianBlur(plane, (0, 0), width) for plane in noise])
    return smooth / (smooth.std() + 1e-6)
