"""The columns of the results table, in their order: one place for records, tables and page."""

from __future__ import annotations

COLUMNS = (
    "name", "path", "subject", "session",
    "status",  # done, corrected or failed
    "verdict",
    "judged",  # as written, or before what changed the mask
    "reasons",
    "places",  # one for each reason, RAS mm: "12.0 -3.5 40.1; ; 8.0 1.0 2.5"
    "volume_ml", "volume_error_ml", "dice_estimate", "dice_error",
    "message",
    "applied_to",  # other scans of the session, each with its verdict
    "seconds", "engine", "device", "border_mm",
    "csf",  # kept or removed: the fluid around the brain
    "reorient",  # yes or no
    "turned",  # yes or no: a head that lies another way than its header says
    "views",  # as asked
    "views_used",  # which slices the network saw
    "version", "weights_sha256", "calibration_sha256", "input_sha256", "mask_sha256",
    "brain_mask", "brain", "qc",
    "qc_applied",  # pictures of the other scans, between semicolons
    "finished",
)  # fmt: skip
DONE, FAILED = "done", "failed"
CORRECTED = "corrected"  # by hand, after we wrote the mask, which is kept

Row = dict[str, object]
