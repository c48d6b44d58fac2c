"""Rows as a batch makes them, and QC pictures to go with them."""

import shutil

from skullstrip.batch.records import COLUMNS
from skullstrip.figures.qc import qc_picture, save_qc
from Testing.phantoms import make_head

PICTURES = 4
ODD_NAME = "a #1 100%25 é&.png"  # each of these means something in an address
REASON = "The border is unsure at the base of the brain; look at its outline."
BROKEN = "sub-12.nii.gz cannot be read: it is no NIfTI file."
VOLUMES = (1400, 1420, 1440, 1455, 1460, 1480, 1500, 1510, 1530, 1560, 700)


def write_pictures(folder):
    """Pictures `qc/0.png` and so on; returns the folder `qc`."""
    target = folder / "qc"
    target.mkdir()
    for number in range(PICTURES):
        head = make_head("RAS", (4.0, 4.0, 4.0), seed=number)
        picture = qc_picture(head.array, head.affine, head.brain_mask, f"Scan {number}")
        save_qc(picture, target / f"{number}.png")
    shutil.copy(target / "0.png", target / ODD_NAME)
    return target


def row(number, **changes):
    """A scan that went well."""
    name = f"sub-{number:02d}"
    made = dict.fromkeys(COLUMNS, "") | {
        "name": name,
        "path": f"/data/{name}.nii.gz",
        "subject": f"S{number}",
        "status": "done",
        "verdict": "pass",
        "volume_ml": 1450.0 + number,
        "volume_error_ml": 14.0,
        "dice_estimate": 0.98 + number % 10 / 1000,
        "dice_error": 0.006,
        "seconds": 2.0 + number % 7 / 10,
        "engine": "onnxruntime",
        "device": "cpu",
        "border_mm": 0.0,
        "keep_csf": True,
        "views": "auto",
        "views_used": "1 slice in 6 along X, Y, Z",
        "version": "1.0",
        "mask_sha256": f"{number:064x}",
        "brain_mask": f"{name}_brain_mask.nii.gz",
        "qc": f"qc/{number % PICTURES}.png",
        "finished": "2026-11-23T02:00:00Z",
    }
    return made | changes


def study():
    """Twelve scans: nine good, one to check, one failed by its volume, one not stripped."""
    rows = [row(number, volume_ml=volume) for number, volume in enumerate(VOLUMES, start=1)]
    rows[4] |= {"verdict": "check", "reasons": REASON}
    rows[10] |= {"verdict": "fail", "reasons": "The brain found is unusually small."}
    empty = dict.fromkeys(COLUMNS, "")
    lost = {"name": "sub-12", "path": "/scans/sub-12.nii.gz", "status": "failed", "message": BROKEN}
    return [*rows, empty | lost]


def names(page):
    """The scans in the table, top to bottom."""
    return page.locator("#rows td.name .title").all_inner_texts()


def current(page):
    """The scan that the keys act on."""
    return page.locator("#rows tr[aria-selected] td.name .title").inner_text()


def wait_until(page, expression, seconds=10.0):
    """Wait for something to be true in the page, whose policy forbids Playwright's own way."""
    for _ in range(round(seconds / 0.05)):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within {seconds} s: {expression}")
