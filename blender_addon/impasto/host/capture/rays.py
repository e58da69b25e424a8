"""What each pixel of a view sees: the nearest surface, by rays, in slices."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from impasto_protocol.messages import Camera

from .surfaces import Placed

__all__ = ["Buffers", "Eye", "seen"]

BAND_S = 0.006  # of rays between two rests


@dataclass(frozen=True, eq=False)
class Buffers:
    """Arrays (H, W), rows from top to bottom. Where nothing is seen: depth infinite, ids 0, normals 0."""

    depth: numpy.ndarray  # float32: distance along the direction of view, in the scene's units
    normal: numpy.ndarray  # (H, W, 3) float32, of the world, as shaded, towards the eye
    facet: numpy.ndarray  # (H, W, 3) float32, the same of the face itself
    objects: numpy.ndarray  # int32: `Placed.number` of what is seen
    materials: numpy.ndarray  # int32: place in `material_names`, from 1
    owners: Sequence[Placed]  # one of each object, by rising number
    material_names: tuple[str, ...]

    @property
    def selected(self) -> numpy.ndarray:
        """(H, W) bool: pixels that show a selected object."""
        chosen = numpy.zeros(max([0, *(one.number for one in self.owners)]) + 1, bool)
        chosen[[one.number for one in self.owners if one.selected]] = True
        return chosen[self.objects]


class Eye:
    """The rays of a camera: from its near plane, through the centres of the pixels."""

    def __init__(self, camera: Camera) -> None:
        self.width, self.height = camera.width, camera.height
        self.view = numpy.array(camera.world_to_camera, numpy.float64).reshape(4, 4)
        self.projection = numpy.array(camera.projection, numpy.float64).reshape(4, 4)
        self.whole = self.projection @ self.view
        self._back = numpy.linalg.inv(self.projection)
        self._to_world = numpy.linalg.inv(self.view)
        self.towards = self._to_world[:3, 2]  # against the direction of view

    def rays(self, x0: int, x1: int, y0: int, y1: int) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Origins and unit directions (N, 3), row by row, of a rectangle of pixels, in the world."""
        across = (numpy.arange(x0, x1) + 0.5) / self.width * 2 - 1
        down = 1 - (numpy.arange(y0, y1) + 0.5) / self.height * 2
        x, y = (grid.ravel() for grid in numpy.meshgrid(across, down))
        near, far = self._unprojected(x, y, -1.0), self._unprojected(x, y, 1.0)
        directions = far - near
        return near, directions / numpy.linalg.norm(directions, axis=1, keepdims=True)

    def _unprojected(self, x: numpy.ndarray, y: numpy.ndarray, z: float) -> numpy.ndarray:
        clip = numpy.stack([x, y, numpy.full_like(x, z), numpy.ones_like(x)])
        eye = self._back @ clip
        return (self._to_world @ (eye / eye[3]))[:3].T

    def depth(self, points: numpy.ndarray) -> numpy.ndarray:
        """Distance of points (N, 3) of the world along the direction of view."""
        return -(points @ self.view[2, :3] + self.view[2, 3])

    def rectangle(self, placed: Placed) -> tuple[int, int, int, int] | None:
        """Pixels x0, x1, y0, y1 beyond which a surface cannot be seen; None: it cannot be seen at all."""
        low, high = placed.surface.positions.min(axis=0), placed.surface.positions.max(axis=0)
        ends = numpy.stack([low, high]).astype(numpy.float64)
        corners = ends[numpy.array(list(numpy.ndindex(2, 2, 2))), [0, 1, 2]]
        clip = numpy.c_[corners, numpy.ones(8)] @ (self.whole @ placed.matrix).T
        w = clip[:, 3]
        if (w <= 1e-9).all():
            return None
        if (w <= 1e-9).any():  # it reaches behind the eye: anywhere
            return 0, self.width, 0, self.height
        x = (clip[:, 0] / w + 1) / 2 * self.width
        y = (1 - clip[:, 1] / w) / 2 * self.height
        x0, x1 = max(0, int(numpy.floor(x.min()))), min(self.width, int(numpy.ceil(x.max())) + 1)
        y0, y1 = max(0, int(numpy.floor(y.min()))), min(self.height, int(numpy.ceil(y.max())) + 1)
        return (x0, x1, y0, y1) if x0 < x1 and y0 < y1 else None


def seen(eye: Eye, placed: Sequence[Placed]) -> Generator[None, None, Buffers]:
    """Casts the rays of all pixels at all surfaces that may lie behind them."""
    shape = eye.height, eye.width
    names: dict[str, int] = {}
    buffers = Buffers(
        numpy.full(shape, numpy.inf, numpy.float32),
        numpy.zeros((*shape, 3), numpy.float32),
        numpy.zeros((*shape, 3), numpy.float32),
        numpy.zeros(shape, numpy.int32),
        numpy.zeros(shape, numpy.int32),
        (),
        (),
    )
    for one in placed:
        rectangle = eye.rectangle(one)
        if rectangle is None:
            continue
        materials = numpy.array(
            [names.setdefault(name, len(names) + 1) for name in one.materials], numpy.int32
        )
        yield from _cast(eye, one, materials, rectangle, buffers)
    return Buffers(
        buffers.depth,
        buffers.normal,
        buffers.facet,
        buffers.objects,
        buffers.materials,
        tuple({one.number: one for one in placed}.values()),
        tuple(names),
    )


