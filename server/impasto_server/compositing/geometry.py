"""Boxes on the canvas, in whole pixels; origin top left, x to the right, y down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from impasto_server.compositing.errors import EmptyMask

# Rows looked at together when a mask is scanned: 16 rows of a 16k canvas are 256 KiB and stay in cache.
_SCAN_ROWS = 16


@dataclass(frozen=True)
class Box:
    """An axis-aligned rectangle of pixels: columns [x, right), rows [y, bottom)."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height

    @property
    def area(self) -> int:
        return self.width * self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box's pixels in an (H, W, ...) array."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    def padded(self, pixels: int) -> Box:
        """Grown by ``pixels`` on each side; may leave the canvas."""
        return Box(self.x - pixels, self.y - pixels, self.width + 2 * pixels, self.height + 2 * pixels)

    def clamped(self, width: int, height: int) -> Box:
        """The part that lies on a canvas of ``width`` × ``height``; empty boxes have zero sides."""
        x, y = min(max(self.x, 0), width), min(max(self.y, 0), height)
        right, bottom = min(max(self.right, x), width), min(max(self.bottom, y), height)
        return Box(x, y, right - x, bottom - y)

    def contains(self, other: Box) -> bool:
        return (
            self.x <= other.x
            and self.y <= other.y
            and self.right >= other.right
            and self.bottom >= other.bottom
        )

    def shifted(self, dx: int, dy: int) -> Box:
        return Box(self.x + dx, self.y + dy, self.width, self.height)


def round_up(value: int, grid: int) -> int:
    """The smallest multiple of ``grid`` that is not below ``value``."""
    return -(-value // grid) * grid


def place_span(low: int, high: int, length: int, limit: int) -> int:
    """Start of a span of ``length`` centred on [low, high) and kept inside [0, limit).

    ``length`` must be at least ``high − low`` and at most ``limit``; the span then contains [low, high).
    """
    return min(max((low + high - length) // 2, 0), limit - length)


def mask_bounds(mask: npt.NDArray[Any]) -> Box:
    """The smallest box that holds every non-zero pixel of ``mask`` (H, W).

    One pass in bands of a few rows; extra memory is two rows and one column whatever the canvas' size.
    NaN counts as zero. Raises `EmptyMask`.
    """
    height, width = mask.shape
    columns = np.zeros(width, dtype=bool)
    top, bottom = -1, -1
    for start in range(0, height, _SCAN_ROWS):
        band = mask[start : start + _SCAN_ROWS]
        if not band.any():
            continue
        selected = band > 0
        rows = np.flatnonzero(selected.any(axis=1))
        if rows.size == 0:
            continue
        columns |= selected.any(axis=0)
        top = start + int(rows[0]) if top < 0 else top
        bottom = start + int(rows[-1]) + 1
    if top < 0:
        raise EmptyMask()
    used = np.flatnonzero(columns)
    left, right = int(used[0]), int(used[-1]) + 1
    return Box(left, top, right - left, bottom - top)
