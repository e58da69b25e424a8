"""A ray caster that shares nothing with the server's: every segment against every triangle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_CHUNK = 2_000_000  # pairs at once
_NEAR = 1e-5  # share of the way from a point at which its own triangle does not hide it


def blocked(points: npt.ArrayLike, eyes: npt.ArrayLike, corners: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """(N,) whether any of the triangles (T, 3, 3) lies between points (N, 3) and eyes (N, 3) or (3,).

    Möller and Trumbore 1997, in float64.
    """
    origins = np.asarray(points, np.float64)
    ways = np.broadcast_to(np.asarray(eyes, np.float64), origins.shape) - origins
    a, b, c = np.moveaxis(np.asarray(corners, np.float64), 1, 0)
    one, other = b - a, c - a
    found = np.zeros(len(origins), bool)
    step = max(1, _CHUNK // len(a))
    for start in range(0, len(origins), step):
        origin, way = origins[start : start + step, None], ways[start : start + step, None]
        cross = np.cross(way, other[None])
        determinant = np.einsum("ntd,td->nt", cross, one)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1.0 / determinant
            away = origin - a[None]
            u = np.einsum("ntd,ntd->nt", away, cross) * inverse
            turned = np.cross(away, one[None])
            v = np.einsum("ntd,ntd->nt", np.broadcast_to(way, turned.shape), turned) * inverse
            t = np.einsum("ntd,td->nt", turned, other) * inverse
        hit = (np.abs(determinant) > 1e-14) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > _NEAR) & (t < 1)
        found[start : start + step] = hit.any(axis=1)
    return found


def visible(
    points: npt.ArrayLike, normals: npt.ArrayLike, eye: npt.ArrayLike, corners: npt.ArrayLike, least: float
) -> npt.NDArray[np.bool_]:
    """(N,) whether points (N, 3) with normals (N, 3) are seen from `eye` (3,) at a cosine above `least`."""
    places, ways = (
        np.asarray(points, np.float64),
        np.asarray(eye, np.float64) - np.asarray(points, np.float64),
    )
    cosine = np.einsum("nd,nd->n", ways, np.asarray(normals, np.float64)) / np.linalg.norm(ways, axis=1)
    seen = cosine > least
    seen[seen] = ~blocked(places[seen], eye, corners)
    return seen


def normals_of(corners: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(T, 3) unit normals of triangles (T, 3, 3)."""
    a, b, c = np.moveaxis(corners.astype(np.float64), 1, 0)
    crossed = np.cross(b - a, c - a)
    return crossed / np.maximum(np.linalg.norm(crossed, axis=1, keepdims=True), 1e-30)
