"""Train the network: stages, schedule, averages, checkpoints and exact resume.

A checkpoint has what an exact resume needs: weights, optimiser state and patience, all of the same
epoch.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skullstrip.errors import InputError, SkullStripError
from skullstrip.io.atomic import atomic_outputs
from skullstrip.network.manifest import CHANNELS, load_manifest, read_weights_file
from skullstrip.network.unet import build_model, load_weights, read_weights

from ..data.provenance import describe_run
from ..data.sources import DATA_NAME, load_sources
from .config import Config, Optimisation, load_config
from .sampler import VALIDATION_SPLITS, batches, validation_slices

if TYPE_CHECKING:
    import keras

SMOOTH = 1.0  # of the Dice of slices without brain
CONFIG_NAME, RUN_NAME = "config.json", "run.json"
LOG_NAME = "log.csv"
PROGRESS_NAME = "progress.json"
WEIGHTS_NAME = "weights.npz"
CHECKPOINT = "checkpoint-{:05}.weights.h5"  # after so many epochs
PATIENCE = ("best", "best_epoch", "cooldown_counter", "wait")  # of Keras' patient callbacks


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    epochs: int = 0  # finished ones
    stopped: bool = False  # early
    patience: dict[str, dict[str, Any]] = field(default_factory=dict)  # state, by callback's class


def train(config: Config, cache: Path, run: Path, workers: int) -> keras.Model:
    """Train from the first step, or from the last checkpoint of `run`, a folder.

    `cache` has what `prepare` wrote; so many `workers` make batches. Gives the network with the
    weights that the run gives, `final_weights`.
    """
    import keras

    spans = stage_epochs(config)
    claim_run(config, cache, run)
    keras.utils.set_random_seed(config.seed)
    network, trainer = make_networks(config)
    start_from(network, config)
    progress = restore_checkpoint(trainer, run)
    validation = load_sources(cache, VALIDATION_SPLITS)
    for stage, first, last in spans:
        if progress.epochs == last:
            trainer.optimizer.finalize_variable_values(trainer.trainable_variables)  # as `fit` did
        if progress.epochs >= last or progress.stopped:
            continue
        resumed = progress if progress.epochs > first else Progress()
        start, steps = max(progress.epochs, first), config.steps_per_epoch
        trainer.fit(
            batches(config, stage, start * steps, last * steps, cache, workers),
            initial_epoch=start,
            epochs=last,
            steps_per_epoch=steps,
            validation_data=validation_slices(validation, config, stage) if validation else None,
            validation_batch_size=16,
            callbacks=make_callbacks(config, network, run, resumed),
            shuffle=False,
            verbose=2,
        )
        # `fit` ends by assigning the averages to the weights; on JAX both are then one buffer,
        # which the next stage cannot donate twice.
        for variable in trainer.trainable_variables:
            variable.assign(keras.ops.copy(variable.value))
        if trainer.stop_training:
            break
    load_weights(network, final_weights(run, config))
    return network


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
            patience = {
                type(each).__name__: {key: vars(each)[key] for key in PATIENCE if key in vars(each)}
                for each in patient
            }
            done = Progress(epoch + 1, stopped, patience)
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


def refuse_divergence(epoch: int, logs: dict[str, float]) -> None:
    """Stop before a loss that is no number overwrites the last good checkpoint."""
    if not np.isfinite(logs.get("loss", 0.0)):
        raise SkullStripError(
            f"The loss is {logs['loss']} in epoch {epoch + 1}; lower the learning rate and start "
            f"anew. The checkpoint of epoch {epoch} is kept."
        )


def averaged_weights(network: keras.Model, optimiser: Any) -> dict[str, np.ndarray]:
    """Return every variable by path, trainable ones as their moving average if kept."""
    from keras.ops import convert_to_numpy

    kept = {variable.path: variable for variable in network.weights}
    if optimiser.use_ema:
        averages = optimiser._model_variables_moving_average  # Keras has no public accessor
        paths = [variable.path for variable in network.trainable_variables]
        kept |= zip(paths, averages, strict=True)
    return {path: convert_to_numpy(variable.value) for path, variable in kept.items()}


def save_weights(run: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write what the run gives, all of it or nothing."""
    with atomic_outputs() as staged:
        np.savez(staged(run / WEIGHTS_NAME), **arrays)  # type: ignore[arg-type]


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
    path = run / CHECKPOINT.format(progress.epochs)
    trainer.save_weights(path, overwrite=True)
    with atomic_outputs() as staged:
        text = json.dumps(dataclasses.asdict(progress))
        staged(run / PROGRESS_NAME).write_text(text, encoding="utf-8")
    for other in set(run.glob("checkpoint-*.weights.h5")) - {path}:
        other.unlink()


