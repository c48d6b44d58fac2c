"""An image from a label map: every tissue gets a random look.

After SynthSeg (Billot et al., Medical Image Analysis 2023) and SynthStrip (Hoopes et al.,
NeuroImage 2022). Half of the looks are drawn from T1-like priors, half from anything, so that the
network knows T1 best and is lost in nothing.
"""

from __future__ import annotations

import numpy as np

from .fields import smooth_noise
from .sources import Source

# Mean and spread of each tissue in a T1-weighted image, where white matter is about 0.7.
T1_PRIORS = {
    "air": (0.0, 0.01),
    "white": (0.70, 0.06),
    "grey": (0.52, 0.07),
    "csf": (0.18, 0.07),
    "lesion": (0.40, 0.20),
    "vessel": (0.35, 0.30),
    "eye": (0.20, 0.08),
    "bone": (0.15, 0.10),
    "sinus": (0.08, 0.08),
    "soft": (0.45, 0.15),
}
T1_SHARE = 0.55
MARROW_SHARE = 0.4  # how often a bone layer is bright with fat
SHELL_LOOKS = ("parent", "dura", "own")  # what touches the brain from outside
SHELL_SHARES = (0.4, 0.3, 0.3)


def synthesise(codes: np.ndarray, source: Source, rng: np.random.Generator) -> np.ndarray:
    """Paint codes with a random look and scale as the library scales scans.

    Parameters
    ----------
    codes : ndarray of uint8, shape (3, H, W)
        Codes of three neighbouring planes.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        Intensities, about [0, 1], not clipped.
    """
    means = random_means(source.names, rng)
    spread = np.abs(rng.normal(0, 0.035, len(means)))
    second = np.clip(means + rng.normal(0, 0.18, len(means)), 0, 1.3)
    mixed = np.array([is_mixed(name, rng) for name in source.names])
    second = np.where(mixed, second, means)
    low, high = label_window(means, source.counts)
    size = codes.shape[1:]
    patches = smooth_noise(size, rng.uniform(0.02, 0.12), rng)[None] > 0
    image = np.where(patches, second.astype(np.float32)[codes], means.astype(np.float32)[codes])
    texture = rng.standard_normal(codes.shape, dtype=np.float32)
    image = image + spread.astype(np.float32)[codes] * _grain(texture, rng)
    return np.moveaxis((image - low) / (high - low), 0, -1)


def random_means(names: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """One intensity for each code, shape (len(names),)."""
    t1_like = rng.random() < T1_SHARE
    tissue_mean = {
        tissue: rng.normal(mean, spread) if t1_like else rng.uniform(0, 1)
        for tissue, (mean, spread) in T1_PRIORS.items()
    }
    tissue_mean["air"] = abs(rng.normal(0, 0.01)) if rng.random() < 0.9 else rng.uniform(0, 0.3)
    shell_look = rng.choice(SHELL_LOOKS, p=SHELL_SHARES)
    dura = rng.uniform(0.1, 1.0)
    label_mean: dict[str, float] = {}
    means = np.zeros(len(names))
    for code, name in enumerate(names):
        tissue, label, part = name.split(":")
        if label not in label_mean:
            label_mean[label] = _label_mean(tissue, tissue_mean[tissue], t1_like, rng)
        means[code] = label_mean[label]
        if part == "shell" and shell_look != "parent":
            means[code] = dura if shell_look == "dura" else rng.uniform(0, 1)
        elif part in ("skin", "fat") and rng.random() < 0.7:
            means[code] = rng.uniform(0.6, 1.2) if part == "fat" and t1_like else rng.uniform(0, 1)
    return np.clip(means, 0, 1.3)


def _label_mean(tissue: str, mean: float, t1_like: bool, rng: np.random.Generator) -> float:
    """A label varies about its tissue; extracerebral ones vary freely."""
    if tissue == "bone" and t1_like and rng.random() < MARROW_SHARE:
        return float(rng.uniform(0.4, 1.1))
    if tissue in ("soft", "lesion", "vessel", "eye", "sinus"):
        return float(rng.uniform(0, 1.1) if rng.random() < 0.4 else rng.normal(mean, 0.12))
    if tissue == "air":
        return float(mean)
    return float(rng.normal(mean, 0.03))


def is_mixed(name: str, rng: np.random.Generator) -> bool:
    """Whether a code is broken into patches of two intensities."""
    tissue, _, part = name.split(":")
    if tissue == "air":
        return False
    return bool(rng.random() < (0.1 if part == "in" else 0.6))


def label_window(means: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """What `intensity_window` would find in the whole painted volume."""
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
    planes = np.moveaxis(noise, 0, -1)
    smooth = cv2.GaussianBlur(planes, (0, 0), float(rng.uniform(0.5, 2.0)))
    return np.moveaxis(smooth / (smooth.std() + 1e-6), -1, 0)
