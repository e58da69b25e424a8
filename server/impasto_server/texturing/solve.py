"""One gain and one offset per view and channel, found where views overlap: so that what one painted a little
brighter or warmer than its neighbour does not show as a patch (as Brown and Lowe 2007 do for panoramas).

Views share few details: between the same bricks painted twice a regression finds little correlation, and
would take the contrast of what it cannot explain. So spreads and means are compared instead, each as far as
the two paintings are alike.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from impasto_server.texturing.sight import Sight

__all__ = ["Solved", "solve_colours"]

FloatArray = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

_LEAST_OVERLAP = 64  # texels; two views with fewer in common say nothing about each other
_LEAST_WEIGHT = 3e-3
_DRIFT = 0.06  # standard deviation of gains (as logarithms) and offsets that is expected of models
_FLAT = 0.01  # below this spread of colours nothing is known about gains
_OTHER = 0.08  # patches that differ by more show other things, and count less and less
_NO_DRIFT = 0.3  # two views whose patches differ by so much on the whole were meant to
_ALIKE = (0.4, 0.9)  # correlations between which two views come to be the same painting
_ALONE = 4.0  # neighbouring patches that say the same
_NOISE = 0.005  # of a patch's mean colour
_GAIN, _OFFSET = 0.2, 0.12  # the most a view is changed; more is another picture, not a drift


@dataclass(frozen=True, eq=False)
class Solved:
    """gains, offsets: (views, C) float32, to be applied as gain × colour + offset."""

    gains: FloatArray
    offsets: FloatArray

    def applied(self, view: int, colours: FloatArray) -> FloatArray:
        return np.asarray(colours * self.gains[view] + self.offsets[view], np.float32)


@dataclass(frozen=True, eq=False)
class _Pair:
    """What two views show of the same patches. ratio: (C,) logarithm of how much more spread the colours of
    `other` are than those of `one`. means: (2, C). gain_known, offset_known: (C,) inverse variances.
    """

    one: int
    other: int
    ratio: Values
    means: Values
    gain_known: Values
    offset_known: Values


def solve_colours(
    sights: Sequence[Sight],
    colours: Sequence[FloatArray],
    weights: Sequence[FloatArray],
    patches: npt.NDArray[np.int32],
    fixed: Collection[int] = (),
) -> Solved:
    """Gains and offsets that make the views agree where they overlap, held near no change by how little is
    known. The views keep their mean. `fixed`: these agree among themselves, the others come to them; so one
    that is fixed alone stays as it is.

    Colours: views × (M, C) at the texels of `sights`, in a space where drift is linear: sRGB as it is painted
    will do. patches: (N,) numbers of small pieces of surface that texels belong to.
    """
    views, channels = len(sights), colours[0].shape[1]
    pairs = _overlaps(sights, colours, weights, patches)
    pivots, gains, moves = (np.zeros((views, channels)) for _ in range(3))
    for view in range(views):  # a gain turns a view's colours around their mean
        means = [pair.means[int(pair.other == view)] for pair in pairs if view in (pair.one, pair.other)]
        pivots[view] = np.mean(means, axis=0) if means else 0.0
    others = set(range(views)) - set(fixed)
    for moving, still in ((sorted(fixed), set[int]()), (sorted(others), set(fixed))):
        asked = [pair for pair in pairs if _says(pair, set(moving), still)]
        for channel in range(channels if asked else 0):
            ratios = [pair.ratio[channel] for pair in asked]
            known = [pair.gain_known[channel] for pair in asked]
            _settle(gains[:, channel], asked, ratios, known, moving, _GAIN)
            factors, pivot = np.exp(gains[:, channel]), pivots[:, channel]
            apart = [
                _turned(pair.means[1, channel], pivot[pair.other], factors[pair.other])
                - _turned(pair.means[0, channel], pivot[pair.one], factors[pair.one])
                for pair in asked
            ]
            known = [pair.offset_known[channel] for pair in asked]
            _settle(moves[:, channel], asked, apart, known, moving, _OFFSET)
    factors = np.exp(gains)
    return Solved(factors.astype(np.float32), (pivots * (1.0 - factors) + moves).astype(np.float32))


def _turned(colour: float, pivot: float, gain: float) -> float:
    return pivot + gain * (colour - pivot)


def _says(pair: _Pair, moving: set[int], still: set[int]) -> bool:
    """Whether a pair is between views that move, or such and ones that do not."""
    ends = {pair.one, pair.other}
    return ends <= moving | still and not ends <= still


def _settle(
    values: Values,
    pairs: Sequence[_Pair],
    apart: Sequence[float],
    known: Sequence[float],
    moving: Sequence[int],
    most: float,
) -> None:
    """Sets the `moving` views' entries of `values` (views,): the most likely ones, when of each pair
    values[one] − values[other] is `apart` with the inverse variances `known`, and all are around 0 with
    `_DRIFT`. Pairs ask for differences alone, so when all move, their mean is 0.
    """
    normal, right = np.eye(len(values)) / _DRIFT**2, np.zeros(len(values))
    for pair, difference, information in zip(pairs, apart, known, strict=True):
        for mine, its, wanted in ((pair.one, pair.other, difference), (pair.other, pair.one, -difference)):
            normal[mine, mine] += information
            right[mine] += information * wanted
            if its in moving:
                normal[mine, its] -= information
            else:
                right[mine] += information * values[its]
    use = np.ix_(moving, moving)
    values[moving] = np.clip(np.linalg.solve(normal[use], right[moving]), -most, most)


def _overlaps(
    sights: Sequence[Sight],
    colours: Sequence[FloatArray],
    weights: Sequence[FloatArray],
    patches: npt.NDArray[np.int32],
) -> list[_Pair]:
    count = int(patches.max(initial=-1)) + 1
    where = np.full(len(patches), -1, np.int32)
    found: list[_Pair] = []
    for one in range(len(sights)):
        where[sights[one].texels] = np.arange(len(sights[one].texels), dtype=np.int32)
        for other in range(one + 1, len(sights)):
            at = where[sights[other].texels]
            (its,) = np.nonzero(at >= 0)
            mine = at[its]
            both = np.minimum(weights[one][mine], weights[other][its])
            if np.count_nonzero(both > _LEAST_WEIGHT) < _LEAST_OVERLAP:
                continue
            patch = patches[sights[other].texels[its]]
            share = np.asarray(np.bincount(patch, both, count), np.float64)
            (used,) = np.nonzero(share > 0)
            a, b = (
                np.stack([np.bincount(patch, both * column, count)[used] for column in values.T], 1)
                / share[used, None]
                for values in (colours[one][mine], colours[other][its])
            )
            found.append(_compared(one, other, a, b, share[used, None]))
        where[sights[one].texels] = -1
    return found


def _compared(one: int, other: int, a: Values, b: Values, share: Values) -> _Pair:
    """Of patches' mean colours (B, C) in two views, and how much each counts (B, 1)."""
    apart = b - a
    like = 1.0 / (1.0 + ((apart - np.median(apart, axis=0)) / _OTHER) ** 2)
    alike = (like * share).sum(axis=0) / share.sum()
    alike *= np.maximum(1.0 - (np.median(apart, axis=0) / _NO_DRIFT) ** 2, 0.0)
    weight = like * share
    weight = weight / weight.sum(axis=0)
    count = np.maximum(1.0 / (weight**2).sum(axis=0) / _ALONE, 1e-3)
    means = np.stack([(weight * a).sum(axis=0), (weight * b).sum(axis=0)])
    spread_a, spread_b = (
        np.sqrt((weight * (values - mean) ** 2).sum(axis=0)) + 1e-9
        for values, mean in ((a, means[0]), (b, means[1]))
    )
    correlation = (weight * (a - means[0]) * (b - means[1])).sum(axis=0) / (spread_a * spread_b)
    trust = np.clip((correlation - _ALIKE[0]) / (_ALIKE[1] - _ALIKE[0]), 0.0, 1.0) * alike
    trust *= np.minimum(spread_a, spread_b) > _FLAT
    rest = (weight * (apart - (means[1] - means[0])) ** 2).sum(axis=0)
    return _Pair(
        one,
        other,
        np.log(spread_b / spread_a),
        means,
        trust**2 * count / (1.0 - np.clip(correlation, 0.0, 1.0) ** 2 + 1e-3),
        alike**2 * count / (rest + _NOISE**2),
    )
