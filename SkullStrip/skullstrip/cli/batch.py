"""`skullstrip batch`: many scans, by worker processes, resumed where it was left."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ..batch.options import BatchOptions
from ..errors import Cancelled
from ..escaping import print_escaped
from ..io.process import import_scipy, stopping
from .common import (
    EXIT_FAILURE,
    Parser,
    add_method_options,
    add_options,
    debugging,
    method_options,
    show_usage,
    values_of,
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
        from ..batch.tables import comparison

        for line in comparison(Path(words[1]), Path(words[2])):
            print_escaped(line)
        return 0
    return run_command(parser.parse_args(words))


def run_command(arguments: argparse.Namespace, shared: bool = False) -> int:
    """Do what the arguments of either command ask for; returns the exit status."""
    import_scipy()
    from ..batch.run import run_batch

    options = BatchOptions(method_options(arguments), **values_of(arguments, BatchOptions))
    source, out = arguments.source, Path(arguments.out)
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
    add = parser.add_argument
    add("--dry-run", action="store_true", help="say what would be stripped and why; write nothing")
    strict_help = "exit with status 3 where a verdict is fail, also of a scan done before"
    add("--strict", action="store_true", help=strict_help)
    progress_help = (
        "a bar, a JSON object a line on stdout, or nothing; default: bar on a terminal, otherwise "
        "a line for each failure and every five minutes"
    )
    add("--progress", choices=PROGRESS, default="auto", help=progress_help)
    add_options(parser, BatchOptions)
    add_method_options(parser)
    return parser


def _progress(wanted: str) -> AbstractContextManager[OnEvent]:
    from ..batch import progress

    if wanted == "bar" or (wanted == "auto" and sys.stderr.isatty()):
        return progress.bar()
    kinds = {"json": progress.say_json, "auto": progress.log()}
    return nullcontext(kinds.get(wanted, progress.ignore_event))
