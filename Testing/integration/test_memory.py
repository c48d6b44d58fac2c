"""A scan of 512 x 512 x 512 voxels within 4 GB, in a process of its own, with the real network."""

import nibabel
import numpy as np
import pytest

from Testing.phantoms import make_head
from Testing.programs import run_python

LIMIT_KB = 4 * 2**20
COARSE_MM, REPEATS, SIZE = 2.0, 4, 512
# Runs the command and prints the peak of its resident memory, in kB.
MEASURED = """
import resource, sys
from skullstrip.cli.main import main
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def large_scan(tmp_path_factory):
    """The phantom at 0.5 mm in float32, with noise: the dtype that takes the most of all usual."""
    head = make_head("LPS", (COARSE_MM,) * 3, field_of_view_mm=(256.0, 256.0, 256.0))
    array = head.array
    for axis in range(3):
        array = array.repeat(REPEATS, axis)
    array += np.random.default_rng(1).random(array.shape, dtype=np.float32)
    assert array.shape == (SIZE,) * 3
    affine = head.affine.copy()
    affine[:3, :3] /= REPEATS
    path = tmp_path_factory.mktemp("large") / "T1.nii"
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


@pytest.mark.slow
def test_a_scan_of_512_cubed_is_stripped_within_4_gigabytes(large_scan):
    folder = large_scan.parent
    outputs = ["-o", "b.nii", "-m", "m.nii", "--qc", "qc.png", "-b", "1"]
    words = [large_scan, "-q", "--engine", "onnxruntime", *outputs]
    done = run_python("-c", MEASURED, *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    peak_kb = int(done.stdout.split()[-1])
    assert SIZE**3 * 4 / 1024 < peak_kb < LIMIT_KB
    assert (folder / "m.nii").stat().st_size == SIZE**3 + 352
