"""Cameras: from points of the world to pixels, and from pixels to rays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from impasto_server.texturing.mesh import Points

__all__ = ["View", "look_at"]

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class View:
    """A camera, as OpenGL and Blender have it: it looks along its −Z with +Y up.

    world_to_camera: (4, 4) rigid. projection: (4, 4), to clip space -1..1 (perspective or orthographic, with
    whatever shift of the lens). width, height: px. Pixels are counted from the upper left, their centres at
    halves.
    """

    world_to_camera: Matrix
    projection: Matrix
    width: int
    height: int

    @property
    def orthographic(self) -> bool:
        return bool(self.projection[3, 3] != 0.0)

    @cached_property
    def position(self) -> npt.NDArray[np.float64]:
        """(3,) of the camera in the world."""
        return np.asarray(np.linalg.inv(self.world_to_camera)[:3, 3])

    @cached_property
    def forward(self) -> npt.NDArray[np.float64]:
        """(3,) unit vector of where it looks."""
        return -self.world_to_camera[2, :3]

    @cached_property
    def pixels_per_unit(self) -> float:
        """Pixels that one unit of length across takes: at distance 1, or anywhere for orthographic ones."""
        across = abs(self.projection[0, 0]) * self.width / 2.0
        along = abs(self.projection[1, 1]) * self.height / 2.0
        return float(np.sqrt(across * along))

    def project(self, points: Points) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Pixels (N, 2) as (x, y) and distances (N,) along the view direction, of points (N, 3). Points
        behind the camera have a distance of 0 or less, and pixels that mean nothing.
        """
        local = points.astype(np.float64) @ self.world_to_camera[:3, :3].T + self.world_to_camera[:3, 3]
        clip = local @ self.projection[:, :3].T + self.projection[:, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = clip[:, :2] / clip[:, 3:4]
        x = (unit[:, 0] + 1.0) * (self.width / 2.0)
        y = (1.0 - unit[:, 1]) * (self.height / 2.0)
        return np.stack([x, y], 1).astype(np.float32), (-local[:, 2]).astype(np.float32)

    def rays(self) -> tuple[Points, Points]:
        """Origins and directions (H·W, 3) through the centres of all pixels, rows top to bottom. Directions
        advance by 1 along the view direction: a hit's distance is its depth.
        """
        x = (np.arange(self.width) + 0.5) * (2.0 / self.width) - 1.0
        y = 1.0 - (np.arange(self.height) + 0.5) * (2.0 / self.height)
        return self.rays_through(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))

    def rays_through(self, unit: npt.NDArray[np.float64]) -> tuple[Points, Points]:
        """The same through points (N, 2) of the picture in -1..1, y up."""
        back = np.linalg.inv(self.projection)
        ends = []
        for depth in (-1.0, 1.0):
            clip = np.concatenate([unit, np.full((len(unit), 1), depth), np.ones((len(unit), 1))], 1)
            local = clip @ back.T
            ends.append(local[:, :3] / local[:, 3:4])
        near, far = ends
        along = far - near
        direction = along / -along[:, 2:3]
        origin = near + direction * near[:, 2:3]  # where the ray passes the camera's plane
        turn = np.linalg.inv(self.world_to_camera)
        origins = origin @ turn[:3, :3].T + turn[:3, 3]
        return origins.astype(np.float32), (direction @ turn[:3, :3].T).astype(np.float32)

    def towards(self, points: Points) -> Points:
        """(N, 3) unit vectors from points to the camera."""
        if self.orthographic:
            return np.broadcast_to(-self.forward, points.shape).astype(np.float32)
        away = self.position - points
        return np.asarray(away / np.linalg.norm(away, axis=1, keepdims=True), np.float32)


def look_at(
    position: npt.ArrayLike,
    target: npt.ArrayLike,
    size: tuple[int, int],
    *,
    angle: float = np.radians(40.0),
    extent: float | None = None,
) -> View:
    """A view from `position` to `target`, +Z up, of `size` (width, height). `angle`: radians, of the narrower
    side; or `extent`: of what is seen there, orthographically.
    """
    eye, goal = np.asarray(position, np.float64), np.asarray(target, np.float64)
    back = (eye - goal) / np.linalg.norm(eye - goal)
    up = np.array([0.0, 0.0, 1.0]) if abs(back[2]) < 0.999 else np.array([0.0, 1.0, 0.0])
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = [right, np.cross(back, right), back]
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    width, height = size
    wide, high = width / min(size), height / min(size)
    near, far = 0.01, 1000.0
    projection = np.zeros((4, 4))
    if extent is None:
        scale = 1.0 / np.tan(angle / 2.0)
        projection[0, 0], projection[1, 1] = scale / wide, scale / high
        projection[2, 2] = -(far + near) / (far - near)
        projection[2, 3] = -2.0 * far * near / (far - near)
        projection[3, 2] = -1.0
    else:
        projection[0, 0], projection[1, 1] = 2.0 / (extent * wide), 2.0 / (extent * high)
        projection[2, 2], projection[2, 3] = -2.0 / (far - near), -(far + near) / (far - near)
        projection[3, 3] = 1.0
    return View(matrix, projection, width, height)
