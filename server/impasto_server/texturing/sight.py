"""What a view sees of a surface: which texels, at which pixels, and how well."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.texturing.mesh import Points, Scene
from impasto_server.texturing.rays import Rays
from impasto_server.texturing.view import View

__all__ = [
    "GRAZING",
    "Buffers",
    "Sight",
    "box_of",
    "depth_buffer",
    "look",
    "render_buffers",
    "silhouette_distance",
]

GRAZING = float(np.cos(np.radians(75.0)))  # cosine below which a surface is too oblique to be painted
# A point is hidden when something is nearer by more than this share of its distance: what a float32 ray may
# miss it by. A surface that grazes another is not told apart below it.
_CLEAR = 2e-5
_RIM_PX = 1.0  # from a silhouette, within which a pixel shows more than one surface
_SAME_PX = 3.0  # by which a curved surface is off the plane of a face of it, one pixel away
_AT_ONCE = 1 << 17  # points
_REACH_PX = 16.0  # margins are not counted further

FloatArray = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Buffers:
    """A view's picture of the geometry. depth: (H, W) float32 distances along the view direction, infinite
    for nothing. triangles: (H, W) int32, of the scene, -1 for none. weights: (H, W, 3) barycentric.
    """

    depth: FloatArray
    triangles: npt.NDArray[np.int32]
    weights: FloatArray


@dataclass(frozen=True, eq=False)
class Sight:
    """The M texels that a view sees well enough to paint.

    texels: (M,) int32, rising. pixels: (M, 2) float32 (x, y), for cv2.remap less a half. cosine: (M,) float32
    between the face and the ray, 1 head-on. footprint: (M,) float32, pixels per square unit of surface.
    margin: (M,) float32 px to the nearest silhouette or to the picture's frame, 0.5 to 16.
    """

    texels: npt.NDArray[np.int32]
    pixels: FloatArray
    cosine: FloatArray
    footprint: FloatArray
    margin: FloatArray


_PARTS = ("texels", "pixels", "cosine", "footprint", "margin")


def box_of(view: View, points: Points, around_px: int = 2) -> Box:
    """(left, top, right, bottom) of the pixels in which `points` (V, 3) and what they span may be seen."""
    pixels, depth = view.project(points)
    if not len(points) or depth.min() <= 0.0 or not np.isfinite(pixels).all():
        return 0, 0, view.width, view.height
    low, high = np.floor(pixels.min(axis=0)) - around_px, np.ceil(pixels.max(axis=0)) + around_px
    limit = np.array([view.width, view.height])
    left, top = np.clip(low, 0, limit).astype(int).tolist()
    right, bottom = np.clip(high, 0, limit).astype(int).tolist()
    return left, top, right, bottom


def render_buffers(rays: Rays, view: View, box: Box | None = None) -> Buffers:
    """One ray through the centre of each pixel, or of those in `box`."""
    left, top, right, bottom = box = box or (0, 0, view.width, view.height)
    hits = rays.first(*view.rays(box))
    size = (view.height, view.width)
    depth, triangles = np.full(size, np.inf, np.float32), np.full(size, -1, np.int32)
    weights = np.zeros((*size, 3), np.float32)
    inner = (slice(top, bottom), slice(left, right))
    shape = (bottom - top, right - left)
    depth[inner], triangles[inner] = hits.distances.reshape(shape), hits.triangles.reshape(shape)
    weights[inner] = hits.weights.reshape(*shape, 3)
    return Buffers(depth, triangles, weights)


def depth_buffer(rays: Rays, view: View, box: Box | None = None) -> FloatArray:
    """The depth of `render_buffers` alone, in half the time."""
    left, top, right, bottom = box = box or (0, 0, view.width, view.height)
    depth = np.full((view.height, view.width), np.inf, np.float32)
    depth[top:bottom, left:right] = rays.distances(*view.rays(box)).reshape(bottom - top, right - left)
    return depth


def facing(view: View, scene: Scene, normals: Points) -> npt.NDArray[np.bool_]:
    """(T,) which of the scene's triangles, with `normals` (T, 3), turn their front to the view."""
    if view.orthographic:
        return np.asarray(normals @ -view.forward.astype(np.float32) > 0)
    away = view.position.astype(np.float32) - scene.positions[scene.triangles[:, 0]]
    return np.asarray(np.einsum("td,td->t", away, normals) > 0)


