"""`skullstrip-bids`: the same in the manner of BIDS Apps."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .._version import __version__
from ..errors import InputError
from ..escaping import print_escaped
from .batch import EXIT_STATUSES, common_parser, run_command
from .common import guarded, show_usage

DESCRIPTION = """\
Brain masks of the T1-weighted scans of a BIDS data set, as BIDS derivatives.

  skullstrip-bids BIDS_DIR OUT_DIR participant                          every participant
  skullstrip-bids BIDS_DIR OUT_DIR participant --participant-label 01   one, of many jobs
  skullstrip-bids BIDS_DIR OUT_DIR group                                table and page of all
"""
EPILOG = """\
With --participant-label, several jobs may work in one OUT_DIR, each on other participants; then run
'group' once they are through. Without it, 'participant' writes table and page itself.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or the process's own; returns the exit status."""
    return guarded(lambda: _command(sys.argv[1:] if argv is None else list(argv)))


def _command(words: list[str]) -> int:
    parser = common_parser(
        "skullstrip-bids", "BIDS_DIR", "OUT_DIR", " {participant,group}",
        description=DESCRIPTION, epilog=EPILOG + EXIT_STATUSES,
    )  # fmt: skip
    parser.add_argument("level", choices=("participant", "group"), help="level of the analysis")
    parser.add_argument("-v", "--version", action="version", version=f"SkullStrip {__version__}")
    parser.set_defaults(bids=True)
    if not words:
        return show_usage(parser)
    arguments = parser.parse_args(words)
    if arguments.level == "participant":
        return run_command(arguments, shared=bool(arguments.participants))
    from ..batch.records import RECORDS, rows
    from ..batch.results import write_results

    out = Path(arguments.out)
    if not (out / RECORDS).is_dir():
        raise InputError(f"Nothing has been stripped into '{out}'; run 'participant' first.")
    print_escaped(f"Report       {write_results(partial(rows, out), out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
