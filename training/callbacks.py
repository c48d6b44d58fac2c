"""What happens at the end of each epoch: log, checkpoint, averaged weights, time left."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SkullStripLib.weights import write_weights

from .config import Config

if TYPE_CHECKING:
    import keras


def make_callbacks(config: Config, network: keras.Model, run: Path) -> list[keras.Callback]:
    """Callbacks of a run; the checkpoint is last, after whatever changes the optimiser."""
    import keras

    optimisation = config.optimisation
    callbacks: list[keras.Callback] = [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.CSVLogger(str(run / "log.csv"), append=True),
    ]
    if all(importlib.util.find_spec(name) for name in ("tensorflow", "tensorboard")):
        callbacks.append(keras.callbacks.TensorBoard(str(run / "tensorboard"), write_graph=False))
    if optimisation.schedule == "plateau":
        callbacks += [
            keras.callbacks.ReduceLROnPlateau(patience=optimisation.plateau_epochs, verbose=1),
            keras.callbacks.EarlyStopping(
                patience=optimisation.early_stopping_epochs, restore_best_weights=True
            ),
        ]
    return [*callbacks, end_of_epoch(config, network, run)]


def end_of_epoch(config: Config, network: keras.Model, run: Path) -> keras.Callback:
    """A callback that saves what a resume needs and what a release needs."""
    import keras

    class EndOfEpoch(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.started, self.epochs_here = time.monotonic(), 0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()
            save_checkpoint(self.model, run, epoch + 1)
            replace_with(run / "weights.npz", averaged_weights(network, self.model.optimizer))
            self.epochs_here += 1
            self.report(epoch + 1)

        def report(self, epoch: int) -> None:
            seconds = (time.monotonic() - self.started) / self.epochs_here
            left = config.total_steps // config.steps_per_epoch - epoch
            print(f"{seconds:.0f} s an epoch, {left * seconds / 60:.0f} min left at this pace")

    return EndOfEpoch()


def save_checkpoint(trainer: keras.Model, run: Path, epochs: int) -> None:
    """Weights and optimiser state, then the epoch they belong to; each replaced at once."""
    fresh = run / "fresh.weights.h5"
    trainer.save_weights(fresh, overwrite=True)
    os.replace(fresh, run / "checkpoint.weights.h5")
    progress = run / "fresh.json"
    progress.write_text(json.dumps({"epochs": epochs}), encoding="utf-8")
    os.replace(progress, run / "progress.json")


def averaged_weights(network: keras.Model, optimiser: Any) -> dict[str, np.ndarray]:
    """Every variable of the network by path, trainable ones as their moving average if kept."""
    arrays = {v.path: np.asarray(v.value, dtype=np.float32) for v in network.weights}
    if optimiser.use_ema:
        averages = optimiser._model_variables_moving_average  # Keras has no public accessor
        for variable, average in zip(network.trainable_variables, averages, strict=True):
            arrays[variable.path] = np.asarray(average.value, dtype=np.float32)
    return arrays


def replace_with(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write weights beside `path`, then move them into place."""
    fresh = path.with_suffix(".fresh")
    write_weights(arrays, fresh)
    os.replace(fresh, path)
