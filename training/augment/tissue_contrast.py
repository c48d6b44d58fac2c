"""What each tissue looks like in each kind of image: priors of mean and spread.

White matter of a T1 scan is about 0.7. Where a kind of image shows no sure value, the spread is
wide: the network shall know each kind best and be lost in nothing.
"""

from __future__ import annotations

import numpy as np

Prior = tuple[float, float]
TISSUES = (
    "air", "white", "grey", "csf", "lesion", "choroid", "vessel", "eye", "bone", "sinus", "soft",
    "fat", "muscle", "skin", "dura", "marrow",
)  # fmt: skip


def _look(*priors: Prior) -> dict[str, Prior]:
    return dict(zip(TISSUES, ((0.0, 0.01), *priors), strict=True))


# Of white and grey matter, fluid, lesions, choroid plexus, vessels, eyes, bone, sinuses, soft
# tissue in one, fat, muscle, skin, dura, marrow.
LOOKS: dict[str, dict[str, Prior]] = {
    "t1": _look(
        (0.70, 0.06), (0.52, 0.07), (0.18, 0.07), (0.40, 0.20), (0.35, 0.15), (0.35, 0.30),
        (0.20, 0.08), (0.15, 0.10), (0.08, 0.08), (0.45, 0.15),
        (0.95, 0.15), (0.48, 0.08), (0.55, 0.15), (0.40, 0.12), (0.75, 0.25),
    ),
    "t1ce": _look(
        (0.62, 0.07), (0.48, 0.07), (0.17, 0.07), (0.60, 0.30), (0.95, 0.15), (1.00, 0.15),
        (0.20, 0.08), (0.15, 0.10), (0.20, 0.20), (0.50, 0.15),
        (0.95, 0.15), (0.55, 0.10), (0.65, 0.15), (0.90, 0.20), (0.75, 0.25),
    ),
    "t2": _look(
        (0.35, 0.07), (0.52, 0.08), (0.95, 0.12), (0.80, 0.20), (0.85, 0.15), (0.15, 0.15),
        (0.95, 0.12), (0.08, 0.06), (0.15, 0.20), (0.35, 0.18),
        (0.65, 0.25), (0.20, 0.08), (0.45, 0.20), (0.15, 0.10), (0.50, 0.25),
    ),
    "flair": _look(
        (0.50, 0.07), (0.62, 0.08), (0.12, 0.08), (0.90, 0.15), (0.50, 0.20), (0.20, 0.20),
        (0.20, 0.15), (0.10, 0.07), (0.20, 0.20), (0.45, 0.18),
        (0.65, 0.35), (0.35, 0.10), (0.50, 0.20), (0.35, 0.20), (0.40, 0.25),
    ),
    "pd": _look(
        (0.62, 0.06), (0.78, 0.07), (0.72, 0.15), (0.85, 0.15), (0.75, 0.15), (0.30, 0.25),
        (0.75, 0.15), (0.12, 0.08), (0.20, 0.20), (0.55, 0.18),
        (0.80, 0.25), (0.50, 0.12), (0.60, 0.20), (0.40, 0.20), (0.55, 0.25),
    ),
    "t2star": _look(
        (0.55, 0.07), (0.62, 0.08), (0.75, 0.20), (0.50, 0.30), (0.50, 0.25), (0.15, 0.15),
        (0.75, 0.15), (0.08, 0.06), (0.08, 0.08), (0.45, 0.18),
        (0.45, 0.25), (0.45, 0.12), (0.45, 0.20), (0.20, 0.15), (0.20, 0.20),
    ),
    "epi": _look(
        (0.42, 0.07), (0.55, 0.08), (0.95, 0.15), (0.80, 0.20), (0.85, 0.15), (0.40, 0.30),
        (0.85, 0.20), (0.05, 0.05), (0.05, 0.05), (0.15, 0.12),
        (0.15, 0.15), (0.15, 0.10), (0.12, 0.10), (0.15, 0.10), (0.10, 0.10),
    ),
    "ct": _look(
        (0.40, 0.02), (0.43, 0.02), (0.36, 0.03), (0.42, 0.10), (0.45, 0.10), (0.45, 0.05),
        (0.38, 0.03), (1.00, 0.20), (0.60, 0.35), (0.42, 0.05),
        (0.25, 0.05), (0.43, 0.03), (0.42, 0.05), (0.46, 0.04), (0.80, 0.20),
    ),
    "unmyelinated_t1": _look(
        (0.45, 0.07), (0.60, 0.07), (0.20, 0.08), (0.40, 0.20), (0.40, 0.15), (0.40, 0.30),
        (0.20, 0.08), (0.20, 0.12), (0.15, 0.15), (0.55, 0.18),
        (0.95, 0.20), (0.50, 0.10), (0.60, 0.20), (0.45, 0.15), (0.45, 0.20),
    ),
    "unmyelinated_t2": _look(
        (0.75, 0.08), (0.50, 0.08), (0.98, 0.10), (0.80, 0.20), (0.75, 0.20), (0.15, 0.15),
        (0.95, 0.12), (0.12, 0.08), (0.15, 0.20), (0.40, 0.20),
        (0.65, 0.25), (0.25, 0.10), (0.50, 0.20), (0.20, 0.15), (0.35, 0.20),
    ),
}  # fmt: skip
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


def draw_look(age_group: str, rng: np.random.Generator) -> str:
    """Name of a look, or `ANYTHING`; maps of unknown age are taken for adults."""
    shares = SHARES.get(age_group, SHARES["adult"])
    return str(rng.choice(list(shares), p=list(shares.values())))


def tissue_means(look: str, rng: np.random.Generator) -> dict[str, float]:
    """One intensity for each tissue."""
    if look == ANYTHING:
        means = {tissue: float(rng.uniform(0, 1)) for tissue in TISSUES}
    else:
        means = {tissue: float(rng.normal(*prior)) for tissue, prior in LOOKS[look].items()}
    quiet = rng.random() < 0.9
    means["air"] = float(abs(rng.normal(0, 0.01)) if quiet else rng.uniform(0, 0.3))
    return means
