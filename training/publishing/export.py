"""Turn a training run, finished or not, into weights with a manifest, which inference reads."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from skullstrip.batch.records import sha256_of
from skullstrip.errors import InputError
from skullstrip.network.manifest import MANIFEST_NAME, Manifest, without_retired
from skullstrip.network.unet import build_model, load_weights
from skullstrip.quality.calibration import CALIBRATION_NAME, Calibrations

from ..data.provenance import code_state
from ..model.config import Config, config_from_dict
from ..model.train import CONFIG_NAME, final_weights, read_progress, training_record
from .onnx_graph import build_onnx

WEIGHTS_NAME = "weights.onnx"


def run_config(run: Path) -> Config:
    """Read the configuration that a training run noted; raise InputError where there is none."""
    path = run / CONFIG_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for part in ("architecture", "preprocessing"):
            content[part] = without_retired(content[part])
        return config_from_dict(content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{run} holds no training run ({error}).") from error


def export_run(run: Path, out: Path, name: str = "") -> Manifest:
    """Write a run's half-precision weights and their manifest into a folder.

    The model is named by the configuration, unless it gets a `name`. Raise InputError where the
    folder is no training run or has no weights yet, WeightsError where these do not fit the
    configuration's network.
    """
    config, record = run_config(run), training_record(run)
    network = build_model(config.architecture)
    load_weights(network, final_weights(run, config))
    content = build_onnx(network)
    training = {
        "config": config.name,
        "seed": config.seed,
        "steps": read_progress(run).epochs * config.steps_per_epoch,  # it may be cut short
        "stages": [dataclasses.asdict(stage) for stage in config.stages],
        "commit": record.get("commit") or code_state()["commit"],
    }
    if "initial_weights" in record:
        training["initial_weights"] = record["initial_weights"]
    out.mkdir(parents=True, exist_ok=True)
    (out / WEIGHTS_NAME).write_bytes(content)
    manifest = Manifest(
        name=name or config.name,
        weights_file=WEIGHTS_NAME,
        weights_sha256=sha256_of(out / WEIGHTS_NAME),
        architecture=config.architecture,
        preprocessing=config.preprocessing,
        training=training,
    )
    (out / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    seal_calibration(out)
    return manifest


def seal_calibration(folder: Path) -> None:
    """Write the hash of a folder's calibration into its manifest, after either has changed.

    A manifest names no calibration where there is none.
    """
    path, calibration = folder / MANIFEST_NAME, folder / CALIBRATION_NAME
    manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
    sha256 = ""
    if calibration.is_file():
        sha256 = Calibrations.from_json(calibration.read_text(encoding="utf-8")).sha256
    sealed = dataclasses.replace(manifest, calibration_sha256=sha256)
    path.write_text(sealed.to_json(), encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("out", type=Path, help="folder for weights and manifest")
    parser.add_argument(
        "--name", default="", help="name of the model; default: the configuration's"
    )


def run(arguments: argparse.Namespace) -> None:
    if (calibration := arguments.out / CALIBRATION_NAME).exists():
        raise InputError(
            f"{calibration} was made for the weights that are there; remove it, or export into "
            "another folder."
        )
    manifest = export_run(arguments.run, arguments.out, arguments.name)
    print(f"{arguments.out}: {manifest.name}, SHA-256 {manifest.weights_sha256}")
