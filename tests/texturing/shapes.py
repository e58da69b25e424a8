"""Objects with UVs, made of formulas."""

from __future__ import annotations

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
