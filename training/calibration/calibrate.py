"""Calibrate and test the verdict on masks: scans as they come, spoilt ones, and damaged masks.

The calibration comes from training and validation scans: of training scans the network is surer
than of others. For the figures each scan is judged by a calibration that has not seen it; those of
validation scans, which the network has not seen either, are the ones to believe.
"""

from __future__ import annotations

import argparse
import functools
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from skullstrip.batch.workers import KilledWorker, LocalWorkers, as_done, default_jobs
from skullstrip.errors import EngineError
from skullstrip.io.atomic import atomic_outputs
from skullstrip.network.engine import Engine
from skullstrip.network.engines import create_engine
from skullstrip.network.manifest import Manifest, load_manifest
from skullstrip.network.predict import VIEWS, Views
from skullstrip.quality.calibration import CALIBRATION_NAME, Calibration, Calibrations

from ..data.pair import Pair
from ..data.provenance import code_state
from ..publishing.export import seal_calibration
from .cases import Case, Row, make_cases
from .fit import fit_calibration, fit_confidence
from .report import Judged, judge_rows, write_quality_report
from .scans import add_scan_arguments, chosen_scans, stress_of

CALIBRATION_SCANS, CALIBRATION_MAPS = 50, 20
FOLDS = 10


class Work(NamedTuple):
    """A scan, what is made of it, by which weights, and the folder that keeps what was measured."""

    pair: Pair
    what: str
    strength: float
    weights: Path | None
    folder: Path


@functools.cache
def worker_engine(weights: Path | None) -> tuple[Engine, Manifest]:
    """Load the network once a process."""
    manifest, path = load_manifest(weights)
    return create_engine("auto", manifest, path, "auto", threads=1), manifest


def do_work(work: Work) -> dict[Views, Case]:
    """Measure the masks of a scan, by views, unless they are kept already."""
    kept = work.folder / f"{work.pair.name}__{work.what}_{work.strength:g}.pickle"
    if kept.is_file():
        return pickle.loads(kept.read_bytes())  # noqa: S301
    cases = make_cases(work.pair, work.what, work.strength, *worker_engine(work.weights))
    with atomic_outputs() as staged:
        staged(kept).write_bytes(pickle.dumps(cases))
    return cases


def do_all(works: Sequence[Work], jobs: int) -> dict[Work, dict[Views, Case]]:
    """Do all work, in its order, in so many processes of one thread each."""
    found: dict[Work, dict[Views, Case]] = {}
    with LocalWorkers(jobs, quiet=False) as workers:
        for work, answer in as_done(workers, do_work, works):
            if isinstance(answer, KilledWorker):
                raise EngineError(f"Processes die of {work.pair.name}; use fewer (--jobs).")
            if isinstance(answer, Exception):
                raise answer
            found[work] = answer
            dice = ", ".join(f"{views} {case.dice:.4f}" for views, case in answer.items())
            what = f"{work.what} {work.strength:g}"
            print(f"{work.pair.name}  {what}: Dice by views {dice}", flush=True)
    return {work: found[work] for work in works}


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scan_arguments(parser)
    parser.add_argument(
        "--scans", type=int, default=CALIBRATION_SCANS, help="training scans to use"
    )
    parser.add_argument("--cases", type=Path, default=Path("quality/cases"), help="kept here")
    parser.add_argument("-o", "--out", type=Path, default=Path("quality"), help="report")
    parser.add_argument("--calibration", type=Path, help="default: beside the weights")
    parser.add_argument(
        "--jobs", type=int, help="processes; default: as many as processors and memory allow"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the calibration and its report."""
    manifest, weights_path = load_manifest(arguments.weights)
    # Other weights make other masks; `auto` runs those in int8 where there are any.
    folder = arguments.cases / (manifest.int8_sha256 or manifest.weights_sha256)[:8]
    train, val, maps = chosen_scans(arguments, arguments.scans, CALIBRATION_MAPS)
    works = [
        Work(pair, what, strength, arguments.weights, folder)
        for pair in (*train, *val, *maps)
        for what, strength in stress_of(pair)
    ]
    made = do_all(works, arguments.jobs or default_jobs())
    held_out = {pair.name for pair in (*val, *maps)}
    calibrations: dict[str, Calibration] = {}
    for views in VIEWS:
        rows = [row for case in made.values() for row in case[views].rows]
        unseen = [case[views] for work, case in made.items() if work.pair.name in held_out]
        seen = [case[views] for work, case in made.items() if work.pair.name not in held_out]
        confidence = fit_confidence(seen)
        provenance = {
            "weights_sha256": manifest.weights_sha256,
            "commit": code_state()["commit"],
            "scans": sorted({row.scan for row in rows}),
            "masks": len(rows),
        }
        calibration = fit_calibration(rows, confidence, provenance)
        judged = judge_unseen(rows, confidence)
        report, samples = arguments.out / f"views-{views}", [case.samples[0] for case in unseen]
        write_quality_report(report, judged, held_out, samples, calibration)
        calibrations[str(views)] = calibration
        print(f"views {views}: {len(judged)} masks judged; report in {report}")
    beside = weights_path.with_name(CALIBRATION_NAME)
    target = arguments.calibration or beside
    target.write_text(Calibrations(calibrations).to_json(), encoding="utf-8")
    if target.resolve() == beside.resolve():
        seal_calibration(target.parent)
