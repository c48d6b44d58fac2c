"""A scorer behind HTTP, with the original project's protocol.

The mask's NIfTI bytes, compressed by zlib, are POSTed to the URL with the scan's name appended;
the answer is JSON, ``{"dice": 0.98}``. The server holds the true masks, so that nobody can train
on them.
"""

from __future__ import annotations

import gzip
import json
import math
import struct
import zlib
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from skullstrip.errors import InputError, SkullStripError

TIMEOUT_S = 60.0
_HEADER_SIZES = [struct.pack(f"{order}i", size) for order in "<>" for size in (348, 540)]


class ScorerError(SkullStripError):
    """The scorer did not answer as the protocol says."""


def nifti_bytes(path: Path) -> bytes:
    """Return a NIfTI file's bytes, unpacked where the file is gzipped.

    Raises
    ------
    InputError
        The file is cut short, or no NIfTI.
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"The mask {path} cannot be unpacked ({error}).") from error
    if content[:4] not in _HEADER_SIZES:
        raise InputError(f"The mask {path} is no NIfTI file; the scorer takes nothing else.")
    return content


def remote_dice(url: str, name: str, mask: Path, *, timeout_s: float = TIMEOUT_S) -> float:
    """Send one mask and return the Dice that the scorer answers.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``; the scan's name is appended as it is, so end it with ``/``
        or ``=`` as the server wants.
    name : str
        The scan's name.
    mask : Path
        NIfTI file, gzipped or not.

    Raises
    ------
    InputError
        The URL or the mask is at fault.
    ScorerError
        The server cannot be reached, refuses, or answers something else than a Dice in [0, 1].
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"The scorer {url!r} is no http:// or https:// address.")
    request = Request(  # noqa: S310  (the scheme is checked above)
        url + quote(name, safe=""),
        data=zlib.compress(nifti_bytes(mask)),
        headers={"Content-Type": "application/octet-stream"},
        method="POST",
    )
    try:
        with urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            answer = response.read()
    except (URLError, TimeoutError, ConnectionError) as error:
        raise ScorerError(f"The scorer at {url} did not score {name} ({error}).") from error
    return _dice_of(answer, name)


def _dice_of(answer: bytes, name: str) -> float:
    try:
        dice = float(json.loads(answer)["dice"])
    except (ValueError, TypeError, KeyError) as error:
        raise ScorerError(
            f"The scorer's answer for {name} holds no Dice: {answer[:80]!r}."
        ) from error
    if not (math.isfinite(dice) and 0 <= dice <= 1):
        raise ScorerError(f"The scorer's Dice for {name} is {dice}, not between 0 and 1.")
    return dice
