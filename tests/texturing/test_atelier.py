"""A fake generator returns known pictures: they come onto the textures where they belong, and only there."""

from __future__ import annotations

from pathlib import Path

import cv2
import impasto_server.demo
import numpy as np
import pytest
from impasto_server.texturing.atelier import Atelier, Target
from impasto_server.texturing.mesh import Mesh
from impasto_server.texturing.sight import GRAZING
from impasto_server.texturing.view import look_at

from tests.texturing import shapes
from tests.texturing.caster import normals_of, visible
from tests.texturing.stage import MESHES, Stage, delta_e, looked_up, oblique, psnr, seams


def photograph(side: int) -> np.ndarray:
    """(side, side, 3) 0..1: what a camera took, with edges and grain."""
    picture = cv2.imread(str(Path(impasto_server.demo.__path__[0]) / "photograph.jpg"))[:400, 100:500, ::-1]
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255.0


@pytest.mark.parametrize(
    ("name", "side", "bar"),
    [
        ("cube", 1024, 38.0),
        ("cube", 2048, 44.0),
        ("Suzanne", 1024, 36.0),
        ("torus", 1024, 36.0),
        ("icosphere", 1024, 36.0),
        ("one atlas", 1024, 36.0),
        ("nested boxes", 1024, 36.0),
    ],
)
def test_a_picture_comes_back_as_it_was(name: str, side: int, bar: float) -> None:
    stage = Stage(MESHES[name](), side=side)
    (number,) = stage.add(oblique())
    given = photograph(512)
    stage.atelier.give(number, given)
    back, known = stage.atelier.shown(number)
    assert known.sum() > 0.45 * stage.atelier.silhouette(number).sum()
    assert psnr(back, given, known) >= bar


@pytest.mark.parametrize("name", ["mirrored", "instances"])
def test_the_first_of_parts_that_share_texels_shows_what_was_painted_on_it(name: str) -> None:
    stage = Stage(MESHES[name](), side=512)
    (number,) = stage.add(oblique())
    given = photograph(512)
    stage.atelier.give(number, given)
    back, known = stage.atelier.shown(number)
    triangles = stage.atelier._geometry(number).triangles
    first = known & (triangles < len(stage.meshes[0].triangles) // 2)
    assert first.sum() > 5000
    assert psnr(back, given, first) >= 36.0


@pytest.mark.parametrize(("name", "side"), [("cube", 1024), ("torus", 1024), ("Suzanne", 2048)])
def test_pictures_land_within_a_pixel_of_where_they_belong(name: str, side: int) -> None:
    """The picture says of each pixel where it is; read back, it says where it went. Texels are no larger than
    pixels: Suzanne's layout leaves two thirds of the texture free.
    """
    stage = Stage(MESHES[name](), side=side)
    (number,) = stage.add(oblique())
    y, x = np.mgrid[0:512, 0:512].astype(np.float32) / 512
    stage.atelier.give(number, np.stack([x, y, np.zeros_like(x)], -1))
    back, known = stage.atelier.shown(number)
    off = np.hypot(back[..., 0] - x, back[..., 1] - y)[known] * 512
    off = off[stage.margin(number)[known] > 2]
    assert off.mean() <= 0.25
    assert off.max() <= 1.0


@pytest.mark.parametrize("name", ["cube", "icosphere", "Suzanne", "torus", "sheet", "one atlas"])
def test_views_never_painted_from_look_right(name: str) -> None:
    stage = Stage(MESHES[name](), side=512)
    stage.paint(stage.around())
    (held_out,) = stage.add(look_at((3.9, -1.7, 2.6), (0.0, 0.0, 0.0), (512, 512)))
    back, known = stage.atelier.shown(held_out)
    where = known & (stage.margin(held_out) > 2)
    assert where.sum() > 0.85 * stage.atelier.silhouette(held_out).sum()
    assert psnr(back, stage.photograph(held_out), where) >= 34.0


def test_eight_views_see_all_of_a_torus_and_what_can_be_seen_of_suzanne() -> None:
    torus = Stage(shapes.torus(), side=256)
    torus.paint(torus.around())
    assert torus.atelier.finish()[0].covered >= 0.99

    suzanne = Stage(shapes.suzanne(), side=256)
    suzanne.paint(suzanne.around())
    covered = suzanne.atelier.finish()[0].covered
    # The backs of her eyes lie in her head: nobody sees 3 or 4 % of her from anywhere.
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(60, 3))
    views = [look_at(5 * way / np.linalg.norm(way), (0, 0, 0), (256, 256)) for way in ways]
    can_be = np.zeros(len(suzanne.positions), bool)
    for number in suzanne.add(*views):
        can_be[suzanne.sight(number).texels] = True
    assert covered >= 0.97 * can_be.mean()


