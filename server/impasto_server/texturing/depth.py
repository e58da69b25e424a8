"""Depth maps for ControlNets: near white, far dark, nothing black."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from impasto_server.texturing.mesh import Points
from impasto_server.texturing.view import View

__all__ = ["FARTHEST", "depth_map", "range_of"]

# The object's farthest point stays this far above the background, or a model cannot tell one from the other.
FARTHEST = 16.0 / 255.0


def range_of(view: View, points: Points) -> tuple[float, float]:
    """Nearest and farthest distance that an object with these vertices (V, 3) can have in a view from there,
    however it is turned: those of the sphere around it. So one range serves all views from one distance, and
    a part of the object is not brighter in one of them only because the rest is out of sight.
    """
    if not len(points):
        return 1.0, 2.0
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    centre = (low + high) / 2.0
    radius = float(np.linalg.norm(points - centre, axis=1).max())
    middle = float((centre - view.position) @ view.forward)
    nearest = max(middle - radius, 1e-3 * (middle + radius))
    return nearest, max(middle + radius, nearest * (1.0 + 1e-6))


def depth_map(
    depth: npt.NDArray[np.float32], mine: npt.NDArray[np.bool_], view: View, limits: tuple[float, float]
) -> npt.NDArray[np.float32]:
    """(H, W) float32 0..1 of distances (H, W): 1 at the nearest of `limits`, `FARTHEST` at the farthest,
    linear in the inverse distance (as MiDaS gives it and ControlNets learned it; in the distance itself for
    orthographic views, which have no perspective to undo), 0 where `mine` says that the object is not.
    """
    nearest, farthest = limits
    shown = mine & np.isfinite(depth)
    distances = np.where(shown, depth, farthest).astype(np.float64)
    if view.orthographic:
        values = (farthest - distances) / (farthest - nearest)
    else:
        values = (1.0 / np.maximum(distances, 1e-9) - 1.0 / farthest) / (1.0 / nearest - 1.0 / farthest)
    scaled = FARTHEST + (1.0 - FARTHEST) * np.clip(values, 0.0, 1.0)
    return np.where(shown, scaled, 0.0).astype(np.float32)
