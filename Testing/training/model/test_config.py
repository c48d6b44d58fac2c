"""Experiments as files."""

import dataclasses
import json

import pytest

from skullstrip.errors import InputError
from skullstrip.network.manifest import load_manifest
from Testing.programs import ROOT
from training.model.config import config_from_dict, load_config
from training.model.train import stage_epochs

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
