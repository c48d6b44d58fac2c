"""Errors whose text is meant for the user, each with the exit status that the command returns."""

from __future__ import annotations

from collections.abc import Sequence

NO_MEMORY = "There is not enough memory for this scan."
# What libraries say, in errors of their own, when memory is short.
_OUT_OF_MEMORY = (
    "bad_alloc", "failed to map segment", "cannot allocate memory", "unable to allocate",
    "failed to allocate memory", "can't start new thread", "resource exhausted",
)  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, of whatever kind, says that memory is short."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY)


def reason_of(error: BaseException) -> str:
    """Return what an error says, in one line; of the system's without number and path."""
    said = getattr(error, "strerror", None) or " ".join(str(error).split())
    return said or type(error).__name__


class SkullStripError(Exception):
    """Anything SkullStrip itself reports; the message is one sentence for the user."""

    exit_code = 1


class InputError(SkullStripError):
    """The input image or an argument is at fault; nothing has been written."""

    exit_code = 2


class ChoiceError(InputError):
    """Several things were found where one is wanted; `choices` are a line each, to be shown."""

    def __init__(self, message: str, choices: Sequence[str]) -> None:
        super().__init__(message)
        self.choices = tuple(choices)


class OutputError(InputError):
    """An output cannot be written where the user asked for it."""


class WeightsError(InputError):
    """The weights or their manifest are missing, altered or of another network."""


class EngineError(SkullStripError):
    """No engine can run the network here, or the one that was asked for failed."""


class Cancelled(SkullStripError):
    """The user stopped the run."""

    exit_code = 130
