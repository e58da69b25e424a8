"""Texels that no view has seen, coloured from those around them on the surface."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.mesh import Points

__all__ = ["fill_holes"]

_CELLS = 96  # along the object's longest side: holes are filled on these first, then between them
_SOURCES = 200_000  # covered texels that are looked at, evenly spread
_NEIGHBOURS, _NEAREST = 12, 6  # that a cell, and then a texel, takes its colour from
_TURN = 0.25  # how far away a texel seems that faces the other way, as a share of the object's size
_EXACT_TREE = 4  # FLANN's single k-d tree, which is exact in few dimensions

FloatArray = npt.NDArray[np.float32]


def fill_holes(
    positions: Points, normals: Points, colours: FloatArray, covered: npt.NDArray[np.bool_]
) -> FloatArray:
    """(N, C) `colours` of texels at `positions` (N, 3) with `normals` (N, 3), those not
    `covered` replaced by means of the nearest that are, in 3D, near ones counting more.

    What lies close but faces away, as the other side of a sheet does, counts as far: colours do not leak
    through. A hole may be most of the object: its texels are many and its colours smooth, so they are found
    for cells of space, of which there are few.
    """
    if covered.all() or not covered.any():
        return colours
    size = float(np.ptp(positions, axis=0).max()) or 1.0
    places = np.concatenate([positions, normals * (_TURN * size / 2.0)], 1).astype(np.float32)
    (painted,) = np.nonzero(covered)
    painted = painted[:: max(1, len(painted) // _SOURCES)]
    known, known_colours = _cells(places[painted], colours[painted], size / _CELLS)
    holes, _ = _cells(places[~covered], colours[~covered], size / _CELLS)
    hole_colours = _mean_of_nearest(known, known_colours, holes, _NEIGHBOURS, size)
    all_places = np.concatenate([known, holes])
    all_colours = np.concatenate([known_colours, hole_colours])
    filled = colours.copy()
    filled[~covered] = _mean_of_nearest(all_places, all_colours, places[~covered], _NEAREST, size)
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
    known: FloatArray, colours: FloatArray, asked: FloatArray, count: int, size: float
) -> FloatArray:
    """(N, C) at places (N, 6), by inverse squares of the distances to the nearest of `known` (M, 6)."""
    tree = cv2.flann.Index(known, {"algorithm": _EXACT_TREE, "leaf_max_size": 16})
    nearest, squares = tree.knnSearch(np.ascontiguousarray(asked), min(count, len(known)), params={})
    weights = 1.0 / np.maximum(squares, 1e-9 * size * size)
    weights /= weights.sum(axis=1, keepdims=True)
    mixed = np.zeros((len(asked), colours.shape[1]), np.float32)
    for neighbour in range(nearest.shape[1]):
        mixed += weights[:, neighbour, None] * colours[nearest[:, neighbour]]
    return mixed
