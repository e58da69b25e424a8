"""Maps of what views see of textures, for the artist to look at."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from impasto_server.texturing.blend import blend, footprints, weights_of
from impasto_server.texturing.sight import Sight

__all__ = ["UNSEEN", "coverage_map", "views_map"]

FloatArray = npt.NDArray[np.float32]

UNSEEN = (1.0, 0.0, 1.0)  # magenta
_WORST, _MIDDLE, _BEST = (0.85, 0.1, 0.05), (0.95, 0.85, 0.1), (0.1, 0.7, 0.15)  # red, yellow, green


def coverage_map(sights: Sequence[Sight], count: int) -> FloatArray:
    """(N, 3) sRGB: the cosine at which the best view sees each of `count` texels, from red over yellow to
    green; magenta where none does.
    """
    best = np.zeros(count, np.float32)
    for sight in sights:
        best[sight.texels] = np.maximum(best[sight.texels], sight.cosine)
    stops = np.array([_WORST, _MIDDLE, _BEST])
    colours = np.stack([np.interp(best, [0.25, 0.6, 0.95], stops[:, i]) for i in range(3)], 1)
    colours[best <= 0] = UNSEEN
    return colours.astype(np.float32)


def views_map(sights: Sequence[Sight], count: int) -> FloatArray:
    """(N, 3) sRGB: the mixture of one colour per view, as much as each counts; magenta where none does."""
    best = footprints(sights, count)
    hues = [colorsys.hsv_to_rgb(number / max(len(sights), 1), 0.75, 0.95) for number in range(len(sights))]
    colours = [
        np.broadcast_to(np.array(hue, np.float32), (len(sight.texels), 3))
        for hue, sight in zip(hues, sights, strict=True)
    ]
    mixed, total = blend(sights, colours, [weights_of(sight, best) for sight in sights], count)
    mixed[total <= 0] = UNSEEN
    return mixed
