"""Export and release with a real, tiny network whose weights are random: nothing is learnt."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from skullstrip.errors import InputError, WeightsError
from skullstrip.network.manifest import Architecture, Manifest, load_manifest
from skullstrip.network.unet import build_model, read_weights
from skullstrip.options import Options
from skullstrip.quality.calibration import load_calibration
from Testing.programs import ENVIRONMENT, ROOT, run_python
from Testing.stand_ins import ThresholdEngine
from training.__main__ import run as command
from training.data.dataset import find_pairs
from training.evaluation.scores import FIGURES
from training.model.config import Config, Stage
from training.model.train import run_weights
from training.publishing import release as release_module
from training.publishing.export import export_run, run_config
from training.publishing.release import RELEASED, fill_model_card, refuse_no_better, release

TINY = Architecture(decoder_widths=(8, 8, 8, 8))


def score(scan, dice):
    known = {"scan": scan, "dice": dice, "failure": "", "contrast": "T1w", "age group": "adult"}
    return dict.fromkeys(FIGURES, 0.0) | known


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder as training leaves it that was cut short, with random weights."""
    folder = tmp_path_factory.mktemp("run")
    stage = Stage(steps=6, batch_size=1, patch=32, spacing_mm=4.0)
    config = Config("tiny", (stage,), seed=3, steps_per_epoch=2, architecture=TINY)
    (folder / "progress.json").write_text('{"epochs": 2}')
    (folder / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    weights = {v.path: np.asarray(v.value) for v in build_model(TINY).weights}
    np.savez(folder / "weights.npz", **weights)
    return folder


def test_exported_weights_are_the_run_s_and_say_how_long_it_was(run, tmp_path):
    manifest = export_run(run, tmp_path)
    found, path = load_manifest(tmp_path)
    assert found == manifest
    assert found.training["steps"] == 4  # of 6
    exported = read_weights(path.read_bytes())
    for name, array in run_weights(run).items():
        np.testing.assert_array_equal(exported[name], array.astype(np.float16))


@pytest.mark.slow
def test_a_network_on_pytorch_is_checkpointed_and_exported_too():
    pytest.importorskip("torch")
    program = (
        "from training.model.train import averaged_weights, make_networks\n"
        "from training.model.config import load_config\n"
        "from training.publishing.onnx_graph import build_onnx\n"
        "network, trainer = make_networks(load_config('training/configs/original.toml'))\n"
        "print(len(averaged_weights(network, trainer.optimizer)), len(build_onnx(network)) > 1e6)\n"
    )
    environment = ENVIRONMENT | {"KERAS_BACKEND": "torch"}
    done = run_python("-c", program, cwd=ROOT, env=environment, timeout=600, check=True)
    count, whole = done.stdout.split()
    assert (int(count) > 300, whole) == (True, "True")


def test_weights_of_another_network_are_not_exported(run, tmp_path):
    other = dataclasses.replace(run_config(run), architecture=Architecture())
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(dataclasses.asdict(other)))
    (folder / "weights.npz").write_bytes((run / "weights.npz").read_bytes())
    with pytest.raises(WeightsError, match="has shape"):
        export_run(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("present", [[], ["config.json"]])
def test_a_folder_that_is_no_run_is_refused(run, tmp_path, present):
    for name in present:
        (tmp_path / name).write_bytes((run / name).read_bytes())
    with pytest.raises(InputError, match=r"no training run|has no weights\.npz"):
        export_run(tmp_path, tmp_path / "out")


def test_only_a_better_model_passes_or_one_that_loses_no_more_than_is_said():
    refuse_no_better(0.91, 0.9)
    refuse_no_better(0.8995, 0.9, may_lose=0.001)
    for new, may_lose, words in (
        (0.9, 0.0, "0.9000 and the current release 0.9000"),
        (0.85, 0.0, "0.8500 and the current release 0.9000"),
        (0.898, 0.001, "--may-lose"),
    ):
        with pytest.raises(InputError, match=words):
            refuse_no_better(new, 0.9, may_lose)


@pytest.fixture
def phantoms(phantom_data):
    return tuple(dataclasses.replace(pair, split="val") for pair in find_pairs(phantom_data))


@pytest.fixture
def clean_tree(monkeypatch):
    """The working tree of whoever runs the tests need not be clean."""
    monkeypatch.setattr(release_module, "refuse_dirty_tree", lambda: None)


@pytest.mark.usefixtures("clean_tree")
def test_a_release_holds_weights_manifest_card_and_run(run, phantoms, tmp_path):
    out, options = tmp_path / "Models", Options(engine=ThresholdEngine())
    out.mkdir()
    kept = load_calibration()
    (out / "quality.json").write_text(kept.to_json())
    mean_dice = release(run, phantoms, out, name="tiny", current=None, options=options)
    assert sorted(path.name for path in out.iterdir()) == sorted([*RELEASED, "quality.json"])
    manifest, _ = load_manifest(out)
    assert load_calibration(manifest, out) == kept
    assert manifest.training["config"] == "tiny"
    described = json.loads((out / "run.json").read_text())
    assert described["seed"] == 3
    assert described["mean_dice"] == mean_dice > 0.9
    card = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert manifest.weights_sha256 in card
    assert "| one |" in card
    assert "### Scan by scan" in card
    assert "$" not in card
    assert (run / "release" / "report.md").is_file()


@pytest.mark.usefixtures("clean_tree")
def test_a_release_that_is_refused_changes_nothing(run, phantoms, tmp_path):
    out, current = tmp_path / "Models", tmp_path / "current"
    export_run(run, current, "the same weights")
    out.mkdir()
    (out / "manifest.json").write_text("the release before")
    options = Options(engine=ThresholdEngine())
    with pytest.raises(InputError, match="only a better model"):
        release(run, phantoms, out, name="n", current=current, options=options)
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert (out / "manifest.json").read_text() == "the release before"


def test_a_dirty_tree_is_refused_before_any_work(run, phantoms, tmp_path, monkeypatch):
    def dirty():
        raise InputError("1 files differ")

    monkeypatch.setattr(release_module, "refuse_dirty_tree", dirty)
    with pytest.raises(InputError, match="1 files differ"):
        release(run, phantoms, tmp_path / "out", name="n", current=None)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def card(phantoms):
    def fill(scores, **options):
        manifest = Manifest("model", "weights.onnx", "ab" * 32, training={"config": "tiny"})
        run = dict.fromkeys(("commit", "created", "split"), "known") | {
            "machine": {},
            "versions": {},
        }
        return fill_model_card(manifest, phantoms, scores, "# Report\n\n| all |", run, **options)

    return fill


def test_the_card_names_failures_and_licences_that_nobody_stated(card):
    text = card([score("good", 0.99), score("bad", 0.5)], notes="- Eyes of infants.")
    assert "- bad: Dice 0.5000" in text
    assert "- good: Dice" not in text
    assert "**not stated**" in text
    assert "Eyes of infants" in text
    assert "The stress test was not run" in text


ABOUT = "# Report\n\n- weights: model, SHA-256 " + "ab" * 32


@pytest.mark.parametrize(
    ("report", "body", "shown", "hidden"),
    [
        ("stress", "\n\n| noise |", "\n| noise |", "# Report\n\n"),
        ("synthetic", "\n\n## By subgroup\n\n| t2 |\n\n## Scan by scan\n\n| C03 |\n",
         "\n### By subgroup\n\n| t2 |", "C03"),
    ],
)  # fmt: skip
def test_the_card_takes_tables_of_these_weights_alone(card, report, body, shown, hidden):
    text = card([score("a", 0.99)], **{report: ABOUT + body})
    assert shown in text
    assert hidden not in text
    with pytest.raises(InputError, match="other weights"):
        card([score("a", 0.99)], **{report: ABOUT.replace("ab", "cd") + body})


def test_weights_that_went_on_from_others_name_them(run, tmp_path):
    again = shutil.copytree(run, tmp_path / "run")
    (again / "run.json").write_text('{"initial_weights": "one, SHA-256 ab", "commit": "c0ffee"}')
    said = export_run(again, tmp_path / "weights").training
    assert (said["initial_weights"], said["commit"]) == ("one, SHA-256 ab", "c0ffee")


def test_a_calibration_is_not_taken_over_by_other_weights(run, tmp_path):
    (tmp_path / "quality.json").write_text("of other weights")
    with pytest.raises(InputError, match=r"quality\.json was made for the weights that are there"):
        command("export", str(run), str(tmp_path))
    assert not (tmp_path / "weights.onnx").exists()


def test_the_card_s_texts_come_from_files_or_are_left_out(monkeypatch, tmp_path):
    (tmp_path / "stress.md").write_text("noisy")
    given = {}
    monkeypatch.setattr(release_module, "find_pairs", lambda _: ())
    monkeypatch.setattr(release_module, "release", lambda *_, **texts: given.update(texts) or 1.0)
    words = ["release", str(tmp_path), "data", "--name", "x"]
    assert command(*words, "--stress", str(tmp_path / "stress.md")) == 0
    assert (given["stress"], given["synthetic"], given["notes"]) == ("noisy", "", "")
    with pytest.raises(SystemExit):
        command(*words, "--notes", str(tmp_path))