def read_progress(run: Path) -> Progress:
    """Return how far the last checkpoint of a run is; nowhere where there is none."""
    note = run / PROGRESS_NAME
    return Progress(**json.loads(note.read_text(encoding="utf-8"))) if note.exists() else Progress()


def restore_checkpoint(trainer: keras.Model, run: Path) -> Progress:
    """Load weights and optimiser state, and cut the log to the epochs that they hold.

    Raise InputError where the checkpoint that the run points to is gone or of another network.
    """
    log, progress = run / LOG_NAME, read_progress(run)
    if progress.epochs:
        path = run / CHECKPOINT.format(progress.epochs)
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


def final_weights(run: Path, config: Config) -> dict[str, np.ndarray]:
    """Return the weights that a run gives, by their paths.

    What its `weights.npz` holds, averaged over steps, under patience of the best epoch; mixed with
    the initial weights where the configuration says so. Raise InputError where there is none, or
    the initial weights are not there any more.
    """
    weights = run_weights(run)
    if config.trained_share == 1:
        return weights
    manifest, path = load_manifest(config.initial_weights)
    start = training_record(run).get("initial_weights", "")
    if not start.endswith(f"SHA-256 {manifest.weights_sha256}"):
        raise InputError(
            f"{config.initial_weights} holds {manifest.name}, not the weights that the run {run} "
            "started from; put those there."
        )
    share, initial = config.trained_share, read_weights(read_weights_file(manifest, path))
    return {
        name: ((1 - share) * initial[name].astype(np.float32) + share * trained).astype(np.float32)
        for name, trained in weights.items()
    }


def training_record(run: Path) -> dict[str, Any]:
    """Return what the training noted about itself when it began; empty if it did not."""
    path = run / RUN_NAME
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def run_weights(run: Path) -> dict[str, np.ndarray]:
    """Read the weights that a run keeps, by their paths; raise InputError where it has none."""
    try:
        with np.load(run / WEIGHTS_NAME, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"The run {run} has no {WEIGHTS_NAME} that can be read ({error}); train at least one "
            "epoch."
        ) from error


def stage_epochs(config: Config) -> list[tuple[Any, int, int]]:
    """Each stage with its first epoch and the one after its last."""
    spans, first = [], 0
    for stage in config.stages:
        if stage.steps % config.steps_per_epoch:
            raise InputError(
                f"A stage of {stage.steps} steps is no multiple of {config.steps_per_epoch} "
                "steps an epoch; change one of them."
            )
        last = first + stage.steps // config.steps_per_epoch
        spans.append((stage, first, last))
        first = last
    return spans


def make_networks(config: Config) -> tuple[keras.Model, keras.Model]:
    """Make the network, and around it one that turns bytes into [0, 1], compiled for training.

    With mixed precision both compute in bfloat16 and keep float32 weights.
    """
    import keras

    optimisation, before = config.optimisation, keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if optimisation.mixed_precision else "float32")
    try:
        network = build_model(config.architecture)
        image = keras.Input((None, None, CHANNELS), dtype="uint8", name="bytes")
        scaled = keras.layers.Rescaling(1 / 255, dtype="float32", name="unit_interval")(image)
        trainer = keras.Model(image, network(scaled), name="trainer")
        trainer.compile(
            optimizer=make_optimiser(optimisation, config.total_steps),
            loss=make_loss(optimisation.cross_entropy_weight),
            metrics=[dice_score],
            # For TensorFlow on a processor XLA takes minutes to compile this network, for no gain.
            jit_compile="auto" if keras.backend.backend() == "jax" else False,
        )
        trainer.optimizer.build(trainer.trainable_variables)
    finally:
        keras.config.set_dtype_policy(before)
    return network, trainer


