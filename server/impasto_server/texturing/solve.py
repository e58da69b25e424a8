"""One gain and one offset per view and channel, found where views overlap: so that what one painted a little
brighter or warmer than its neighbour does not show as a patch (as Brown and Lowe 2007 do for panoramas).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from impasto_server.texturing.sight import Sight

__all__ = ["Solved", "solve_colours"]

FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

_LEAST_OVERLAP = 64  # texels; two views with fewer in common say nothing about each other
_HOLD = 2e-4  # what a change of gain or offset costs, beside the squared differences of colours in 0..1
_MEAN = 1e2  # and one of the mean over all views: they meet in the middle, and do not all turn grey
_OTHER = 0.1  # differences above this are of what is painted, not of how bright: they count less and less
_ROUNDS = 3
_GAIN, _OFFSET = 1.3, 0.15  # the most a view is changed; more is another picture, not a drift


@dataclass(frozen=True, eq=False)
class Solved:
    """gains, offsets: (views, C) float32, to be applied as gain × colour + offset."""

    gains: FloatArray
    offsets: FloatArray

    def applied(self, view: int, colours: FloatArray) -> FloatArray:
        return np.asarray(colours * self.gains[view] + self.offsets[view], np.float32)


@dataclass(frozen=True, eq=False)
class _Pair:
    """What two views show of the same patches. a, b: (B, C) their mean colours there. share: (B,) how much
    each patch counts.
    """

    one: int
    other: int
    a: Matrix
    b: Matrix
    share: npt.NDArray[np.float64]


def solve_colours(
    sights: Sequence[Sight],
    colours: Sequence[FloatArray],
    weights: Sequence[FloatArray],
    patches: npt.NDArray[np.int32],
    fixed: Collection[int] = (),
) -> Solved:
    """Gains and offsets that make the views agree where they overlap: weighted least squares over all pairs,
    held near no change. The views keep their mean. `fixed`: these agree among themselves, the others come to
    them; so one that is fixed alone stays as it is.

    Colours: views × (M, C) at the texels of `sights`, in a space where drift is linear: sRGB as it is painted
    will do. patches: (N,) numbers of small pieces of surface that texels belong to. Of these means are
    compared: between single texels two paintings differ in their details, and a gain would learn to hide it.
    """
    views, channels = len(sights), colours[0].shape[1]
    gains, offsets = np.ones((views, channels)), np.zeros((views, channels))
    pairs = _overlaps(sights, colours, weights, patches)
    others = set(range(views)) - set(fixed)
    for moving, still in ((set(fixed), set[int]()), (others, set(fixed))):
        asked = [pair for pair in pairs if _says(pair, moving, still)]
        for channel in range(channels if asked else 0):
            _settle(asked, channel, sorted(moving), not still, gains[:, channel], offsets[:, channel])
    return Solved(gains.astype(np.float32), offsets.astype(np.float32))


def _says(pair: _Pair, moving: set[int], still: set[int]) -> bool:
    """Whether a pair is between views that move, or such and ones that do not."""
    ends = {pair.one, pair.other}
    return ends <= moving | still and not ends <= still


def _settle(
    pairs: Sequence[_Pair],
    channel: int,
    moving: Sequence[int],
    centred: bool,
    gains: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.float64],
) -> None:
    """Changes the `moving` views' entries of gains and offsets (views,) to what the pairs ask for. `centred`:
    their mean stays.
    """
    prior = np.diag(np.full(2 * len(gains), _HOLD))
    if centred:
        for first in (0, 1):
            index = [2 * view + first for view in moving]
            prior[np.ix_(index, index)] += _MEAN / len(moving) ** 2
    total = sum(float(pair.share.sum()) for pair in pairs)
    use = [2 * view + entry for view in moving for entry in (0, 1)]
    for _ in range(_ROUNDS):
        normal, right = prior.copy(), np.zeros(2 * len(gains))
        for pair in pairs:
            a, b = pair.a[:, channel], pair.b[:, channel]
            # (g1·a + o1) − (g2·b + o2) = 0, solved for the changes from 1 and 0 of those that move.
            index = [2 * pair.one, 2 * pair.one + 1, 2 * pair.other, 2 * pair.other + 1]
            columns = np.stack([a, np.ones_like(a), -b, -np.ones_like(b)])
            now = np.array([gains[pair.one], offsets[pair.one], gains[pair.other], offsets[pair.other]])
            moves = np.repeat([pair.one in moving, pair.other in moving], 2)
            start = np.where(moves, [1.0, 0.0, 1.0, 0.0], now)
            weighted = columns * (pair.share / total / (1.0 + (now @ columns / _OTHER) ** 2))
            normal[np.ix_(index, index)] += weighted @ columns.T
            right[index] -= weighted @ (start @ columns)
        change = np.linalg.solve(normal[np.ix_(use, use)], right[use])
        gains[moving] = np.clip(1.0 + change[0::2], 1.0 / _GAIN, _GAIN)
        offsets[moving] = np.clip(change[1::2], -_OFFSET, _OFFSET)


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
            if np.count_nonzero(both) < _LEAST_OVERLAP:
                continue
            patch = patches[sights[other].texels[its]]
            share = np.asarray(np.bincount(patch, both, count), np.float64)
            (used,) = np.nonzero(share > 0)
            means = [
                np.stack([np.bincount(patch, both * column, count)[used] for column in values.T], 1)
                / share[used, None]
                for values in (colours[one][mine], colours[other][its])
            ]
            found.append(_Pair(one, other, means[0], means[1], share[used]))
        where[sights[one].texels] = -1
    return found
