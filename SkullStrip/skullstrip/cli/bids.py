"""`skullstrip-bids`: the same in the manner of BIDS Apps."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .._version import __version__
from ..errors import InputError
from ..shown import say
from .batch import add_batch_options, run_command
from .common import Parser, guarded, show_usage

DESCRIPTION = """\
Brain masks of the T1-weighted scans of a BIDS data set, as BIDS derivatives.

  skullstrip-bids BIDS_DIR OUT_DIR participant                          every participant
  skullstrip-bids BIDS_DIR OUT_DIR participant --participant-label 01   one, of many jobs
  skullstrip-bids BIDS_DIR OUT_DIR group                                table and page of all
"""
EPILOG = """\
With --participant-label, several jobs may work in one OUT_DIR, each on other participants; then run
'group' once they are through. Without it, 'participant' writes table and page itself.
Exit status: 0 all done, 1 a scan could not be stripped, 2 an argument is at fault, 3 with --strict
a verdict is fail, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or the process's own; returns the exit status."""
    return guarded(lambda: _command(sys.argv[1:] if argv is None else list(argv)))


def _command(words: list[str]) -> int:
    parser = _parser()
    if not words:
        return show_usage(parser)
    arguments = parser.parse_args(words)
    out = Path(arguments.out)
    if arguments.level == "group":
        return _group(out)
    from ..batch.run import Source

    participants = tuple(arguments.participant_label)
    sessions = tuple(arguments.session_label)
    source = Source(
        arguments.source, True, participants, sessions, arguments.fmriprep, arguments.also
    )
    return run_command(source, arguments, shared=bool(participants))


def _group(out: Path) -> int:
    from ..batch.records import RECORDS, rows
    from ..batch.results import write_results

    if not (out / RECORDS).is_dir():
        raise InputError(f"Nothing has been stripped into '{out}'; run 'participant' first.")
    page = write_results(partial(rows, out), out)
    say(f"Report       {page}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="skullstrip-bids",
        usage="skullstrip-bids [options] BIDS_DIR OUT_DIR {participant,group}",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("source", metavar="BIDS_DIR", help="the data set")
    parser.add_argument("out", metavar="OUT_DIR", help="folder for the derivatives")
    parser.add_argument("level", choices=("participant", "group"), help="level of the analysis")
    parser.add_argument("-v", "--version", action="version", version=f"SkullStrip {__version__}")
    add_batch_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
