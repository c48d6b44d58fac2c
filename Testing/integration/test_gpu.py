"""The engines on a real GPU; skipped where no runtime finds one, so `make test` rarely runs this.

A whole head is stripped with the bundled weights, each time in a process of its own: Keras has one
backend a process. GPUs multiply with fewer bits than CPUs (TF32), hence the tolerances.
"""

import json
import shutil

import pytest

from skullstrip.files import strip_file
from skullstrip.grid.regions import dice
from skullstrip.io.images import read_image
from skullstrip.network.engines import missing_packages
from Testing.programs import run_python

BACKENDS = ("onnxruntime-float32", "tensorflow", "torch", "jax")
MASK_DICE = 0.999
MOST_MEMORY_GIB = 12.0  # of the GPU, while others use it too
FEW_MIB = 600  # too little for a batch of the usual size
FIND_CUDA = """
import onnxruntime
print(int("CUDAExecutionProvider" in onnxruntime.get_available_providers()))
"""
FIND = """
import sys
from skullstrip.network.keras_engine import has_gpu, select_backend
select_backend(sys.argv[1])
print(int(has_gpu(sys.argv[1])))
"""
STRIP = """
import json, subprocess, sys
from skullstrip.files import strip_file
scan, mask, engine, device, limit_mib = sys.argv[1:]
if int(limit_mib):
    import torch
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(int(limit_mib) * 2**20 / total)
result = strip_file(scan, mask=mask, engine=engine, device=device)
query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
used = int(subprocess.run(query, capture_output=True, text=True).stdout.split()[0])
print(json.dumps({"engine": result.engine, "device": result.device, "used_mib": used,
                  "codes": [check.code for check in result.checks], "timings": result.timings}))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared_data,
    pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="there is no NVIDIA GPU here"),
]


def said_by(code, *arguments):
    """Standard output of a process that finds the library."""
    done = run_python("-c", code, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def require_gpu(backend):
    if missing_packages(backend):
        pytest.skip(f"{backend} is not installed")
    find = FIND_CUDA if backend.startswith("onnx") else FIND
    if not said_by(find, backend).strip().endswith("1"):
        pytest.skip(f"{backend} finds no GPU")


@pytest.fixture(scope="module")
def scan(shared_data):
    return shared_data / "t1" / "MRHead_T1w.nii.gz"


@pytest.fixture(scope="module")
def mask_by_cpu(scan, tmp_path_factory):
    mask = tmp_path_factory.mktemp("cpu") / "mask.nii.gz"
    strip_file(scan, mask=mask, device="cpu")
    return read_image(mask).array > 0


def strip(scan, folder, backend, limit_mib=0):
    """Strip a scan on the GPU; the report, with the mask."""
    mask = folder / "mask.nii.gz"
    found = said_by(STRIP, scan, mask, backend, "gpu", limit_mib)
    report = json.loads(found.splitlines()[-1])
    print(report)  # timings, for whoever runs this by hand with -s
    return {**report, "mask": read_image(mask).array > 0}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gpu_finds_the_same_brain_and_leaves_memory_to_others(
    backend, scan, mask_by_cpu, tmp_path
):
    require_gpu(backend)
    found = strip(scan, tmp_path, backend)
    assert (found["engine"], found["device"]) == (backend, "gpu")
    assert "gpu_gave_up" not in found["codes"]
    assert found["used_mib"] / 1024 < MOST_MEMORY_GIB
    assert dice(found["mask"], mask_by_cpu) >= MASK_DICE


@pytest.mark.parametrize("limit_mib", [FEW_MIB, 1])
def test_a_gpu_without_memory_still_ends_with_the_same_brain(
    limit_mib, scan, mask_by_cpu, tmp_path
):
    """PyTorch alone lets its memory be bounded; what it raises then is its own real error."""
    require_gpu("torch")
    found = strip(scan, tmp_path, "torch", limit_mib)
    assert (found["device"] == "cpu") == ("gpu_gave_up" in found["codes"])
    assert dice(found["mask"], mask_by_cpu) >= MASK_DICE
