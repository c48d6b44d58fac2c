"""The notebook, run from its first cell to its last on phantoms with the smoke configuration.

It trains the real network, so that what only that shows is looked at here.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from Testing.phantoms import make_head
from Testing.training.model.test_resume import checkpoint_arrays, log_of
from training.model.train import run_weights

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "training" / "train.ipynb"
RESULTS = (
    "check/contact_sheet.png", "splits.csv", "data.csv", "run/weights.npz",
    "weights/manifest.json", "evaluation/report.md", "evaluation/worst.png", "stress/report.md",
)  # fmt: skip


def test_the_notebook_is_stored_without_outputs():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


@pytest.mark.slow
def test_the_notebook_runs_from_check_to_stress_test_and_keeps_the_averaged_weights(
    tmp_path, monkeypatch, nifti
):
    nbclient = pytest.importorskip("nbclient", reason="nbclient runs the notebook")
    pytest.importorskip("ipykernel", reason="ipykernel runs the notebook's cells")
    import nbformat

    for seed in range(3):
        phantom = make_head("RAS", (4.0, 4.0, 4.0), seed=seed)
        nifti(tmp_path / f"data/{seed}.nii.gz", phantom.array, phantom.affine)
        nifti(tmp_path / f"data/{seed}_mask.nii.gz", phantom.brain_mask, phantom.affine)
    settings = {
        "REPOSITORY": ROOT,
        "DATA": tmp_path / "data",
        "WORK": tmp_path / "work",
        "CONFIG": "training/configs/smoke.toml",
        "FRACTIONS": "train=0.67,val=0.33",
        "ENGINE": "onnxruntime",
        "STRESS": "--only noise --strengths 1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"SKULLSTRIP_{name}", str(value))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=3600, kernel_name="python3").execute()
    assert [name for name in RESULTS if not (tmp_path / "work" / name).is_file()] == []
    assert_the_averaged_weights_are_kept(tmp_path / "work" / "run")


def assert_the_averaged_weights_are_kept(run):
    assert all(np.isfinite(float(value)) for row in log_of(run)[1:] for value in row)
    kept = run_weights(run)["stem_conv/kernel"]
    stored = {
        name: np.mean(array == kept)
        for name, array in checkpoint_arrays(run).items()
        if array.shape == kept.shape
    }
    (raw,) = (same for name, same in stored.items() if not name.startswith("optimizer"))
    assert raw < 0.9
    assert max(stored.values()) == 1  # the optimiser's moving average
