"""An automatic judge of simple scenes: which colours and which shape a picture shows. Needs numpy alone.

Pictures are (H, W, 3) sRGB uint8. Colours are named by the nearest vocabulary colour in CIE Lab; the
background is the median of the border; objects are the connected regions that differ from it; shapes are told
by the best overlap with the vocabulary's outlines (these need cairo, so only `shape_of` does).
`tests/tools/pocket` holds the judge to true renders and to shuffled captions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .words import COLOURS

TEMPLATE_PX = 48


@dataclass(frozen=True)
class Found:
    """One object of a picture."""

    colour: str
    mask: np.ndarray
    """(H, W) bool."""

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of mass in unit coordinates (x, y)."""
        rows, columns = np.nonzero(self.mask)
        height, width = self.mask.shape
        return float(columns.mean() + 0.5) / width, float(rows.mean() + 0.5) / height

    @property
    def area(self) -> float:
        """Part of the picture it covers."""
        return float(self.mask.mean())


def lab(pixels: np.ndarray) -> np.ndarray:
    """sRGB uint8 (..., 3) → CIE L*a*b* (D65) float64 (..., 3). IEC 61966-2-1 and CIE 15."""
    value = np.asarray(pixels, dtype=np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack(
        (116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])), axis=-1
    )


@lru_cache(maxsize=1)
def _palette() -> tuple[tuple[str, ...], np.ndarray]:
    return tuple(COLOURS), lab(np.array(list(COLOURS.values())) * 255)


def colour_of(pixels: np.ndarray) -> str:
    """Name of the median colour of pixels (N, 3)."""
    names, values = _palette()
    middle = np.median(lab(pixels.reshape(-1, 3)), axis=0)
    return names[int(np.argmin(np.linalg.norm(values - middle, axis=1)))]


def colour_map(picture: np.ndarray) -> np.ndarray:
    """Index into `COLOURS` of the nearest colour of each pixel → (H, W) int."""
    distance = np.linalg.norm(lab(picture)[:, :, None, :] - _palette()[1], axis=-1)
    return np.asarray(distance.argmin(axis=-1))


def share_of(picture: np.ndarray, region: np.ndarray, colour: str) -> float:
    """Part of the region's pixels (mask, bool (H, W)) whose nearest colour is `colour`."""
    return float((colour_map(picture)[region] == list(COLOURS).index(colour)).mean())


def background_of(picture: np.ndarray) -> str:
    """Name of the colour along the border, a sixteenth of the picture wide."""
    return colour_of(_border(picture))


def objects(picture: np.ndarray, smallest: float = 0.008) -> list[Found]:
    """What stands before the background, largest first; regions below `smallest` of the picture are left
    out.
    """
    pixels = lab(picture)
    ground = np.median(lab(_border(picture)).reshape(-1, 3), axis=0)
    distance = np.linalg.norm(pixels - ground, axis=-1)
    if distance.max() < 15:  # nothing there that an eye would call an object
        return []
    found = [
        Found(colour_of(picture[region]), region)
        for region in components(distance > max(12.0, 0.25 * float(np.quantile(distance, 0.99))))
        if region.mean() >= smallest
    ]
    return sorted(found, key=lambda each: -each.area)


def components(mask: np.ndarray) -> list[np.ndarray]:
    """4-connected regions of a bool mask, each as a bool mask."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:  # each pass carries the largest label along whole rows and columns: a few passes suffice
        before = labels
        for axis in (0, 1):
            for flip in (False, True):
                turned = np.flip(labels, axis) if flip else labels
                labels = _sweep(turned, axis)
                labels = np.flip(labels, axis) if flip else labels
        if np.array_equal(before, labels):
            break
    return [labels == label for label in np.unique(labels) if label]


def _sweep(labels: np.ndarray, axis: int) -> np.ndarray:
    """Carry the larger label forward along an axis within runs of non-zero pixels."""
    swept = labels.copy() if axis == 0 else labels.T.copy()
    for row in range(1, len(swept)):
        swept[row] = np.where(
            swept[row] > 0, np.maximum(swept[row], np.where(swept[row - 1] > 0, swept[row - 1], 0)), 0
        )
    return swept if axis == 0 else swept.T


def roundness(mask: np.ndarray) -> float:
    """Overlap (IoU) of a region with the disc of its area about its centre: 1 for a disc, 0.83 for a
    square.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return 0.0
    radius = math.sqrt(len(rows) / math.pi)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    disc = (y - rows.mean()) ** 2 + (x - columns.mean()) ** 2 <= radius**2
    return float((disc & mask).sum() / (disc | mask).sum())


def shape_of(mask: np.ndarray) -> str | None:
    """The vocabulary shape whose outline overlaps the region best, or None for an empty region."""
    scores = shape_scores(mask)
    return max(scores, key=lambda name: scores[name]) if scores else None


def shape_scores(mask: np.ndarray) -> dict[str, float]:
    """Shape → best IoU with its outline over small rotations, both scaled to one bounding square."""
    if not mask.any():
        return {}
    seen = _normalised(mask)
    return {
        name: max(float((seen & template).sum() / (seen | template).sum()) for template in templates)
        for name, templates in _templates().items()
    }


@lru_cache(maxsize=1)
def _templates() -> dict[str, tuple[np.ndarray, ...]]:
    from .render import mask as draw
    from .scenes import Item
    from .words import SHAPES

    turns = [math.radians(degrees) for degrees in (-6, -3, 0, 3, 6)]
    return {
        name: tuple(
            _normalised(draw(Item(name, "black", (0.5, 0.5), 0.8, turn), 160) > 127) for turn in turns
        )
        for name in SHAPES
    }


def _normalised(mask: np.ndarray) -> np.ndarray:
    """The region's bounding square, scaled to TEMPLATE_PX (nearest sampling) → bool."""
    rows, columns = np.nonzero(mask)
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    top, left = (rows.min() + rows.max() + 1 - side) / 2, (columns.min() + columns.max() + 1 - side) / 2
    grid = (np.arange(TEMPLATE_PX) + 0.5) / TEMPLATE_PX * side
    y, x = np.floor(top + grid).astype(int), np.floor(left + grid).astype(int)
    inside = ((y >= 0) & (y < mask.shape[0]))[:, None] & ((x >= 0) & (x < mask.shape[1]))[None]
    picked = mask[np.clip(y, 0, mask.shape[0] - 1)][:, np.clip(x, 0, mask.shape[1] - 1)]
    return np.asarray(picked & inside)


def _border(picture: np.ndarray) -> np.ndarray:
    """The border's pixels → (N, 3)."""
    width = max(1, min(picture.shape[:2]) // 16)
    frame = np.ones(picture.shape[:2], bool)
    frame[width:-width, width:-width] = False
    return picture[frame]
