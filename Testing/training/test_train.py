"""Training from end to end, killed and resumed; nothing is learnt.

Resume is shown twice. Quickly, for every setting and moment: `train` with a stand-in for the
network, a few layers with all kinds of state (averages, dropout), in one child process, where a
kill is an exception right after a checkpoint. Slowly: the real network in processes that die
without cleaning up. Child processes, because only there arithmetic can be made to repeat to the
bit.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from SkullStripLib.errors import InputError, SkullStripError
from SkullStripLib.model import build_model
from SkullStripLib.weights import load_weights, read_weights
from Testing.small_sources import write_cache
from training.callbacks import refuse_divergence
from training.checkpoint import cut_log
from training.config import Config, Optimisation, Stage, config_from_dict, load_config
from training.train import claim_run, main, make_optimiser, make_trainer, numbers, train

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "training" / "configs" / "smoke.toml"
# Arguments: configuration, cache, folder, epochs after which the run is killed.
STAND_IN_NETWORK = """
import sys
from pathlib import Path
from training import callbacks, train
from training.config import load_config

def build_model(architecture):
    import keras  # here, because each worker imports this file
    from keras import layers
    image = keras.Input((None, None, architecture.channels))
    features = layers.Conv2D(8, 3, padding="same", name="first")(image)
    features = layers.BatchNormalization(name="norm")(features)
    features = layers.Dropout(0.3, name="drop")(layers.Activation("relu")(features))
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid", name="last")(features))

def main(config, cache, folder, *killed):
    train.build_model = build_model
    save = callbacks.save_checkpoint
    whole, pieces = Path(folder, "whole"), Path(folder, "pieces")
    train.train(load_config(config), Path(cache), whole, 1)
    for epochs in map(int, killed):
        def save_and_die(trainer, run, progress):
            save(trainer, run, progress)
            if progress.epochs == epochs:
                raise KeyboardInterrupt
        callbacks.save_checkpoint = save_and_die
        try:
            train.train(load_config(config), Path(cache), pieces, 1)
        except KeyboardInterrupt:
            print("killed after", epochs, flush=True)
    callbacks.save_checkpoint = save
    for _ in range(2):  # the second time there is nothing left to do
        train.train(load_config(config), Path(cache), pieces, 1)

if __name__ == "__main__":
    main(*sys.argv[1:])
"""
# Trains the real network, and dies right after the epoch given last (0: never) was saved.
REAL_NETWORK = """
import os, sys
from training import callbacks
from training.train import main
save = callbacks.save_checkpoint
def save_and_die(trainer, run, progress):
    save(trainer, run, progress)
    if progress.epochs == int(sys.argv[4]):
        os._exit(9)
callbacks.save_checkpoint = save_and_die
if __name__ == "__main__":
    main([*sys.argv[1:4], "--workers", "1"])
"""
KILLED = 9
STAGES = """
name = "made"
steps_per_epoch = 2
validation_slices = 2
stages = [
  { steps = 6, batch_size = 2, patch = 32, spacing_mm = 4.0 },
  { steps = 6, batch_size = 2, patch = 32, spacing_mm = 3.0 },
]
[architecture]
decoder_widths = [16, 8, 8, 8]
"""
SETTINGS = {
    "averages": """
[optimisation]
weight_decay = 1e-4
clip_norm = 1.0
cross_entropy_weight = 1.0
warmup_steps = 1
ema_momentum = 0.9
""",
    "patience": """
[optimisation]
learning_rate = 1e-2
schedule = "plateau"
plateau_epochs = 3
early_stopping_epochs = 4
""",
    "stopped early": """
[optimisation]
learning_rate = 10.0
schedule = "plateau"
plateau_epochs = 1
early_stopping_epochs = 2
""",
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("cache"))


def child(program: str, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program whose arithmetic repeats to the bit."""
    script = folder / "program.py"
    script.write_text(program, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "SkullStrip")]),
        "KERAS_BACKEND": "tensorflow",
        "TF_DETERMINISTIC_OPS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(
        command, env=environment, timeout=400, check=False, stdout=subprocess.PIPE, text=True
    )


