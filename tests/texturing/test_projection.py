"""Pictures go from views onto surfaces and back: where they belong, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from impasto_server.texturing.blend import blend, sample, solve_colours, weights_of
from impasto_server.texturing.depth import FARTHEST, depth_map, range_of
from impasto_server.texturing.fill import fill_holes
from impasto_server.texturing.mesh import Mesh, Scene
from impasto_server.texturing.rays import Rays
from impasto_server.texturing.readback import read_back
from impasto_server.texturing.rig import coverage, interleaved
from impasto_server.texturing.sight import Buffers, Sight, look, render_buffers, seen_points
from impasto_server.texturing.texels import TexelTable, texel_table
from impasto_server.texturing.view import View, look_at

from tests.texturing import shapes

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Stage:
    """A scene whose first mesh is painted."""

    scene: Scene
    rays: Rays
    table: TexelTable

    @classmethod
    def of(cls, *meshes: Mesh, side: int = 512) -> Stage:
        scene = Scene(meshes)
        return cls(scene, Rays(scene.positions, scene.triangles), texel_table(meshes[0], side))

    @property
    def mesh(self) -> Mesh:
        return self.scene.meshes[0]

    def buffers(self, view: View) -> Buffers:
        return render_buffers(self.scene, self.rays, view)

    def look(self, view: View) -> Sight:
        return look(self.rays, view, self.buffers(view), self.table.positions, self.table.faces)

    def read_back(self, texture: FloatArray, view: View) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        return read_back(texture, self.mesh, self.buffers(view), self.scene.triangles_of(0))


def psnr(one: FloatArray, other: FloatArray, where: npt.NDArray[np.bool_]) -> float:
    error = float(np.mean((one[where] - other[where]) ** 2))
    return 10.0 * np.log10(1.0 / max(error, 1e-12))


OBLIQUE = ((2.4, -3.1, 1.9), (0.0, 0.0, 0.0))


@pytest.mark.parametrize("extent", [None, 3.8])
def test_rays_and_projection_are_each_others_inverse(extent: float | None) -> None:
    view = look_at(*OBLIQUE, (61, 47), extent=extent)
    origins, directions = view.rays()
    pixels, depth = view.project(origins + 3.7 * directions)
    rows, columns = np.divmod(np.arange(61 * 47), 61)
    assert np.allclose(depth, 3.7, atol=1e-4)
    assert np.allclose(pixels, np.stack([columns, rows], 1) + 0.5, atol=2e-3)


@pytest.mark.parametrize(
    "mesh", [shapes.cube(), shapes.torus(), shapes.sphere()], ids=["cube", "torus", "ball"]
)
def test_texels_lie_on_the_surface_at_their_uvs(mesh: Mesh) -> None:
    table = texel_table(mesh, 128)
    corners = mesh.corners[table.triangles]
    normals = mesh.face_normals[table.triangles]
    off = np.abs(np.einsum("nd,nd->n", table.positions - corners[:, 0], normals))
    assert off.max() < 1e-4
    share = table.covered.mean()
    charts = np.linalg.det(mesh.uvs[:, 1:] - mesh.uvs[:, :1])
    assert share == pytest.approx(np.abs(charts).sum() / 2.0, abs=0.02)


@pytest.mark.parametrize(
    ("mesh", "side", "bar"),
    [(shapes.cube(), 1024, 38.0), (shapes.cube(), 2048, 44.0), (shapes.torus(), 1024, 36.0)],
    ids=["cube 1024", "cube 2048", "torus 1024"],
)
def test_a_picture_comes_back_as_it_was(mesh: Mesh, side: int, bar: float) -> None:
    stage = Stage.of(mesh, side=side)
    view = look_at((2.6, -3.4, 2.2), (0.0, 0.0, 0.0), (512, 512))
    given = shapes.picture(512, 512)
    sight = stage.look(view)
    mixed, covered = blend([sample(given, sight)], weights_of([sight]))
    texture = stage.table.as_texture(fill_holes(stage.table, mixed, covered))
    back, _ = stage.read_back(texture, view)
    buffers = stage.buffers(view)
    face = np.where(buffers.triangles >= 0, buffers.triangles, 0)
    points = stage.mesh.points_at(face.ravel(), buffers.weights.reshape(-1, 3))
    _, seen, _ = seen_points(stage.rays, view, points, stage.mesh.face_normals[face.ravel()])
    clear = seen.reshape(512, 512) & (buffers.triangles >= 0)
    inner = clear & (
        look(stage.rays, view, buffers, points, stage.mesh.face_normals[face.ravel()]).margin > 4
    ).reshape(512, 512)
    assert inner.mean() > 0.1
    assert psnr(back, given, inner) >= bar


def test_points_fall_on_the_pixels_that_show_them() -> None:
    """Misregistration: a texture of positions, read back, is where the rays say it is."""
    stage = Stage.of(shapes.torus(), side=1024)
    view = look_at((2.6, -3.4, 2.2), (0.0, 0.0, 0.0), (512, 512))
    back, shown = stage.read_back(stage.table.as_texture(stage.table.positions), view)
    pixels, _ = view.project(back[shown])
    rows, columns = np.nonzero(shown)
    off = np.linalg.norm(pixels - np.stack([columns, rows], 1) - 0.5, axis=1)
    inside = stage_margin(stage, view)[shown] > 3
    assert off[inside].mean() <= 0.25
    assert off[inside].max() <= 1.0


def stage_margin(stage: Stage, view: View) -> FloatArray:
    from impasto_server.texturing.sight import silhouette_distance

    return silhouette_distance(stage.buffers(view).depth, 16.0)


def test_what_stands_in_front_hides_what_is_behind_exactly() -> None:
    """Two boxes, one before the other: no texel behind is painted, by rays cast another way."""
    front = shapes.cube(0.5, (0.0, -2.2, 0.0))
    stage = Stage.of(shapes.cube(), front, side=512)
    view = look_at((0.8, -6.0, 1.0), (0.0, 0.0, 0.0), (512, 512))
    sight = stage.look(view)
    # From each texel towards the camera, against each triangle by hand (Möller and Trumbore 1997).
    origins = stage.table.positions + 1e-3 * stage.table.faces
    way = view.position - origins
    hidden = np.zeros(len(origins), bool)
    for triangle in stage.scene.triangles:
        a, b, c = stage.scene.positions[triangle].astype(np.float64)
        cross = np.cross(way, c - a)
        det = cross @ (b - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.einsum("nd,nd->n", origins - a, cross) / det
            q = np.cross(origins - a, b - a)
            v = np.einsum("nd,nd->n", way, q) / det
            t = q @ (c - a) / det
        hidden |= (np.abs(det) > 1e-12) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (t < 1)
    assert (sight.seen & hidden).mean() <= 0.001
    facing = (sight.cosine > 0.3) & ~hidden
    assert (facing & ~sight.seen).mean() <= 0.001


@pytest.mark.parametrize("extent", [None, 4.0])
def test_back_faces_and_the_other_side_of_a_sheet_are_never_painted(extent: float | None) -> None:
    for mesh in (shapes.cube(), shapes.sphere(), shapes.sheet()):
        stage = Stage.of(mesh, side=128)
        sight = stage.look(look_at((0.3, 5.0, 0.4), (0.0, 0.0, 0.0), (256, 256), extent=extent))
        assert not sight.seen[sight.cosine <= 0].any()
    assert not sight.seen.any()  # the sheet faces away


def test_eight_interleaved_views_see_all_of_a_torus_and_a_flat_ring_does_not() -> None:
    stage = Stage.of(shapes.torus(), side=256)
    seen = coverage(stage.table, stage.rays, interleaved(stage.mesh.positions, 8, (512, 512)))
    assert seen.any(axis=0).mean() >= 0.99
    flat = [
        look_at((6 * np.cos(a), 6 * np.sin(a), 0.0), (0.0, 0.0, 0.0), (512, 512))
        for a in np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ]
    assert coverage(stage.table, stage.rays, flat).any(axis=0).mean() < 0.7


def test_views_never_painted_from_look_right() -> None:
    stage = Stage.of(shapes.torus(), side=1024)
    views = interleaved(stage.mesh.positions, 8, (512, 512))
    mixed, covered = paint_all(stage, views, lambda _number, picture: picture)
    texture = stage.table.as_texture(fill_holes(stage.table, mixed, covered))
    held_out = look_at((3.9, 1.7, 2.6), (0.0, 0.0, 0.0), (512, 512))
    back, shown = stage.read_back(texture, held_out)
    assert psnr(back, photograph(stage, held_out), shown & (stage_margin(stage, held_out) > 2)) >= 34.0


def test_colours_that_drift_from_view_to_view_are_brought_together() -> None:
    stage = Stage.of(shapes.torus(), side=512)
    views = interleaved(stage.mesh.positions, 8, (512, 512))
    rng = np.random.default_rng(3)
    gains, offsets = 1 + rng.uniform(-0.05, 0.05, (8, 3)), rng.uniform(-0.05, 0.05, (8, 3))

    def drift(number: int, picture: FloatArray) -> FloatArray:
        return (picture * gains[number] + offsets[number]).astype(np.float32)

    truth = shapes.painted(stage.table.positions)
    apart, covered = paint_all(stage, views, drift)
    together, _ = paint_all(stage, views, drift, solve=True)

    def deviation(mixed: FloatArray) -> float:
        """After the one gain and offset that nobody can know."""
        total = 0.0
        for channel in range(3):
            given, wanted = mixed[covered, channel], truth[covered, channel]
            fit = np.polyfit(given, wanted, 1)
            total += float(np.mean((np.polyval(fit, given) - wanted) ** 2))
        return (total / 3) ** 0.5

    assert deviation(together) < deviation(apart) / 4
    assert deviation(together) < 0.006


def test_a_view_that_is_fixed_stays_and_the_others_come_to_it() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1, (5000, 3)).astype(np.float32)
    weights = np.ones((2, 5000), np.float32)
    solved = solve_colours([truth, truth * 0.9 + 0.04], weights, fixed=0)
    assert np.allclose(solved.gains[0], 1.0, atol=1e-3)
    assert np.allclose(solved.applied(1, truth * np.float32(0.9) + np.float32(0.04)), truth, atol=0.01)


def test_views_that_share_nothing_leave_each_other_alone() -> None:
    weights = np.zeros((2, 1000), np.float32)
    weights[0, :500], weights[1, 500:] = 1.0, 1.0
    colours = [np.full((1000, 3), 0.2, np.float32), np.full((1000, 3), 0.9, np.float32)]
    solved = solve_colours(colours, weights)
    assert np.array_equal(solved.gains, np.ones((2, 3)))
    assert np.array_equal(solved.offsets, np.zeros((2, 3)))


def test_holes_take_the_colour_of_their_side_of_a_thin_wall() -> None:
    mesh = shapes.cube(1.0)
    thin = Mesh(mesh.positions * np.float32([1.0, 0.02, 1.0]), mesh.triangles, mesh.uvs)
    table = texel_table(thin, 256)
    front = table.faces[:, 1] < -0.5
    back = table.faces[:, 1] > 0.5
    colours = np.zeros((len(table), 3), np.float32)
    colours[front], colours[back] = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    inside = np.linalg.norm(table.positions[:, [0, 2]], axis=1) < 0.4
    covered = (front | back) & ~inside
    filled = fill_holes(table, np.where(covered[:, None], colours, 0.0).astype(np.float32), covered)
    assert np.abs(filled[front & inside] - [1.0, 0.0, 0.0]).max() < 0.05
    assert np.abs(filled[back & inside] - [0.0, 0.0, 1.0]).max() < 0.05


def test_depth_is_exact_stands_off_the_background_and_means_the_same_in_every_view() -> None:
    stage = Stage.of(shapes.torus(), side=64)
    marks = []
    for view in interleaved(stage.mesh.positions, 8, (256, 256)):
        buffers = stage.buffers(view)
        limits = range_of(view, stage.mesh.positions)
        made = depth_map(buffers.depth, buffers.triangles >= 0, view, limits)
        shown = made > 0
        assert np.array_equal(shown, buffers.triangles >= 0)
        assert made[shown].min() >= 8.0 / 255.0
        assert made.max() <= 1.0
        points = stage.mesh.points_at(buffers.triangles[shown], buffers.weights[shown])
        _, depth = view.project(points)
        exact = (1 / depth - 1 / limits[1]) / (1 / limits[0] - 1 / limits[1]) * (1 - FARTHEST) + FARTHEST
        assert np.abs(made[shown] - exact).max() <= 1.0 / 1023.0
        marks.append(limits)
    assert np.allclose(marks, marks[0], rtol=1e-4)


def test_nothing_breaks_on_faces_without_an_area_or_views_of_nothing() -> None:
    stage = Stage.of(shapes.sphere(), side=64)  # its poles
    away = look_at((0.0, -5.0, 0.0), (0.0, -10.0, 0.0), (64, 64))
    sight = stage.look(away)
    assert not sight.seen.any()
    mixed, covered = blend([sample(shapes.picture(64, 64), sight)], weights_of([sight]))
    assert not covered.any()
    assert np.array_equal(fill_holes(stage.table, mixed, covered), mixed)
    empty = Rays(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert np.isinf(empty.distances(np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32))).all()


def photograph(stage: Stage, view: View) -> FloatArray:
    """What a camera sees of an object whose colours are known everywhere."""
    buffers = stage.buffers(view)
    shown = buffers.triangles >= 0
    picture = np.zeros((view.height, view.width, 3), np.float32)
    points = stage.mesh.points_at(buffers.triangles[shown], buffers.weights[shown])
    picture[shown] = shapes.painted(points)
    return picture


def paint_all(stage, views, change, solve: bool = False):
    sights = [stage.look(view) for view in views]
    weights = weights_of(sights)
    colours = [
        sample(change(number, photograph(stage, view)), sight)
        for number, (view, sight) in enumerate(zip(views, sights, strict=True))
    ]
    if solve:
        solved = solve_colours(colours, weights)
        colours = [solved.applied(number, given) for number, given in enumerate(colours)]
    return blend(colours, weights)
