"""Training from end to end, killed and resumed; nothing is learnt.

`train` with a stand-in for the network, a few layers with all kinds of state (averages, dropout),
is interrupted right after a checkpoint, the last time by a death that cleans nothing up; for every
setting and moment. In child processes, because only there arithmetic repeats to the bit.
"""

import csv
import json

import numpy as np
import pytest

from Testing.programs import ENVIRONMENT, run_python
from Testing.small_sources import write_cache

# Arguments: configuration, cache, folder, epochs after which the run is cut short; none: go on.
STAND_IN_NETWORK = """
import os, sys
from pathlib import Path
from training.model import train
from training.model.config import load_config

def build_model(architecture):
    import keras
    from keras import layers
    image = keras.Input((None, None, 3))
    features = layers.Conv2D(8, 3, padding="same", name="first")(image)
    features = layers.BatchNormalization(name="norm")(features)
    features = layers.Dropout(0.3, name="drop")(layers.Activation("relu")(features))
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid", name="last")(features))

def main(config, cache, folder, *moments):
    train.build_model = build_model
    save = train.save_checkpoint
    whole, pieces = Path(folder, "whole"), Path(folder, "pieces")
    if not moments:
        for _ in range(2):  # the second time there is nothing left to do
            train.train(load_config(config), Path(cache), pieces, 1)
        return
    train.train(load_config(config), Path(cache), whole, 1)
    for epochs in moments:
        def save_and_stop(trainer, network, run, progress):
            save(trainer, network, run, progress)
            if progress.epochs == int(epochs):
                if epochs == moments[-1]:
                    os._exit(9)
                raise KeyboardInterrupt
        train.save_checkpoint = save_and_stop
        try:
            train.train(load_config(config), Path(cache), pieces, 1)
        except KeyboardInterrupt:
            pass

if __name__ == "__main__":
    main(*sys.argv[1:])
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
learning_rate = 100.0
schedule = "plateau"
plateau_epochs = 1
early_stopping_epochs = 2
""",
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


def child(program, folder, *arguments):
    """Run a program whose arithmetic repeats to the bit; its exit status."""
    script = folder / "program.py"
    script.write_text(program, encoding="utf-8")
    exact = {"KERAS_BACKEND": "tensorflow", "TF_DETERMINISTIC_OPS": "1"}
    environment = ENVIRONMENT | exact | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return run_python(script, *arguments, env=environment, timeout=3600).returncode


def log_of(run):
    with open(run / "log.csv", newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def checkpoint_arrays(run):
    """Every array of the checkpoint, the optimiser's too."""
    import h5py

    found = {}

    def note(name, node):
        if isinstance(node, h5py.Dataset):
            found[name] = np.asarray(node)

    (path,) = run.glob("checkpoint-*.weights.h5")
    with h5py.File(path) as stored:
        stored.visititems(note)
    return found


def assert_same_run(first, second):
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
def test_a_killed_run_goes_on_as_if_nothing_had_happened(setting, cache, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(STAGES + SETTINGS[setting], encoding="utf-8")
    # Within a stage, between the two, within the next.
    moments = (1, 2) if setting == "stopped early" else (1, 3, 4)
    assert child(STAND_IN_NETWORK, tmp_path, config, cache, tmp_path, *moments) == KILLED
    assert len(log_of(tmp_path / "pieces")) == 1 + moments[-1]
    assert child(STAND_IN_NETWORK, tmp_path, config, cache, tmp_path) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "pieces")
    stopped = json.loads((tmp_path / "whole" / "progress.json").read_text("utf-8"))["stopped"]
    assert stopped == (setting == "stopped early")
