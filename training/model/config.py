"""An experiment is a file: TOML into frozen dataclasses, unknown keys refused."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from skullstrip.errors import InputError
from skullstrip.network.manifest import Architecture, Preprocessing


@dataclass(frozen=True)
class Stage:
    """A stretch of training at one patch size."""

    steps: int  # of the optimiser
    batch_size: int
    patch: int  # height and width of the slices, in pixels; a multiple of 32
    spacing_mm: float  # mean pixel spacing; each sample zooms around it

    def __post_init__(self) -> None:
        if self.patch % 32:
            raise InputError(f"The patch is {self.patch} pixels; use a multiple of 32.")


@dataclass(frozen=True)
class Sampling:
    """Where slices come from and how far they are deformed."""

    synthetic_share: float = 0.5  # slices made from label maps; the others come from real scans
    fine_share: float = 0.45  # of the real ones, those of scans finer than 1.5 mm
    planes: tuple[float, ...] = (0.5, 0.25, 0.25)  # probability of slices along X, Y and Z
    through_brain_share: float = 0.6  # sure to lie at the brain's level; the others lie anywhere
    zoom: float = 0.15  # standard deviation of the logarithm of the zoom
    rotation_degrees: float = 10.0  # standard deviation about each axis
    elastic_mm: float = 3.0  # standard deviation of the displacement
    wrong_orientation_share: float = 0.1  # turned or mirrored at random, as wrong headers do
    remap_share: float = 0.08  # real scans with intensities on a curve that need not rise
    thick_share: float = 0.2  # look as if acquired in thick slices along one of their axes
    swollen_share: float = 0.05  # with a stretched middle, as wide ventricles do
    sparingly: tuple[str, ...] = ()  # subjects to draw less often, such as averages of many heads
    augment: bool = True  # off: slices of real scans as the original project saw them

    def __post_init__(self) -> None:
        if len(self.planes) != 3 or abs(sum(self.planes) - 1) > 1e-6:
            raise InputError(f"The planes are {self.planes}; give three shares that add up to 1.")


@dataclass(frozen=True)
class Optimisation:
    """Loss, optimiser and schedule."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    cross_entropy_weight: float = 0.0  # beside the Dice loss
    schedule: str = "cosine"  # with warm-up, or "plateau": the original's ReduceLROnPlateau
    warmup_steps: int = 0
    ema_momentum: float = 0.0  # of the moving average of the weights; 0 for none
    early_stopping_epochs: int = 0  # patience of "plateau"; the rate falls before training stops
    plateau_epochs: int = 0
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        if self.schedule not in ("cosine", "plateau"):
            raise InputError(f"The schedule is '{self.schedule}'; use 'cosine' or 'plateau'.")
        if self.schedule == "plateau" and self.plateau_epochs >= self.early_stopping_epochs:
            raise InputError(
                f"Training stops after {self.early_stopping_epochs} epochs without progress but "
                f"the rate falls after {self.plateau_epochs}: it would never fall."
            )


@dataclass(frozen=True)
class Config:
    """Everything that decides the outcome of a run.

    It starts at random, from a Keras file of EfficientNet-B0 without top for the encoder, or from
    weights of the whole network, in the folder of their manifest. These know better what they were
    made for, so a run may give a mixture (Wortsman et al. 2022).
    """

    name: str
    stages: tuple[Stage, ...]
    seed: int = 0
    steps_per_epoch: int = 500
    validation_slices: int = 240
    initial_encoder: str = ""
    initial_weights: str = ""
    trained_share: float = 1.0  # of what was trained; the rest are the initial weights
    architecture: Architecture = field(default_factory=Architecture)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    sampling: Sampling = field(default_factory=Sampling)
    optimisation: Optimisation = field(default_factory=Optimisation)

    def __post_init__(self) -> None:
        if not self.stages:
            raise InputError("The file has no [[stages]]; give at least one.")
        if not 0 < self.trained_share <= 1 or (self.trained_share < 1 and not self.initial_weights):
            raise InputError(
                f"The trained share is {self.trained_share:g}; use a number up to 1, and below 1 "
                "only with initial weights."
            )

    @property
    def total_steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.steps for stage in self.stages)


def load_config(path: str | Path) -> Config:
    """Read a TOML file; raise InputError where it is missing, or has an unknown key or type."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"The configuration '{path}' cannot be read ({error}).") from error
    return config_from_dict(content)


def config_from_dict(content: Any) -> Config:
    """Build a configuration from nested tables, refusing keys that it does not have."""
    return _section(Config, content, "the file")


def _section(kind: Any, table: Any, where: str) -> Any:
    if not isinstance(table, Mapping):
        raise InputError(f"{where} is {table!r}; it must be a table.")
    kinds, values = get_type_hints(kind), {}
    for key, value in table.items():
        if key not in kinds:
            raise InputError(f"'{key}' in {where} is not a known setting of {kind.__name__}.")
        values[key] = _value(kinds[key], value, f"'{key}' in {where}")
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"{where} is not a complete {kind.__name__} ({error}).") from error


def _value(kind: Any, value: Any, where: str) -> Any:
    """Return a value as the type that is declared; true and false are no numbers here."""
    if dataclasses.is_dataclass(kind):
        return _section(kind, value, where)
    if get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{where} is {value!r}; it must be a list.")
        return tuple(_value(get_args(kind)[0], each, where) for each in value)
    plain: tuple[type, ...] = (float, int) if kind is float else (kind,)
    if not isinstance(value, plain) or isinstance(value, bool) != (kind is bool):
        raise InputError(f"{where} is {value!r}; it must be of type {kind.__name__}.")
    return value
