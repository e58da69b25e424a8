"""Texels that no view has seen, coloured from those around them on the surface."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.mesh import Points

__all__ = ["fill_holes"]

_CELLS = 96  # along the object's longest side: holes are filled on these first, then between them
_SOURCES = 200_000  # covered texels that are looked at, evenly spread
_NEIGHBOURS, _NEAREST = 12, 6  # that a cell, and then a texel, takes its colour from
_TURN = 0.25  # how far away a texel seems that faces the other way, as a share of the object's size
_AT_ONCE = 1 << 14  # places
_EXACT_TREE = 4  # FLANN's single k-d tree, which is exact in few dimensions

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def fill_holes(
    positions: Points,
    normals: Points,
    colours: FloatArray,
    covered: Mask,
    *,
    asked: Mask | None = None,
    check: Callable[[], None] = lambda: None,
) -> FloatArray:
    """(N, C) `colours` of texels at `positions` (N, 3) with `normals` (N, 3), those not `covered` (N,)
    replaced by means of the nearest that are, in 3D, near ones counting more. `asked`: (N,) the only ones
    that matter. check: see `Rays`.

    What lies close but faces away, as the other side of a sheet does, counts as far: colours do not leak
    through. A hole may be most of the object: its texels are many and its colours smooth, so they are found
    for cells of space, of which there are few.
    """
    (holes,) = np.nonzero(~covered if asked is None else asked & ~covered)
    (painted,) = np.nonzero(covered)
    if not len(holes) or not len(painted):
        return colours
    size = float(np.ptp(positions, axis=0).max()) or 1.0
    painted = painted[:: max(1, len(painted) // _SOURCES)]
    places = [
        np.concatenate([positions[some], normals[some] * np.float32(_TURN * size / 2.0)], 1)
        for some in (painted, holes)
    ]
    check()
    known, known_colours = _cells(places[0], colours[painted], size / _CELLS)
    check()
    empty, _ = _cells(places[1], colours[holes], size / _CELLS)
    check()
    empty_colours = _mean_of_nearest(known, known_colours, empty, _NEIGHBOURS, size, check)
    known, known_colours = np.concatenate([known, empty]), np.concatenate([known_colours, empty_colours])
    filled = colours.copy()
    filled[holes] = _mean_of_nearest(known, known_colours, places[1], _NEAREST, size, check)
    return filled


def _cells(places: FloatArray, colours: FloatArray, side: float) -> tuple[FloatArray, FloatArray]:
    """Mean places (M, 6) and colours (M, C) of all cells that have any of `places` (N, 6) in them."""
    indices = np.floor((places - places.min(axis=0)) / side).astype(np.int64)
    key = indices[:, 0]
    for axis in range(1, 6):
        key = key * (int(indices[:, axis].max(initial=0)) + 1) + indices[:, axis]
    _, cell, counts = np.unique(key, return_inverse=True, return_counts=True)
    sums = [np.bincount(cell, column, len(counts)) for column in (*places.T, *colours.T)]
    means = (np.stack(sums, 1) / counts[:, None]).astype(np.float32)
    return np.ascontiguousarray(means[:, :6]), means[:, 6:]


def _mean_of_nearest(
    known: FloatArray,
    colours: FloatArray,
    asked: FloatArray,
    count: int,
    size: float,
    check: Callable[[], None],
) -> FloatArray:
    """(N, C) at places (N, 6), by inverse squares of the distances to the nearest of `known` (M, 6)."""
    tree = cv2.flann.Index(known, {"algorithm": _EXACT_TREE, "leaf_max_size": 16})
    mixed = np.zeros((len(asked), colours.shape[1]), np.float32)
    for start in range(0, len(asked), _AT_ONCE):
        check()
        part = np.ascontiguousarray(asked[start : start + _AT_ONCE])
        nearest, squares = tree.knnSearch(part, min(count, len(known)), params={})
        weights = 1.0 / np.maximum(squares, 1e-9 * size * size)
        weights /= weights.sum(axis=1, keepdims=True)
        for neighbour in range(nearest.shape[1]):
            mixed[start : start + _AT_ONCE] += weights[:, neighbour, None] * colours[nearest[:, neighbour]]
    return mixed