def log_of(run: Path) -> list[list[str]]:
    with open(run / "log.csv", newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def checkpoint_arrays(run: Path) -> dict[str, np.ndarray]:
    """Every array of the checkpoint, the optimiser's too."""
    import h5py

    found: dict[str, np.ndarray] = {}

    def note(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            found[name] = np.asarray(node)

    (path,) = run.glob("checkpoint-*.weights.h5")
    with h5py.File(path) as stored:
        stored.visititems(note)
    return found


def assert_same_run(first: Path, second: Path) -> None:
    """Equal logs, checkpoints and weights, to the bit."""
    assert log_of(first) == log_of(second)
    one, other = checkpoint_arrays(first), checkpoint_arrays(second)
    assert one.keys() == other.keys()
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []
    assert (first / "weights.npz").read_bytes() == (second / "weights.npz").read_bytes()
    notes = [json.loads((run / "progress.json").read_text("utf-8")) for run in (first, second)]
    assert notes[0] == notes[1]


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    setting: str, cache: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(STAGES + SETTINGS[setting], encoding="utf-8")
    # Within a stage, between the two, within the next.
    moments = (1, 2) if setting == "stopped early" else (1, 3, 4)
    done = child(STAND_IN_NETWORK, tmp_path, config, cache, tmp_path, *moments)
    assert done.returncode == 0
    assert done.stdout.count("killed after") == len(moments)
    assert_same_run(tmp_path / "whole", tmp_path / "pieces")
    stopped = json.loads((tmp_path / "whole" / "progress.json").read_text("utf-8"))["stopped"]
    assert stopped == (setting == "stopped early")


@pytest.mark.slow
def test_the_real_network_survives_a_kill(cache: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    stages = STAGES.replace("steps = 6", "steps = 2")
    config.write_text(stages + SETTINGS["averages"], encoding="utf-8")
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    assert child(REAL_NETWORK, tmp_path, config, cache, whole, 0).returncode == 0
    assert child(REAL_NETWORK, tmp_path, config, cache, pieces, 1).returncode == KILLED
    assert len(log_of(pieces)) == 2
    assert child(REAL_NETWORK, tmp_path, config, cache, pieces, 0).returncode == 0
    assert_same_run(whole, pieces)
    moments = [name for name in checkpoint_arrays(whole) if name.startswith("optimizer")]
    assert len(moments) > 2 * 100  # two moments of each trainable variable


@pytest.fixture(scope="module")
def smoke_run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("smoke") / "run"
    assert main([str(SMOKE), str(cache), str(run), "--workers", "1"]) == 0
    return run


@pytest.mark.slow
def test_the_smoke_configuration_trains_from_end_to_end(smoke_run: Path) -> None:
    names = {path.name for path in smoke_run.iterdir()}
    assert {"config.json", "run.json", "log.csv", "weights.npz", "progress.json"} <= names
    header, *rows = log_of(smoke_run)
    assert {"epoch", "loss", "dice_score", "val_loss", "val_dice_score"} <= set(header)
    assert [row[0] for row in rows] == ["0", "1"]
    assert all(np.isfinite(float(value)) for row in rows for value in row)
    assert not list(smoke_run.glob("*.fresh"))


@pytest.mark.slow
def test_the_averaged_weights_are_the_ones_kept_and_load(smoke_run: Path) -> None:
    config = config_from_dict(json.loads((smoke_run / "config.json").read_text(encoding="utf-8")))
    network = build_model(config.architecture)
    load_weights(network, smoke_run / "weights.npz")
    image = np.random.default_rng(0).random((1, 32, 32, 3), dtype=np.float32)
    assert np.isfinite(np.asarray(network(image))).all()
    raw = checkpoint_arrays(smoke_run)
    kept = read_weights(smoke_run / "weights.npz")["stem_conv/kernel"]
    same_shape = [a for name, a in raw.items() if a.shape == kept.shape and "optimizer" not in name]
    assert same_shape
    assert not any(np.allclose(array, kept, atol=1e-5) for array in same_shape)


def test_a_folder_of_another_configuration_is_refused(tmp_path: Path) -> None:
    config = load_config(SMOKE)
    claim_run(config, tmp_path / "run")
    claim_run(config, tmp_path / "run")  # its own is taken
    with pytest.raises(InputError, match="another configuration"):
        claim_run(dataclasses.replace(config, seed=1), tmp_path / "run")


def tiny_config(**optimisation: Any) -> Config:
    smoke = load_config(SMOKE)
    return dataclasses.replace(smoke, optimisation=Optimisation(**optimisation))


@pytest.mark.slow
def test_mixed_precision_computes_in_half_and_keeps_whole_weights() -> None:
    import keras

    before = keras.config.dtype_policy().name
    config = tiny_config(mixed_precision=True)
    with numbers(mixed=True):
        network = build_model(config.architecture)
        trainer = make_trainer(network, config)
    assert keras.config.dtype_policy().name == before
    assert network.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert {str(variable.dtype) for variable in network.weights} == {"float32"}
    image = np.random.default_rng(0).random((2, 32, 32, 3), dtype=np.float32)
    probability = network(image)
    assert "float32" in str(probability.dtype)
    assert np.isfinite(np.asarray(probability)).all()
    assert trainer.optimizer.built


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    optimiser = make_optimiser(Optimisation(learning_rate=1e-2, warmup_steps=10), 100)
    schedule = optimiser._learning_rate
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == 0
    assert max(rates) == pytest.approx(1e-2)
    assert int(np.argmax(rates)) == 10
    assert rates[100] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("weight_decay", [0.0, 1e-4])
def test_weights_decay_only_where_asked(weight_decay: float) -> None:
    optimiser = make_optimiser(Optimisation(weight_decay=weight_decay), 10)
    assert type(optimiser).__name__ == ("AdamW" if weight_decay else "Adam")


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_training_before_it_is_saved(loss: float) -> None:
    refuse_divergence(4, {"loss": 0.3})
    with pytest.raises(SkullStripError, match=r"epoch 5.*epoch 4 is kept"):
        refuse_divergence(4, {"loss": loss})


def test_rows_of_an_epoch_that_was_not_saved_are_dropped(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss\n0,0.5\n1,0.4\n2,0.3\n", encoding="utf-8")
    cut_log(tmp_path, 2)
    assert log.read_text(encoding="utf-8") == "epoch,loss\n0,0.5\n1,0.4\n"
    cut_log(tmp_path, 0)
    assert log.read_text(encoding="utf-8") == "epoch,loss\n"


def test_stages_must_be_whole_epochs_before_a_folder_is_made(tmp_path: Path, cache: Path) -> None:
    stage = Stage(steps=3, batch_size=1, patch=32, spacing_mm=4.0)
    config = Config(name="odd", stages=(stage,), steps_per_epoch=2)
    with pytest.raises(InputError, match="no multiple"):
        train(config, cache, tmp_path / "run", 1)
    assert not (tmp_path / "run").exists()
