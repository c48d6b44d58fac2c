"""Experiments as files, and the parts of a training run; whole runs are in test_resume.py."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from skullstrip.errors import InputError, SkullStripError
from skullstrip.network.manifest import load_manifest
from skullstrip.network.unet import build_model
from Testing.programs import ROOT
from training.model.config import Config, Optimisation, Stage, config_from_dict, load_config
from training.model.train import (
    SMOOTH,
    claim_run,
    dice_score,
    final_weights,
    make_loss,
    make_networks,
    make_optimiser,
    refuse_divergence,
    restore_checkpoint,
    save_weights,
    stage_epochs,
    start_from,
    train,
)
from training.publishing.export import export_run

CONFIGS = ROOT / "training" / "configs"
STAGE = {"steps": 4, "batch_size": 2, "patch": 32, "spacing_mm": 4.0}
PLATEAU = {"schedule": "plateau", "plateau_epochs": 2, "early_stopping_epochs": 5}


def tables(**changed):
    return {"name": "made", "stages": [STAGE], **changed}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_loads_in_whole_epochs_and_survives_json(path):
    config = load_config(path)
    assert config.name == path.stem
    assert stage_epochs(config)[-1][2] * config.steps_per_epoch == config.total_steps
    assert not config.initial_weights or load_manifest(ROOT / config.initial_weights)
    assert config_from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tables(sede=1), "'sede'"),
        (tables(architecture={"depth": 3}), "'depth'"),
        ({"name": "made"}, "not a complete Config"),
        (tables(stages=[]), "no .*stages"),
        (tables(stages=STAGE), "must be a list"),
        (tables(stages=[{**STAGE, "patch": 100}]), "multiple of 32"),
        (tables(stages=[{**STAGE, "steps": 4.5}]), "of type int"),
        (tables(sampling=0.5), "must be a table"),
        (tables(sampling={"sparingly": [1]}), "of type str"),
        (tables(sampling={"planes": [0.5, 0.5]}), "three shares"),
        (tables(sampling={"planes": [0.5, 0.5, 0.5]}), "three shares"),
        (tables(seed=True), "of type int"),
        (tables(optimisation={"schedule": "linear"}), "'linear'"),
        (tables(optimisation={**PLATEAU, "plateau_epochs": 5}), "never fall"),
        (tables(trained_share=0.5), "only with initial weights"),
    ],
    ids=lambda value: json.dumps(value)[-60:] if isinstance(value, dict) else "",
)
def test_what_is_unknown_incomplete_or_of_another_type_is_refused(content, words):
    with pytest.raises(InputError, match=words):
        config_from_dict(content)


def test_a_file_that_is_missing_or_not_toml_is_refused(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ", encoding="utf-8")
    for path in (broken, tmp_path / "none.toml"):
        with pytest.raises(InputError, match=path.name):
            load_config(path)


def test_stages_follow_each_other():
    config = config_from_dict(tables(stages=[STAGE, STAGE, STAGE], steps_per_epoch=2))
    assert [span[1:] for span in stage_epochs(config)] == [(0, 2), (2, 4), (4, 6)]


SMOKE = load_config(CONFIGS / "smoke.toml")
RNG = np.random.default_rng(2)
TRUTH = (RNG.random((3, 16, 16, 1)) < 0.3).astype(np.uint8)
PROBABILITY = RNG.random(TRUTH.shape, dtype=np.float32)


def test_a_folder_of_another_configuration_is_refused(tmp_path):
    claim_run(SMOKE, tmp_path, tmp_path / "run")
    claim_run(SMOKE, tmp_path, tmp_path / "run")  # its own is taken
    with pytest.raises(InputError, match="another configuration"):
        claim_run(dataclasses.replace(SMOKE, seed=1), tmp_path, tmp_path / "run")


@pytest.mark.slow
def test_mixed_precision_computes_in_half_and_keeps_whole_weights():
    import keras

    before = keras.config.dtype_policy().name
    config = dataclasses.replace(SMOKE, optimisation=Optimisation(mixed_precision=True))
    network, trainer = make_networks(config)
    assert keras.config.dtype_policy().name == before
    assert network.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert {str(variable.dtype) for variable in network.weights} == {"float32"}
    image = np.random.default_rng(0).random((2, 32, 32, 3), dtype=np.float32)
    probability = network(image)
    assert "float32" in str(probability.dtype)
    assert np.isfinite(np.asarray(probability)).all()
    assert trainer.optimizer.built


def test_the_rate_warms_up_and_falls_to_nothing():
    optimiser = make_optimiser(Optimisation(learning_rate=1e-2, warmup_steps=10), 100)
    schedule = optimiser._learning_rate
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == 0
    assert max(rates) == pytest.approx(1e-2)
    assert int(np.argmax(rates)) == 10
    assert rates[100] == pytest.approx(0, abs=1e-6)


def test_decay_clipping_and_average_are_the_configurations_and_none_by_default():
    asked = Optimisation(weight_decay=1e-4, clip_norm=2.0, ema_momentum=0.9)
    found = [
        (each.weight_decay, each.global_clipnorm, each.use_ema and each.ema_momentum)
        for each in (make_optimiser(asked, 100), make_optimiser(Optimisation(), 100))
    ]
    assert found == [(1e-4, 2.0, 0.9), (None, None, False)]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_training_before_it_is_saved(loss):
    refuse_divergence(4, {"loss": 0.3})
    with pytest.raises(SkullStripError, match=r"epoch 5.*epoch 4 is kept"):
        refuse_divergence(4, {"loss": loss})


def test_rows_of_an_epoch_that_was_not_saved_are_dropped(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss\n0,0.5\n1,0.4\n2,0.3\n", encoding="utf-8")
    (tmp_path / "progress.json").write_text('{"epochs": 2}', encoding="utf-8")
    restore_checkpoint(SimpleNamespace(load_weights=lambda _: None), tmp_path)
    assert log.read_text(encoding="utf-8") == "epoch,loss\n0,0.5\n1,0.4\n"
    (tmp_path / "progress.json").unlink()
    restore_checkpoint(None, tmp_path)
    assert log.read_text(encoding="utf-8") == "epoch,loss\n"


@pytest.mark.slow
def test_a_run_starts_from_the_weights_that_its_configuration_names(tmp_path):
    first = build_model(SMOKE.architecture)
    claim_run(SMOKE, tmp_path, tmp_path / "first")
    arrays = {variable.path: np.asarray(variable.value) for variable in first.weights}
    save_weights(tmp_path / "first", arrays)
    export_run(tmp_path / "first", tmp_path / "weights", "first")
    config = dataclasses.replace(SMOKE, initial_weights=str(tmp_path / "weights"))
    second = build_model(SMOKE.architecture)
    start_from(second, config)
    for ours, theirs in zip(second.weights, first.weights, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), atol=1e-3)
    claim_run(config, tmp_path, tmp_path)
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert record["initial_weights"].startswith("first, SHA-256 ")

    save_weights(tmp_path, {name: array + 1 for name, array in arrays.items()})
    mixed = final_weights(tmp_path, dataclasses.replace(config, trained_share=0.25))
    for name, array in arrays.items():
        np.testing.assert_allclose(mixed[name], array + 0.25, atol=2e-3)
    record["initial_weights"] = "others, SHA-256 0"
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="started from"):
        final_weights(tmp_path, dataclasses.replace(config, trained_share=0.25))


def test_stages_that_are_no_whole_epochs_are_refused_before_a_folder_is_made(tmp_path):
    stage = Stage(steps=3, batch_size=1, patch=32, spacing_mm=4.0)
    config = Config(name="odd", stages=(stage,), steps_per_epoch=2)
    with pytest.raises(InputError, match="no multiple"):
        train(config, tmp_path, tmp_path / "run", 1)
    assert not (tmp_path / "run").exists()


def numpy_dice(truth, probability):
    both = (truth.astype(np.float64) * probability).sum()
    return float((2 * both + SMOOTH) / (truth.sum(dtype=np.float64) + probability.sum() + SMOOTH))


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_cross_entropy_is_added_with_its_weight_and_a_perfect_prediction_costs_nothing(weight):
    loss, p = make_loss(weight), PROBABILITY.astype(np.float64)
    entropy = -np.mean(TRUTH * np.log(p) + (1 - TRUTH) * np.log(1 - p))
    expected = 1 - numpy_dice(TRUTH, PROBABILITY) + weight * entropy
    assert float(loss(TRUTH, PROBABILITY)) == pytest.approx(expected, rel=1e-4)
    assert float(loss(TRUTH, TRUTH.astype(np.float32))) == pytest.approx(0, abs=1e-5)


def test_brain_found_in_a_slice_without_brain_costs_something():
    truth = TRUTH.copy()
    truth[1] = 0
    stray = truth.astype(np.float32)
    stray[1, :4, :4] = 1
    assert float(make_loss(0.0)(truth, stray)) > 0.01


def test_the_score_is_of_the_thresholded_batch():
    expected = numpy_dice(TRUTH, (PROBABILITY > 0.5).astype(np.float64))
    assert float(dice_score(TRUTH, PROBABILITY)) == pytest.approx(expected, abs=1e-5)
