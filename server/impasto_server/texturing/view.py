"""Cameras: from points of the world to pixels, and from pixels to rays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
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

    @cached_property
    def corners(self) -> Matrix:
        """(3, 3), rows: the ray through the picture's middle, and what it gains towards the right and the
        upper edge. In perspective they are directions; orthographic views have origins from the camera.
        """
        back = np.linalg.inv(self.projection)
        ends = []
        for depth in (-1.0, 1.0):
            clip = np.array([[0.0, 0.0, depth, 1.0], [1.0, 0.0, depth, 1.0], [0.0, 1.0, depth, 1.0]])
            local = clip @ back.T
            ends.append(local[:, :3] / local[:, 3:4])
        near, far = ends
        if self.orthographic:
            middle = near[0] + (far[0] - near[0]) / (near[0, 2] - far[0, 2]) * near[0, 2]
            found = np.stack([middle, near[1] - near[0], near[2] - near[0]])
        else:
            ways = near / -near[:, 2:3]
            found = np.stack([ways[0], ways[1] - ways[0], ways[2] - ways[0]])
        return np.asarray(found @ self.world_to_camera[:3, :3])

    def project(self, points: Points) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Pixels (N, 2) as (x, y) and distances (N,) along the view direction, of points (N, 3). Points
        behind the camera have a distance of 0 or less, and pixels that mean nothing.
        """
        # Counted from the camera, float32 is exact to some thousandths of a pixel, at a third of the time.
        turn = self.world_to_camera[:3, :3]
        away = points - self.position.astype(np.float32)
        rows = np.concatenate([self.projection[[0, 1, 3], :3] @ turn, -turn[2:3]]).astype(np.float32)
        shift = np.append(self.projection[[0, 1, 3], 3], 0.0).astype(np.float32)
        clip = (
            cv2.transform(away[None], np.column_stack([rows, shift]))[0]
            if len(away)
            else np.zeros((0, 4), np.float32)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = clip[:, :2] / clip[:, 2:3]
        pixels *= np.array([self.width / 2.0, -self.height / 2.0], np.float32)
        pixels += np.array([self.width / 2.0, self.height / 2.0], np.float32)
        return pixels, np.ascontiguousarray(clip[:, 3])

    def rays(self, box: tuple[int, int, int, int] | None = None) -> tuple[Points, Points]:
        """Origins and directions (N, 3) through the centres of all pixels, rows top to bottom, or of those in
        `box` (left, top, right, bottom). Directions advance by 1 along the view direction: a hit's distance
        is its depth.
        """
        left, top, right, bottom = box or (0, 0, self.width, self.height)
        x, y = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
        middle, wide, high = self.corners
        across = (x * (2.0 / self.width) - 1.0)[:, None] * wide
        down = middle + (1.0 - y * (2.0 / self.height))[:, None] * high
        return self._cast((down.astype(np.float32)[:, None] + across.astype(np.float32)).reshape(-1, 3))

    def rays_through(self, pixels: npt.NDArray[np.float32]) -> tuple[Points, Points]:
        """The same through places (N, 2) of the picture, x and y in pixels."""
        middle, wide, high = self.corners
        x, y = pixels[:, :1] * (2.0 / self.width) - 1.0, 1.0 - pixels[:, 1:] * (2.0 / self.height)
        return self._cast((middle + x * wide + y * high).astype(np.float32))

    def _cast(self, fan: Points) -> tuple[Points, Points]:
        """Rays (N, 3) from what tells them apart."""
        position = self.position.astype(np.float32)
        if self.orthographic:
            return fan + position, np.broadcast_to(self.forward.astype(np.float32), fan.shape)
        return np.broadcast_to(position, fan.shape), fan

    def towards(self, points: Points) -> Points:
        """(N, 3) unit vectors from points to the camera."""
        if self.orthographic:
            return np.broadcast_to(-self.forward, points.shape).astype(np.float32)
        away = self.position.astype(np.float32) - points
        away /= np.sqrt(np.einsum("nd,nd->n", away, away))[:, None]
        return np.asarray(away, np.float32)

    def resized(self, width: int, height: int) -> View:
        """The same view in a picture of another size."""
        return View(self.world_to_camera, self.projection, width, height)


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
