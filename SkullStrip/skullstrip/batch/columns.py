"""The columns of the results table, in their order: one place for records, tables and page."""

from __future__ import annotations

TEXT, REAL, WHOLE = "TEXT", "REAL", "INTEGER"  # SQLite's own names
COLUMNS: dict[str, str] = {
    "name": TEXT,
    "path": TEXT,
    "subject": TEXT,
    "session": TEXT,
    "status": TEXT,  # done, corrected or failed
    "verdict": TEXT,
    "judged": TEXT,  # as written, or before what changed the mask
    "reasons": TEXT,
    "places": TEXT,  # one for each reason, RAS mm: "12.0 -3.5 40.1; ; 8.0 1.0 2.5"
    "volume_ml": REAL,
    "volume_error_ml": REAL,
    "dice_estimate": REAL,
    "dice_error": REAL,
    "message": TEXT,
    "applied_to": TEXT,  # other scans of the session, each with its verdict
    "seconds": REAL,
    "engine": TEXT,
    "device": TEXT,
    "border_mm": REAL,
    "csf": TEXT,  # kept or removed: the fluid around the brain
    "reorient": TEXT,  # yes or no
    "turned": TEXT,  # yes or no: a head that lies another way than its header says
    "views": TEXT,  # as asked
    "views_used": TEXT,  # which slices the network saw
    "version": TEXT,
    "weights_sha256": TEXT,
    "calibration_sha256": TEXT,
    "input_sha256": TEXT,
    "mask_sha256": TEXT,
    "brain_mask": TEXT,
    "brain": TEXT,
    "qc": TEXT,
    "qc_applied": TEXT,  # pictures of the other scans, between semicolons
    "finished": TEXT,
}
DONE, FAILED = "done", "failed"
CORRECTED = "corrected"  # by hand, after we wrote the mask, which is kept

Row = dict[str, object]
