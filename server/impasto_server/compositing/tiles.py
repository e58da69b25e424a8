"""Large pictures in overlapping tiles, blended so that no tile line shows; with wrap-around for tileables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from impasto_server.compositing.geometry import Box
from impasto_server.compositing.raster import FloatArray


@dataclass(frozen=True)
class TilePlan:
    """Tiles of one size that cover a picture.

    size:    (width, height) of the picture in whatever unit the tiles are in (pixels or latent cells).
    tile:    (width, height) of every tile; never larger than the picture.
    starts_x, starts_y: left edges and top edges. With wrap a tile may run over the right or lower edge and
             continue on the other side.
    wrap:    (horizontally, vertically).
    """

    size: tuple[int, int]
    tile: tuple[int, int]
    starts_x: tuple[int, ...]
    starts_y: tuple[int, ...]
    wrap: tuple[bool, bool]

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Row by row; a wrapping tile's right or bottom exceeds the picture."""
        return tuple(Box(x, y, *self.tile) for y in self.starts_y for x in self.starts_x)


def plan_tiles(
    size: tuple[int, int],
    tile: tuple[int, int],
    overlap: int,
    *,
    grid: int = 1,
    wrap: tuple[bool, bool] = (False, False),
) -> TilePlan:
    """Cover ``size`` (width, height) with tiles that overlap by at least ``overlap``, starts on the ``grid``.

    Measured as good: tiles of 96–128 latent cells overlapping by 16–48. A picture smaller than a tile gives
    one tile of the picture's size. Raises ValueError where the overlap leaves a tile nothing of its own.
    """
    sides = (min(tile[0], size[0]), min(tile[1], size[1]))
    if overlap < 0 or grid < 1 or overlap + grid > min(tile):
        raise ValueError(f"tiles of {tile} cannot overlap by {overlap} on a grid of {grid}")
    starts = [_starts(size[axis], sides[axis], overlap, grid, wrap[axis]) for axis in (0, 1)]
    return TilePlan(size, sides, starts[0], starts[1], wrap)


def _starts(length: int, tile: int, overlap: int, grid: int, wrap: bool) -> tuple[int, ...]:
    if tile == length and not wrap:
        return (0,)
    stride = max((tile - overlap) // grid * grid, grid)
    # Starts are rounded down to the grid; where the far end is off the grid the last gap would grow by the
    # rest.
    reach = stride - (grid - 1 if length % grid or tile % grid else 0)
    if wrap:
        # A tile as long as the picture meets itself: one more, half-way round, covers its seam.
        count = max(-(-length // max(reach, 1)), 2)
        return tuple(sorted({index * length // count // grid * grid for index in range(count)}))
    last = length - tile
    count = -(-last // max(reach, 1))
    return (*sorted({index * last // count // grid * grid for index in range(count)}), last)


def cut(image: FloatArray, plan: TilePlan, box: Box) -> FloatArray:
    """One tile of (H, W, c), continued round the edges where the plan wraps."""
    rows = np.arange(box.y, box.bottom) % plan.size[1]
    columns = np.arange(box.x, box.right) % plan.size[0]
    return image[rows[:, None], columns[None, :]]


def tile_weights(plan: TilePlan, box: Box) -> FloatArray:
    """(h, w) float32 blend weight of one tile, before normalisation: a tent that is positive everywhere.

    Flat towards picture edges that do not wrap, so border pixels are not down-weighted for nothing.
    """
    across = _tent(box.x, box.width, plan.size[0], plan.wrap[0])
    down = _tent(box.y, box.height, plan.size[1], plan.wrap[1])
    return down[:, None] * across[None, :]


def _tent(start: int, length: int, limit: int, wrap: bool) -> FloatArray:
    position = np.arange(length, dtype=np.float32) + 0.5
    left = position if wrap or start > 0 else np.full(length, np.inf, dtype=np.float32)
    right = length - position if wrap or start + length < limit else np.full(length, np.inf, dtype=np.float32)
    tent = np.minimum(left, right)
    return np.where(np.isinf(tent), np.float32(length), tent).astype(np.float32)


def blend(plan: TilePlan, tiles: Iterable[FloatArray]) -> FloatArray:
    """The picture (H, W, c) from its tiles, in the order of ``plan.boxes``.

    Weights are normalised to a partition of unity, so tiles that agree are reproduced.
    """
    total: FloatArray | None = None
    weight = np.zeros((plan.size[1], plan.size[0], 1), dtype=np.float32)
    for box, tile in zip(plan.boxes, tiles, strict=True):
        if total is None:
            total = np.zeros((plan.size[1], plan.size[0], tile.shape[2]), dtype=np.float32)
        share = tile_weights(plan, box)[:, :, None]
        rows = (np.arange(box.y, box.bottom) % plan.size[1])[:, None]
        columns = (np.arange(box.x, box.right) % plan.size[0])[None, :]
        total[rows, columns] += tile * share
        weight[rows, columns] += share
    if total is None:
        raise ValueError("a tile plan has at least one tile")
    return total / weight
