"""Objects with UVs, made of formulas."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from impasto_server.texturing.mesh import Mesh

FloatArray = npt.NDArray[np.float32]


def cube(half: float = 1.0, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    """Six charts in three columns and two rows, with room between them; 12 triangles, flat."""
    positions, triangles, uvs = [], [], []
    for number in range(6):
        axis, sign = number // 2, 1 if number % 2 == 0 else -1
        normal, right = np.zeros(3), np.zeros(3)
        normal[axis], right[(axis + 1) % 3] = sign, 1.0
        up = np.cross(normal, right)
        column, row = number % 3, number // 3
        square = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        start = len(positions)
        positions += [normal + a * right + b * up for a, b in square]
        corners = [((column + 0.5 + 0.46 * a) / 3, (row + 0.5 + 0.46 * b) / 2) for a, b in square]
        for ids in ((0, 1, 2), (0, 2, 3)):
            triangles.append([start + i for i in ids])
            uvs.append([corners[i] for i in ids])
    scaled = np.array(positions) * half + np.array(centre)
    return Mesh(scaled.astype(np.float32), np.array(triangles, np.int32), np.array(uvs, np.float32))


def torus(radius: float = 1.0, tube: float = 0.4, around: int = 64, across: int = 32) -> Mesh:
    """One chart over the whole texture, smooth."""
    return _grid(
        lambda u, v: np.stack(
            [
                (radius + tube * np.cos(v)) * np.cos(u),
                (radius + tube * np.cos(v)) * np.sin(u),
                tube * np.sin(v),
            ],
            -1,
        ),
        lambda u, v: np.stack([np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)], -1),
        around,
        across,
        np.linspace(0.0, 2.0 * np.pi, across + 1),
    )


def sphere(radius: float = 1.0, around: int = 64, across: int = 32) -> Mesh:
    """Latitude and longitude, smooth; the triangles at the poles have no area."""

    def place(u: FloatArray, v: FloatArray) -> FloatArray:
        return np.stack([np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)], -1)

    return _grid(
        lambda u, v: radius * place(u, v),
        place,
        around,
        across,
        np.linspace(-np.pi / 2.0, np.pi / 2.0, across + 1),
    )


def sheet(half: float = 1.0) -> Mesh:
    """An open square in the plane y = 0 that faces −Y."""
    positions = np.array([[-half, 0, -half], [half, 0, -half], [half, 0, half], [-half, 0, half]], np.float32)
    corners = np.array([[0.02, 0.02], [0.98, 0.02], [0.98, 0.98], [0.02, 0.98]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return Mesh(positions, triangles, corners[triangles])


@cache
def suzanne(subdivided: int = 0) -> Mesh:
    """Blender's monkey with its own unwrap (tools/fixtures/suzanne.py): 968 triangles, flat, with eyes."""
    with np.load(Path(__file__).parent / "suzanne.npz") as stored:
        mesh = Mesh(
            (stored["positions"] / 10_000).astype(np.float32),
            stored["triangles"].astype(np.int32),
            (stored["uvs"] / 65_535).astype(np.float32),
        )
    return split(mesh, subdivided)


@cache
def icosphere(divided: int = 2) -> Mesh:
    """Of equal triangles, each with a chart of its own: nothing but seams."""
    golden = (1 + 5**0.5) / 2
    corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    positions = np.array([np.roll(corner, turn) for turn in range(3) for corner in corners])
    near = np.linalg.norm(positions[:, None] - positions[None], axis=2) < 2.01
    faces = [
        (a, b, c)
        for a in range(12)
        for b in range(a + 1, 12)
        for c in range(b + 1, 12)
        if near[a, b] and near[b, c] and near[a, c]
    ]
    ways = np.linalg.det(positions[np.array(faces)])
    turned = [face if way > 0 else (face[0], face[2], face[1]) for face, way in zip(faces, ways, strict=True)]
    mesh = Mesh(positions.astype(np.float32), np.array(turned, np.int32), np.zeros((20, 3, 2), np.float32))
    mesh = split(mesh, divided)
    unit = mesh.positions / np.linalg.norm(mesh.positions, axis=1, keepdims=True)
    return Mesh(unit, mesh.triangles, _charts(len(mesh.triangles)))


