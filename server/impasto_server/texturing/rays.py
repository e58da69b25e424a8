"""Where rays meet surfaces first. Embree does the work: a million rays on 20,000 triangles take 0.1 s."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from impasto_server.texturing.mesh import Points, Triangles

__all__ = ["Hits", "Rays"]

# What Embree says for a ray that meets nothing is its largest distance.
_NOTHING = -1


@dataclass(frozen=True, eq=False)
class Hits:
    """triangles: (N,) int32, -1 for none. weights: (N, 3) float32 barycentric, of the triangle's corners.
    distances: (N,) float32, in lengths of the ray's direction; infinite for none.
    """

    triangles: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    distances: npt.NDArray[np.float32]


@dataclass(eq=False)
class Rays:
    """Surfaces that rays are cast at. positions: (V, 3) float32. triangles: (T, 3) int32."""

    positions: Points
    triangles: Triangles
    _scene: Any = field(init=False)
    _mesh: Any = field(init=False)

    def __post_init__(self) -> None:
        self._scene = EmbreeScene()
        if len(self.triangles):
            self._mesh = TriangleMesh(
                self._scene,
                np.ascontiguousarray(self.positions, np.float32),
                np.ascontiguousarray(self.triangles, np.int32),
            )

    def first(self, origins: Points, directions: Points) -> Hits:
        """The nearest hits of rays (N, 3) from `origins`."""
        count = len(origins)
        if not count or not len(self.triangles):
            nothing = np.full(count, _NOTHING, np.int32)
            return Hits(nothing, np.zeros((count, 3), np.float32), np.full(count, np.inf, np.float32))
        found = self._scene.run(_rays(origins), _rays(directions), output=True)
        hit = np.asarray(found["primID"], np.int32)
        u, v = np.asarray(found["u"]), np.asarray(found["v"])
        distances = np.where(hit < 0, np.float32(np.inf), np.asarray(found["tfar"], np.float32))
        return Hits(hit, np.stack([1.0 - u - v, u, v], 1).astype(np.float32), distances)

    def distances(self, origins: Points, directions: Points) -> npt.NDArray[np.float32]:
        """(N,) of the nearest hits alone; infinite for none. Half the time of `first`."""
        if not len(origins) or not len(self.triangles):
            return np.full(len(origins), np.inf, np.float32)
        found = np.asarray(self._scene.run(_rays(origins), _rays(directions), query="DISTANCE"), np.float32)
        return np.where(found >= 1e30, np.float32(np.inf), found)


def _rays(values: Points) -> Points:
    return np.ascontiguousarray(values, np.float32)
