"""An atelier with a generator that returns known pictures, and what tests measure of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from impasto_server.texturing.atelier import Atelier, Finished, Target
from impasto_server.texturing.mesh import Mesh, Scene
from impasto_server.texturing.rays import Rays
from impasto_server.texturing.rig import interleaved
from impasto_server.texturing.sight import Sight, render_buffers, silhouette_distance
from impasto_server.texturing.view import View, look_at
from skimage.color import deltaE_ciede2000, rgb2lab

from tests.texturing import shapes

FloatArray = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

OBLIQUE = ((2.6, -3.4, 2.2), (0.0, 0.0, 0.0))
BACKGROUND = 0.5

MESHES: dict[str, Callable[[], Mesh]] = {
    "cube": shapes.cube,
    "icosphere": shapes.icosphere,
    "Suzanne": shapes.suzanne,
    "torus": lambda: shapes.torus(around=40, across=20),
    "nested boxes": shapes.nested,
    "sheet": shapes.sheet,
    "mirrored": lambda: shapes.mirrored(shapes.moved(shapes.split(shapes.cube(0.5), 1), (0.9, 0.0, 0.0))),
    "instances": lambda: shapes.joined(
        *(shapes.moved(shapes.icosphere(1), (x, 0.0, 0.0), 0.6) for x in (-0.8, 0.8))
    ),
    "one atlas": lambda: shapes.joined(
        shapes.packed(shapes.moved(shapes.cube(0.5), (-0.8, 0.0, 0.0)), 0, 2),
        shapes.packed(shapes.moved(shapes.icosphere(1), (0.8, 0.0, 0.0), 0.6), 1, 2),
    ),
}


class Stage:
    """Targets and a fake generator, whose pictures show what `colour` says of places in space."""

    def __init__(
        self,
        *meshes: Mesh,
        side: int = 512,
        others: Sequence[Mesh] = (),
        bases: Sequence[Bytes | None] = (),
        colour: Callable[[FloatArray], FloatArray] = shapes.painted,
    ) -> None:
        self.meshes, self.colour = meshes, colour
        given = [*bases, *[None] * (len(meshes) - len(bases))]
        targets = [Target(mesh, side, side, base) for mesh, base in zip(meshes, given, strict=True)]
        self.atelier = Atelier(targets, others)
        self.scene = Scene([*meshes, *others])
        self.rays = Rays(self.scene.positions, self.scene.triangles)
        self.views: list[View] = []

    def add(self, *views: View) -> list[int]:
        self.views += views
        return [self.atelier.add_view(view) for view in views]

    def around(self, count: int = 8, px: int = 512) -> list[int]:
        return self.add(*interleaved(self.atelier.points, count, (px, px)))

    def photograph(self, number: int) -> FloatArray:
        """(H, W, 3) as a camera sees the scene in its true colours."""
        view = self.views[number]
        buffers = render_buffers(self.rays, view)
        shown = buffers.triangles >= 0
        picture = np.full((view.height, view.width, 3), BACKGROUND, np.float32)
        corners = self.scene.positions[self.scene.triangles][buffers.triangles[shown]]
        picture[shown] = self.colour(np.einsum("nc,ncd->nd", buffers.weights[shown], corners))
        return picture

    def margin(self, number: int) -> FloatArray:
        """(H, W) px to the nearest silhouette."""
        return silhouette_distance(render_buffers(self.rays, self.views[number]).depth)

    def paint(
        self, numbers: Sequence[int], change: Callable[[int, FloatArray], FloatArray] | None = None
    ) -> None:
        for number in numbers:
            picture = self.photograph(number)
            self.atelier.give(number, change(number, picture) if change else picture)

    def sight(self, number: int) -> Sight:
        """Which texels the atelier takes from a view."""
        return self.atelier._sight(number)

    @property
    def positions(self) -> FloatArray:
        return self.atelier._surface.positions

    @property
    def faces(self) -> FloatArray:
        return self.atelier._surface.faces

    def owned(self, uvs: FloatArray, points: FloatArray, reach: float) -> Mask:
        """(N,) whether the first target's texels at `uvs` (N, 2) lie within `reach` of `points` (N, 3), and
        not on a part of the layout that overlaps theirs.
        """
        table = self.atelier._surface.tables[0]
        columns = np.clip((uvs[:, 0] * table.width).astype(int), 0, table.width - 1)
        rows = np.clip(((1 - uvs[:, 1]) * table.height).astype(int), 0, table.height - 1)
        away = np.linalg.norm(table.positions[table.nearest[rows, columns]] - points, axis=1)
        return away < reach

    def texels(self, finished: Sequence[Finished]) -> Bytes:
        """(N, 4) of finished textures, texel by texel of the tables."""
        tables = self.atelier._surface.tables
        return np.concatenate(
            [one.texture[table.rows, table.columns] for one, table in zip(finished, tables, strict=True)]
        )


def oblique(px: int = 512, extent: float | None = None) -> View:
    return look_at(*OBLIQUE, (px, px), extent=extent)


def psnr(one: FloatArray, other: FloatArray, where: Mask) -> float:
    error = float(np.mean((one[where] - other[where]) ** 2))
    return 10.0 * np.log10(1.0 / max(error, 1e-12))


def delta_e(one: npt.ArrayLike, other: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """(N,) CIEDE2000 of sRGB colours (N, 3) 0..1."""
    return deltaE_ciede2000(rgb2lab(np.asarray(one)), rgb2lab(np.asarray(other)))


def looked_up(texture: Bytes, uvs: FloatArray) -> FloatArray:
    """(N, 3) 0..1 at texture coordinates (N, 2), with a linear filter, as a renderer looks it up."""
    height, width = texture.shape[:2]
    x, y = uvs[:, 0] * width - 0.5, (1 - uvs[:, 1]) * height - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = (x - left)[:, None], (y - top)[:, None]

    def at(row, column):
        return texture[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1), :3] / 255.0

    upper = at(top, left) * (1 - across) + at(top, left + 1) * across
    lower = at(top + 1, left) * (1 - across) + at(top + 1, left + 1) * across
    return (upper * (1 - down) + lower * down).astype(np.float32)


def seams(mesh: Mesh, steps: int = 9) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points (N, 3) on all edges that two triangles share in space but not in the layout, and their UVs
    (N, 2) on one side and on the other.
    """
    edges: dict[tuple[tuple[float, ...], ...], list[list[list[float]]]] = {}
    keys = np.round(mesh.corners.astype(np.float64), 4)
    for places, uvs in zip(keys.tolist(), mesh.uvs.tolist(), strict=True):
        for i in range(3):
            ends = sorted([(tuple(places[i]), uvs[i]), (tuple(places[(i + 1) % 3]), uvs[(i + 1) % 3])])
            edges.setdefault((ends[0][0], ends[1][0]), []).append([ends[0][1], ends[1][1]])
    torn = {key: pair for key, pair in edges.items() if len(pair) == 2 and not np.allclose(*pair, atol=1e-5)}
    along = np.linspace(0.05, 0.95, steps)[:, None]

    def between(ends: npt.ArrayLike) -> FloatArray:
        first, last = np.moveaxis(np.asarray(ends, np.float32), 1, 0)[:, :, None]
        return (first * (1 - along) + last * along).reshape(-1, first.shape[-1]).astype(np.float32)

    if not torn:
        return np.zeros((0, 3), np.float32), np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    one, other = (between([pair[side] for pair in torn.values()]) for side in (0, 1))
    return between(list(torn)), one, other