def test_a_flat_ring_of_views_leaves_half_of_a_torus() -> None:
    stage = Stage(shapes.torus(), side=128)
    turns = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    stage.paint(
        stage.add(*(look_at((6 * np.cos(a), 6 * np.sin(a), 0), (0, 0, 0), (256, 256)) for a in turns))
    )
    assert stage.atelier.finish()[0].covered < 0.7


@pytest.mark.parametrize("name", ["Suzanne", "nested boxes"])
def test_the_reported_coverage_is_that_of_another_ray_caster(name: str) -> None:
    stage = Stage(MESHES[name](), side=64)
    numbers = stage.around()
    stage.paint(numbers)
    corners = stage.scene.positions[stage.scene.triangles]
    normals = normals_of(corners)[stage.atelier._surface.triangles]
    seen = np.zeros(len(stage.positions), bool)
    for number in numbers:
        (rest,) = np.nonzero(~seen)
        eye = stage.views[number].position
        seen[rest] = visible(stage.positions[rest], normals[rest], eye, corners, GRAZING)
    assert stage.atelier.finish()[0].covered == pytest.approx(seen.mean(), abs=0.005)


@pytest.mark.parametrize(
    ("name", "texels"),
    [
        ("cube", 1024),
        ("icosphere", 1024),
        ("Suzanne", 1024),
        ("torus", 1024),
        ("one atlas", 512),
        ("mirrored", 512),
    ],
)
def test_no_seam_shows_where_charts_meet(name: str, texels: int) -> None:
    mesh = MESHES[name]()
    stage = Stage(mesh, side=texels)
    stage.paint(stage.around())
    (finished,) = stage.atelier.finish()
    points, one, other = seams(mesh)
    clear = stage.owned(one, points, 0.02) & stage.owned(other, points, 0.02)
    for side in (one, other):  # of painted texels alone: what was filled in was guessed
        at = (np.stack([1 - side[:, 1], side[:, 0]]) * texels).astype(int).clip(1, texels - 2)
        near = [
            finished.texture[at[0] + down, at[1] + right, 3] for down in (-1, 0, 1) for right in (-1, 0, 1)
        ]
        clear &= np.all(np.stack(near) != 1, axis=0)
    assert clear.sum() >= 100
    apart = delta_e(looked_up(finished.texture, one[clear]), looked_up(finished.texture, other[clear]))
    assert apart.mean() <= 0.5
    assert np.percentile(apart, 95) <= 1.0
    assert apart.max() <= 8.0  # where only the rim of a view's picture shows it


def drift(number: int, picture: np.ndarray) -> np.ndarray:
    """A picture brighter or darker by up to 5 %, each channel by its own."""
    rng = np.random.default_rng(100 + number)
    return (picture * (1 + rng.uniform(-0.05, 0.05, 3))).astype(np.float32)


