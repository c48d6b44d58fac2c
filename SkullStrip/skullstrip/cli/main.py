"""The `skullstrip` command.

Only the standard library is imported here at file scope, so that `--help` answers at once. When the
first word is `batch`, `cli.batch` takes over.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from .._version import __version__
from ..batch.options import GET_HELP
from ..errors import InputError, SkullStripError
from ..escaping import print_escaped
from ..io.process import (
    abandon_stdout,
    ended_by_signals,
    import_scipy,
    leave,
    native_noise_silenced,
)
from ..options import Options
from ..output_files import ONE_FORMAT, OUTPUTS, default_outputs, require_free
from .common import (
    EXIT_INTERRUPTED,
    INTERRUPTED,
    Parser,
    add_options,
    closest,
    debugging,
    guarded,
    options_of,
    show_usage,
)

COMMANDS = {
    "batch": "skullstrip batch",
    "bids": "skullstrip-bids",
    "help": "skullstrip --help",
    "version": "skullstrip --version",
}
_LABELS = {"seg": "DICOM SEG", "qc": "QC picture", "json": "Report"}
DESCRIPTION = """\
Find the brain in an MRI of the head, T1-weighted best.

  skullstrip T1.nii.gz       writes T1_brain.nii.gz and T1_brain_mask.nii.gz beside it
  skullstrip *_T1w.nii.gz    the same for each
  skullstrip DICOM_FOLDER    the same for a series of DICOM files, in that folder
  skullstrip T1.nii.gz --apply-to FLAIR.nii.gz T2.nii.gz
                             gives other scans of the session the same mask, each on its grid
  skullstrip batch IN OUT    strips many scans; 'skullstrip batch --help' says more
"""
EPILOG = """\
With -o, -m, --head or --seg, only the images that are named are written; the others add to either.
A file that you name is replaced if it is there; T1_brain and T1_brain_mask are not, without
--overwrite.
Reads and writes NIfTI (.nii, .nii.gz, .hdr/.img), MGH (.mgh, .mgz) and NRRD (.nrrd, .nhdr); reads
AFNI, MINC (MINC 2 with h5py), PAR/REC and DICOM (with pydicom), too. The ending of an output names
its format.
SKULLSTRIP_MAX_VOXELS in the environment raises the limit of 2^28 voxels (645 x 645 x 645).
Exit status: 0 done, 2 the input or an argument is at fault and nothing was written, 130
interrupted, 1 anything else.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or the process's own; returns the exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    status = guarded(lambda: _command(words))
    if argv is None and not debugging():
        leave(status)
    return status


def _command(words: list[str]) -> int:
    if words[:1] == ["batch"]:
        from .batch import batch_command

        return batch_command(words[1:])
    parser = make_parser()
    if not words:
        return show_usage(parser)
    arguments = parser.parse_intermixed_args(words)
    import_scipy()
    with ended_by_signals(INTERRUPTED, EXIT_INTERRUPTED):
        scans = _scans(arguments)
        if len(scans) == 1:
            return _strip(arguments, scans[0])
        from ..pipeline import load_engine

        with _native_silence():
            arguments.engine = load_engine(options_of(arguments, Options))  # once for all
    statuses = []
    for scan in scans:
        if not arguments.quiet:
            print_escaped(f"{scan}:")
        with ended_by_signals("Interrupted; scans before this one are done.", EXIT_INTERRUPTED):
            statuses.append(guarded(partial(_strip, arguments, scan)))
    return max(statuses)


