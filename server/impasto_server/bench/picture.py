"""A picture that compresses like a painting, and strokes on it: made here, the same on every machine."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["painting", "with_stroke"]

Image = npt.NDArray[np.uint8]

_STROKES = 260
_GRAIN = (
    1.6  # standard deviation of the paper's grain, 8-bit steps; gives a level-1 PNG of about a third of raw
)
_CURVE_POINTS = 24


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
    colour += rng.normal(0.0, _GRAIN, (side, side, 1)).astype(np.float32)
    picture = np.full((side, side, 4), 255, np.uint8)
    picture[:, :, :3] = np.clip(colour, 0, 255).astype(np.uint8)
    return picture


def with_stroke(picture: Image, share: float, rng: np.random.Generator) -> Image:
    """A copy with one more stroke that covers about `share` of the picture (0 … 1)."""
    side = picture.shape[0]
    width = max(2, side // 32)
    colour = np.ascontiguousarray(picture[:, :, :3]).astype(np.float32)
    _brush(colour, rng, length=share * side * side / width, width=width)
    result = picture.copy()
    result[:, :, :3] = np.clip(colour, 0, 255).astype(np.uint8)
    return result


def _brush(colour: npt.NDArray[np.float32], rng: np.random.Generator, length: float, width: int) -> None:
    """Draws a bent, smooth-edged stroke of one colour; `length` and `width` in pixels."""
    side = colour.shape[0]
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.15, _CURVE_POINTS))
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * length / _CURVE_POINTS
    path = np.cumsum(steps, axis=0)
    path += rng.uniform(0.2, 0.8, 2) * side - path.mean(axis=0)
    paint = tuple(float(value) for value in rng.uniform(20, 235, 3))
    cv2.polylines(colour, [path.astype(np.int32)], False, paint, width, cv2.LINE_8)