def _cast(
    eye: Eye,
    placed: Placed,
    materials: numpy.ndarray,
    rectangle: tuple[int, int, int, int],
    buffers: Buffers,
) -> Generator[None, None, None]:
    """One surface into the buffers, in bands as high as there is time for."""
    x0, x1, top, bottom = rectangle
    matrix = placed.matrix
    if abs(numpy.linalg.det(matrix[:3, :3])) < 1e-30:
        return  # scaled to nothing
    to_local = numpy.linalg.inv(matrix)
    rows = max(1, 4096 // (x1 - x0))
    while top < bottom:
        before = time.perf_counter()
        band = slice(top, min(bottom, top + rows)), slice(x0, x1)
        origins, directions = eye.rays(x0, x1, band[0].start, band[0].stop)
        _look(eye, placed, materials, to_local, origins, directions, band, buffers)
        top += rows
        spent = max(time.perf_counter() - before, 1e-6)
        rows = max(1, min(256, int(rows * min(4.0, BAND_S / spent))))
        yield


def _look(
    eye: Eye,
    placed: Placed,
    materials: numpy.ndarray,
    to_local: numpy.ndarray,
    origins: numpy.ndarray,
    directions: numpy.ndarray,
    band: tuple[slice, slice],
    buffers: Buffers,
) -> None:
    surface = placed.surface
    starts = origins @ to_local[:3, :3].T + to_local[:3, 3]
    ways = directions @ to_local[:3, :3].T
    which = _hits(surface.tree, starts.tolist(), ways.tolist())
    hit = numpy.flatnonzero(which >= 0)
    if not hit.size:
        return
    faces = which[hit]
    corners = surface.positions[surface.triangles[faces]].astype(numpy.float64)
    starts, ways = starts[hit], ways[hit]
    sides = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    facets = numpy.cross(*sides)
    along = (facets * ways).sum(1)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        distance = ((corners[:, 0] - starts) * facets).sum(1) / along
    depth = eye.depth(origins[hit] + distance[:, None] * directions[hit]).astype(numpy.float32)
    window = buffers.depth[band].reshape(-1)  # a copy
    nearer = numpy.isfinite(depth) & (depth < window[hit])
    hit, faces, depth = hit[nearer], faces[nearer], depth[nearer]
    if not hit.size:
        return
    points = (starts + distance[:, None] * ways)[nearer] - corners[nearer, 0]
    weights = _weights(points, sides[0][nearer], sides[1][nearer])
    shaded = (surface.normals[faces] * weights[:, :, None]).sum(1)
    turn = numpy.where(along[nearer] > 0, -1.0, 1.0)  # seen from behind: towards the eye
    to_world = to_local[:3, :3]  # transposed on the right: normals go by the inverse transpose
    _put(buffers.depth, band, hit, depth)
    _put(buffers.objects, band, hit, placed.number)
    slots = numpy.clip(surface.slots[faces], 0, len(materials) - 1)
    _put(buffers.materials, band, hit, materials[slots])
    for target, normals, sign in (
        (buffers.normal, shaded, turn),
        (buffers.facet, facets[nearer], turn),
    ):
        # `turn` belongs to the winding; a mirrored object's winding is turned over by its matrix, as the
        # facet's normal is, so both stay together.
        _put(target, band, hit, _unit((normals * sign[:, None]) @ to_world))


def _hits(tree: Any, starts: list[list[float]], ways: list[list[float]]) -> numpy.ndarray:
    """The number of the first triangle on each ray; -1: none."""
    cast = tree.ray_cast
    found = [cast(start, way)[2] for start, way in zip(starts, ways, strict=True)]
    return numpy.array([-1 if index is None else index for index in found], numpy.int64)


def _weights(points: numpy.ndarray, u: numpy.ndarray, v: numpy.ndarray) -> numpy.ndarray:
    """Barycentric weights (N, 3) of points in the planes that u and v span."""
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    pu, pv = (points * u).sum(1), (points * v).sum(1)
    area = numpy.maximum(uu * vv - uv * uv, 1e-300)
    second, third = (vv * pu - uv * pv) / area, (uu * pv - uv * pu) / area
    weights = numpy.clip(numpy.stack([1 - second - third, second, third], axis=1), 0.0, 1.0)
    return weights / numpy.maximum(weights.sum(1, keepdims=True), 1e-12)


def _unit(vectors: numpy.ndarray) -> numpy.ndarray:
    return vectors / numpy.maximum(numpy.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)


def _put(target: numpy.ndarray, band: tuple[slice, slice], hit: numpy.ndarray, values: Any) -> None:
    """Into some pixels of a band."""
    width = band[1].stop - band[1].start
    target[band[0].start + hit // width, band[1].start + hit % width] = values
