"""A scorer behind HTTP, with the original project's protocol.

The mask's NIfTI bytes, compressed by zlib, are POSTed to the URL with the scan's name appended;
the answer is JSON, ``{"dice": 0.98}``. The server holds the true masks, so that nobody can train
on them.
"""

from __future__ import annotations

import json
import math
import zlib
from base64 import b64encode
from http.client import HTTPException
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

import numpy as np

from skullstrip.errors import InputError, SkullStripError
from skullstrip.escaping import escaped

from ..data.pair import read_volume

TIMEOUT_S = 60.0
MAX_ANSWER_BYTES = 2**16


class ScorerError(SkullStripError):
    """The scorer did not answer as the protocol says."""


def remote_dice(url: str, name: str, mask: Path, *, timeout_s: float = TIMEOUT_S) -> float:
    """Send one mask under its scan's name and return the Dice that the scorer answers.

    The URL, ``http://`` or ``https://``, may have ``user:password@`` before the host; the name is
    appended as it is, so end it with ``/`` or ``=`` as the server wants. Raise InputError where it
    or the mask is at fault, and ScorerError where the server cannot be reached, takes longer for
    all of it, refuses, or answers something else than a Dice in [0, 1].
    """
    import nibabel

    address, headers = _address(url)
    volume = read_volume(mask)
    image = nibabel.Nifti1Image((volume.array > 0).astype(np.uint8), volume.affine)
    target, content = address + quote(name, safe=""), zlib.compress(image.to_bytes())
    request = Request(target, content, headers, method="POST")  # noqa: S310  (the scheme is checked)
    # Whose each byte comes in time may never end, so somebody else waits for it.
    answers: Queue[bytes | Exception] = Queue()
    Thread(target=_ask, args=(request, timeout_s, answers), daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
        if isinstance(answer, Exception):
            raise answer
    except (OSError, HTTPException, ValueError, Empty) as error:
        reason = escaped(str(error) or f"nothing within {timeout_s:g} s")
        host = urlsplit(address).hostname
        raise ScorerError(f"The scorer at {host} did not score {name} ({reason}).") from error
    return _dice_of(answer, name)


def _address(url: str) -> tuple[str, dict[str, str]]:
    """Return the URL without user and password, which are nobody's to see, and the headers."""
    headers = {"Content-Type": "application/octet-stream"}
    try:
        parts = urlsplit(url)
        host = parts.hostname and parts.netloc.rpartition("@")[2]
        _ = parts.port  # which may be no number
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        raise InputError("The scorer is no http:// or https:// address; give one with --url.")
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
    return urlunsplit(parts._replace(netloc=host)), headers


def _ask(request: Request, timeout_s: float, answers: Queue[bytes | Exception]) -> None:
    try:
        with urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            answers.put(response.read(MAX_ANSWER_BYTES))
    except Exception as error:  # noqa: BLE001  (whoever waits raises it)
        answers.put(error)


def _dice_of(answer: bytes, name: str) -> float:
    try:
        dice = float(json.loads(answer)["dice"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ScorerError(
            f"The scorer's answer for {name} holds no Dice: {answer[:80]!r}."
        ) from error
    if not (math.isfinite(dice) and 0 <= dice <= 1):
        raise ScorerError(f"The scorer's Dice for {name} is {dice}, not between 0 and 1.")
    return dice
