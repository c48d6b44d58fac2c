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
from skullstrip.network.predict import VIEWS, Views
from skullstrip.quality.calibration import CALIBRATION_NAME, Calibration, Calibrations

from ..data.dataset import select_split
from ..data.heads import HELD_BACK_SPLIT
from ..data.pair import LABEL_MAP_SPLIT, Pair
from ..data.provenance import code_state
from ..data.splits import add_data_arguments, load_pairs
from ..evaluation.stress import UNTOUCHED
from ..evaluation.synthetic import SCANS
from ..model.pipeline import end_with_parent
from ..publishing.export import seal_calibration
from .cases import case_path, make_cases, read_case, write_case
from .fit import fit_calibration, fit_confidence
from .report import Judged, judge_rows, write_quality_report
from .rows import Row, rows_of

CALIBRATION_SCANS, CALIBRATION_MAPS = 50, 20
FOLDS = 10
PER_SCAN = 2  # usual and hard perturbations of each; looks of a label map
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
    """Return every scan of the small data sets, then a random sample of the largest one."""
    sizes: dict[str, int] = {}
    for pair in pairs:
        sizes[pair.dataset] = sizes.get(pair.dataset, 0) + 1
    largest = max(sizes, key=lambda name: sizes[name])
    others = [pair for pair in pairs if pair.dataset != largest]
    rest = [pair for pair in pairs if pair.dataset == largest]
    random.Random(1).shuffle(rest)
    return [*others, *rest][:limit]


def choose_maps(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """Return a random sample of label maps, half of them infants' where there are enough."""
    shuffled = random.Random(1).sample(pairs, len(pairs))
    infants = [pair for pair in shuffled if ("age_group", "infant") in pair.groups]
    adults = [pair for pair in shuffled if pair not in infants]
    return [*infants[: limit // 2], *adults[: limit - limit // 2]]


def stress_of(pair: Pair) -> list[tuple[str, float]]:
    """Return what is made of a scan, always the same.

    As it came, two usual and two hard perturbations; of a label map two looks.
    """
    scan = pair.name
    if pair.split in (LABEL_MAP_SPLIT, HELD_BACK_SPLIT):
        looks = SCANS[dict(pair.groups).get("age_group", "adult")]
        return random.Random(f"l{scan}").sample(looks, PER_SCAN)
    hard = random.Random(f"h{scan}").sample(HARD, PER_SCAN)
    usual = random.Random(f"e{scan}").sample(USUAL, PER_SCAN)
    return [(UNTOUCHED, 0.0), *hard, *usual]


def case_paths(
    pairs: Sequence[Pair], folder: Path, engine: Engine, manifest: Manifest
) -> dict[Views, list[Path]]:
    """Files of every case of these scans, by views; those that are not kept yet are made."""
    paths: dict[Views, list[Path]] = {views: [] for views in VIEWS}
    for pair in pairs:
        for name, strength in stress_of(pair):
            files = {
                views: case_path(folder / str(views), pair.name, name, strength) for views in VIEWS
            }
            if not all(path.is_file() for path in files.values()):
                cases = make_cases(pair, name, strength, engine, manifest)
                for views, case in cases.items():
                    write_case(files[views].parent, case)
                dice = ", ".join(f"{views} {case.dice:.4f}" for views, case in cases.items())
                print(f"{pair.name}  {name} {strength:g}: Dice by views {dice}", flush=True)
            for views, path in files.items():
                paths[views].append(path)
    return paths


def rows_of_files(paths: Sequence[Path], jobs: int) -> list[Row]:
    """Return every mask of these cases, measured by several processes; the order is the paths'."""
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
    add_data_arguments(parser)
    parser.add_argument(
        "--scans", type=int, default=CALIBRATION_SCANS, help="training scans to use"
    )
    parser.add_argument(
        "--heads", type=Path, help="label maps that 'heads' wrote, to paint other contrasts from"
    )
    parser.add_argument("--cases", type=Path, default=Path("quality/cases"), help="kept here")
    parser.add_argument("-o", "--out", type=Path, default=Path("quality"), help="report")
    parser.add_argument("--calibration", type=Path, help="default: beside the weights")
    parser.add_argument("--weights", type=Path, help="manifest or its folder; default: bundled")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args(argv)
    manifest, weights_path = load_manifest(arguments.weights)
    engine = create_engine("auto", manifest, weights_path, "auto", arguments.threads)
    # Other weights make other masks; `auto` runs those in int8 where there are any.
    folder = arguments.cases / (manifest.int8_sha256 or manifest.weights_sha256)[:8]
    for views in VIEWS:
        (folder / str(views)).mkdir(parents=True, exist_ok=True)
    pairs = load_pairs(arguments.data, arguments.splits)
    train = choose_scans(select_split(pairs, "train"), arguments.scans)
    val = select_split(pairs, "val")
    if arguments.heads:
        maps = load_pairs(arguments.heads, None)
        train += choose_maps(select_split(maps, LABEL_MAP_SPLIT), CALIBRATION_MAPS)
        val += select_split(maps, HELD_BACK_SPLIT)
    seen, unseen = (case_paths(scans, folder, engine, manifest) for scans in (train, val))
    jobs = arguments.threads or available_threads()
    calibrations: dict[str, Calibration] = {}
    for views in VIEWS:
        rows = rows_of_files([*seen[views], *unseen[views]], jobs)
        confidence = fit_confidence(map(read_case, seen[views]))
        provenance = {
            "weights_sha256": manifest.weights_sha256,
            "commit": code_state()["commit"],
            "scans": sorted({row.scan for row in rows}),
            "masks": len(rows),
        }
        calibration = fit_calibration(rows, confidence, provenance)
        judged = judge_unseen(rows, confidence)
        names = {pair.name for pair in val}
        held_out = [entry for entry in judged if entry.row.scan in names]
        report = arguments.out / f"views-{views}"
        cases = map(read_case, unseen[views])
        write_quality_report(report, judged, held_out, cases, calibration)
        calibrations[str(views)] = calibration
        print(f"views {views}: {len(judged)} masks judged; report in {report}")
    beside = weights_path.with_name(CALIBRATION_NAME)
    target = arguments.calibration or beside
    target.write_text(Calibrations(calibrations).to_json(), encoding="utf-8")
    if target.resolve() == beside.resolve():
        seal_calibration(target.parent)
    return 0
