"""What a view sees, against a ray caster that shares nothing with ours."""

from __future__ import annotations

import numpy as np
import pytest
from impasto_server.texturing.sight import GRAZING
from impasto_server.texturing.view import look_at

from tests.texturing import shapes
from tests.texturing.caster import blocked, normals_of, visible
from tests.texturing.stage import MESHES, Stage

RED, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


@pytest.mark.parametrize("name", MESHES)
def test_texels_are_seen_that_a_ray_reaches_and_no_others(name: str) -> None:
    stage = Stage(MESHES[name](), side=256)
    numbers = stage.around()[1:6:2]
    corners = stage.scene.positions[stage.scene.triangles]
    normals = normals_of(corners)[stage.atelier._surface.triangles]
    some = np.random.default_rng(0).permutation(len(stage.positions))[:1500]
    for number in numbers:
        sight = stage.sight(number)
        seen = np.zeros(len(stage.positions), bool)
        seen[sight.texels] = True
        eye = stage.views[number].position
        free = visible(stage.positions[some], normals[some], eye, corners, 0.0)
        clear = visible(stage.positions[some], normals[some], eye, corners, GRAZING + 1e-3)
        assert (seen[some] & ~free).mean() <= 0.001
        assert (clear & ~seen[some]).mean() <= 0.002


def test_what_stands_in_the_way_hides_what_is_behind_it() -> None:
    stage = Stage(shapes.cube(), others=[shapes.cube(0.5, (0.0, -2.2, 0.0))], side=256)
    (number,) = stage.add(look_at((0.8, -6.0, 1.0), (0.0, 0.0, 0.0), (512, 512)))
    seen = np.zeros(len(stage.positions), bool)
    seen[stage.sight(number).texels] = True
    corners = stage.scene.positions[stage.scene.triangles]
    some = np.nonzero(stage.faces[:, 1] < -0.5)[0][::7]
    hidden = blocked(stage.positions[some] - [0, 1e-3, 0], stage.views[number].position, corners)
    assert 0.1 < hidden.mean() < 0.9
    assert (seen[some] & hidden).mean() <= 0.001
    assert (~seen[some] & ~hidden).mean() <= 0.002


def test_nothing_of_an_object_in_front_is_painted_on_what_is_behind() -> None:
    """The whole way: of a red thing before a green one, no red and no background comes to the green one."""
    front, back = shapes.cube(0.5, (0.0, -2.2, 0.0)), shapes.suzanne()

    def colour(points):
        return np.where(points[:, 1:2] < -1.6, np.float32(RED), np.float32(GREEN))

    for both in (True, False):  # the thing in front is painted, too; or it only stands there
        stage = Stage(*((back, front) if both else (back,)), others=() if both else (front,), colour=colour)
        stage.paint(stage.around())
        texels = stage.texels(stage.atelier.finish()).astype(int)
        painted = texels[:, 3] == 255
        own = np.array(colour(stage.positions) * 255)
        off = np.abs(texels[:, :3] - own).max(axis=1) > 40
        assert (off & painted).mean() <= 0.001
        assert painted.mean() > 0.6


@pytest.mark.parametrize("extent", [None, 4.0], ids=["perspective", "orthographic"])
def test_back_faces_and_the_other_side_of_a_sheet_are_never_painted(extent: float | None) -> None:
    for mesh in (shapes.cube(), shapes.sphere(), shapes.sheet(), shapes.suzanne()):
        stage = Stage(mesh, side=128)
        (number,) = stage.add(look_at((0.3, 5.0, 0.4), (0.0, 0.0, 0.0), (256, 256), extent=extent))
        sight = stage.sight(number)
        assert (sight.cosine >= GRAZING - 1e-6).all()
        view = stage.views[number]
        facing = np.einsum("nd,nd->n", view.towards(stage.positions), stage.faces) > 0
        assert facing[sight.texels].all()
    sheet = Stage(shapes.sheet(), side=64)
    (number,) = sheet.add(look_at((0.3, 5.0, 0.4), (0.0, 0.0, 0.0), (256, 256), extent=extent))
    assert len(sheet.sight(number).texels) == 0


def test_perspective_and_orthographic_views_from_far_see_the_same() -> None:
    stage = Stage(shapes.suzanne(), side=128)
    far, flat = stage.add(
        look_at((300.0, -400.0, 200.0), (0, 0, 0), (512, 512), angle=np.radians(0.45)),
        look_at((3.0, -4.0, 2.0), (0, 0, 0), (512, 512), extent=4.2),
    )
    one, other = stage.sight(far), stage.sight(flat)
    assert len(np.setxor1d(one.texels, other.texels)) < 0.01 * len(one.texels)


def test_margins_are_small_at_silhouettes_and_at_jumps_in_depth() -> None:
    stage = Stage(shapes.cube(), others=[shapes.cube(0.3, (0.0, -2.0, 0.0))], side=128)
    (number,) = stage.add(look_at((0.0, -6.0, 0.0), (0.0, 0.0, 0.0), (256, 256)))
    margin = stage.margin(number)
    assert margin[128, 128] > 10  # in the middle of the small one
    across = margin[128]
    edges = [
        column
        for column in range(1, 255)
        if across[column] == 0 and across[column - 1 : column + 2].max() > 0
    ]
    assert 4 <= len(edges) <= 16
