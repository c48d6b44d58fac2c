"""What an exact resume needs: weights, optimiser state and patience, all of the same epoch."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skullstrip.errors import InputError

if TYPE_CHECKING:
    import keras

PROGRESS_NAME = "progress.json"
LOG_NAME = "log.csv"
PATIENCE = ("best", "best_epoch", "cooldown_counter", "wait")  # of Keras' patient callbacks


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Parameters
    ----------
    epochs : int
        Finished epochs.
    stopped : bool
        Whether early stopping ended it.
    patience : dict
        State of each patient callback, by its class.
    """

    epochs: int = 0
    stopped: bool = False
    patience: dict[str, dict[str, Any]] = field(default_factory=dict)


def checkpoint_path(run: Path, epochs: int) -> Path:
    """Weights and optimiser state after so many epochs."""
    return run / f"checkpoint-{epochs:05d}.weights.h5"


def save_checkpoint(trainer: keras.Model, run: Path, progress: Progress) -> None:
    """Write the state under a name of its own, then point to it, then drop older ones.

    A kill at any moment leaves a note of progress whose checkpoint is whole.
    """
    path = checkpoint_path(run, progress.epochs)
    trainer.save_weights(path, overwrite=True)
    fresh = run / "progress.fresh"
    fresh.write_text(json.dumps(dataclasses.asdict(progress)), encoding="utf-8")
    os.replace(fresh, run / PROGRESS_NAME)
    for other in run.glob("checkpoint-*.weights.h5"):
        if other != path:
            other.unlink()


def restore_checkpoint(trainer: keras.Model, run: Path) -> Progress:
    """Load weights and optimiser state, and cut the log to the epochs that they hold.

    Raises
    ------
    InputError
        The checkpoint that the run points to is gone or of another network.
    """
    note = run / PROGRESS_NAME
    if not note.exists():
        progress = Progress()
    else:
        progress = Progress(**json.loads(note.read_text(encoding="utf-8")))
        path = checkpoint_path(run, progress.epochs)
        try:
            trainer.load_weights(path)
        except (OSError, ValueError) as error:
            raise InputError(
                f"The checkpoint '{path}' cannot be loaded ({error}); start in another folder."
            ) from error
    cut_log(run, progress.epochs)
    return progress


def cut_log(run: Path, epochs: int) -> None:
    """Drop rows of epochs that were logged but not saved; they come again."""
    log = run / LOG_NAME
    if log.exists():
        header, *rows = log.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
        kept = [row for row in rows if int(row.split(",", 1)[0]) < epochs]
        log.write_text("".join([header, *kept]), encoding="utf-8")


def patience_of(callbacks: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """State of the callbacks that wait for progress, as plain data."""
    return {
        type(callback).__name__: {
            name: getattr(callback, name) for name in PATIENCE if hasattr(callback, name)
        }
        for callback in callbacks
    }


def reseed(trainer: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of every random layer from the seed and the epoch.

    Keras does not store it with the weights, and a resumed run must drop the same paths.
    """
    states = [v for v in trainer.non_trainable_variables if v.name == "seed_generator_state"]
    words = np.random.SeedSequence([seed, epoch]).generate_state(2 * len(states))
    for index, state in enumerate(states):
        state.assign(words[2 * index : 2 * index + 2].astype(str(state.dtype)))
