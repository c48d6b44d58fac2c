"""`skullstrip batch`: many scans, by worker processes, resumed where it was left.

`skullstrip-bids` is the same in the manner of BIDS Apps.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .._version import __version__
from ..batch.options import BatchOptions
from ..errors import Cancelled, InputError
from ..escaping import print_escaped
from ..io.process import import_scipy, stopping
from ..options import Options
from .common import EXIT_FAILURE, Parser, add_options, debugging, guarded, options_of, show_usage
from .progress import batch_progress

EXIT_VERDICT = 3
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
BIDS_DESCRIPTION = """\
Brain masks of the T1-weighted scans of a BIDS data set, as BIDS derivatives.

  skullstrip-bids BIDS_DIR OUT_DIR participant                          every participant
  skullstrip-bids BIDS_DIR OUT_DIR participant --participant-label 01   one, of many jobs
  skullstrip-bids BIDS_DIR OUT_DIR group                                table and page of all
"""
BIDS_EPILOG = """\
With --participant-label, several jobs may work in one OUT_DIR, each on other participants; then run
'group' once they are through. Without it, 'participant' writes table and page itself.
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
    return _run(parser.parse_args(words))


def make_parser() -> Parser:
    """Return the parser of `skullstrip batch`."""
    parser = _parser("skullstrip batch", "IN", "OUT", "", DESCRIPTION, EPILOG)
    parser.add_argument("--bids", action="store_true", help="IN is a BIDS data set")
    return parser


def bids_main(argv: Sequence[str] | None = None) -> int:
    """Run `skullstrip-bids` with these arguments, or the process's own; returns the exit status."""
    return guarded(lambda: _bids_command(sys.argv[1:] if argv is None else list(argv)))


def _bids_command(words: list[str]) -> int:
    levels = ("participant", "group")
    which = f" {{{','.join(levels)}}}"
    parser = _parser("skullstrip-bids", "BIDS_DIR", "OUT_DIR", which, BIDS_DESCRIPTION, BIDS_EPILOG)
    parser.add_argument("level", choices=levels, help="level of the analysis")
    parser.add_argument("-v", "--version", action="version", version=f"SkullStrip {__version__}")
    parser.set_defaults(bids=True)
    if not words:
        return show_usage(parser)
    arguments = parser.parse_args(words)
    if arguments.level == "participant":
        return _run(arguments, shared=bool(arguments.participants))
    from ..batch.records import RECORDS, rows
    from ..batch.report_page import write_results

    out = Path(arguments.out)
    if not (out / RECORDS).is_dir():
        raise InputError(f"Nothing has been stripped into '{out}'; run 'participant' first.")
    print_escaped(f"Report       {write_results(partial(rows, out), out)}")
    return 0


def _parser(prog: str, source: str, out: str, more: str, description: str, epilog: str) -> Parser:
    """Return what the parsers of both commands have in common."""
    usage = f"{prog} [options] {source} {out}{more}"
    parser = Parser(prog=prog, usage=usage, description=description, epilog=epilog + EXIT_STATUSES)
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
    add("--progress", choices=("auto", "bar", "json", "none"), default="auto", help=progress_help)
    add_options(parser, BatchOptions)
    add_options(parser, Options)
    return parser


def _run(arguments: argparse.Namespace, shared: bool = False) -> int:
    """Do what the arguments of either command ask for; returns the exit status."""
    import_scipy()
    from ..batch.run import run_batch

    options = options_of(arguments, BatchOptions, method=options_of(arguments, Options))
    source, out = arguments.source, Path(arguments.out)
    if arguments.dry_run:
        return _dry_run(source, out, options)
    how = {"quiet": not debugging(), "shared": shared}
    try:
        with stopping() as stop, batch_progress(arguments.progress) as on_event:
            result = run_batch(source, out, options, on_event=on_event, stop=stop, **how)
    except KeyboardInterrupt as error:  # the second Ctrl-C
        message = (
            "Interrupted, the scans under way are dropped; start the same command again to go on."
        )
        raise Cancelled(message) from error
    if arguments.progress not in ("json", "none"):
        print(f"Done {result.done}, failed {result.failed}, left as they were {result.skipped}")
        print(f"Verdicts     {', '.join(f'{name} {n}' for name, n in result.verdicts.items())}")
        if result.table:
            print_escaped(f"Table        {result.table}")
            print_escaped(f"Report       {result.page}")
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
            lacking = [path for path in scan.inputs if not (options.get or path.exists())]
            why = "; ".join([reason, *(f"{path.name} is not there" for path in lacking)])
            print_escaped(f"{scan.path} -> {out / scan.mask} ({why})")
    print(f"{todo} of {total} scans would be stripped.")
    return 0


if __name__ == "__main__":
    sys.exit(bids_main())
