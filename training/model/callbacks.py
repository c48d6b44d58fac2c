"""What happens around each epoch: log, patience, averaged weights, checkpoint, time left."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skullstrip.errors import SkullStripError

from .checkpoint import LOG_NAME, Progress, patience_of, reseed, save_checkpoint
from .config import Config, Optimisation

if TYPE_CHECKING:
    import keras

WEIGHTS_NAME = "weights.npz"


def make_callbacks(
    config: Config, network: keras.Model, run: Path, progress: Progress
) -> list[keras.Callback]:
    """Callbacks of one stage; the checkpoint is last, after whatever changes the optimiser.

    `progress` holds the patience to go on with, where the stage is resumed in its middle.
    """
    import keras

    callbacks: list[keras.Callback] = [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.CSVLogger(str(run / LOG_NAME), append=True),
    ]
    if all(importlib.util.find_spec(name) for name in ("tensorflow", "tensorboard")):
        callbacks.append(keras.callbacks.TensorBoard(str(run / "tensorboard"), write_graph=False))
    patient = patient_callbacks(config.optimisation)
    return [*callbacks, *patient, around_epochs(config, network, run, patient, progress)]


def patient_callbacks(optimisation: Optimisation) -> list[keras.Callback]:
    """Return the original's two: the rate falls, then training stops."""
    import keras

    if optimisation.schedule != "plateau":
        return []
    return [
        keras.callbacks.ReduceLROnPlateau(patience=optimisation.plateau_epochs, verbose=1),
        keras.callbacks.EarlyStopping(patience=optimisation.early_stopping_epochs),
    ]


def around_epochs(
    config: Config, network: keras.Model, run: Path, patient: list[Any], progress: Progress
) -> keras.Callback:
    """Return a callback that saves what a resume needs and what a release needs."""
    import keras

    class AroundEpochs(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.started, self.epochs_here = time.monotonic(), 0
            for callback in patient:
                vars(callback).update(progress.patience.get(type(callback).__name__, {}))

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            reseed(self.model, config.seed, epoch)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            refuse_divergence(epoch, logs or {})
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()
            # Under patience the weights of the best epoch are kept, as the original did.
            if all(getattr(callback, "wait", 0) == 0 for callback in patient[-1:]):
                replace_with(run / WEIGHTS_NAME, averaged_weights(network, self.model.optimizer))
            state = Progress(epoch + 1, bool(self.model.stop_training), patience_of(patient))
            save_checkpoint(self.model, run, state)
            self.epochs_here += 1
            self.report(epoch + 1)

        def report(self, epoch: int) -> None:
            seconds = (time.monotonic() - self.started) / self.epochs_here
            left = config.total_steps // config.steps_per_epoch - epoch
            print(f"{seconds:.0f} s an epoch, {left * seconds / 60:.0f} min left at this pace")

    return AroundEpochs()


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


def replace_with(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write weights beside `path`, then move them into place."""
    fresh = path.with_suffix(".fresh")
    with open(fresh, "wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    os.replace(fresh, path)
