"""Colours of texels from the pictures of several views: sampled, and weighted by how well each sees them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.sight import Sight

__all__ = ["SHARPNESS", "blend", "footprints", "rise", "sample", "weights_of"]

FloatArray = npt.NDArray[np.float32]

SHARPNESS = 5.0  # exponent of the cosine; 4 to 6 keep detail and hide borders
_MARGIN_PX = 8.0  # pixels at a silhouette mix what is before it and behind it
_WIDTH = 16384  # OpenCV's maps have at most 32,767 rows


def sample(picture: FloatArray, sight: Sight, filter: int = cv2.INTER_CUBIC) -> FloatArray:
    """(M, C) of a picture (H, W, C) float32 at the texels' pixels. `filter`: one of OpenCV's."""
    count, channels = len(sight.pixels), picture.shape[2]
    places = np.zeros((-(-count // _WIDTH) * _WIDTH, 2), np.float32)
    np.subtract(sight.pixels, np.float32(0.5), out=places[:count])
    where = places.reshape(-1, _WIDTH, 2)
    found = np.empty((count, channels), np.float32)
    for first in range(0, channels, 4):  # OpenCV takes no more at once
        part = np.ascontiguousarray(picture[:, :, first : first + 4])
        if count:
            seen = cv2.remap(part, where, None, filter, borderMode=cv2.BORDER_REPLICATE)
            found[:, first : first + 4] = seen.reshape(-1, part.shape[2])[:count]
    return found


def rise(values: FloatArray, low: float, high: float) -> FloatArray:
    """0 below `low`, 1 above `high`, smooth between."""
    share = np.clip((values - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share), np.float32)


def footprints(sights: Sequence[Sight], count: int) -> FloatArray:
    """(N,) the largest footprint that any view has of each of `count` texels."""
    best = np.zeros(count, np.float32)
    for sight in sights:
        best[sight.texels] = np.maximum(best[sight.texels], sight.footprint)
    return best


def weights_of(sight: Sight, best: FloatArray, sharpness: float = SHARPNESS) -> FloatArray:
    """(M,): distance from the silhouette × cosine × footprint against the `best` (N,). Not normalised."""
    return np.asarray(
        rise(sight.margin, 0.0, _MARGIN_PX)
        * sight.cosine**sharpness
        * (sight.footprint / np.maximum(best[sight.texels], 1e-20)),
        np.float32,
    )


def blend(
    sights: Sequence[Sight], colours: Sequence[FloatArray], weights: Sequence[FloatArray], count: int
) -> tuple[FloatArray, FloatArray]:
    """Weighted means (N, C) of each view's colours (M, C), and the sums of the weights (N,)."""
    total = np.zeros(count, np.float32)
    mixed = np.zeros((count, colours[0].shape[1] if colours else 3), np.float32)
    for sight, own, weight in zip(sights, colours, weights, strict=True):
        total[sight.texels] += weight
        mixed[sight.texels] += own * weight[:, None]
    np.divide(mixed, total[:, None], out=mixed, where=total[:, None] > 0)
    return mixed, total
