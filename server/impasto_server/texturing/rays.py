"""Where rays meet surfaces first. Embree does the work: a million rays on 20,000 triangles take 0.1 s."""

from __future__ import annotations

from collections.abc import Callable
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
_AT_ONCE = 1 << 17


@dataclass(frozen=True, eq=False)
class Hits:
    """triangles: (N,) int32, -1 for none. weights: (N, 3) float32 barycentric, of the triangle's corners.
    distances: (N,) float32, in lengths of the ray's direction; infinite for none.
    """

    triangles: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    distances: npt.NDArray[np.float32]


def _nothing() -> None:
    """Never stops anything."""


@dataclass(eq=False)
class Rays:
    """Surfaces that rays are cast at. positions: (V, 3) float32. triangles: (T, 3) int32. check: called after
    every few hundred thousand rays, some tens of milliseconds; it may raise, or take its time.
    """

    positions: Points
    triangles: Triangles
    check: Callable[[], None] = _nothing
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
        hits = Hits(
            np.full(count, _NOTHING, np.int32),
            np.zeros((count, 3), np.float32),
            np.full(count, np.inf, np.float32),
        )
        for part in self._parts(count):
            found = self._scene.run(_rays(origins[part]), _rays(directions[part]), output=True)
            hit = np.asarray(found["primID"], np.int32)
            hits.triangles[part] = hit
            hits.weights[part, 1], hits.weights[part, 2] = found["u"], found["v"]
            hits.weights[part, 0] = 1.0 - hits.weights[part, 1] - hits.weights[part, 2]
            hits.distances[part] = np.where(hit < 0, np.float32(np.inf), found["tfar"])
            self.check()
        return hits

    def distances(self, origins: Points, directions: Points) -> npt.NDArray[np.float32]:
        """(N,) of the nearest hits alone; infinite for none. Half the time of `first`."""
        found = np.full(len(origins), np.inf, np.float32)
        for part in self._parts(len(origins)):
            found[part] = self._scene.run(_rays(origins[part]), _rays(directions[part]), query="DISTANCE")
            self.check()
        found[found >= 1e30] = np.inf
        return found

    def _parts(self, count: int) -> list[slice]:
        """Of so many rays; none where there is nothing to hit."""
        return [slice(start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE) if len(self.triangles)]


def _rays(values: Points) -> Points:
    return np.ascontiguousarray(values, np.float32)
