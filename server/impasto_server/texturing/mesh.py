"""The surfaces of a scene, as triangles in world space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

# Triangles whose height is below this share of their longest edge have a direction by rounding alone.
_FLAT = 1e-5

Points = npt.NDArray[np.float32]
Triangles = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Mesh:
    """One evaluated object: modifiers and instances applied, faces split into triangles.

    positions: (V, 3) float32, world space. triangles: (T, 3) int32, corners counter-clockwise seen from
    outside. uvs: (T, 3, 2) float32 of each corner, u right and v up, 0..1 over the texture. normals:
    (T, 3, 3) float32 unit normals of the corners, as shaded; None: flat.
    """

    positions: Points
    triangles: Triangles
    uvs: npt.NDArray[np.float32]
    normals: npt.NDArray[np.float32] | None = None

    @property
    def sound(self) -> Mesh:
        """The mesh without triangles whose corners or UVs are not numbers, and without loose vertices."""
        good = np.isfinite(self.corners).all(axis=(1, 2)) & np.isfinite(self.uvs).all(axis=(1, 2))
        used = np.zeros(len(self.positions), bool)
        used[self.triangles[good]] = True
        if good.all() and used.all():
            return self
        numbers = np.cumsum(used, dtype=np.int32) - np.int32(1)
        return Mesh(
            self.positions[used],
            numbers[self.triangles[good]],
            self.uvs[good],
            None if self.normals is None else self.normals[good],
        )

    @cached_property
    def corners(self) -> npt.NDArray[np.float32]:
        """(T, 3, 3) positions of the corners."""
        return self.positions[self.triangles]

    @cached_property
    def face_normals(self) -> Points:
        """(T, 3) unit normals of the faces; zero for those without an area."""
        first, second, third = np.moveaxis(self.corners.astype(np.float64), 1, 0)
        one, other = second - first, third - first
        normals = np.cross(one, other)
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        edges = np.maximum(np.einsum("td,td->t", one, one), np.einsum("td,td->t", other, other))
        real = lengths > _FLAT * edges[:, None]
        unit = np.divide(normals, lengths, out=np.zeros_like(normals), where=real)
        return np.asarray(unit, np.float32)

    def points_at(self, triangles: npt.NDArray[np.int32], weights: npt.NDArray[np.float32]) -> Points:
        """(N, 3) positions at barycentric `weights` (N, 3) of `triangles` (N,)."""
        return np.asarray(np.einsum("nc,ncd->nd", weights, self.corners[triangles], optimize=True))

    def normals_at(self, triangles: npt.NDArray[np.int32], weights: npt.NDArray[np.float32]) -> Points:
        """(N, 3) unit normals, interpolated as a renderer shades."""
        if self.normals is None:
            return self.face_normals[triangles]
        found = np.einsum("nc,ncd->nd", weights, self.normals[triangles], optimize=True)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        flat = self.face_normals[triangles]
        return np.asarray(np.where(lengths > 0, found / np.maximum(lengths, 1e-12), flat), np.float32)

    def uvs_at(
        self, triangles: npt.NDArray[np.int32], weights: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """(N, 2) texture coordinates."""
        return np.asarray(np.einsum("nc,ncd->nd", weights, self.uvs[triangles], optimize=True))


@dataclass(frozen=True, eq=False)
class Scene:
    """All that can be seen or stands in the way: objects that are painted, then those that are not."""

    meshes: Sequence[Mesh]
    _starts: npt.NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        counts = [0, *(len(mesh.triangles) for mesh in self.meshes)]
        object.__setattr__(self, "_starts", np.cumsum(counts).astype(np.int32))

    @cached_property
    def positions(self) -> Points:
        """(V, 3) of all meshes."""
        return np.concatenate([mesh.positions for mesh in self.meshes]).astype(np.float32)

    @cached_property
    def triangles(self) -> Triangles:
        """(T, 3) of all meshes, as indices into `positions`."""
        offsets = np.cumsum([0, *(len(mesh.positions) for mesh in self.meshes[:-1])])
        return np.concatenate(
            [mesh.triangles + offset for mesh, offset in zip(self.meshes, offsets, strict=True)]
        ).astype(np.int32)

    def triangles_of(self, mesh: int) -> slice:
        """Where a mesh's triangles stand among all."""
        return slice(int(self._starts[mesh]), int(self._starts[mesh + 1]))

    def mesh_of(self, triangles: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """(N,) numbers of the meshes that triangles (N,) belong to; -1 for triangle -1, which is none."""
        found = np.searchsorted(self._starts, triangles, side="right").astype(np.int32) - 1
        return np.where(triangles < 0, np.int32(-1), found)
