"""What happens around each epoch: log, patience, averaged weights, checkpoint, time left.

A checkpoint has what an exact resume needs: weights, optimiser state and patience, all of the same
epoch.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skullstrip.errors import InputError, SkullStripError
from skullstrip.io.atomic import atomic_outputs

from .config import Config

if TYPE_CHECKING:
    import keras

LOG_NAME = "log.csv"
PROGRESS_NAME = "progress.json"
WEIGHTS_NAME = "weights.npz"
CHECKPOINTS = "checkpoint-*.weights.h5"
PATIENCE = ("best", "best_epoch", "cooldown_counter", "wait")  # of Keras' patient callbacks


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    epochs: int = 0  # finished ones
    stopped: bool = False  # early
    patience: dict[str, dict[str, Any]] = field(default_factory=dict)  # state, by callback's class


def make_callbacks(
    config: Config, network: keras.Model, run: Path, progress: Progress
) -> list[keras.Callback]:
    """Callbacks of one stage; the checkpoint is last, after whatever changes the optimiser.

    `progress` holds the patience to go on with, where the stage is resumed in its middle.
    """
    import keras

    patient: list[Any] = []
    optimisation = config.optimisation
    if optimisation.schedule == "plateau":  # the original's two: the rate falls, then it stops
        patient = [
            keras.callbacks.ReduceLROnPlateau(patience=optimisation.plateau_epochs, verbose=1),
            keras.callbacks.EarlyStopping(patience=optimisation.early_stopping_epochs),
        ]

    class AroundEpochs(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.started, self.epochs_here = time.monotonic(), 0
            for callback in patient:
                vars(callback).update(progress.patience.get(type(callback).__name__, {}))

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            reseed(self.model, config.seed, epoch)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            refuse_divergence(epoch, logs or {})
            stopped = bool(self.model.stop_training)
            done = Progress(epoch + 1, stopped, patience_of(patient))
            save_checkpoint(self.model, network, run, done)
            self.epochs_here += 1
            seconds = (time.monotonic() - self.started) / self.epochs_here
            left = config.total_steps // config.steps_per_epoch - epoch - 1
            print(f"{seconds:.0f} s an epoch, {left * seconds / 60:.0f} min left at this pace")

    callbacks: list[keras.Callback] = [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.CSVLogger(str(run / LOG_NAME), append=True),
        *patient,
        AroundEpochs(),
    ]
    if all(importlib.util.find_spec(name) for name in ("tensorflow", "tensorboard")):
        callbacks[:0] = [keras.callbacks.TensorBoard(str(run / "tensorboard"), write_graph=False)]
    return callbacks


def patience_of(callbacks: list[Any]) -> dict[str, dict[str, Any]]:
    """State of the callbacks that wait for progress, as plain data."""
    return {
        type(each).__name__: {name: vars(each)[name] for name in PATIENCE if name in vars(each)}
        for each in callbacks
    }


def refuse_divergence(epoch: int, logs: dict[str, float]) -> None:
    """Stop before a loss that is no number overwrites the last good checkpoint."""
    if not np.isfinite(logs.get("loss", 0.0)):
        raise SkullStripError(
            f"The loss is {logs['loss']} in epoch {epoch + 1}; lower the learning rate and start "
            f"anew. The checkpoint of epoch {epoch} is kept."
        )


def averaged_weights(network: keras.Model, optimiser: Any) -> dict[str, np.ndarray]:
    """Return every variable by path, trainable ones as their moving average if kept."""
    arrays = {v.path: np.asarray(v.value, dtype=np.float32) for v in network.weights}
    if optimiser.use_ema:
        averages = optimiser._model_variables_moving_average  # Keras has no public accessor
        for variable, average in zip(network.trainable_variables, averages, strict=True):
            arrays[variable.path] = np.asarray(average.value, dtype=np.float32)
    return arrays


def save_weights(run: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write what the run gives, all of it or nothing."""
    with atomic_outputs() as staged:
        np.savez(staged(run / WEIGHTS_NAME), **arrays)  # type: ignore[arg-type]


def checkpoint_path(run: Path, epochs: int) -> Path:
    """Weights and optimiser state after so many epochs."""
    return run / CHECKPOINTS.replace("*", f"{epochs:05d}")


def save_checkpoint(
    trainer: keras.Model, network: keras.Model, run: Path, progress: Progress
) -> None:
    """Write what the run gives, and the state: under a name of its own, then a note of it.

    A kill at any moment leaves a note of progress whose checkpoint is whole. Under patience the
    weights of the best epoch are kept, as the original project did.
    """
    if hasattr(trainer, "jax_state_sync"):
        trainer.jax_state_sync()
    if progress.patience.get("EarlyStopping", {}).get("wait", 0) == 0:
        save_weights(run, averaged_weights(network, trainer.optimizer))
    path = checkpoint_path(run, progress.epochs)
    trainer.save_weights(path, overwrite=True)
    with atomic_outputs() as staged:
        text = json.dumps(dataclasses.asdict(progress))
        staged(run / PROGRESS_NAME).write_text(text, encoding="utf-8")
    for other in set(run.glob(CHECKPOINTS)) - {path}:
        other.unlink()


def restore_checkpoint(trainer: keras.Model, run: Path) -> Progress:
    """Load weights and optimiser state, and cut the log to the epochs that they hold.

    Raise InputError where the checkpoint that the run points to is gone or of another network.
    """
    note, log, progress = run / PROGRESS_NAME, run / LOG_NAME, Progress()
    if note.exists():
        progress = Progress(**json.loads(note.read_text(encoding="utf-8")))
        path = checkpoint_path(run, progress.epochs)
        try:
            trainer.load_weights(path)
        except (OSError, ValueError) as error:
            raise InputError(
                f"The checkpoint '{path}' cannot be loaded ({error}); start in another folder."
            ) from error
    if log.exists():  # epochs that were logged but not saved come again
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        log.write_text("".join(lines[: 1 + progress.epochs]), encoding="utf-8")
    return progress


def reseed(trainer: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of every random layer from the seed and the epoch.

    Keras does not store it with the weights, and a resumed run must drop the same paths.
    """
    states = [v for v in trainer.non_trainable_variables if v.name == "seed_generator_state"]
    words = np.random.SeedSequence([seed, epoch]).generate_state(2 * len(states))
    for index, state in enumerate(states):
        state.assign(words[2 * index : 2 * index + 2].astype(str(state.dtype)))