@pytest.mark.parametrize("name", ["Suzanne", "torus", "cube"])
def test_the_borders_of_views_do_not_show_though_their_colours_drift(name: str) -> None:
    def flat(points):
        return np.broadcast_to(np.float32([0.62, 0.45, 0.3]), points.shape)

    stage = Stage(MESHES[name](), side=512, colour=flat)
    stage.paint(stage.around(), drift)
    (finished,) = stage.atelier.finish()
    painted = finished.texture[:, :, 3] == 255
    colours = finished.texture[:, :, :3] / 255.0
    for axis in (0, 1):
        first, second = (np.take(colours, range(i, 511 + i), axis) for i in (0, 1))
        both = np.take(painted, range(511), axis) & np.take(painted, range(1, 512), axis)
        assert delta_e(first[both], second[both]).max() <= 2.0
    everywhere = colours[painted]
    assert np.percentile(delta_e(everywhere, np.median(everywhere, axis=0)[None]), 99) <= 2.0


def test_targets_are_painted_together_each_on_its_own_texture() -> None:
    left, right = (
        shapes.moved(shapes.cube(0.5), (-0.8, 0, 0)),
        shapes.moved(shapes.icosphere(), (0.8, 0, 0), 0.6),
    )
    atelier = Atelier([Target(left, 256, 128), Target(right, 200, 300)])
    stage = Stage(left, right, side=256)
    for view in stage.add(*[oblique()]):
        atelier.give(atelier.add_view(stage.views[view]), stage.photograph(view))
    textures = [finished.texture for finished in atelier.finish()]
    assert [texture.shape for texture in textures] == [(128, 256, 4), (300, 200, 4)]
    assert np.array_equal(atelier.silhouette(0), stage.atelier.silhouette(0))
    for finished in atelier.finish():
        assert 0.2 < finished.covered < 0.8


def test_a_target_that_nobody_sees_is_grey_or_keeps_its_base() -> None:
    hidden = shapes.moved(shapes.cube(0.2), (0.0, 0.0, 0.0))
    base = np.random.default_rng(0).integers(0, 255, (64, 64, 4)).astype(np.uint8)
    base[:, :, 3] = 255
    for given in (None, base):
        stage = Stage(hidden, others=[shapes.cube(0.3)], side=64, bases=[given])
        stage.paint(stage.around(4, 128))
        assert not stage.atelier.silhouette(0).any()
        assert stage.atelier.depth(0).max() == 0.0
        (finished,) = stage.atelier.finish()
        assert finished.covered == 0.0
        if given is None:
            on = finished.texture[:, :, 3] == 1
            assert on.sum() > 1000
            assert (finished.texture[on][:, :3] == 128).all()
        else:
            assert np.array_equal(finished.texture, base)


def test_what_no_view_sees_is_filled_from_beside_it_and_never_black() -> None:
    stage = Stage(shapes.torus(), side=256, colour=lambda points: np.full(points.shape, 0.7, np.float32))
    stage.paint(stage.add(oblique()))
    (finished,) = stage.atelier.finish()
    assert 0.2 < finished.covered < 0.6
    filled = finished.texture[finished.texture[:, :, 3] == 1]
    assert len(filled) > 10_000
    assert np.abs(filled[:, :3].astype(int) - 178).max() <= 2


def test_a_hundred_thousand_triangles() -> None:
    mesh = shapes.torus(around=320, across=160)
    assert len(mesh.triangles) > 100_000
    stage = Stage(mesh, side=512)
    stage.paint(stage.around())
    (finished,) = stage.atelier.finish()
    assert finished.covered >= 0.99
    texels = stage.texels([finished])
    assert np.abs(texels[:, :3] / 255.0 - shapes.painted(stage.positions)).mean() < 0.01


@pytest.mark.parametrize("extent", [None, 4.2], ids=["perspective", "orthographic"])
def test_pictures_of_any_proportions_from_any_camera(extent: float | None) -> None:
    stage = Stage(shapes.cube(), side=512)
    (number,) = stage.add(look_at((2.6, -3.4, 2.2), (0.3, 0, 0), (640, 320), extent=extent, angle=0.9))
    given = cv2.resize(photograph(640), (640, 320))
    stage.atelier.give(number, given)
    back, known = stage.atelier.shown(number)
    assert psnr(back, given, known) >= 38.0


