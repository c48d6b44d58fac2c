"""Small pictures for the report page, cut from the QC pictures and kept on disk."""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..io.limits import require_regular
from .qc import BACKGROUND, CUTS, GAP, HEADER, OUTLINE

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = Path(".skullstrip") / "thumbnails"
HEIGHT = 84  # pixels; shown at half of it, so that it is sharp on dense screens
PLANES = 3
QUALITY = 45
HALF = 0.5  # of a cut's height: letters beside a cut fill less
COLOURED = 12  # of 255, between the channels of a pixel; all but the outline is grey
FAINT = 0.15  # of a shrunken pixel: less outline than this in it is not drawn


def thumbnail(folder: Path, qc: str) -> bytes | None:
    """Return the thumbnail of a QC picture, made once.

    Parameters
    ----------
    folder : Path
        Of the batch's results; thumbnails are kept in `.skullstrip/thumbnails` there.
    qc : str
        The picture's path, relative to `folder`.

    Returns
    -------
    bytes or None
        WebP; None when there is no picture, or none that can be read.
    """
    picture = folder / qc
    kept = folder / FOLDER / f"{hashlib.sha256(qc.encode()).hexdigest()[:32]}.webp"
    try:
        require_regular(picture)
        changed = picture.stat().st_mtime_ns
        if kept.is_file() and kept.stat().st_mtime_ns == changed:
            return kept.read_bytes()
        content = make_thumbnail(picture)
    except (OSError, ValueError, SyntaxError):  # Pillow raises SyntaxError for a broken PNG
        return None
    _keep(kept, content, changed)
    return content


def make_thumbnail(picture: Path) -> bytes:
    """Return the middle cut of each plane, side by side, WebP; the whole picture if it is not ours.

    Raises
    ------
    OSError, ValueError, SyntaxError
        It is no picture that Pillow can read.
    """
    from PIL import Image

    with Image.open(picture) as opened:
        whole = opened.convert("RGB")
    cuts = [_shrunk(whole.crop(box)) for box in _middle_cuts(np.asarray(whole))] or [_shrunk(whole)]
    page = Image.new("RGB", (sum(cut.width for cut in cuts), HEIGHT), BACKGROUND)
    left = 0
    for cut in cuts:
        page.paste(cut, (left, 0))
        left += cut.width
    stream = io.BytesIO()
    page.save(stream, "WEBP", quality=QUALITY, method=4)
    return stream.getvalue()


def _middle_cuts(page: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) of one middle cut a plane; empty if this is no QC picture.

    Rows are told apart by the background between them, which no grey cut contains.
    """
    width = (page.shape[1] - (CUTS + 1) * GAP) // CUTS
    if width < 1:
        return []
    left = GAP + (CUTS // 2) * (width + GAP)
    # Labels stand at the far left, so that the middle column is empty between two rows.
    column = page[HEADER:, left : left + width]
    filled = (column != np.array(BACKGROUND, np.uint8)).any(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], filled, [False])).astype(np.int8)))
    rows = list(zip(edges[::2] + HEADER, edges[1::2] + HEADER, strict=True))
    if len(rows) != PLANES:
        return []
    boxes = []
    for top, bottom in rows:
        drawn = (page[top:bottom, left : left + width] != BACKGROUND).any(axis=2)
        first, last = np.flatnonzero(drawn.mean(axis=0) > HALF)[[0, -1]]
        boxes.append((left + int(first), int(top), left + int(last) + 1, int(bottom)))
    return boxes


def _shrunk(cut: Image) -> Image:
    """Shrink a cut to the thumbnail's height, and draw its outline anew, which would fade.

    It is of one colour here, whatever the picture's colours say: at this size what counts is where
    it runs.
    """
    from PIL import Image

    size = (max(1, round(cut.width * HEIGHT / cut.height)), HEIGHT)
    is_outline = np.ptp(np.asarray(cut), axis=2) > COLOURED
    share = Image.fromarray((255 * is_outline).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    small = np.array(cut.resize(size, Image.Resampling.BOX))
    small[np.asarray(share) > 255 * FAINT] = OUTLINE
    return Image.fromarray(small)


def _keep(path: Path, content: bytes, changed: int) -> None:
    """Write a thumbnail with its picture's time, by which a later picture is noticed.

    A folder that cannot be written to only costs the time to make it again.
    """
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.utime(temporary, ns=(changed, changed))
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
