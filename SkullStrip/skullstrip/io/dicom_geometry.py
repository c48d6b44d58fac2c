"""Slices put in order: where a stack of DICOM slices lies, or why it is no volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .dicom_header import Frame

EVEN = 0.02  # of the step between slices: what a distance may be off, positions being rounded
EVEN_MM = 0.02
TURNED = 1e-3  # of a direction: more is another orientation
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def lay_out(frames: Sequence[Frame], what: str) -> tuple[np.ndarray, np.ndarray]:
    """Order slices and say where they lie.

    Raise InputError for slices that are missing, doubled, uneven, of several orientations, or that
    lie nowhere.

    Parameters
    ----------
    frames : sequence of Frame
    what : str
        What a refusal calls them.

    Returns
    -------
    order : ndarray of int, shape (K,)
        Along the slices' normal, row direction cross column direction.
    affine : ndarray of float64, shape (4, 4)
        Index of column, row and slice to RAS+ mm; sheared if slices are not behind each other, as
        of a tilted gantry.
    """
    directions = np.array([frame.orientation for frame in frames])
    spacing = np.array([frame.spacing for frame in frames])
    positions = np.array([frame.position for frame in frames])
    _require_numbers(positions, directions, spacing, what)
    turned = np.unique(np.round(directions / (10 * TURNED)), axis=0)
    if np.abs(directions - directions[0]).max() > TURNED:
        raise InputError(
            f"{what} holds slices of {max(2, len(turned))} orientations, as a localizer does; "
            "choose a series whose slices are parallel."
        )
    if not np.allclose(spacing, spacing[0], rtol=EVEN):
        raise InputError(f"{what} holds pixels of several sizes; choose a series of one size.")
    along_row, along_column = (part / np.linalg.norm(part) for part in np.split(directions[0], 2))
    depths = positions @ np.cross(along_row, along_column)
    order = np.argsort(depths, kind="stable")
    _require_even(depths[order], [frames[place] for place in order], what)
    steps = max(1, len(frames) - 1)
    step = (positions[order[-1]] - positions[order[0]]) / steps
    if len(frames) == 1:
        step = np.cross(along_row, along_column)
    line = positions[order[0]] + np.arange(len(frames))[:, None] * step
    off = np.linalg.norm(positions[order] - line, axis=1).max()
    if off > EVEN * np.linalg.norm(step) + EVEN_MM:
        raise InputError(
            f"{what} holds slices up to {off:.3g} mm off the line through the others; export the "
            "series again, or resample it with dcm2niix."
        )
    affine = np.eye(4)
    affine[:3, 0] = along_row * spacing[0, 1]
    affine[:3, 1] = along_column * spacing[0, 0]
    affine[:3, 2] = step
    affine[:3, 3] = positions[order[0]]
    return order, LPS_TO_RAS @ affine


def _require_numbers(
    positions: np.ndarray, directions: np.ndarray, spacing: np.ndarray, what: str
) -> None:
    known = all(np.isfinite(numbers).all() for numbers in (positions, directions, spacing))
    lengths = np.linalg.norm(directions.reshape(-1, 2, 3), axis=2)
    if not known or not np.allclose(lengths, 1, atol=0.05) or spacing.min() <= 0:
        raise InputError(
            f"{what} does not say of every slice where it lies, how it is turned and how large its "
            "pixels are; choose another series, or export it again."
        )


def _require_even(depths: np.ndarray, frames: Sequence[Frame], what: str) -> None:
    """Refuse slices, in order, that are not one step apart."""
    gaps = np.diff(depths)
    if not len(gaps):
        return
    if gaps.min() < EVEN_MM:
        echoes = sorted({frame.echo_ms for frame in frames if np.isfinite(frame.echo_ms)})
        several = len(echoes) > 1
        which = f", of echo times {' and '.join(f'{e:g}' for e in echoes)} ms" if several else ""
        places = 1 + np.count_nonzero(gaps >= EVEN_MM)
        raise InputError(
            f"{what} holds {len(frames)} slices at {places} places{which}; copy those of one "
            "volume into a folder of their own."
        )
    step = np.median(gaps)
    tolerance = EVEN * step + EVEN_MM
    if np.abs(gaps - step).max() <= tolerance:
        return
    counts = np.rint(gaps / gaps.min())
    if np.abs(gaps - counts * gaps.min()).max() <= tolerance * counts.max():
        missing, first = int(counts.sum()) - len(gaps), int(np.argmax(counts > 1)) + 1
        lack = "a slice," if missing == 1 else f"{missing} slices, the first"
        raise InputError(
            f"{what} lacks {lack} after number {first} of {len(frames)}; fetch the whole series "
            "again."
        )
    raise InputError(
        f"{what} has slices between {gaps.min():.4g} and {gaps.max():.4g} mm apart; choose a "
        "series of even steps, or resample it with dcm2niix."
    )
