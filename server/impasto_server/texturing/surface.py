"""All texels of a job, and all that stands around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from impasto_server.texturing.mesh import Mesh, Points, Scene
from impasto_server.texturing.rays import Rays
from impasto_server.texturing.sight import Buffers
from impasto_server.texturing.texels import TexelTable, texel_table

__all__ = ["Reader", "Surface"]

Ints = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]

_PATCHES = 64


@dataclass(frozen=True, eq=False)
class Surface:
    """Tables of several textures as one list of N texels, and the scene, whose first meshes are theirs."""

    scene: Scene
    rays: Rays
    tables: Sequence[TexelTable]

    @classmethod
    def of(
        cls,
        meshes: Sequence[Mesh],
        sizes: Sequence[tuple[int, int]],
        others: Sequence[Mesh],
        check: Callable[[], None],
    ) -> Surface:
        """Of meshes whose textures have `sizes` (width, height), among `others`. `check`: see `Rays`."""
        scene = Scene([*meshes, *others])
        tables = [texel_table(mesh, *size, check) for mesh, size in zip(meshes, sizes, strict=True)]
        return cls(scene, Rays(scene.positions, scene.triangles, check), tables)

    def resized(self, side: int) -> Surface:
        """The same with textures that are at most `side` texels wide and high."""
        tables = []
        for mesh, table in zip(self.scene.meshes, self.tables, strict=False):
            scale = min(1.0, side / max(table.width, table.height))
            width, height = (max(1, round(size * scale)) for size in (table.width, table.height))
            tables.append(texel_table(mesh, width, height, self.rays.check))
        return Surface(self.scene, self.rays, tables)

    @cached_property
    def starts(self) -> list[int]:
        """Where each table's texels begin, and at last N."""
        return [sum(len(table) for table in self.tables[:end]) for end in range(len(self.tables) + 1)]

    def of_table(self, number: int) -> slice:
        return slice(self.starts[number], self.starts[number + 1])

    def __len__(self) -> int:
        return self.starts[-1]

    @cached_property
    def positions(self) -> Points:
        """(N, 3) float32, world space."""
        return np.concatenate([table.positions for table in self.tables])

    @cached_property
    def faces(self) -> Points:
        """(N, 3) float32 normals of the texels' faces themselves, which say what a camera can see."""
        return self.triangle_normals[self.triangles]

    @cached_property
    def triangles(self) -> Ints:
        """(N,) of the scene."""
        return np.concatenate(
            [
                table.triangles + self.scene.triangles_of(number).start
                for number, table in enumerate(self.tables)
            ]
        ).astype(np.int32)

    @cached_property
    def patches(self) -> Ints:
        """(N,) numbers of small squares of the textures, some `_PATCHES` across each."""
        numbers = [
            (number * _PATCHES + table.rows * _PATCHES // table.height) * _PATCHES
            + table.columns * _PATCHES // table.width
            for number, table in enumerate(self.tables)
        ]
        return np.concatenate(numbers).astype(np.int32)

    @cached_property
    def triangle_normals(self) -> Points:
        """(T, 3) of the scene's triangles; zeros for those without an area."""
        return np.concatenate([mesh.face_normals for mesh in self.scene.meshes])

    @cached_property
    def painted_triangles(self) -> int:
        """How many of the scene's triangles, from the first, belong to textures."""
        return int(self.scene.triangles_of(len(self.tables) - 1).stop)

    def reader(self, buffers: Buffers) -> Reader:
        """For looking up texels' values at the pixels of a view."""
        found = [Reader.nothing(buffers.triangles.shape)]
        for number, table in enumerate(self.tables):
            part = self.scene.triangles_of(number)
            mine = (buffers.triangles >= part.start) & (buffers.triangles < part.stop)
            (at,) = np.nonzero(mine.ravel())
            if not len(at) or not len(table):
                continue
            uvs = self.scene.meshes[number].uvs_at(
                buffers.triangles.ravel()[at] - np.int32(part.start), buffers.weights.reshape(-1, 3)[at]
            )
            x = np.clip(uvs[:, 0] * table.width - 0.5, 0.0, table.width - 1.0)
            y = np.clip((1.0 - uvs[:, 1]) * table.height - 0.5, 0.0, table.height - 1.0)
            left, top = x.astype(np.int32), y.astype(np.int32)
            right, bottom = np.minimum(left + 1, table.width - 1), np.minimum(top + 1, table.height - 1)
            across, down = (x - left).astype(np.float32), (y - top).astype(np.float32)
            numbers = table.nearest + np.int32(self.starts[number])
            texels = [numbers[top, left], numbers[top, right], numbers[bottom, left], numbers[bottom, right]]
            shares = [(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down]
            found.append(
                Reader(buffers.triangles.shape, at.astype(np.int32), np.stack(texels), np.stack(shares))
            )
        return Reader.joined(found)


@dataclass(frozen=True, eq=False)
class Reader:
    """Which texels the pixels of a picture show. pixels: (P,) int32, of the picture's, row by row. texels:
    (4, P) int32. shares: (4, P) float32, of a linear filter; they add to 1.
    """

    shape: tuple[int, int]
    pixels: Ints
    texels: Ints
    shares: FloatArray

    @classmethod
    def nothing(cls, shape: tuple[int, int]) -> Reader:
        return cls(shape, np.zeros(0, np.int32), np.zeros((4, 0), np.int32), np.zeros((4, 0), np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Reader]) -> Reader:
        return cls(
            parts[0].shape,
            np.concatenate([part.pixels for part in parts]),
            np.concatenate([part.texels for part in parts], axis=1),
            np.concatenate([part.shares for part in parts], axis=1),
        )

    def read(self, values: FloatArray) -> FloatArray:
        """(P, …) of texels' `values` (N, …) at the pixels."""
        extra = (1,) * (values.ndim - 1)
        return np.asarray(
            sum(
                share.reshape(-1, *extra) * values[texel]
                for texel, share in zip(self.texels, self.shares, strict=True)
            ),
            np.float32,
        )

    def picture(self, values: FloatArray) -> FloatArray:
        """(H, W, …) of texels' `values`; zeros where no texture is seen."""
        found = np.zeros((self.shape[0] * self.shape[1], *values.shape[1:]), np.float32)
        found[self.pixels] = self.read(values)
        return found.reshape(*self.shape, *values.shape[1:])