def _native_silence() -> AbstractContextManager[None]:
    return nullcontext() if debugging() else native_noise_silenced()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command for one scan."""
    parser = Parser(
        prog="skullstrip",
        usage="skullstrip [options] T1 [T1 ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add = parser.add_argument
    add("inputs", nargs="*", metavar="T1", help="the scan: a whole head, T1 best; or several")
    series_help = "which series of a DICOM folder that holds several"
    add("--series", metavar="N", type=int, help=series_help)
    add("-i", "--image", metavar="T1", help="the same, for those used to a flag")
    files = parser.add_argument_group("outputs")
    add = files.add_argument
    for name, (flags, _, what) in OUTPUTS.items():
        _, suffix = ONE_FORMAT.get(name, ("", ".file"))
        add(*flags.split(), metavar=suffix[1:].upper(), help=what)
    fractional_help = "the probability in the mask's place in --seg"
    add("--seg-fractional", action="store_true", help=fractional_help)
    paths_help = "call files by their whole paths in the JSON report, not by their names"
    add("--absolute-paths", action="store_true", help=paths_help)
    apply_help = (
        "other scans of the session, which get the same mask: FLAIR_brain, FLAIR_brain_mask"
    )
    files.add_argument("--apply-to", metavar="FILE", nargs="+", default=[], help=apply_help)
    overwrite_help = "replace T1_brain and T1_brain_mask if they are there"
    add("--overwrite", action="store_true", help=overwrite_help)
    add_options(parser)
    add = parser.add_argument
    again_help = "cut the mask from what -p wrote earlier: another border, no network run"
    add("--from-probability", metavar="FILE", help=again_help)
    add("--get", action="store_true", help=GET_HELP)
    profile_help = "print the time and memory of each stage"
    add("--profile", action="store_true", help=profile_help)
    add("-q", "--quiet", action="store_true", help="print nothing but errors")
    add("--version", action="version", version=f"skullstrip {__version__}")
    return parser


def _strip(arguments: argparse.Namespace, input_path: Path) -> int:
    from ..files import strip_file
    from ..io.nibabel_images import start_without_pydicom
    from .progress import profiled, terminal_progress

    if ".nii" in input_path.suffixes:
        start_without_pydicom()
    outputs, targets = _outputs(arguments, input_path), _targets(arguments, input_path)
    start = time.perf_counter()
    profile = profiled if arguments.profile else nullcontext
    with _native_silence(), terminal_progress(arguments.quiet) as bar, profile(bar) as progress:
        result = strip_file(
            input_path,
            options_of(arguments, Options),
            **outputs,
            from_probability=arguments.from_probability,
            series=arguments.series,
            seg_fractional=arguments.seg_fractional,
            apply_to=targets or None,
            absolute_paths=arguments.absolute_paths,
            progress=progress,
        )
    if not arguments.quiet:
        try:
            _print_summary(result, outputs, time.perf_counter() - start)
            for (target, images), carried in zip(targets.items(), result.carried, strict=True):
                print_escaped(f"{target}:")
                _print_summary(carried, images)
            if sys.stdout.isatty() and arguments.qc is None:
                print("To look at the outline over the scan, add --qc outline.png.")
            sys.stdout.flush()
        except OSError as error:  # a pipe that was closed, a full disk
            abandon_stdout()
            reason = f"the summary could not be printed ({error.strerror})"
            raise SkullStripError(f"The outputs were written, but {reason}.") from error
    return 0


def _scans(arguments: argparse.Namespace) -> list[Path]:
    """Return the scans that are named, without outputs of ours among them.

    Raise InputError where there is none, one of several is no file, or an output is named for
    several.
    """
    from ..io.images import fetch

    named = [*arguments.inputs, *([] if arguments.image is None else [arguments.image])]
    if not named:
        after = "give it before '--apply-to', which takes all names after it"
        advice = after if arguments.apply_to else "give one, as 'skullstrip T1.nii.gz'"
        raise InputError(f"No scan is named; {advice}.")
    for name in named:
        if not Path(name).name:  # "", "." and "/"
            raise InputError(f"'{name}' is not a file; give one, as 'skullstrip T1.nii.gz'.")
        if (meant := closest(name, tuple(COMMANDS))) and not Path(name).exists():
            raise InputError(f"{name} does not exist; did you mean '{COMMANDS[meant]}'?")
    scans = [*map(Path, named)]
    fetch(*([*scans, *map(Path, arguments.apply_to)] if arguments.get else []))
    if len(scans) == 1:
        return scans
    if missing := [scan for scan in scans if not scan.exists()]:
        raise InputError(f"{missing[0]} does not exist; an output is named with -o or -m.")
    if arguments.apply_to or any(
        getattr(arguments, name) is not None for name in (*OUTPUTS, "from_probability")
    ):
        raise InputError(
            f"{len(scans)} scans are named, and a file that is for one; leave that out, or strip "
            "them one by one."
        )
    return _distinct(scans)


def _distinct(named: list[Path]) -> list[Path]:
    """Return each scan once, and none of our outputs; files of one DICOM series are one scan."""
    from ..io.images import files_read

    scans: dict[frozenset[Path], Path] = {}
    for path in named:
        scans.setdefault(frozenset(files_read(path)), path)
    ours: set[Path] = set()
    for path in scans.values():
        with suppress(InputError):  # of DICOM that cannot be read, or of which one is to be chosen
            ours.update(default_outputs(path).values())
    return [path for path in scans.values() if path not in ours]


def _outputs(arguments: argparse.Namespace, input_path: Path) -> dict[str, Any]:
    images = {name: getattr(arguments, name) for name in ("brain", "mask", "head", "seg")}
    if all(path is None for path in images.values()):  # "" is refused later, not passed over
        images = default_outputs(input_path, arguments.series)
        if not arguments.overwrite:
            require_free(images)
    named = {name: getattr(arguments, name) for name in OUTPUTS} | images
    return {name: path for name, path in named.items() if path is not None}


def _targets(arguments: argparse.Namespace, input_path: Path) -> dict[Path, dict[str, Path]]:
    """Return the scans that get the same mask, each with its outputs.

    A pattern may name the scan itself and outputs of an earlier run, too: these are passed over.
    Raise InputError where nothing else is named, or outputs are there already.
    """
    named = [Path(name) for name in arguments.apply_to]
    if arguments.register and not named:
        raise InputError(
            "'--register' aligns the scans of '--apply-to'; name some, or leave it out."
        )
    scans = _distinct([input_path, *named])
    targets = {path: default_outputs(path) for path in scans if path != input_path}
    if named and not targets:
        raise InputError("'--apply-to' names no scan beside the one to be stripped.")
    if not arguments.overwrite:
        for outputs in targets.values():
            require_free(outputs)
    return targets


def _print_summary(result: Any, outputs: dict[str, Any], seconds: float | None = None) -> None:
    for check in result.findings:
        print_escaped(f"skullstrip: {check.severity}: {check.message}", sys.stderr)
    from ..report import quality_line, volume_line

    print(f"Brain volume {volume_line(result)}")
    print(f"Quality      {quality_line(result)}")
    if seconds is not None:
        print(f"Time         {seconds:.1f} s ({result.engine}, {result.device})")
    for name, path in outputs.items():
        print_escaped(f"{_LABELS.get(name, name.capitalize()):<12} {path}")


if __name__ == "__main__":
    sys.exit(main())
