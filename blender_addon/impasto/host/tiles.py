"""Seamless images: the model is shown more than one turn of the pattern, and the turns are joined.

The canvas is the image with its beginning once more behind its end, to the right and below. What was painted
there goes on from the end without a seam; the image's own beginning fades into it.
"""

import numpy

__all__ = ["folded", "overlap_px", "unrolled"]

SHARE = 8  # of a side
LEAST_PX, GRID_PX = 16, 8


def overlap_px(side_px: int) -> int:
    """How much of the pattern is shown twice."""
    return min(side_px // 2, max(LEAST_PX, side_px // SHARE // GRID_PX * GRID_PX))


def unrolled(pixels: numpy.ndarray) -> numpy.ndarray:
    """(H, W, C) → (H + overlap, W + overlap, C)."""
    down, across = (overlap_px(side) for side in pixels.shape[:2])
    return numpy.pad(pixels, ((0, down), (0, across), (0, 0)), mode="wrap")


def folded(canvas: numpy.ndarray, width: int, height: int) -> numpy.ndarray:
    """The way back: the first row and column continue the last ones. Where both turns are equal, they stay
    the same bytes."""
    out = canvas
    for axis, side in ((0, height), (1, width)):
        overlap = out.shape[axis] - side
        if overlap <= 0:
            continue
        out = numpy.moveaxis(out, axis, 0)
        own, again = out[:overlap], out[side:]
        share = (numpy.arange(overlap) / overlap).reshape(-1, *[1] * (out.ndim - 1))
        mixed = again + (own.astype(numpy.float32) - again) * share
        joined = out[:side].copy()
        whole = numpy.rint(mixed) if out.dtype.kind != "f" else mixed
        joined[:overlap] = numpy.where(own == again, own, whole.astype(out.dtype))
        out = numpy.moveaxis(joined, 0, axis)
    return numpy.ascontiguousarray(out)
