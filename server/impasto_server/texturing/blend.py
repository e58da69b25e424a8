"""Colours of texels from the pictures of several views.

sample   each view's picture at its texels
solve    one gain and one offset per view and channel, from where views overlap
blend    weighted by how well each view sees the texel
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.sight import Sight

__all__ = ["Solved", "blend", "sample", "solve_colours", "weights_of"]

FloatArray = npt.NDArray[np.float32]

SHARPNESS = 5.0  # exponent of the cosine; 4 to 6 keep detail and hide borders
_MARGIN_PX = 8.0  # pixels at a silhouette mix what is before it and behind it
_LEAST_OVERLAP = 64  # texels; two views with fewer in common say nothing about each other
_HOLD = 1e-4  # what a change of gain or offset costs, beside the squared differences of colours in 0..1


def sample(picture: FloatArray, sight: Sight) -> FloatArray:
    """(N, 3) of a picture (H, W, 3) float32 at the texels' pixels; zeros where they are not seen."""
    colours = np.zeros((len(sight.seen), picture.shape[2]), np.float32)
    (at,) = np.nonzero(sight.seen)
    if len(at):
        where = sight.pixels[at] - np.float32(0.5)
        # OpenCV's maps have at most 32,767 rows.
        width = 16384
        padded = np.zeros((-(-len(at) // width) * width, 2), np.float32)
        padded[: len(at)] = where
        found = cv2.remap(
            picture, padded.reshape(-1, width, 2), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        colours[at] = found.reshape(-1, picture.shape[2])[: len(at)]
    return colours


def weights_of(sights: Sequence[Sight], sharpness: float = SHARPNESS) -> FloatArray:
    """(views, N): visible × distance from the silhouette × cosine × footprint. Not normalised."""
    best = np.maximum.reduce([sight.footprint for sight in sights])
    rows = []
    for sight in sights:
        edge = np.clip(sight.margin / _MARGIN_PX, 0.0, 1.0)
        detail = np.divide(sight.footprint, best, out=np.zeros_like(best), where=best > 0)
        cosine = np.clip(sight.cosine, 0.0, 1.0) ** sharpness
        rows.append(np.where(sight.seen, cosine * edge * edge * (3.0 - 2.0 * edge) * detail, 0.0))
    return np.stack(rows).astype(np.float32)


def blend(colours: Sequence[FloatArray], weights: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Weighted means (N, C) of each view's colours (N, C), and which texels (N,) have one at all."""
    total = weights.sum(axis=0)
    mixed = np.zeros_like(colours[0])
    for own, given in zip(weights, colours, strict=True):
        mixed += own[:, None] * given
    covered = total > 0
    np.divide(mixed, total[:, None], out=mixed, where=covered[:, None])
    return mixed, covered


@dataclass(frozen=True, eq=False)
class Solved:
    """gains, offsets: (views, C) float32, to be applied as gain × colour + offset."""

    gains: FloatArray
    offsets: FloatArray

    def applied(self, view: int, colours: FloatArray) -> FloatArray:
        return np.asarray(colours * self.gains[view] + self.offsets[view], np.float32)


def solve_colours(colours: Sequence[FloatArray], weights: FloatArray, fixed: int | None = None) -> Solved:
    """Gains and offsets that make the views agree where they overlap: weighted least squares over all pairs,
    held near no change. `fixed`: a view that stays as it is; None lets all move and keeps their mean.

    Colours (views × (N, C)) in a space where drift is linear: sRGB as it is painted will do.
    """
    views, channels = len(colours), colours[0].shape[1]
    gains, offsets = np.ones((views, channels)), np.zeros((views, channels))
    pairs = _overlaps(weights)
    for channel in range(channels):
        values = [given[:, channel].astype(np.float64) for given in colours]
        normal, right = _prior(views, fixed)
        for one, other, common, importance in pairs:
            a, b = values[one][common], values[other][common]
            # (g1·a + o1) − (g2·b + o2) = 0, with g = 1 + dg: dg1·a + do1 − dg2·b − do2 = b − a
            columns = np.stack([a, np.ones_like(a), -b, -np.ones_like(b)])
            index = [2 * one, 2 * one + 1, 2 * other, 2 * other + 1]
            weighted = columns * importance
            normal[np.ix_(index, index)] += weighted @ columns.T
            right[index] += weighted @ (b - a)
        change = np.linalg.solve(normal, right)
        gains[:, channel] += change[0::2]
        offsets[:, channel] += change[1::2]
    return Solved(gains.astype(np.float32), offsets.astype(np.float32))


def _overlaps(weights: FloatArray) -> list[tuple[int, int, npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """Pairs of views, the texels both see, and how much each counts; a pair counts by its share of all."""
    found = []
    for one in range(len(weights)):
        for other in range(one + 1, len(weights)):
            both = np.minimum(weights[one], weights[other])
            (common,) = np.nonzero(both > 0)
            if len(common) >= _LEAST_OVERLAP:
                found.append((one, other, common, both[common].astype(np.float64)))
    total = sum(float(importance.sum()) for *_, importance in found) or 1.0
    return [(one, other, common, importance / total) for one, other, common, importance in found]


def _prior(views: int, fixed: int | None) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Normal equations that hold gains and offsets near no change, much more weakly than overlaps do; a fixed
    view's hold it there.
    """
    strength = np.full(2 * views, _HOLD)
    if fixed is not None:
        strength[2 * fixed : 2 * fixed + 2] = 1e6
    return np.diag(strength), np.zeros(2 * views)
