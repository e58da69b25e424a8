"""A picture as the maps look at it: opaque, in colour, and no larger than lines are worth looking for."""

from __future__ import annotations

import cv2
import numpy as np

from impasto_server.compositing.raster import FloatArray, Raster, as_hwc, flatten
from impasto_server.compositing.resample import reduce_raster

# Transparent parts are paper.
_BACKGROUND = 1.0


def reduced(pixels: Raster, longest_px: int) -> FloatArray:
    """(h, w, 3) float32 0..1, the longer side at most `longest_px`, never enlarged."""
    flat = flatten(as_hwc(pixels), _BACKGROUND)
    height, width = flat.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    small = reduce_raster(flat, (max(1, round(width * scale)), max(1, round(height * scale))))
    return np.ascontiguousarray(small)


def at_size(lines: Raster, size: tuple[int, int]) -> Raster:
    """Lines (h, w) uint8 at `size` (width, height): as sharp as they were, with smooth borders."""
    if lines.shape[1::-1] == size:
        return lines
    larger = cv2.resize(lines, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    # A border that was one pixel wide is `size / w` pixels wide now: steeper by that, it is one again.
    sharp: Raster = np.clip((larger - 127.5) * (size[0] / lines.shape[1]) + 127.5, 0.0, 255.0).astype(
        np.uint8
    )
    return sharp
