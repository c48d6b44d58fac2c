"""What the commands share: arguments, errors as one sentence, exit statuses."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ..errors import NO_MEMORY, InputError, SkullStripError, is_out_of_memory
from ..escaping import print_escaped
from ..io.process import abandon_stdout, repair_streams, require_memory, start_lean
from ..options import Options

EXIT_FAILURE = 1
EXIT_INTERRUPTED = 130
INTERRUPTED = "Interrupted; nothing was written."
T = TypeVar("T")


def guarded(command: Callable[[], int]) -> int:
    """Run a command; whatever ends it early becomes one sentence on stderr and an exit status."""
    repair_streams()
    start_lean()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' advice to programmers
    try:
        require_memory()
        return command()
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, EXIT_INTERRUPTED)
    except SkullStripError as error:
        return _fail(str(error), error.exit_code, getattr(error, "choices", ()))
    except BrokenPipeError:  # `| head`, or a program that read the progress and is gone
        abandon_stdout()
        return _fail("Output pipe closed.", EXIT_FAILURE)
    except Exception as error:  # the last resort: a sentence, not a traceback
        if is_out_of_memory(error):
            return _fail(NO_MEMORY, EXIT_FAILURE)
        if debugging():
            raise
        message = f"{type(error).__name__}: {error}"
        return _fail(f"{message} (SKULLSTRIP_DEBUG=1 shows where).", EXIT_FAILURE)


class Parser(argparse.ArgumentParser):
    """argparse with texts as they are written, no abbreviations, and errors of one sentence."""

    def __init__(self, **settings: Any) -> None:
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(formatter_class=formatter, allow_abbrev=False, **settings)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, with what follows `--` for names, also where they begin with a dash."""
        words = list(sys.argv[1:] if args is None else args)
        names = words.index("--") + 1 if "--" in words else len(words)
        words[names:] = [f"./{word}" if word.startswith("-") else word for word in words[names:]]
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Leave by the exception that every other error leaves by."""
        for word in message.split() if message.startswith("unrecognized") else ():
            if word.startswith("-") and Path(word).exists():
                raise InputError(f"'{word}' looks like an option; write ./{word} for the file.")
            known = tuple(self._option_string_actions)
            if word.startswith("-") and (meant := closest(word.split("=")[0], known)):
                raise InputError(f"Unrecognized argument: {word}; did you mean {meant}?")
        if message.startswith("unrecognized") and " -" not in message:
            raise InputError(f"'{self.usage}' takes no more names; put a glob in quotes.")
        raise InputError(f"{message[:1].upper()}{message[1:]}; see '{self.prog} --help'.")


def closest(word: str, known: tuple[str, ...]) -> str:
    """Return what was meant by a misspelt word; "" if nobody can tell."""
    return next(iter(get_close_matches(word, known, n=1, cutoff=0.7)), "")


def show_usage(parser: argparse.ArgumentParser) -> int:
    """Say on stderr what to type, for a command without arguments; returns its exit status."""
    print(f"{parser.description}\n'{parser.prog} --help' has every option.", file=sys.stderr)
    return InputError.exit_code


def add_options(parser: argparse.ArgumentParser, kind: type = Options) -> None:
    """Add an argument for each field of an options class that names its flags."""
    groups: dict[str, Any] = {}
    for option in fields(kind):
        more = {"group": "method", **option.metadata}
        title, flags = more.pop("group"), more.pop("flags", "").split()
        if not flags:
            continue
        if isinstance(option.default, bool):
            more["action"] = "store_false" if option.default else "store_true"
        elif option.type in _TYPES:
            more.setdefault("type", _TYPES[option.type])
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        groups[title].add_argument(*flags, dest=option.name, default=option.default, **more)


def options_of(arguments: argparse.Namespace, kind: type[T], **more: Any) -> T:
    """Return the options that the arguments of `add_options` were."""
    names = {option.name for option in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in vars(arguments).items() if name in names}, **more)


def count(text: str) -> int:
    """Read a number of things; argparse turns what this raises into its error."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive whole number")
    return int(text)


def view_choice(text: str) -> int | str:
    """Read a number of views, or "auto"; argparse refuses what is neither."""
    return int(text) if text.isdecimal() else text


_TYPES = {"float": float, "int | str": view_choice, "int | None": count}  # by annotation


def debugging() -> bool:
    """Return whether tracebacks and native messages are wanted."""
    return bool(os.environ.get("SKULLSTRIP_DEBUG"))


def _fail(message: str, status: int, choices: Sequence[str] = ()) -> int:
    with suppress(OSError):  # a full disk: the status still tells
        for line in (f"skullstrip: {' '.join(message.split())}", *choices):
            print_escaped(line, sys.stderr)
    return status
