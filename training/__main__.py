"""``python -m training COMMAND``: every step from raw scans to released weights."""

from __future__ import annotations

import argparse
import importlib
import sys

from skullstrip.errors import SkullStripError

# Where each is, and what it does. Its module has `add_arguments(parser)` and `run(arguments)`.
COMMANDS = {
    "check": ("data.check", "report voxel sizes, orientations and faulty masks of a data set"),
    "split": ("data.dataset", "split a data set by subject, seeded, into a list"),
    "heads": ("data.heads", "make masks for more label maps, and heads for infants' brains"),
    "prepare": ("data.sources", "preprocess a data set once, for training"),
    "train": ("model.train", "train a network from a configuration"),
    "export": ("publishing.export", "turn a run into weights with a manifest, to judge or to use"),
    "evaluate": ("evaluation.evaluate", "judge weights on a split, scan by scan"),
    "synthetic": ("evaluation.synthetic", "judge weights on scans painted from held-back maps"),
    "stress": ("evaluation.stress", "judge weights on rotated, noisy, cropped, else spoilt scans"),
    "quantise": ("calibration.quantise", "write weights in int8, too, if that loses nothing"),
    "quality": ("calibration.calibrate", "calibrate the verdict and test it on held-out scans"),
    "score": ("evaluation.score", "compare masks with the truth, here or by an HTTP scorer"),
    "release": ("publishing.release", "export a run to the bundled weights, if it is better"),
}


def usage() -> str:
    """Return the list of commands."""
    rows = "\n".join(f"  {name:<9} {purpose}" for name, (_, purpose) in COMMANDS.items())
    return f"usage: python -m training COMMAND [-h] ...\n\n{rows}\n"


def run(command: str, *words: str) -> int:
    """Run one command; only its own module is loaded."""
    module = importlib.import_module(f".{COMMANDS[command][0]}", __package__)
    parser = argparse.ArgumentParser(f"python -m training {command}", description=module.__doc__)
    module.add_arguments(parser)
    return module.run(parser.parse_args(words)) or 0


def main(argv: list[str] | None = None) -> int:
    """Run the command that is asked for; an error is one sentence and an exit status."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0 if words else 2
    command, *rest = words
    if command not in COMMANDS:
        print(f"There is no command {command!r}.\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        return run(command, *rest)
    except SkullStripError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