def look(
    rays: Rays,
    view: View,
    depth: FloatArray,
    margins: FloatArray,
    points: Points,
    normals: Points,
    among: npt.NDArray[np.int32] | None = None,
    least: float = GRAZING,
) -> Sight:
    """See `Sight`. `points` (N, 3) with the normals (N, 3) of their faces. `depth`, `margins`: (H, W) of the
    view's `depth_buffer` and its `silhouette_distance`. `among`: only these points are looked at.
    """
    among = np.arange(len(points), dtype=np.int32) if among is None else among
    parts = [
        _look(rays, view, depth, margins, points, normals, among[start : start + _AT_ONCE], least)
        for start in range(0, max(len(among), 1), _AT_ONCE)
    ]
    return Sight(*(np.concatenate([getattr(part, name) for part in parts]) for name in _PARTS))


def _look(
    rays: Rays,
    view: View,
    depth: FloatArray,
    margins: FloatArray,
    points: Points,
    normals: Points,
    texels: npt.NDArray[np.int32],
    least: float,
) -> Sight:
    points, normals = points[texels], normals[texels]
    towards = view.towards(points)
    cosine = np.einsum("nd,nd->n", towards, normals)
    pixels, away = view.project(points)
    inside = (pixels[:, 0] >= 0) & (pixels[:, 0] < view.width) & (pixels[:, 1] >= 0)
    inside &= (pixels[:, 1] < view.height) & (away > 0) & (cosine > least)
    (asked,) = np.nonzero(inside)
    points, pixels, away, cosine = points[asked], pixels[asked], away[asked], cosine[asked]
    # From the camera, as a picture is made; from the point, rays would start inside of thin things.
    if view.orthographic:
        ways = (away[:, None] * view.forward).astype(np.float32)
        origins = points - ways
    else:
        origins = np.broadcast_to(view.position.astype(np.float32), points.shape)
        ways = points - origins
    (free,) = np.nonzero(rays.distances(origins, ways) >= 1.0 - _CLEAR)
    points, pixels, cosine = points[free], pixels[free], cosine[free]
    density = np.full(len(free), view.pixels_per_unit**2, np.float32)
    if not view.orthographic:
        ways = ways[free]
        density /= np.maximum(np.einsum("nd,nd->n", ways, ways), 1e-12)
    columns, rows = pixels[:, 0].astype(np.int32), pixels[:, 1].astype(np.int32)
    margin = margins[rows, columns]
    (rim,) = np.nonzero(margin <= _RIM_PX)
    inner, found = _beside_silhouette(
        view, pixels[rim], points[rim], normals[asked[free[rim]]], depth, margins
    )
    pixels[rim] = inner + np.float32(0.5)
    margin[rim] = np.maximum(margins[inner[:, 1], inner[:, 0]] - _RIM_PX, 0.5)
    size = np.array([view.width, view.height], np.float32)
    frame = np.minimum(pixels, size - pixels).min(axis=1)
    margin = np.minimum(margin, np.maximum(frame, 0.5))
    good = np.ones(len(free), bool)
    good[rim[~found]] = False
    sight = Sight(texels[asked[free]], pixels, cosine, density * cosine, margin)
    return sight if found.all() else Sight(*(getattr(sight, name)[good] for name in _PARTS))


def _beside_silhouette(
    view: View, pixels: FloatArray, points: Points, normals: Points, depth: FloatArray, margins: FloatArray
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Columns and rows (N, 2) of pixels to take colours from, for points at `pixels` (N, 2) that are next to
    a silhouette: not their own, in which what is behind has its share, but the one beside it that shows the
    plane of their face and is furthest in. And for which points (N,) there is one.
    """
    own = pixels.astype(np.int32)
    best, score = own.copy(), np.full(len(own), -1.0, np.float32)
    for down in (0, -1, 1):
        for right in (0, -1, 1):
            column = np.clip(own[:, 0] + right, 0, view.width - 1)
            row = np.clip(own[:, 1] + down, 0, view.height - 1)
            origins, ways = view.rays_through(np.stack([column, row], 1).astype(np.float32) + 0.5)
            slope = np.einsum("nd,nd->n", ways, normals)
            with np.errstate(divide="ignore", invalid="ignore"):
                wanted = np.einsum("nd,nd->n", points - origins, normals) / slope
            pixel = (wanted if not view.orthographic else 1.0) / view.pixels_per_unit
            better = np.abs(depth[row, column] - wanted) <= _SAME_PX * pixel
            better &= margins[row, column] > score
            best[better, 0], best[better, 1] = column[better], row[better]
            score[better] = margins[row, column][better]
    return best, score >= 0.0


def silhouette_distance(depth: FloatArray, reach_px: float = _REACH_PX) -> FloatArray:
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
