"""Trimaps: what is painted anew, refined and kept; and that what is kept is kept."""

from __future__ import annotations

import numpy as np
import pytest
from impasto_server.texturing.sight import GRAZING
from impasto_server.texturing.trimap import GENERATE, KEEP, REFINE, trimap

from tests.texturing import shapes
from tests.texturing.caster import normals_of, visible
from tests.texturing.stage import MESHES, Stage


def expected(stage: Stage, number: int, before: list[int], px: int) -> tuple[np.ndarray, np.ndarray]:
    """The trimap of a view after others, from its pixels' places and another ray caster; and where it is of
    the surface. Not dilated.
    """
    buffers = stage.atelier._geometry(number)
    shown = buffers.triangles >= 0
    corners = stage.scene.positions[stage.scene.triangles]
    normals = normals_of(corners)[buffers.triangles[shown]]
    places = np.einsum("nc,ncd->nd", buffers.weights[shown], corners[buffers.triangles[shown]])

    def cosine(of: int) -> np.ndarray:
        away = stage.views[of].position - places
        return np.einsum("nd,nd->n", away, normals) / np.linalg.norm(away, axis=1)

    best = np.zeros(len(places))
    for one in before:
        free = visible(places, normals, stage.views[one].position, corners, GRAZING)
        best = np.where(free, np.maximum(best, cosine(one)), best)
    made = np.full((px, px), GENERATE)
    made[shown] = np.where(best == 0, GENERATE, np.where(cosine(number) > best + 0.2, REFINE, KEEP))
    return made, shown


@pytest.mark.parametrize("name", ["cube", "torus", "icosphere", "Suzanne"])
def test_a_trimap_is_that_of_another_ray_caster(name: str) -> None:
    px = 256
    stage = Stage(MESHES[name](), side=1024)
    first, second, third, *_ = stage.around(8, px)
    stage.paint([first, second])
    made = stage.atelier.trimap(third)
    wanted, shown = expected(stage, third, [first, second], px)
    unseen = (wanted == GENERATE) & shown
    y, x = np.mgrid[-px:px, -px:px]
    reach = np.hypot(x, y) <= 4  # a 64th of 256
    ys, xs = np.nonzero(reach)
    grown = np.zeros((3 * px, 3 * px), bool)
    for row, column in zip(*np.nonzero(unseen), strict=True):
        grown[ys + row, xs + column] = True
    wanted[grown[px : 2 * px, px : 2 * px]] = GENERATE
    for label in (KEEP, REFINE, GENERATE):
        mine, its = (made == label) & shown, (wanted == label) & shown
        if its.sum() > 200:
            assert (mine & its).sum() / (mine | its).sum() >= 0.97
    assert (made[~shown] == GENERATE).all()


def test_labels_are_chosen_by_what_is_known_and_how_well() -> None:
    surface = np.ones((64, 64), bool)
    surface[:, 60:] = False
    known = np.zeros((64, 64), bool)
    known[:, 20:] = True
    before = np.full((64, 64), 0.5, np.float32)
    cosine = np.full((64, 64), 0.69, np.float32)
    cosine[:, 40:] = 0.71
    made = trimap(surface, known, cosine, before)
    assert (made[:, :21] == GENERATE).all()
    assert (made[:, 21:40] == KEEP).all()
    assert (made[:, 40:60] == REFINE).all()
    assert (made[:, 60:] == GENERATE).all()


@pytest.mark.parametrize("name", ["torus", "Suzanne", "instances"])
def test_texels_that_are_kept_stay_bit_identical(name: str) -> None:
    stage = Stage(MESHES[name](), side=256)
    numbers = stage.around(8, 256)
    stage.atelier.give(numbers[0], stage.photograph(numbers[0]), keep=True)
    changed_at_all = False
    for number in numbers[1:]:
        before = stage.texels(stage.atelier.finish())
        made = stage.atelier.trimap(number)
        noise = np.random.default_rng(number).uniform(0, 1, (256, 256, 3)).astype(np.float32)
        stage.atelier.give(number, noise, keep=True)
        after = stage.texels(stage.atelier.finish())
        sight = stage.sight(number)
        at = sight.pixels.astype(int)
        kept = np.ones(len(before), bool)
        kept[sight.texels] = made[at[:, 1], at[:, 0]] == KEEP
        kept &= before[:, 3] == 255
        assert np.array_equal(before[kept], after[kept])
        changed_at_all |= not np.array_equal(before, after)
    assert changed_at_all


def test_painting_in_turn_covers_as_much_as_together_and_has_the_same_colours() -> None:
    together, in_turn = Stage(shapes.suzanne(), side=256), Stage(shapes.suzanne(), side=256)
    for number in together.around(8, 256):
        together.atelier.give(number, together.photograph(number))
    for number in in_turn.around(8, 256):
        in_turn.atelier.give(number, in_turn.photograph(number), keep=True)
    one, other = together.atelier.finish()[0], in_turn.atelier.finish()[0]
    assert other.covered == pytest.approx(one.covered, abs=1e-6)
    both = one.texture[:, :, 3] == 255
    assert np.abs(one.texture[both].astype(int) - other.texture[both]).mean() < 1.5


def test_what_is_new_goes_over_softly_into_what_is_kept() -> None:
    """A white view beside a black one: between them the texture rises over some pixels, without a step."""
    stage = Stage(shapes.sphere(), side=512, colour=lambda p: np.full(p.shape, 0.5, np.float32))
    first, second, *_ = stage.around(8, 256)
    stage.atelier.give(first, np.full((256, 256, 3), 0.45, np.float32))
    stage.atelier.give(second, np.full((256, 256, 3), 0.55, np.float32), keep=True, fixed=True)
    texture = stage.atelier.finish()[0].texture
    painted = texture[:, :, 3] == 255
    for axis in (0, 1):
        step = np.abs(np.diff(texture[:, :, 0].astype(int), axis=axis))
        both = np.take(painted, range(511), axis) & np.take(painted, range(1, 512), axis)
        # But for the few places where the one ends just where the other begins, and they share nothing.
        assert (step[both] > 15).mean() < 5e-4
    values = np.unique(texture[painted][:, 0])
    assert values.min() <= 116
    assert values.max() >= 139
    assert len(values) > 6


def test_a_base_is_no_reason_to_keep() -> None:
    base = np.full((64, 64, 4), 255, np.uint8)
    stage = Stage(shapes.cube(), side=64, bases=[base])
    (number,) = stage.around(1, 64)
    assert (stage.atelier.trimap(number) == GENERATE).all()
    _, known = stage.atelier.shown(number)
    assert known.sum() > 0.9 * stage.atelier.silhouette(number).sum()
