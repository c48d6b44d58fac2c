"""Scans whose content git-annex keeps elsewhere, as DataLad does: fetched where asked for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from ..errors import InputError
from .images import files_of
from .limits import ANNEX_POINTER, HEAD_BYTES

COMMANDS = {"datalad": ("datalad", "get"), "git-annex": ("git", "annex", "get")}


def lacks_content(path: Path) -> bool:
    """Return whether a file is a link or a pointer of git-annex to content that is not here."""
    if path.is_symlink() and not path.exists():
        return ".git/annex/" in path.readlink().as_posix()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return re.match(ANNEX_POINTER, file.read(HEAD_BYTES), re.DOTALL) is not None


def fetch(path: Path) -> None:
    """Have `datalad get`, or else `git annex get`, bring what is lacking of an image.

    Raise InputError where neither is installed, or the content did not come.
    """
    for file in dict.fromkeys((path, *files_of(path))):
        if not lacks_content(file):
            continue
        tool = next(filter(shutil.which, COMMANDS), None)
        if tool is None:
            raise InputError(
                f"{file} is not here, and neither DataLad nor git-annex is installed to get it."
            )
        # Nobody is there to be asked for a password.
        done = subprocess.run(  # noqa: S603
            [*COMMANDS[tool], f"./{file.name}"],
            cwd=file.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode or lacks_content(file):
            said = " ".join((done.stderr or done.stdout).split())[-300:]
            raise InputError(f"{file} could not be fetched by {tool}: {said}")
