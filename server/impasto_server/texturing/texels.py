"""The texel table: where on the surface each texel of a texture lies.

The UV layout is itself a flat mesh. Rays cast straight down on it at the centres of all texels tell which
triangle each one belongs to; no rasteriser of our own is needed, and what overlaps is decided once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.mesh import Mesh, Points
from impasto_server.texturing.rays import Rays

__all__ = ["TexelTable", "texel_table"]

_CHUNK = 1 << 20  # rays at once


@dataclass(frozen=True, eq=False)
class TexelTable:
    """The N texels that lie on the surface, of a square texture with `side` texels.

    rows, columns: (N,) int32, row 0 at the top (v = 1). triangles: (N,) int32 of the mesh. positions,
    normals: (N, 3) float32 in world space; `faces` are the normals of the faces themselves, which say what a
    camera can see.
    """

    side: int
    rows: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]
    triangles: npt.NDArray[np.int32]
    positions: Points
    normals: Points
    faces: Points

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def covered(self) -> npt.NDArray[np.bool_]:
        """(side, side): which texels are in the table."""
        mask = np.zeros((self.side, self.side), bool)
        mask[self.rows, self.columns] = True
        return mask

    def as_texture(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(side, side, C) of `values` (N, C); texels outside the surface get those of the nearest one on it,
        so that a renderer that looks between texels finds no seam.
        """
        texture = np.zeros((self.side, self.side, values.shape[1]), np.float32)
        texture[self.rows, self.columns] = values
        return texture[self._nearest]

    @cached_property
    def _nearest(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Row and column of the nearest texel on the surface, for each."""
        outside = (~self.covered).astype(np.uint8)
        if outside.all():
            return tuple(np.indices(outside.shape, np.int32))  # type: ignore[return-value]
        _, labels = cv2.distanceTransformWithLabels(
            outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE, labelType=cv2.DIST_LABEL_PIXEL
        )
        # Each zero of the picture, here a texel on the surface, has a label of its own.
        owner_rows = np.zeros(labels.max() + 1, np.int32)
        owner_columns = np.zeros(labels.max() + 1, np.int32)
        own = labels[self.rows, self.columns]
        owner_rows[own], owner_columns[own] = self.rows, self.columns
        return owner_rows[labels], owner_columns[labels]


def texel_table(mesh: Mesh, side: int) -> TexelTable:
    """Of a mesh whose UVs lie in 0..1. Where parts of the layout overlap, one of them is taken."""
    flat = np.zeros((len(mesh.triangles) * 3, 3), np.float32)
    flat[:, :2] = mesh.uvs.reshape(-1, 2)
    rays = Rays(flat, np.arange(len(flat), dtype=np.int32).reshape(-1, 3))
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    found_rows, found_columns, triangles, weights = [], [], [], []
    band = max(1, _CHUNK // side)
    down = np.array([0.0, 0.0, -1.0], np.float32)
    for top in range(0, side, band):
        u, v = np.meshgrid(centres, 1.0 - centres[top : top + band])
        origins = np.stack([u.ravel(), v.ravel(), np.ones(u.size, np.float32)], 1)
        hits = rays.first(origins, np.broadcast_to(down, origins.shape))
        (at,) = np.nonzero(hits.triangles >= 0)
        found_rows.append((at // side + top).astype(np.int32))
        found_columns.append((at % side).astype(np.int32))
        triangles.append(hits.triangles[at])
        weights.append(hits.weights[at])
    which, where = np.concatenate(triangles), np.concatenate(weights)
    return TexelTable(
        side=side,
        rows=np.concatenate(found_rows),
        columns=np.concatenate(found_columns),
        triangles=which,
        positions=mesh.points_at(which, where).astype(np.float32),
        normals=mesh.normals_at(which, where).astype(np.float32),
        faces=mesh.face_normals[which],
    )
