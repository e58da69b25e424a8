"""Where cameras stand around an object."""

from __future__ import annotations

import numpy as np

from impasto_server.texturing.mesh import Points
from impasto_server.texturing.view import View, look_at

__all__ = ["interleaved"]

_ELEVATION = np.radians(30.0)
_ANGLE = np.radians(40.0)
_ROOM = 1.08  # around the object, in the picture


def interleaved(points: Points, count: int, size: tuple[int, int], *, first: float = 0.0) -> list[View]:
    """`count` views of vertices (V, 3), evenly spaced around Z from the angle `first` (radians, 0 looks from
    −Y as Blender's front view does), by turns 30° above and below: what a ring at one height hides, holes and
    undersides, is seen by the next.
    """
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    centre = (low + high) / 2.0
    radius = float(np.linalg.norm(points - centre, axis=1).max()) or 1.0
    distance = _ROOM * radius / np.sin(_ANGLE / 2.0)
    views = []
    for number in range(count):
        turn = first + 2.0 * np.pi * number / count - np.pi / 2.0
        rise = _ELEVATION if number % 2 == 0 else -_ELEVATION
        way = np.array([np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)])
        views.append(look_at(centre + distance * way, centre, size, angle=_ANGLE))
    return views
