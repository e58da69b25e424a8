"""The paint on all texels of a job, and new pictures over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.blend import blend, footprints, rise, sample, weights_of
from impasto_server.texturing.sight import GRAZING, Sight
from impasto_server.texturing.solve import Solved, solve_colours
from impasto_server.texturing.surface import Surface

__all__ = ["FILLED", "PAINTED", "Coat", "Given", "painted_over"]

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

PAINTED, FILLED = 255, 1  # alpha of a finished texture
_COVERS = 0.95  # opacity from which new paint over a base counts as such
_RIM_PX = 4.0  # at silhouettes, over which what was painted before shows through
_COMPARED = 100_000  # texels, when views' colours are brought together


@dataclass(frozen=True, eq=False)
class Given:
    """picture: (H, W, 3) of a view with that sight. mask: (H, W) 0..1, where it counts. fixed: others come to
    its colours.
    """

    picture: FloatArray
    sight: Sight
    mask: FloatArray | None
    fixed: bool


@dataclass(frozen=True, eq=False)
class Coat:
    """colours: (N, 3) float32 sRGB. known: (N,) has any that was painted, now or before. painted: (N,) has
    them from views. cosine: (N,) float32 of the best of these.
    """

    colours: FloatArray
    known: Mask
    painted: Mask
    cosine: FloatArray

    @classmethod
    def of(cls, surface: Surface, bases: Sequence[npt.NDArray[np.uint8] | None]) -> Coat:
        """What the textures `bases` (height, width, 4) have already."""
        count = len(surface)
        colours, known = np.zeros((count, 3), np.float32), np.zeros(count, bool)
        for number, (table, base) in enumerate(zip(surface.tables, bases, strict=True)):
            if base is not None:
                part = surface.of_table(number)
                texels = base[table.rows, table.columns]
                colours[part] = texels[:, :3] / np.float32(255.0)
                known[part] = texels[:, 3] > FILLED
        return cls(colours, known, np.zeros(count, bool), np.zeros(count, np.float32))


def painted_over(
    coat: Coat, given: Sequence[Given], surface: Surface, freedom: FloatArray | None = None
) -> Coat:
    """The pictures, brought together and blended with each other, over what there is.

    freedom: (H, W) of the one picture's pixels; it comes to the colours there are, and goes over those that
    views have painted by so much. Where it is 0, they stay as they are.
    """
    count, check = len(coat.known), surface.rays.check
    sights = [one.sight for one in given]
    best = footprints(sights, count)
    colours, masks, weights = [], [], []
    for one in given:
        colours.append(sample(one.picture, one.sight))
        masks.append(_at(one.mask, one.sight))
        weights.append(weights_of(one.sight, best) * masks[-1])
        check()
    fixed = {number for number, one in enumerate(given) if one.fixed}
    if freedom is None:
        solved = _solved(sights, colours, weights, surface.patches, fixed)
        colours = [solved.applied(number, own) for number, own in enumerate(colours)]
    elif not fixed:
        (texels,) = np.nonzero(coat.painted)
        there = Sight(texels.astype(np.int32), *(np.empty((0, 2), np.float32),) * 4)
        whole = np.ones(len(texels), np.float32)
        solved = _solved(
            [there, *sights], [coat.colours[texels], *colours], [whole, *weights], surface.patches, {0}
        )
        colours = [solved.applied(1, colours[0])]
    check()
    mixed, total = blend(sights, colours, weights, count)
    check()
    opacity = _opacity(coat, sights, masks, total > 0)
    if freedom is not None:
        over = np.ones(count, np.float32)
        over[sights[0].texels] = _at(freedom, sights[0])
        opacity[coat.painted] *= over[coat.painted]
    (change,) = np.nonzero(opacity > 0)
    result, known = coat.colours.copy(), coat.known.copy()
    painted, cosine = coat.painted.copy(), coat.cosine.copy()
    result[change] += (mixed[change] - result[change]) * opacity[change, None]
    known[change] = True
    painted[opacity > _COVERS] = True  # else a base shows through: the next view shall paint there as well
    for sight, mask in zip(sights, masks, strict=True):
        own = np.where((opacity[sight.texels] > 0.5) & (mask > 0.5), sight.cosine, np.float32(0.0))
        cosine[sight.texels] = np.maximum(cosine[sight.texels], own)
    return Coat(result, known, painted, cosine)


def _opacity(coat: Coat, sights: Sequence[Sight], masks: Sequence[FloatArray], reached: Mask) -> FloatArray:
    """(N,) 0..1 of new colours over what there is: as much as the view that covers a texel best has of it.
    All where there is nothing yet, none where no view has `reached` it.
    """
    opacity = np.zeros(len(reached), np.float32)
    for sight, mask in zip(sights, masks, strict=True):
        own = mask * rise(sight.margin, 0.0, _RIM_PX) * rise(sight.cosine, GRAZING, GRAZING + 0.1)
        opacity[sight.texels] = np.maximum(opacity[sight.texels], own)
    opacity[~coat.known] = 1.0
    opacity[~reached] = 0.0
    return opacity


def _solved(
    sights: Sequence[Sight],
    colours: Sequence[FloatArray],
    weights: Sequence[FloatArray],
    patches: npt.NDArray[np.int32],
    fixed: set[int],
) -> Solved:
    """`solve_colours`, of an evenly spread part of all texels."""
    step = max(1, len(patches) // _COMPARED)
    few = [np.nonzero(sight.texels % step == 0)[0] for sight in sights]
    return solve_colours(
        [replace(sight, texels=sight.texels[at]) for sight, at in zip(sights, few, strict=True)],
        [own[at] for own, at in zip(colours, few, strict=True)],
        [own[at] for own, at in zip(weights, few, strict=True)],
        patches,
        fixed,
    )


def _at(values: FloatArray | None, sight: Sight) -> FloatArray:
    """(M,) of a picture (H, W) 0..1 at the sight's texels; ones where there is none."""
    if values is None:
        return np.ones(len(sight.texels), np.float32)
    picture = np.asarray(values, np.float32)[:, :, None]
    return np.clip(sample(picture, sight, cv2.INTER_LINEAR)[:, 0], 0.0, 1.0)
