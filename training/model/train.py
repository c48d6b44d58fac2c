"""Train the network: stages, schedule, averages, checkpoints and exact resume."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skullstrip.errors import InputError
from skullstrip.network.manifest import CHANNELS, load_manifest, read_weights_file
from skullstrip.network.unet import build_model, load_weights, read_weights

from ..data.provenance import describe_run
from ..data.sources import DATA_NAME, load_sources
from .callbacks import PROGRESS_NAME, WEIGHTS_NAME, Progress, make_callbacks, restore_checkpoint
from .config import Config, Optimisation, load_config
from .sampler import VALIDATION_SPLITS, batches, validation_slices

if TYPE_CHECKING:
    import keras

SMOOTH = 1.0  # of the Dice of slices without brain
CONFIG_NAME, RUN_NAME = "config.json", "run.json"


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


def steps_done(run: Path, config: Config) -> int:
    """Return how many steps a run took; fewer than its configuration's where it was cut short."""
    note = run / PROGRESS_NAME
    epochs = json.loads(note.read_text(encoding="utf-8"))["epochs"] if note.exists() else 0
    return int(epochs) * config.steps_per_epoch


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
    """Adam, or AdamW where weights decay, with its schedule and average."""
    import keras

    rate: Any = optimisation.learning_rate
    if optimisation.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if optimisation.warmup_steps else optimisation.learning_rate,
            decay_steps=max(1, total_steps - optimisation.warmup_steps),
            warmup_target=optimisation.learning_rate if optimisation.warmup_steps else None,
            warmup_steps=optimisation.warmup_steps,
        )
    settings: dict[str, Any] = {"learning_rate": rate}
    if optimisation.clip_norm:
        settings["global_clipnorm"] = optimisation.clip_norm
    if optimisation.ema_momentum:
        settings |= {"use_ema": True, "ema_momentum": optimisation.ema_momentum}
    if optimisation.weight_decay:
        return keras.optimizers.AdamW(weight_decay=optimisation.weight_decay, **settings)
    return keras.optimizers.Adam(**settings)


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
