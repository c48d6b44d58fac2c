"""`skullstrip batch`: many scans, by worker processes, resumed where it was left."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from ..batch.options import REDO, REFERENCES, BatchOptions
from ..errors import Cancelled, InputError
from ..escaping import print_escaped
from ..io.process import stopping
from .common import (
    EXIT_FAILURE,
    GET_HELP,
    Parser,
    add_method_options,
    count,
    debugging,
    method_options,
    show_usage,
)

if TYPE_CHECKING:
    from ..batch.progress import BatchResult, OnEvent

EXIT_VERDICT = 3
PROGRESS = ("auto", "bar", "json", "none")
DESCRIPTION = """\
Strip many scans; the same command again goes on where it was left.

  skullstrip batch IN OUT                    IN: a folder, and the folders in it
  skullstrip batch 'IN/*_T1w.nii.gz' OUT     a glob, in quotes
  skullstrip batch scans.csv OUT             a table with a column 'path', and perhaps 'apply_to':
                                             scans that get the same mask, 'FLAIR.nii; T2.nii'
  skullstrip batch --bids IN OUT             a BIDS data set; OUT gets BIDS derivatives
  skullstrip batch --decisions A.csv B.csv   how far two raters of the report page agree
"""
EPILOG = """\
OUT gets <name>_brain_mask.<ext>, <name>_brain.<ext> and qc/<name>.png for each scan, results.csv
and report.html for all. A scan is done when its outputs are there and neither it nor the options
have changed; scans that failed are tried again. Masks corrected by hand are kept.
"""
EXIT_STATUSES = """\
Exit status: 0 all done, 1 a scan could not be stripped, 2 an argument is at fault, 3 with --strict
a verdict is fail, 130 interrupted.
"""


def batch_command(words: list[str]) -> int:
    """Run `skullstrip batch` with these arguments; returns the exit status."""
    parser = make_parser()
    if not words:
        return show_usage(parser)
    if words[0] == "--decisions" and len(words) == 3:
        from ..batch.decisions import comparison

        for line in comparison(Path(words[1]), Path(words[2])):
            print_escaped(line)
        return 0
    return run_command(parser.parse_args(words))


def run_command(arguments: argparse.Namespace, shared: bool = False) -> int:
    """Do what the arguments of either command ask for; returns the exit status."""
    from ..batch.run import run_batch

    source, out, options = arguments.source, Path(arguments.out), _options(arguments)
    if arguments.dry_run:
        return _dry_run(source, out, options)
    how = {"quiet": not debugging(), "shared": shared}
    try:
        with stopping() as stop, _progress(arguments.progress) as on_event:
            result = run_batch(source, out, options, on_event=on_event, stop=stop, **how)
    except KeyboardInterrupt as error:  # the second Ctrl-C
        message = (
            "Interrupted, the scans under way are dropped; start the same command again to go on."
        )
        raise Cancelled(message) from error
    if arguments.progress not in ("json", "none"):
        _print_result(result)
    if result.failed:
        return EXIT_FAILURE
    return EXIT_VERDICT if arguments.strict and result.verdicts["fail"] else 0


def _dry_run(source: str, out: Path, options: BatchOptions) -> int:
    """Print each scan that would be stripped, and why; write nothing."""
    from ..batch.job import MASK_CORRECTED
    from ..batch.run import planned

    total = todo = 0
    for scan, reason in planned(source, out, options):
        total += 1
        if reason:
            todo += reason != MASK_CORRECTED
            print_escaped(f"{scan.path} -> {out / scan.mask} ({reason})")
    print(f"{todo} of {total} scans would be stripped.")
    return 0


def _print_result(result: BatchResult) -> None:
    print(f"Done {result.done}, failed {result.failed}, left as they were {result.skipped}")
    print(f"Verdicts     {', '.join(f'{name} {n}' for name, n in result.verdicts.items())}")
    if result.table:
        print_escaped(f"Table        {result.table}")
    if result.page:
        print_escaped(f"Report       {result.page}")


def _options(arguments: argparse.Namespace) -> BatchOptions:
    """Options from the arguments of either command; raise InputError for two that conflict."""
    names = [field.name for field in fields(BatchOptions) if field.name != "method"]
    own = {name: getattr(arguments, name) for name in names}
    options = BatchOptions(method_options(arguments), **own)
    is_for_bids = options.participants or options.sessions or options.fmriprep or options.also
    if is_for_bids and not options.bids:
        raise InputError("Labels, --also and --fmriprep are for BIDS data sets; add --bids.")
    if options.scheduler and options.jobs:
        raise InputError("--jobs is for workers on this machine; leave it out with --scheduler.")
    if options.decisions and options.redo != "rejected":
        raise InputError("--decisions names what was rejected; add --redo rejected.")
    return options


def make_parser() -> Parser:
    """Return the parser of `skullstrip batch`."""
    epilog = EPILOG + EXIT_STATUSES
    parser = common_parser(
        "skullstrip batch", "IN", "OUT", "", description=DESCRIPTION, epilog=epilog
    )
    parser.add_argument("--bids", action="store_true", help="IN is a BIDS data set")
    return parser


def common_parser(prog: str, source: str, out: str, more: str, **texts: str) -> Parser:
    """Return what the parsers of `skullstrip batch` and `skullstrip-bids` have in common."""
    parser = Parser(prog=prog, usage=f"{prog} [options] {source} {out}{more}", **texts)
    source_help = "folder, .csv, quoted glob or BIDS data set"
    parser.add_argument("source", metavar=source, help=source_help)
    parser.add_argument("out", metavar=out, help="folder for the results; made if need be")
    bids = parser.add_argument_group("BIDS")
    for label in ("participant", "session"):
        bids.add_argument(
            f"--{label}-label", f"--{label}_label", dest=f"{label}s", metavar="LABEL", nargs="+",
            default=(), help=f"only these {label}s, with or without prefix",
        )  # fmt: skip
    also_help = "other scans of a session, which get the mask of its first T1w scan: T2w,FLAIR,PDw"
    bids.add_argument("--also", metavar="SUFFIXES", type=_words, default=(), help=also_help)
    fmriprep_help = (
        "write masks for 'fmriprep --derivatives OUT/fmriprep_REFERENCE', too, where it runs with "
        "this --subject-anatomical-reference"
    )
    bids.add_argument("--fmriprep", choices=REFERENCES, help=fmriprep_help)
    add = parser.add_argument_group("work").add_argument
    add("-j", "--jobs", metavar="N", type=count, help="worker processes; default: as fit here")
    add("--scheduler", metavar="ADDRESS", help="use the workers of this running Dask scheduler")
    add("--dry-run", action="store_true", help="say what would be stripped and why; write nothing")
    add("--overwrite", action="store_true", help="strip again what is done or was corrected")
    redo_help = "only scans rejected on the report page, failed, or with a verdict other than pass"
    add("--redo", choices=REDO, help=redo_help)
    decisions_help = "what the report page exported; default OUT/decisions.csv"
    strict_help = "exit with status 3 where a verdict is fail, also of a scan done before"
    add("--strict", action="store_true", help=strict_help)
    add("--decisions", metavar="CSV", help=decisions_help)
    progress_help = (
        "a bar, a JSON object a line on stdout, or nothing; default: bar on a terminal, otherwise "
        "a line for each failure and every five minutes"
    )
    add("--progress", choices=PROGRESS, default="auto", help=progress_help)
    add("--get", action="store_true", help=GET_HELP)
    add_method_options(parser)
    return parser


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


def _progress(wanted: str) -> AbstractContextManager[OnEvent]:
    from ..batch import progress

    if wanted == "bar" or (wanted == "auto" and sys.stderr.isatty()):
        return progress.bar()
    kinds = {"json": progress.say_json, "auto": progress.log()}
    return nullcontext(kinds.get(wanted, progress.ignore_event))