def test_places_are_those_that_the_pixels_show() -> None:
    stage = Stage(shapes.torus(), side=16, others=[shapes.cube(0.3, (1.0, -1.5, 0.5))])
    (number,) = stage.add(oblique(256))
    found = stage.atelier.places(number, 64, 64)
    rows, columns = np.nonzero(np.isfinite(found).all(axis=2))
    pixels, _ = stage.views[0].resized(64, 64).project(found[rows, columns])
    assert np.abs(pixels - np.stack([columns, rows], 1) - 0.5).max() < 0.01
    assert np.isfinite(found[:, :, 0]).mean() == pytest.approx(
        stage.atelier.silhouette(number).mean(), abs=0.02
    )


def test_a_view_from_inside_and_one_of_nothing_do_no_harm() -> None:
    stage = Stage(shapes.torus(), side=128)
    inside, away, grazing = stage.add(
        look_at((1.0, 0.0, 0.0), (2.0, 0.0, 0.0), (64, 64)),
        look_at((0.0, -5.0, 0.0), (0.0, -10.0, 0.0), (64, 64)),
        look_at((1.2, -0.9, 0.1), (0.0, 1.0, 0.0), (64, 64)),
    )
    for number in (inside, away, grazing):
        depth = stage.atelier.depth(number)
        assert np.isfinite(depth).all()
        stage.atelier.trimap(number)
        stage.atelier.give(number, np.ones((64, 64, 3), np.float32))
    finished = stage.atelier.finish()[0]
    assert np.isfinite(finished.covered)
    assert not stage.atelier.silhouette(away).any()


def test_meshes_with_nothing_in_them_or_with_nonsense_do_no_harm() -> None:
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, 3, 2), np.float32))
    cube = shapes.cube()
    positions = np.concatenate([cube.positions, np.float32([[np.nan, 0, 0], [np.inf, 0, 0], [1e6, 0, 0]])])
    bad = Mesh(
        positions.astype(np.float32),
        np.concatenate([cube.triangles, [[0, 1, 24], [25, 1, 2], [3, 3, 3], [4, 5, 4]]]).astype(np.int32),
        np.concatenate([cube.uvs, np.full((4, 3, 2), 0.5, np.float32)]),
    )
    atelier = Atelier([Target(nothing, 16, 16), Target(bad, 64, 64)], [nothing])
    number = atelier.add_view(oblique(128))
    assert len(atelier.points) == len(cube.positions)
    atelier.depth(number)
    atelier.give(number, np.full((128, 128, 3), 0.8, np.float32))
    empty, painted = atelier.finish()
    assert empty.covered == 0.0
    assert painted.covered > 0.4
    assert (atelier.depth(number) > 0).any()
    lonely = Atelier([Target(nothing, 16, 16)])
    assert not lonely.depth(lonely.add_view(oblique(32))).any()
    assert lonely.finish()[0].texture.shape == (16, 16, 4)


def test_a_job_can_be_stopped_at_every_stage() -> None:
    class Stopped(BaseException):
        pass

    calls, last = 0, 10**9

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > last:
            raise Stopped

    def job() -> None:
        atelier = Atelier([Target(shapes.cube(), 128, 128)], check=check)
        for turn in range(2):
            number = atelier.add_view(oblique(64))
            atelier.depth(number)
            atelier.give(number, np.ones((64, 64, 3), np.float32), keep=turn > 0)
        atelier.agree([np.zeros((8, 8, 4), np.float32)] * 2, 1.0)
        atelier.finish()
        atelier.inspect("views")

    job()
    stages = calls
    assert stages >= 10
    for stage in range(0, stages, 3):
        calls, last = 0, stage
        with pytest.raises(Stopped):
            job()


def test_the_same_job_paints_the_same_bytes() -> None:
    textures = []
    for _ in range(2):
        stage = Stage(shapes.suzanne(), side=256)
        stage.paint(stage.around(4, 256), drift)
        textures.append(stage.atelier.finish()[0].texture)
    assert np.array_equal(*textures)
