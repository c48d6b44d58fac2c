"""Calibrate and test the verdict on masks: scans as they come, spoilt ones, and damaged masks.

The calibration comes from training and validation scans: of training scans the network is surer
than of others. For the figures each scan is judged by a calibration that has not seen it; those of
validation scans, which the network has not seen either, are the ones to believe.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from skullstrip.network.engine import Engine
from skullstrip.network.engines import available_threads, create_engine
from skullstrip.network.manifest import Manifest, load_manifest
from skullstrip.quality.calibration import CALIBRATION_NAME

from ..data.dataset import select_split
from ..data.pair import Pair
from ..data.provenance import code_state
from ..data.splits import load_pairs
from ..evaluation.stress import UNTOUCHED
from ..model.pipeline import end_with_parent
from ..publishing.export import seal_calibration
from .cases import case_path, make_case, read_case, write_case
from .fit import fit_calibration, fit_confidence
from .report import Judged, judge_rows, write_quality_report
from .rows import Row, rows_of

CALIBRATION_SCANS = 50
FOLDS = 10
PER_SCAN = 2  # usual and hard perturbations of each
USUAL = tuple(
    (name, strength)
    for name in (
        "rotate", "bias", "noise", "thick_slices", "deface", "invert", "wrong_header", "enlarge",
        "shrink", "crop_top", "crop_front",
    )
    for strength in (0.67, 1.0)
)  # fmt: skip
# Until the network fails, which it hardly does within the stress test's own range.
HARD = (
    *(("noise", strength) for strength in (1.3, 1.6, 1.8, 2.0)),
    *(("bias", strength) for strength in (1.5, 1.75, 2.0, 2.5)),
    ("invert", 0.5),
)


def choose_scans(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """Every scan of the small data sets, then a random sample of the largest one."""
    sizes: dict[str, int] = {}
    for pair in pairs:
        sizes[pair.dataset] = sizes.get(pair.dataset, 0) + 1
    largest = max(sizes, key=lambda name: sizes[name])
    others = [pair for pair in pairs if pair.dataset != largest]
    rest = [pair for pair in pairs if pair.dataset == largest]
    random.Random(1).shuffle(rest)
    return [*others, *rest][:limit]


def stress_of(scan: str) -> list[tuple[str, float]]:
    """The perturbations of a scan: as it came, two usual and two hard ones, always the same."""
    hard = random.Random(f"h{scan}").sample(HARD, PER_SCAN)
    usual = random.Random(f"e{scan}").sample(USUAL, PER_SCAN)
    return [(UNTOUCHED, 0.0), *hard, *usual]


def case_paths(
    pairs: Sequence[Pair], folder: Path, engine: Engine, manifest: Manifest, views: int
) -> list[Path]:
    """Files of every case of these scans; those that are not kept yet are made."""
    paths = []
    for pair in pairs:
        for name, strength in stress_of(pair.name):
            path = case_path(folder, pair.name, name, strength)
            if not path.is_file():
                case = make_case(pair, name, strength, engine, manifest, views)
                write_case(folder, case)
                print(f"{pair.name}  {name} {strength:g}: Dice {case.dice:.4f}", flush=True)
            paths.append(path)
    return paths


def rows_of_files(paths: Sequence[Path], jobs: int) -> list[Row]:
    """Every mask of these cases, measured by several processes; the order is the paths'."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=end_with_parent) as pool:
        return [row for rows in pool.map(_rows_of_file, paths) for row in rows]


def _rows_of_file(path: Path) -> list[Row]:
    return rows_of(read_case(path))


def judge_unseen(rows: Sequence[Row], confidence: Mapping[str, float]) -> list[Judged]:
    """Judge every mask by a calibration that has not seen its scan."""
    scans = sorted({row.scan for row in rows})
    judged = []
    for fold in range(min(FOLDS, len(scans))):
        left_out = set(scans[fold::FOLDS])
        others = [row for row in rows if row.scan not in left_out]
        calibration = fit_calibration(others, confidence, {})
        judged += judge_rows([row for row in rows if row.scan in left_out], calibration)
    return judged


def main(argv: list[str] | None = None) -> int:
    """Write the calibration and its report."""
    parser = argparse.ArgumentParser("python -m training quality", description=__doc__)
    parser.add_argument("data", type=Path, help="data set: folder, BIDS or CSV manifest")
    parser.add_argument("--splits", type=Path, help="list of splits (CSV: subject, split)")
    parser.add_argument(
        "--scans", type=int, default=CALIBRATION_SCANS, help="training scans to use"
    )
    parser.add_argument("--cases", type=Path, default=Path("quality/cases"), help="kept here")
    parser.add_argument("-o", "--out", type=Path, default=Path("quality"), help="report")
    parser.add_argument("--calibration", type=Path, help="default: beside the weights")
    parser.add_argument("--weights", type=Path, help="manifest or its folder; default: bundled")
    parser.add_argument("--views", type=int, default=1, choices=(1, 3))
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args(argv)
    manifest, weights_path = load_manifest(arguments.weights)
    engine = create_engine("auto", manifest, weights_path, "auto", arguments.threads)
    # Other weights or views make other masks.
    folder = arguments.cases / f"{manifest.weights_sha256[:8]}-{arguments.views}"
    folder.mkdir(parents=True, exist_ok=True)
    pairs = load_pairs(arguments.data, arguments.splits)
    train = choose_scans(select_split(pairs, "train"), arguments.scans)
    val = select_split(pairs, "val")
    made = (folder, engine, manifest, arguments.views)
    seen, unseen = case_paths(train, *made), case_paths(val, *made)
    rows = rows_of_files([*seen, *unseen], arguments.threads or available_threads())
    confidence = fit_confidence(map(read_case, seen))
    provenance = {
        "weights_sha256": manifest.weights_sha256,
        "commit": code_state()["commit"],
        "scans": sorted({row.scan for row in rows}),
        "masks": len(rows),
    }
    calibration = fit_calibration(rows, confidence, provenance)
    target = arguments.calibration or weights_path.with_name(CALIBRATION_NAME)
    target.write_text(calibration.to_json(), encoding="utf-8")
    if target.resolve() == weights_path.with_name(CALIBRATION_NAME).resolve():
        seal_calibration(target.parent)
    judged = judge_unseen(rows, confidence)
    names = {pair.name for pair in val}
    held_out = [entry for entry in judged if entry.row.scan in names]
    write_quality_report(arguments.out, judged, held_out, map(read_case, unseen), calibration)
    print(f"{len(judged)} masks judged; calibration in {target}, report in {arguments.out}")
    return 0
