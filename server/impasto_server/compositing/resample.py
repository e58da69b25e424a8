"""Resampling between canvas and working size.

Both directions use one geometry: the *edges* of the two rasters coincide, so pixel i of n covers
[i/n, (i+1)/n). Enlarging after reducing therefore lands where it came from, for odd sizes as well.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.compositing.raster import FloatArray, Raster, to_float

# Lanczos with three lobes: sharp, and its first negative lobe stays below 8 % (Duchon 1979).
_LOBES = 3
# Output lines made by one matrix product. Larger blocks waste products on zeros of the band matrix.
_BLOCK = 32


def resize(
    image: FloatArray,
    size: tuple[int, int],
    *,
    columns: tuple[int, int] | None = None,
    rows: tuple[int, int] | None = None,
) -> FloatArray:
    """``image`` (h, w, c) at ``size`` (width, height), or only the given columns and rows of it.

    Antialiased Lanczos-3 on both axes; identity when sizes agree. A part equals the same part of the whole,
    so a huge picture can be made in strips.
    """
    height, width = image.shape[:2]
    first_column, last_column = columns or (0, size[0])
    first_row, last_row = rows or (0, size[1])
    if width == size[0]:
        image = image[:, first_column:last_column]
    if height == size[1]:
        image = image[first_row:last_row]
    if height != size[1]:
        flat = np.ascontiguousarray(image).reshape(height, -1)
        image = _lines(flat, size[1], first_row, last_row).reshape(last_row - first_row, *image.shape[1:])
    if width != size[0]:
        turned = np.ascontiguousarray(image.swapaxes(0, 1)).reshape(width, -1)
        lines = _lines(turned, size[0], first_column, last_column)
        image = lines.reshape(last_column - first_column, image.shape[0], -1).swapaxes(0, 1)
    return np.ascontiguousarray(image, dtype=np.float32)


def reduce_raster(image: Raster, size: tuple[int, int]) -> FloatArray:
    """A document raster (h, w, c) at ``size`` (width, height) as float32 0..1.

    Strong reductions average in the document's own dtype (OpenCV's INTER_AREA), so a 16k canvas needs no
    float copy; mild ones and enlargements use `resize`.
    """
    height, width = image.shape[:2]
    if size[0] * 2 <= width and size[1] * 2 <= height:
        small = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
        return to_float(small.reshape(size[1], size[0], -1))
    return np.clip(resize(to_float(image), size), 0.0, 1.0)


def cover(selected: npt.NDArray[np.bool_], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """A selection (h, w) at ``size`` (width, height) where a pixel is set if any part of it was selected.

    Unlike averaging this never loses a one-pixel selection, however strong the reduction.
    """
    return _cover_axis(_cover_axis(selected, size[1], 0), size[0], 1)


def _cover_axis(selected: npt.NDArray[np.bool_], length: int, axis: int) -> npt.NDArray[np.bool_]:
    given = selected.shape[axis]
    if length == given:
        return selected
    index = np.arange(length, dtype=np.int64)
    if length < given:
        # A pixel on the line between two cells belongs to both: once with starts rounded down, once up.
        low, high = index * given // length, -(-index * given // length)
        return np.logical_or.reduceat(selected, low, axis=axis) | np.logical_or.reduceat(
            selected, high, axis=axis
        )
    low, high = index * given // length, -(-(index + 1) * given // length) - 1
    touched: npt.NDArray[np.bool_] = np.take(selected, low, axis=axis) | np.take(selected, high, axis=axis)
    return touched


def _lines(source: FloatArray, length: int, first: int, last: int) -> FloatArray:
    """Lines [first, last) of ``source`` (n, m) resampled along axis 0 to ``length`` lines."""
    given = source.shape[0]
    result = np.empty((last - first, source.shape[1]), dtype=np.float32)
    for start in range(first, last, _BLOCK):
        stop = min(start + _BLOCK, last)
        low, weights = _weights(given, length, start, stop)
        np.matmul(weights, source[low : low + weights.shape[1]], out=result[start - first : stop - first])
    return result


def _weights(given: int, length: int, start: int, stop: int) -> tuple[int, FloatArray]:
    """First source line and the (stop − start, lines) weights for output lines [start, stop)."""
    step = given / length
    stretch = max(step, 1.0)
    centres = (np.arange(start, stop) + 0.5) * step - 0.5
    reach = _LOBES * stretch
    low = max(int(np.floor(centres[0] - reach)), 0)
    high = min(int(np.ceil(centres[-1] + reach)) + 1, given)
    distance = (np.arange(low, high)[None, :] - centres[:, None]) / stretch
    weights = np.where(np.abs(distance) < _LOBES, np.sinc(distance) * np.sinc(distance / _LOBES), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    return low, weights.astype(np.float32)
