"""The texel table: where on the surface each texel of a texture lies.

The UV layout is itself a flat mesh. Rays cast straight down on it at the centres of all texels tell which
triangle each one belongs to; no rasteriser of our own is needed. Triangles lie the deeper the later they
come, so where parts of the layout overlap, the earliest has the texel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.mesh import Mesh, Points
from impasto_server.texturing.rays import Rays

__all__ = ["TexelTable", "texel_table"]

_Found = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]
_Value = TypeVar("_Value", bound=np.generic)

_CHUNK = 1 << 18  # rays at once
_DOWN = np.array([0.0, 0.0, -1.0], np.float32)
_DEPTH = 1e-3  # of the stack of all triangles; flat, or Embree's tree would be split along it
_STEP = 0.4  # texels between the places that are tried along the layout's edges


@dataclass(frozen=True, eq=False)
class TexelTable:
    """The N texels that touch the surface, of a texture (height, width).

    rows, columns: (N,) int32, row 0 at the top (v = 1). triangles: (N,) int32 of the mesh. positions: (N, 3)
    float32 in world space. normals: (N, 3) float32 unit, as shaded.
    """

    width: int
    height: int
    rows: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]
    triangles: npt.NDArray[np.int32]
    positions: Points
    normals: Points

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def covered(self) -> npt.NDArray[np.bool_]:
        """(height, width): which texels are in the table."""
        mask = np.zeros((self.height, self.width), bool)
        mask[self.rows, self.columns] = True
        return mask

    def as_texture(self, values: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        """(height, width, C) of `values` (N, C); texels beside the surface get those of the nearest one on
        it, so that a renderer that looks between texels, or at a smaller copy, finds no seam.
        """
        if not len(self):
            return np.zeros((self.height, self.width, *values.shape[1:]), values.dtype)
        return values[self.nearest]

    @cached_property
    def nearest(self) -> npt.NDArray[np.int32]:
        """(height, width) int32: which of the table's texels is the nearest; -1 where the table is empty."""
        numbers = np.full((self.height, self.width), -1, np.int32)
        numbers[self.rows, self.columns] = np.arange(len(self), dtype=np.int32)
        if not len(self):
            return numbers
        _, labels = cv2.distanceTransformWithLabels(
            (numbers < 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
        )
        # Each zero of the picture, here a texel on the surface, has a label of its own.
        owner = np.zeros(labels.max() + 1, np.int32)
        owner[labels[self.rows, self.columns]] = np.arange(len(self), dtype=np.int32)
        return np.asarray(owner[labels])


def texel_table(mesh: Mesh, width: int, height: int, check: Callable[[], None]) -> TexelTable:
    """Of a mesh whose UVs lie in 0..1; what lies outside is not painted. `check`: see `Rays`."""
    corners = np.arange(3 * len(mesh.triangles), dtype=np.int32).reshape(-1, 3)
    rays = Rays(_stacked(mesh), corners, check)
    found = []
    owned = np.zeros((height, width), np.uint8)
    band = max(1, _CHUNK // width)
    for top in range(0, height, band):
        found.append(_hits(rays, top, min(top + band, height), width, height))
        owned[found[-1][0], found[-1][1]] = 1
    found.append(_crossed(mesh, owned))
    rows, columns, which, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return TexelTable(
        width=width,
        height=height,
        rows=rows,
        columns=columns,
        triangles=which,
        positions=mesh.points_at(which, weights),
        normals=mesh.normals_at(which, weights),
    )


def _stacked(mesh: Mesh) -> Points:
    """(3 T, 3) corners of the layout, each triangle a little deeper than the one before."""
    flat = np.zeros((len(mesh.triangles), 3, 3), np.float32)
    flat[:, :, :2] = mesh.uvs
    depth = np.linspace(0.0, -_DEPTH, len(flat), dtype=np.float32)
    # A face without an area takes part in no texel: nobody could see it.
    none = ~mesh.face_normals.any(axis=1)
    flat[none] = (-9.0, -9.0, 0.0)
    flat[:, :, 2] = depth[:, None]
    return flat.reshape(-1, 3)


def _hits(rays: Rays, top: int, bottom: int, width: int, height: int) -> _Found:
    """The texels of some rows whose centres lie in the layout."""
    rows, columns = np.divmod(np.arange(top * width, bottom * width, dtype=np.int32), np.int32(width))
    origins = np.empty((len(rows), 3), np.float32)
    origins[:, 0] = (columns + 0.5) / width
    origins[:, 1] = 1.0 - (rows + 0.5) / height
    origins[:, 2] = _DEPTH / 64.0  # close, so that float32 tells the depths of neighbours
    hits = rays.first(origins, np.broadcast_to(_DOWN, origins.shape))
    (at,) = np.nonzero(hits.triangles >= 0)
    return rows[at], columns[at], hits.triangles[at], hits.weights[at]


def _crossed(mesh: Mesh, owned: npt.NDArray[np.uint8]) -> _Found:
    """Texels not yet `owned` (height, width) that an edge of the layout crosses. Each takes the place on
    these edges that is nearest to its centre: so a chart's rim has no colours of what is beside it, and
    charts thinner than a texel have any at all.
    """
    height, width = owned.shape
    size = np.array([width, height], np.float32)
    within = (mesh.uvs.max(axis=1) >= 0.0).all(axis=1) & (mesh.uvs.min(axis=1) <= 1.0).all(axis=1)
    (real,) = np.nonzero(mesh.face_normals.any(axis=1) & within)
    ends = mesh.uvs[real] * size  # (T, 3, 2), x right and y down
    ends[:, :, 1] = height - ends[:, :, 1]
    starts, ways = ends.reshape(-1, 2), (np.roll(ends, -1, axis=1) - ends).reshape(-1, 2)
    lengths = np.abs(ways).max(axis=1)
    # Edges deep inside of charts, of which there are most, cross no free texels.
    room = cv2.distanceTransform(cv2.copyMakeBorder(owned, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_C, 3)
    middles = np.clip(starts + ways / 2, 0, size - 1).astype(np.int32) + 1
    (edges,) = np.nonzero(room[middles[:, 1], middles[:, 0]] <= lengths / 2 + 1.5)
    counts = np.ceil(np.minimum(lengths[edges], 4 * size.max()) / _STEP).astype(np.int64) + 1
    which = np.repeat(edges, counts)
    along = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (along / np.repeat(np.maximum(counts - 1, 1), counts)).astype(np.float32)
    places = starts[which] + ways[which] * share[:, None]
    columns, rows = np.floor(places).astype(np.int32).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    inside[inside] = owned[rows[inside], columns[inside]] == 0
    which, share, columns, rows = which[inside], share[inside], columns[inside], rows[inside]
    away = np.abs(places[inside] - np.stack([columns, rows], 1) - 0.5).max(axis=1)
    order = np.lexsort((away, rows.astype(np.int64) * width + columns))  # stable: of equal ones the earliest
    texel = rows[order].astype(np.int64) * width + columns[order]
    best = order[np.flatnonzero(np.diff(texel, prepend=-1))]
    weights = np.zeros((len(best), 3), np.float32)
    corner = which[best] % 3
    weights[np.arange(len(best)), corner] = 1.0 - share[best]
    weights[np.arange(len(best)), (corner + 1) % 3] = share[best]
    return rows[best], columns[best], real[which[best] // 3].astype(np.int32), weights