def _charts(count: int) -> FloatArray:
    """(count, 3, 2): a right-angled triangle for each, two to a square, with room between them."""
    across = int(np.ceil(np.sqrt(count / 2)))
    number = np.arange(count)
    low = np.array([(0.08, 0.04), (0.96, 0.04), (0.96, 0.92)])
    high = np.array([(0.04, 0.08), (0.92, 0.96), (0.04, 0.96)])
    inner = np.where((number % 2 == 0)[:, None, None], low, high)
    place = np.stack([number // 2 % across, number // 2 // across], 1)[:, None]
    return ((inner + place) / across).astype(np.float32)


def split(mesh: Mesh, times: int) -> Mesh:
    """Each triangle cut into four, so many times, without moving the surface."""
    for _ in range(times):
        corners = mesh.corners
        middles = (corners + np.roll(corners, -1, axis=1)) / 2
        uv_middles = (mesh.uvs + np.roll(mesh.uvs, -1, axis=1)) / 2
        places, uvs = np.concatenate([corners, middles], 1), np.concatenate([mesh.uvs, uv_middles], 1)
        order = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]])
        mesh = Mesh(
            places[:, order].reshape(-1, 3),
            np.arange(12 * len(corners), dtype=np.int32).reshape(-1, 3),
            uvs[:, order].reshape(-1, 3, 2),
        )
    return mesh


def moved(mesh: Mesh, by: tuple[float, float, float], scale: float = 1.0) -> Mesh:
    """An instance of it, with the same UVs."""
    places = (mesh.positions * scale + np.array(by)).astype(np.float32)
    return Mesh(places, mesh.triangles, mesh.uvs, mesh.normals)


def mirrored(mesh: Mesh) -> Mesh:
    """With its mirror image beyond x = 0, as the modifier makes it: both halves have the same UVs."""
    flipped = mesh.triangles[:, ::-1] + len(mesh.positions)
    return Mesh(
        np.concatenate([mesh.positions, mesh.positions * np.array([-1, 1, 1], np.float32)]),
        np.concatenate([mesh.triangles, flipped]).astype(np.int32),
        np.concatenate([mesh.uvs, mesh.uvs[:, ::-1]]),
    )


def joined(*meshes: Mesh) -> Mesh:
    """One target's mesh of several parts, in this order."""
    starts = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate(
            [mesh.triangles + start for mesh, start in zip(meshes, starts[:-1], strict=True)]
        ).astype(np.int32),
        np.concatenate([mesh.uvs for mesh in meshes]),
    )


def packed(mesh: Mesh, column: int, columns: int) -> Mesh:
    """With its UVs in one of so many columns of an atlas."""
    uvs = (mesh.uvs + np.float32([column, 0])) / np.float32([columns, 1])
    return Mesh(mesh.positions, mesh.triangles, uvs.astype(np.float32), mesh.normals)


def nested() -> Mesh:
    """A box in a box that is open in front: both in one atlas."""
    outer = cube(1.0)
    front = outer.face_normals[:, 1] < -0.5
    inside = Mesh(outer.positions, outer.triangles[~front][:, ::-1], outer.uvs[~front][:, ::-1])
    return joined(packed(cube(0.4), 0, 2), packed(inside, 1, 2))


def _grid(place, normal, around: int, across: int, latitudes: FloatArray) -> Mesh:
    longitudes = np.linspace(0.0, 2.0 * np.pi, around + 1)
    u, v = np.meshgrid(longitudes, latitudes, indexing="ij")
    positions, normals = place(u, v).reshape(-1, 3), normal(u, v).reshape(-1, 3)
    s, t = np.meshgrid(
        np.linspace(0.01, 0.99, around + 1), np.linspace(0.01, 0.99, across + 1), indexing="ij"
    )
    uvs = np.stack([s, t], -1).reshape(-1, 2)
    i, j = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    first = (i * (across + 1) + j).ravel()
    right = first + across + 1
    triangles = np.concatenate(
        [np.stack([first, right, right + 1], 1), np.stack([first, right + 1, first + 1], 1)]
    ).astype(np.int32)
    return Mesh(
        positions.astype(np.float32),
        triangles,
        uvs[triangles].astype(np.float32),
        normals[triangles].astype(np.float32),
    )


def picture(height: int, width: int, seed: int = 0) -> FloatArray:
    """(H, W, 3) 0..1: waves of all lengths down to some 8 pixels, as a painting has them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    total = np.full((height, width, 3), 0.5, np.float32)
    for wavelength in (8, 13, 21, 34, 55, 89, 144):
        for channel in range(3):
            angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
            wave = np.sin(2 * np.pi / wavelength * (np.cos(angle) * x + np.sin(angle) * y) + phase)
            total[:, :, channel] += 0.02 * (wavelength / 8) ** 0.5 * wave.astype(np.float32)
    return np.clip(total, 0.0, 1.0)


def painted(points: FloatArray) -> FloatArray:
    """(N, 3) 0..1: a colour for every place in space, for objects that are known all over."""
    waves = [
        0.5 + 0.25 * np.sin(4.0 * points[:, i] + i) + 0.15 * np.sin(9.0 * points[:, (i + 1) % 3])
        for i in range(3)
    ]
    return np.stack(waves, 1).astype(np.float32)
