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
from impasto_server.texturing.rays import Hits, Rays

__all__ = ["TexelTable", "texel_table"]

_Value = TypeVar("_Value", bound=np.generic)

_CHUNK = 1 << 18  # rays at once
_DOWN = np.array([0.0, 0.0, -1.0], np.float32)
_DEPTH = 1e-3  # of the stack of all triangles; flat, or Embree's tree would be split along it
# Where in a texel whose centre lies beside the layout it is looked for, in texels from there: the middles of
# its sides, then near its corners. So charts thinner than a texel are found, and the texel at a chart's rim
# has a place on the surface of its own, less than a texel from where a renderer wants it.
_RIM = (
    (-0.5, 0.0),
    (0.5, 0.0),
    (0.0, -0.5),
    (0.0, 0.5),
    (-0.45, -0.45),
    (0.45, -0.45),
    (-0.45, 0.45),
    (0.45, 0.45),
)


@dataclass(frozen=True, eq=False)
class TexelTable:
    """The N texels that touch the surface, of a texture (height, width).

    rows, columns: (N,) int32, row 0 at the top (v = 1). triangles: (N,) int32 of the mesh. positions: (N, 3)
    float32 in world space. faces: (N, 3) float32, the normals of the faces themselves, which say what a
    camera can see.
    """

    width: int
    height: int
    rows: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]
    triangles: npt.NDArray[np.int32]
    positions: Points
    faces: Points

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
    band = max(1, _CHUNK // width)
    for top in range(0, height, band):
        rows, columns = np.divmod(
            np.arange(top * width, min(top + band, height) * width, dtype=np.int32), width
        )
        found.append(_hits(rays, rows, columns, (0.0, 0.0), width, height))
    owned = np.zeros((height, width), np.uint8)
    for rows, columns, _ in found:
        owned[rows, columns] = 1
    rim_rows, rim_columns = _beside(owned, mesh)
    for shift in _RIM:
        if not len(rim_rows):
            break
        found.append(_hits(rays, rim_rows, rim_columns, shift, width, height))
        owned[found[-1][0], found[-1][1]] = 1
        left = owned[rim_rows, rim_columns] == 0
        rim_rows, rim_columns = rim_rows[left], rim_columns[left]
    which = np.concatenate([hits.triangles for _, _, hits in found])
    return TexelTable(
        width=width,
        height=height,
        rows=np.concatenate([rows for rows, _, _ in found]),
        columns=np.concatenate([columns for _, columns, _ in found]),
        triangles=which,
        positions=mesh.points_at(which, np.concatenate([hits.weights for _, _, hits in found])),
        faces=mesh.face_normals[which],
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


def _hits(
    rays: Rays,
    rows: npt.NDArray[np.int32],
    columns: npt.NDArray[np.int32],
    shift: tuple[float, float],
    width: int,
    height: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Hits]:
    """Those of the texels that are on the surface where `shift` texels (right, down) from the centre."""
    origins = np.empty((len(rows), 3), np.float32)
    origins[:, 0] = (columns + (0.5 + shift[0])) / width
    origins[:, 1] = 1.0 - (rows + (0.5 + shift[1])) / height
    origins[:, 2] = _DEPTH / 64.0  # close, so that float32 tells the depths of neighbours
    hits = rays.first(origins, np.broadcast_to(_DOWN, origins.shape))
    (at,) = np.nonzero(hits.triangles >= 0)
    return rows[at], columns[at], Hits(hits.triangles[at], hits.weights[at], hits.distances[at])


def _beside(owned: npt.NDArray[np.uint8], mesh: Mesh) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Rows and columns of texels without a place that are next to one that has, or under a corner of the
    layout: where charts end, and where they are too thin to have any.
    """
    height, width = owned.shape
    asked = cv2.dilate(owned, np.ones((3, 3), np.uint8))
    corners = mesh.uvs.reshape(-1, 2)
    columns = np.floor(corners[:, 0] * width).astype(np.int64)
    rows = np.floor((1.0 - corners[:, 1]) * height).astype(np.int64)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    asked[rows[inside], columns[inside]] = 1
    found_rows, found_columns = np.nonzero((asked != 0) & (owned == 0))
    return found_rows.astype(np.int32), found_columns.astype(np.int32)
