"""A picture that compresses like a painting, and strokes on it: made here, the same on every machine."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["painting", "with_stroke"]

Image = npt.NDArray[np.uint8]

_STROKES = 260
# Standard deviation of the grain, 8-bit steps. A PNG of level 1 is then 35 % of raw, of level 6 29 %;
# a real painting gave 36 and 29.
_GRAIN = 0.6
_CURVE_POINTS = 24
_FITTING = 6


def painting(side: int, seed: int = 0) -> Image:
    """(side, side, 4) uint8 RGBA, opaque: washes, broad strokes over them, and grain."""
    rng = np.random.default_rng(seed)
    wash = rng.uniform(40, 220, (5, 5, 3)).astype(np.float32)
    colour = cv2.resize(wash, (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(_STROKES):
        _brush(
            colour,
            rng,
            length=rng.uniform(0.1, 0.6) * side,
            width=max(2, int(rng.uniform(0.004, 0.04) * side)),
        )
    colour += rng.normal(0.0, _GRAIN, (side, side, 3)).astype(np.float32)
    picture = np.full((side, side, 4), 255, np.uint8)
    picture[:, :, :3] = np.clip(colour, 0, 255).astype(np.uint8)
    return picture


def with_stroke(picture: Image, share: float, rng: np.random.Generator) -> Image:
    """A copy with one more stroke, of one colour, that covers `share` (0 … 1) of the picture."""
    side = picture.shape[0]
    width = max(2, side // 32)
    bends, colour = _bends(rng), _colour(rng)
    result = picture.copy()
    length = share * side * side / width
    for _ in range(_FITTING):  # ends, bends and the picture's border change what a length covers
        covered = np.zeros((side, side), np.uint8)
        cv2.polylines(covered, [_path(bends, length, side)], False, 1, width, cv2.LINE_8)
        length *= share * side * side / max(1, int(covered.sum()))
    result[covered > 0, :3] = colour
    return result


def _brush(colour: npt.NDArray[np.float32], rng: np.random.Generator, length: float, width: int) -> None:
    """Draws a bent stroke of one colour; `length` and `width` in pixels."""
    path = _path(_bends(rng), length, colour.shape[0])
    cv2.polylines(colour, [path], False, _colour(rng), width, cv2.LINE_8)


def _bends(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(points + 1, 2): where a hand of a length of 1 goes around its middle, then that middle, in sides."""
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.15, _CURVE_POINTS))
    path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) / _CURVE_POINTS, axis=0)
    return np.vstack([path - path.mean(axis=0), rng.uniform(0.35, 0.65, 2)])


def _path(bends: npt.NDArray[np.float64], length: float, side: int) -> npt.NDArray[np.int32]:
    points: npt.NDArray[np.int32] = np.rint(bends[:-1] * length + bends[-1] * side).astype(np.int32)
    return points


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(20, 236, 3))
    return red, green, blue
