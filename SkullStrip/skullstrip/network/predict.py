"""Slice-wise prediction of a head, along one axis or fused over three.

Without a region whole slices are predicted, close together. With one (see `brain_region`) every
third or sixth slice is, in a window around the brain, and what lies between comes from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy import special
from scipy.special import expit

from ..grid.regions import Box, bounding_box, largest_component
from ..grid.resample import resample_axis
from .brain_region import BrainRegion, Window, slice_batch

Predict = Callable[[np.ndarray], np.ndarray]
Progress = Callable[[str, int, int], None]
Views = int | str  # 1, 3 or "auto"


class Slices(NamedTuple):
    """Which slices the network sees: the axes along which they are stacked, and every how many."""

    axes: tuple[int, ...]
    step: int


VIEWS: Mapping[Views, Slices] = MappingProxyType(
    {"auto": Slices((0, 1, 2), 6), 1: Slices((0,), 3), 3: Slices((0, 1, 2), 3)}
)
STEP = 3  # slices to the next one of a close view; without a region views are closer by as much
END_SLICES = 4  # brain reaches an end when it is in all of them; what bulges is in one or two
GROWTH = 24  # voxels; of a window at whose edge is brain
LEAST_APART = 0.005  # 1 - Dice: two views of a good scan agree no better
SLICES_A_BATCH = 2  # that share a window
BATCHES_AT_A_TIME = 8  # on their way, so that no thread of the engine waits
PLANES_AT_A_TIME = 16  # when views are fused, so that what is summed stays in the cache
POSSIBLE = 0.01  # probability: where every view says less, there is no brain
LEAST_PROBABILITY = 1e-4  # so far from 0 and 1 before odds are formed


@dataclass(frozen=True)
class View:
    """What the network says of some slices along one axis."""

    axis: int
    places: np.ndarray  # int, shape (n,); where the slices are, ascending
    # float32, shape (n, rows, columns); brain probability, 0 outside the windows looked at.
    slices: np.ndarray

    def joined(self, other: View) -> View:
        """Return a view with the slices of both."""
        order = np.argsort(places := np.concatenate([self.places, other.places]))
        return View(self.axis, places[order], np.concatenate([self.slices, other.slices])[order])


class Prediction(NamedTuple):
    """The probability of a head, shape (X, Y, Z), and the views that it was made of."""

    probability: np.ndarray
    views: tuple[View, ...]

    @property
    def views_used(self) -> str:
        """What was seen, in words: ``every slice along X``, ``1 slice in 6 along X, Y, Z``."""
        step = max(int(np.diff(view.places).max(initial=1)) for view in self.views)
        axes = ", ".join("XYZ"[view.axis] for view in self.views)
        return f"every slice along {axes}" if step == 1 else f"1 slice in {step} along {axes}"


def predict_head(
    head: np.ndarray,
    predict: Predict,
    wanted: Slices = VIEWS[1],
    progress: Progress | None = None,
    region: BrainRegion | None = None,
) -> Prediction:
    """Return the brain probability, from one view or several.

    Where the brain goes on to an end of its region, which therefore was too small, the region grows
    on that side.

    Parameters
    ----------
    head : ndarray of float32, shape (X, Y, Z)
        Intensities in [0, 1].
    predict : callable
        (N, H, W, 3) float32 to (N, H, W, 1) float32.
    wanted : Slices
        Axes along which slices are stacked, one view each, and slices from one that is predicted to
        the next; without a region they are three times nearer.
    progress : callable, optional
        Told after each batch: "predict", slices done, slices in all.
    region : BrainRegion, optional
        Where the brain can be; elsewhere the probability is 0.
    """
    axes = wanted.axes
    step = wanted.step if region else max(1, wanted.step // STEP)
    done = total = 0

    def report(slices: int) -> None:
        nonlocal done
        done += slices
        if progress is not None:
            progress("predict", done, total)

    views: tuple[View, ...] = ()
    while True:
        missing = [
            missing_places(region.box()[axis] if region else slice(0, head.shape[axis]), step, view)
            for axis, view in zip(axes, views or [None] * len(axes), strict=True)
        ]
        total += sum(map(len, missing))
        found = predict_views(head, zip(axes, missing, strict=True), predict, region, report)
        views = tuple(map(View.joined, views, found)) if views else found
        probability = fuse(views, head.shape)
        ends = reached_ends(probability, axes, region) if region else []
        if not ends:
            return Prediction(probability, views)
        for axis, at_stop in ends:
            region = region.grown(axis, at_stop)  # type: ignore[union-attr]  # ends are a region's


def missing_places(part: slice, step: int, view: View | None) -> np.ndarray:
    """Return the slices in a part of an axis that the network has yet to see.

    `view` is what it has seen, of a smaller part.
    """
    if view is None:
        return np.unique(np.append(np.arange(part.start, part.stop, step), part.stop - 1))
    before = np.arange(view.places[0], part.start - 1, -step)
    after = np.arange(view.places[-1], part.stop, step)
    wanted = np.concatenate([before, after, [part.start, part.stop - 1]])
    return np.setdiff1d(wanted, view.places)


def predict_views(
    head: np.ndarray,
    wanted: Iterable[tuple[int, np.ndarray]],
    predict: Predict,
    region: BrainRegion | None,
    report: Callable[[int], None] = lambda _: None,
) -> tuple[View, ...]:
    """Predict single slices along some axes, at ascending places (n,) of each.

    Few share a window, so that it is not too wide for most of them, and several such batches are on
    their way at a time. Where brain reaches an edge of its window, which therefore was too small,
    the batch's slices are predicted again, longer on that side. `report` is told after each batch
    how many slices it had.
    """
    views = tuple(
        View(axis, places, np.zeros((len(places), *np.delete(head.shape, axis)), dtype=np.float32))
        for axis, places in wanted
    )
    batches = [
        (view, slice(start, start + SLICES_A_BATCH))
        for view in views
        for start in range(0, len(view.places), SLICES_A_BATCH)
    ]

    def predict_batch(batch: tuple[View, slice]) -> tuple[Window, np.ndarray]:
        view, some = batch
        slices, places = np.moveaxis(head, view.axis, 0), view.places[some]
        whole = (slice(0, slices.shape[1]), slice(0, slices.shape[2]))
        window = region.window(view.axis, places[0], places[-1] + 1) if region else whole
        while True:
            found = predict(slice_batch(slices[(slice(None), *window)], places))[..., 0]
            if (grown := beyond_edges(found, window, whole)) == window:
                return window, found
            window = grown

    pool = ThreadPoolExecutor(BATCHES_AT_A_TIME)
    try:
        all_found = pool.map(predict_batch, batches)
        for (view, some), (window, found) in zip(batches, all_found, strict=True):
            view.slices[(some, *window)] = found
            report(len(found))
    finally:
        pool.shutdown(cancel_futures=True)  # a run that is cancelled ends with what is on its way
    return views


def beyond_edges(found: np.ndarray, window: Window, whole: Window) -> Window:
    """Return the window, longer on every side where brain is at its edge."""
    rows, columns = (
        slice(
            max(full.start, part.start - GROWTH * bool((edges[0] >= 0.5).any())),
            min(full.stop, part.stop + GROWTH * bool((edges[-1] >= 0.5).any())),
        )
        for edges, part, full in zip(
            (np.moveaxis(found, 1, 0), np.moveaxis(found, 2, 0)), window, whole, strict=True
        )
    )
    return rows, columns


def reached_ends(
    probability: np.ndarray, axes: tuple[int, ...], region: BrainRegion
) -> list[tuple[int, bool]]:
    """Return the ends of the region that the brain goes on to, behind which the head goes on.

    One piece of brain, that is: a network sees some in front of the frontal pole now and then.

    Returns
    -------
    list of (axis, whether it is the axis' far end)
    """
    box = region.box()
    brain = probability[box] >= 0.5

    def reached(brain: np.ndarray) -> list[tuple[int, bool]]:
        ends = []
        for axis in axes:
            slices = np.moveaxis(brain, axis, 0)
            if box[axis].start > 0 and slices[:END_SLICES].any(axis=(1, 2)).all():
                ends.append((axis, False))
            goes_on = box[axis].stop < probability.shape[axis]
            if goes_on and slices[-END_SLICES:].any(axis=(1, 2)).all():
                ends.append((axis, True))
        return ends

    return reached(largest_component(brain)) if reached(brain) else []  # few need the largest


def fuse(views: Sequence[View], shape: tuple[int, ...]) -> np.ndarray:
    """Return the probability that one view or several give, shape (X, Y, Z).

    Of one view, the log odds are interpolated between its slices. Of several, the mean of that is
    taken, each weighing as much as it agrees with others, and what a view cannot know between its
    slices is put back: as much as the mean itself loses when interpolated from the same slices.
    """
    probability = np.zeros(shape, dtype=np.float32)
    box = seen_box(views)
    if box is None:
        return probability
    parts = [between_slices(view, box) for view in views]
    if len(views) > 1:
        parts = compared(parts, views, box)
    for start in range(box[0].start, box[0].stop, PLANES_AT_A_TIME):
        planes = np.arange(start, min(start + PLANES_AT_A_TIME, box[0].stop))
        found = expit(sum(part.at(0, planes - box[0].start) for part in parts))
        found[found <= 2 * LEAST_PROBABILITY] = 0
        probability[planes[0] : planes[-1] + 1, box[1], box[2]] = found
    return probability


def compared(odds: Sequence[BetweenSlices], views: Sequence[View], box: Box) -> list[BetweenSlices]:
    """Return what sums up to the views' log odds, weighted, with what each view misses put back."""
    weights = agreement_weights([each.every_second() for each in odds])
    more = len(views) / (len(views) - 1)  # a view is compared with the others, not with the mean
    parts = []
    for view, own, weight in zip(views, odds, weights, strict=True):
        inside = np.clip(view.places, box[view.axis].start, box[view.axis].stop - 1)
        inside -= box[view.axis].start
        mean = sum(w * each.at(view.axis, inside) for w, each in zip(weights, odds, strict=True))
        parts.append(own._replace(slices=weight * ((1 + more) * own.slices - more * mean)))
    return parts


class BetweenSlices(NamedTuple):
    """Log odds of a view in a box: its slices (X, Y, Z), and how to interpolate between them."""

    axis: int
    slices: np.ndarray
    matrix: np.ndarray

    def at(self, axis: int, places: np.ndarray) -> np.ndarray:
        """Return the log odds in some planes of the box, stacked along an axis."""
        if axis == self.axis:
            return resample_axis(self.slices, axis, self.matrix[places])
        return resample_axis(np.take(self.slices, places, axis), self.axis, self.matrix)

    def every_second(self) -> np.ndarray:
        """Return the log odds of every second voxel of the box along each axis."""
        part = tuple(slice(None, None, 1 if axis == self.axis else 2) for axis in range(3))
        return resample_axis(self.slices[part], self.axis, self.matrix[::2])


def between_slices(view: View, box: Box) -> BetweenSlices:
    """Return a view's log odds in a box."""
    others = [box[axis] for axis in range(3) if axis != view.axis]
    slices = np.moveaxis(logit(view.slices[(slice(None), *others)]), 0, view.axis)
    return BetweenSlices(view.axis, slices, between_matrix(view.places, box[view.axis]))


def agreement_weights(odds: Sequence[np.ndarray]) -> np.ndarray:
    """Return how much each view weighs, float32 of sum one: little where it contradicts the others.

    Views of an ordinary scan weigh nearly alike.
    """
    brains = [each > 0 for each in odds]
    overlap = np.array([[np.count_nonzero(one & other) for other in brains] for one in brains])
    sizes = np.diag(overlap)  # voxels
    agreed = 2 * overlap / np.maximum(sizes + sizes[:, None], 1)  # Dice of each two
    weights = (1 + LEAST_APART - agreed.mean(axis=1)) ** -3
    return np.asarray(weights / weights.sum(), dtype=np.float32)


def seen_box(views: Sequence[View]) -> Box | None:
    """Return the box of what any view takes for possibly brain, None where there is nothing."""
    boxes = []
    for view in views:
        possible = view.slices > POSSIBLE
        if possible.any():
            found, *others = bounding_box(possible, (1, 0, 0))
            reach = slice(int(view.places[found.start]), int(view.places[found.stop - 1]) + 1)
            boxes.append([*others[: view.axis], reach, *others[view.axis :]])
    if not boxes:
        return None
    x, y, z = (
        slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*boxes, strict=True)
    )
    return x, y, z


def between_matrix(places: np.ndarray, part: slice) -> np.ndarray:
    """Return the weights of the slices in every place of a part of their axis.

    float32, shape (places in `part`, n): linear between two slices; beyond the last one, it alone.
    """
    at = np.arange(part.start, part.stop)
    rows = [np.interp(at, places, unit) for unit in np.eye(len(places))]
    return np.stack(rows, axis=1).astype(np.float32)


def logit(probability: np.ndarray) -> np.ndarray:
    """Logarithm of the odds, kept finite."""
    kept = np.clip(probability, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(special.logit(kept))
