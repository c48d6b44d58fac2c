"""How a scan is stripped: one object that every face makes and everything below carries."""

from __future__ import annotations

import hashlib
import json
import math
import operator
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import InputError
from .network.engine import ENGINE_NAMES, Engine

VIEWS = ("auto", 1, 3)  # those of `network.predict`, whose import would take longer than --help
DEVICES = ("auto", "cpu", "gpu")
REGISTER = ("rigid",)
MAX_BORDER_MM = 100  # inwards and outwards: more than a head
# Options that say how the network is run; the weights are told by their hash. The rest change what
# is found.
RUNTIME = ("engine", "device", "threads", "weights")


def _option(default: Any, flags: str, description: str, **argument: Any) -> Any:
    """Return a field, with what the command needs to make an argument of it."""
    return field(default=default, metadata={"flags": flags, "help": description, **argument})


@dataclass(frozen=True)
class Options:
    """Options of the method, as the help of each says; making invalid ones raises InputError.

    A head that lies wrong gets a warning, turned or not; the result is on the input's grid. On a
    CPU the engine "onnxruntime" runs the network in int8, all others in float32; a loaded engine
    may be given, to be used again.
    """

    border_mm: float = _option(
        0.0, "-b --border", "move the mask's surface outwards (+) or inwards (-); default 0",
        metavar="MM",
    )  # fmt: skip
    keep_csf: bool = _option(
        True, "--no-csf", "take the fluid around the brain out of the mask; ventricles stay"
    )
    reorient: bool = _option(
        False, "--reorient", "turn a head that lies another way than its header says"
    )
    views: int | str = _option(
        "auto", "--views", "slices along X, Y and Z, fused: every 6th (auto, the default) or every "
        "3rd (3); 1: every 3rd along X", choices=VIEWS,
    )  # fmt: skip
    register: str | None = _option(
        None, "--register", "align the scans of --apply-to with the scan first (needs SimpleITK)",
        choices=REGISTER,
    )  # fmt: skip
    engine: str | Engine = _option(
        "auto", "--engine", "what runs the network; default auto", choices=("auto", *ENGINE_NAMES)
    )
    device: str = _option("auto", "--device", "default auto", choices=DEVICES)
    threads: int | None = _option(None, "--threads", "CPU threads; default all", metavar="N")
    weights: str | Path | None = _option(
        None, "--weights", "manifest, or its folder, of other weights", metavar="PATH"
    )

    def __post_init__(self) -> None:
        for option in fields(self):
            _require_choice(option, getattr(self, option.name))
        if not isinstance(self.weights, str | os.PathLike | None):
            raise InputError(f"The weights are {self.weights!r}; give a path.")
        for name, number in self._numbers().items():
            object.__setattr__(self, name, number)

    def _numbers(self) -> dict[str, Any]:
        """Return the numbers as Python's own, since JSON knows nothing of NumPy's."""
        if not (_is_number(self.border_mm) and abs(self.border_mm) <= MAX_BORDER_MM):
            raise InputError(
                f"The border is {self.border_mm!r}; give a number of millimetres between "
                f"-{MAX_BORDER_MM} and {MAX_BORDER_MM}."
            )
        views = self.views if isinstance(self.views, str) else whole_number(self.views)
        if views not in VIEWS:
            raise InputError(f"The number of views is {self.views!r}; use auto, 1 or 3.")
        threads = None if self.threads is None else whole_number(self.threads)
        if threads is not None and threads < 1:
            raise InputError(f"The number of threads is {self.threads!r}; give 1 or more.")
        return {"border_mm": float(self.border_mm), "views": views, "threads": threads}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Options:
        """Make options from what `to_json` gave; what is left out has its default.

        Raise InputError where a name or a value is unknown.
        """
        if unknown := sorted(set(content) - {option.name for option in fields(cls)}):
            raise InputError(f"The option '{unknown[0]}' is unknown.")
        return cls(**content)

    def to_json(self) -> dict[str, Any]:
        """Return the options as plain data for JSON; a loaded engine by its name."""
        content = {option.name: getattr(self, option.name) for option in fields(self)}
        if self.weights is not None:
            content["weights"] = os.fspath(self.weights)
        if not isinstance(self.engine, str):
            content["engine"] = self.engine.name
        return content

    def runtime(self) -> Options:
        """Return how the network is run, all else as by default."""
        return Options(**{name: getattr(self, name) for name in RUNTIME})

    def settings(self) -> dict[str, Any]:
        """Return what changes the outputs, the weights aside, as plain data; nothing unset."""
        content = self.to_json()
        return {name: content[name] for name in SETTINGS if content[name] is not None}

    def digest(self, weights_sha256: str, calibration_sha256: str) -> str:
        """Return a hash of all that changes the outputs; an engine or a device hardly does."""
        content = {"weights": weights_sha256, "calibration": calibration_sha256, **self.settings()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


SETTINGS = tuple(option.name for option in fields(Options) if option.name not in RUNTIME)


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(value) and not isinstance(value, bool)
    except (TypeError, OverflowError):
        return False


def whole_number(value: Any) -> int:
    """Return a whole number, NumPy's too, as an int; 0 for anything else, True included."""
    try:
        return 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return 0


def _require_choice(option: Field[Any], value: Any) -> None:
    """Raise InputError for what is no bool, or none of the choices that an option has."""
    if option.type == "bool" and not isinstance(value, bool):
        raise InputError(f"The value '{value}' for {option.name} is not a bool.")
    known = () if option.name == "views" else option.metadata.get("choices", ())
    is_loaded = option.name == "engine" and hasattr(value, "predict")
    if known and not is_loaded and value not in (option.default, *known):
        what = "registration" if option.name == "register" else option.name
        raise InputError(f"The {what} '{value}' is unknown; use one of {', '.join(known)}.")
