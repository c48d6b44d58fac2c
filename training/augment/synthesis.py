"""An image from a label map: every tissue gets a random look.

After SynthSeg (Billot et al., Medical Image Analysis 2023) and SynthStrip (Hoopes et al.,
NeuroImage 2022), with priors of mean and spread for each kind of image. White matter of a T1 scan
is about 0.7. Where a kind of image shows no sure value, the spread is wide: the network shall know
each kind best and be lost in nothing.
"""

from __future__ import annotations

import numpy as np

from ..data.sources import Source
from .artefacts import smooth_noise

# Mean and spread of each tissue; air is dark in all.
NAMES = (
    "t1", "t1ce", "t2", "flair", "pd", "t2star", "epi", "ct", "unmyelinated_t1", "unmyelinated_t2",
)  # fmt: skip
PRIORS = """
white    .70 .06  .62 .07  .35 .07  .50 .07  .62 .06  .55 .07  .42 .07  .40 .02  .45 .07  .75 .08
grey     .52 .07  .48 .07  .52 .08  .62 .08  .78 .07  .62 .08  .55 .08  .43 .02  .60 .07  .50 .08
csf      .18 .07  .17 .07  .95 .12  .12 .08  .72 .15  .75 .20  .95 .15  .36 .03  .20 .08  .98 .10
lesion   .40 .20  .60 .30  .80 .20  .90 .15  .85 .15  .50 .30  .80 .20  .42 .10  .40 .20  .80 .20
choroid  .35 .15  .95 .15  .85 .15  .50 .20  .75 .15  .50 .25  .85 .15  .45 .10  .40 .15  .75 .20
vessel   .35 .30  1.0 .15  .15 .15  .20 .20  .30 .25  .15 .15  .40 .30  .45 .05  .40 .30  .15 .15
eye      .20 .08  .20 .08  .95 .12  .20 .15  .75 .15  .75 .15  .85 .20  .38 .03  .20 .08  .95 .12
bone     .15 .10  .15 .10  .08 .06  .10 .07  .12 .08  .08 .06  .05 .05  1.0 .20  .20 .12  .12 .08
sinus    .08 .08  .20 .20  .15 .20  .20 .20  .20 .20  .08 .08  .05 .05  .60 .35  .15 .15  .15 .20
soft     .45 .15  .50 .15  .35 .18  .45 .18  .55 .18  .45 .18  .15 .12  .42 .05  .55 .18  .40 .20
fat      .95 .15  .95 .15  .65 .25  .65 .35  .80 .25  .45 .25  .15 .15  .25 .05  .95 .20  .65 .25
muscle   .48 .08  .55 .10  .20 .08  .35 .10  .50 .12  .45 .12  .15 .10  .43 .03  .50 .10  .25 .10
skin     .55 .15  .65 .15  .45 .20  .50 .20  .60 .20  .45 .20  .12 .10  .42 .05  .60 .20  .50 .20
dura     .40 .12  .90 .20  .15 .10  .35 .20  .40 .20  .20 .15  .15 .10  .46 .04  .45 .15  .20 .15
marrow   .75 .25  .75 .25  .50 .25  .40 .25  .55 .25  .20 .20  .10 .10  .80 .20  .45 .20  .35 .20
"""
_ROWS = [line.split() for line in PRIORS.strip().splitlines()]
LOOKS = {
    name: {"air": (0.0, 0.01)}
    | {tissue: (float(numbers[at]), float(numbers[at + 1])) for tissue, *numbers in _ROWS}
    for at, name in zip(range(0, 20, 2), NAMES, strict=True)
}
TISSUES = tuple(LOOKS["t1"])
ANYTHING = "anything"
# How often each look is drawn for a map of each age group.
SHARES = {
    "adult": {
        "t1": 0.25, "t1ce": 0.12, "t2": 0.14, "flair": 0.12, "pd": 0.07, "t2star": 0.04,
        "epi": 0.04, "ct": 0.02, "unmyelinated_t1": 0.02, "unmyelinated_t2": 0.02, ANYTHING: 0.16,
    },
    "infant": {
        "t1": 0.18, "t2": 0.12, "flair": 0.04, "pd": 0.04, "epi": 0.03,
        "unmyelinated_t1": 0.24, "unmyelinated_t2": 0.17, ANYTHING: 0.18,
    },
}  # fmt: skip
MARROW_SHARE = 0.4  # how often a bone layer is bright with fat
SHELL_LOOKS = ("parent", "dura", "own")  # what touches the brain from outside
SHELL_SHARES = ((0.4, 0.3, 0.3), (0.15, 0.6, 0.25))  # the second after contrast agent
LAYERS = ("skin", "fat")  # depths of a label that is all of the scalp
FREE = ("soft", "lesion", "vessel", "eye", "sinus", "fat", "muscle", "skin", "dura", "marrow")


def draw_look(age_group: str, rng: np.random.Generator) -> str:
    """Name of a look, or `ANYTHING`; maps of unknown age are taken for adults."""
    shares = SHARES.get(age_group, SHARES["adult"])
    return str(rng.choice(list(shares), p=list(shares.values())))


def paint(codes: np.ndarray, source: Source, look: str, rng: np.random.Generator) -> np.ndarray:
    """Paint codes as an image of a kind and scale as the library scales scans.

    `codes`, uint8 (planes, H, W), are neighbouring planes or a whole map, `look` is one of `LOOKS`
    or `ANYTHING`. Gives intensities of that shape, float32, about [0, 1], not clipped.
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


def tissue_means(look: str, rng: np.random.Generator) -> dict[str, float]:
    """One intensity for each tissue."""
    if look == ANYTHING:
        means = {tissue: float(rng.uniform(0, 1)) for tissue in TISSUES}
    else:
        means = {tissue: float(rng.normal(*prior)) for tissue, prior in LOOKS[look].items()}
    quiet = rng.random() < 0.9
    means["air"] = float(abs(rng.normal(0, 0.01)) if quiet else rng.uniform(0, 0.3))
    return means


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
