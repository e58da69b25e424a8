"""What a view sees of a surface: which texels, at which pixels, and how well."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.mesh import Points, Scene
from impasto_server.texturing.rays import Rays
from impasto_server.texturing.view import View

__all__ = ["GRAZING", "Buffers", "Sight", "look", "render_buffers", "seen_points"]

GRAZING = float(np.cos(np.radians(75.0)))  # cosine below which a surface is too oblique to be painted
# A point is hidden when something is nearer by more than this share of its distance: what a float32 ray may
# miss it by. A surface that grazes another is not told apart below it.
_CLEAR = 2e-4


@dataclass(frozen=True, eq=False)
class Buffers:
    """A view's picture of the geometry. depth: (H, W) float32 distances along the view direction, infinite
    for nothing. triangles: (H, W) int32, of the scene, -1 for none. weights: (H, W, 3) barycentric.
    """

    depth: npt.NDArray[np.float32]
    triangles: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sight:
    """How a view sees N texels.

    pixels: (N, 2) float32 (x, y), for cv2.remap less a half. seen: (N,) bool. cosine: (N,) float32 between
    the face and the ray, 1 head-on. footprint: (N,) float32, pixels per square unit of surface. margin: (N,)
    float32 px to the nearest silhouette of the picture, at most `reach_px`.
    """

    pixels: npt.NDArray[np.float32]
    seen: npt.NDArray[np.bool_]
    cosine: npt.NDArray[np.float32]
    footprint: npt.NDArray[np.float32]
    margin: npt.NDArray[np.float32]


def render_buffers(scene: Scene, rays: Rays, view: View) -> Buffers:
    """One ray through the centre of each pixel. `rays` are cast at the scene."""
    hits = rays.first(*view.rays())
    size = (view.height, view.width)
    return Buffers(hits.distances.reshape(size), hits.triangles.reshape(size), hits.weights.reshape(*size, 3))


def seen_points(
    rays: Rays, view: View, points: Points, normals: Points, least: float = GRAZING
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    """Pixels (N, 2), visibility (N,) and signed cosine (N,) of points with the normals of their faces."""
    pixels, depth = view.project(points)
    towards = view.towards(points)
    cosine = np.einsum("nd,nd->n", towards, normals).astype(np.float32)
    inside = (pixels[:, 0] >= 0) & (pixels[:, 0] < view.width) & (pixels[:, 1] >= 0)
    inside &= (pixels[:, 1] < view.height) & (depth > 0)
    seen = inside & (cosine > least)
    (asked,) = np.nonzero(seen)
    if len(asked):
        # From the camera, as a picture is made; from the point, rays would start inside of thin things.
        targets = points[asked]
        if view.orthographic:
            origins = (targets + depth[asked, None] * towards[asked]).astype(np.float32)
        else:
            origins = np.broadcast_to(view.position.astype(np.float32), targets.shape)
        ways = targets - origins
        first = rays.distances(origins, ways)
        seen[asked] = first >= 1.0 - _CLEAR
    return pixels, seen, cosine


def look(
    rays: Rays,
    view: View,
    buffers: Buffers,
    points: Points,
    normals: Points,
    *,
    least: float = GRAZING,
    reach_px: float = 16.0,
) -> Sight:
    """See `Sight`. `points` (N, 3) with the normals (N, 3) of their faces."""
    pixels, seen, cosine = seen_points(rays, view, points, normals, least)
    scale = view.pixels_per_unit**2
    if view.orthographic:
        density = np.full(len(points), scale, np.float32)
    else:
        away = points - view.position.astype(np.float32)
        density = (scale / np.maximum(np.einsum("nd,nd->n", away, away), 1e-12)).astype(np.float32)
    margins = silhouette_distance(buffers.depth, reach_px)
    columns = np.clip(pixels[:, 0], 0, view.width - 1).astype(np.int32)
    rows = np.clip(pixels[:, 1], 0, view.height - 1).astype(np.int32)
    margin = np.where(seen, margins[np.where(seen, rows, 0), np.where(seen, columns, 0)], 0.0)
    return Sight(pixels, seen, cosine, np.where(seen, density * cosine, 0.0), margin.astype(np.float32))


def silhouette_distance(depth: npt.NDArray[np.float32], reach_px: float) -> npt.NDArray[np.float32]:
    """(H, W) px from each pixel to the nearest jump in depth, or to nothing at all; at most `reach_px`.

    A jump is where the depth changes by more than its neighbours' slope explains: second differences of the
    inverse, which is linear over a plane in perspective.
    """
    with np.errstate(divide="ignore"):
        inverse = np.where(np.isfinite(depth), 1.0 / np.maximum(depth, 1e-9), 0.0).astype(np.float32)
    edge = ~np.isfinite(depth)
    for axis in (0, 1):
        second = np.abs(np.diff(inverse, 2, axis=axis))
        middle = [slice(None), slice(None)]
        middle[axis] = slice(1, -1)
        jump = second > 0.02 * np.maximum(inverse[tuple(middle)], 1e-9)
        edge[tuple(middle)] |= jump
    if not edge.any():
        return np.full(depth.shape, reach_px, np.float32)
    away = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.minimum(away, np.float32(reach_px)))