def make_optimiser(optimisation: Optimisation, total_steps: int) -> keras.Optimizer:
    """Adam with its schedule and average; with decay of the weights it is AdamW."""
    import keras

    rate: Any = optimisation.learning_rate
    if optimisation.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if optimisation.warmup_steps else optimisation.learning_rate,
            decay_steps=max(1, total_steps - optimisation.warmup_steps),
            warmup_target=optimisation.learning_rate if optimisation.warmup_steps else None,
            warmup_steps=optimisation.warmup_steps,
        )
    return keras.optimizers.Adam(
        rate,
        weight_decay=optimisation.weight_decay or None,
        global_clipnorm=optimisation.clip_norm or None,
        use_ema=optimisation.ema_momentum > 0,
        ema_momentum=optimisation.ema_momentum,
    )


def soft_dice(truth: Any, probability: Any) -> Any:
    """Dice coefficient of a whole batch, in [0, 1].

    Over the batch, not each slice: a slice without brain has no Dice of its own, yet brain found
    there must cost something (Milletari et al., 3DV 2016, for the loss itself).
    """
    from keras import ops

    truth = ops.cast(truth, "float32")
    probability = ops.cast(probability, "float32")
    overlap = ops.sum(truth * probability)
    return (2 * overlap + SMOOTH) / (ops.sum(truth) + ops.sum(probability) + SMOOTH)


def make_loss(cross_entropy_weight: float) -> Any:
    """Dice loss, with weighted binary cross-entropy beside it."""

    def dice_loss(truth: Any, probability: Any) -> Any:
        from keras import ops

        loss = 1 - soft_dice(truth, probability)
        if cross_entropy_weight:
            truth = ops.cast(truth, "float32")
            entropy = ops.binary_crossentropy(truth, ops.cast(probability, "float32"))
            loss = loss + cross_entropy_weight * ops.mean(entropy)
        return loss

    return dice_loss


def dice_score(truth: Any, probability: Any) -> Any:
    """Dice of the thresholded batch."""
    from keras import ops

    return soft_dice(truth, ops.cast(probability > 0.5, "float32"))


def start_from(network: keras.Model, config: Config) -> None:
    """Load what the configuration starts from, if anything."""
    import keras

    if config.initial_encoder:
        donor = keras.applications.EfficientNetB0(include_top=False, weights=config.initial_encoder)
        names = {layer.name for layer in network.layers}
        for layer in donor.layers:
            if layer.weights and layer.name in names:
                network.get_layer(layer.name).set_weights(layer.get_weights())
    if config.initial_weights:
        content = read_weights_file(*load_manifest(config.initial_weights))
        load_weights(network, read_weights(content))


def claim_run(config: Config, cache: Path, run: Path) -> None:
    """Make the run's folder, note its configuration and from what code and data it starts.

    Raise InputError where the folder holds a run of another configuration.
    """
    run.mkdir(parents=True, exist_ok=True)
    path = run / CONFIG_NAME
    text = json.dumps(dataclasses.asdict(config), indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"'{run}' holds a run of another configuration; choose another folder.")
    path.write_text(text, encoding="utf-8")
    if (run / RUN_NAME).exists():
        return
    described = describe_run(dataclasses.asdict(config), ())
    if config.initial_weights:
        start = load_manifest(config.initial_weights)[0]
        described["initial_weights"] = f"{start.name}, SHA-256 {start.weights_sha256}"
    data = cache / DATA_NAME
    described["data"] = json.loads(data.read_text(encoding="utf-8")) if data.exists() else []
    (run / RUN_NAME).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="TOML file, see training/configs")
    parser.add_argument("cache", type=Path, help="folder that 'prepare' wrote")
    parser.add_argument("run", type=Path, help="folder of the run; an unfinished one is resumed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)


def run(arguments: argparse.Namespace) -> None:
    train(load_config(arguments.config), arguments.cache, arguments.run, arguments.workers)
