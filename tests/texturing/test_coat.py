"""What was painted before: bases, masks, views given again."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texturing import shapes
from tests.texturing.stage import Stage, look_at, oblique

SIDE = 256


def painted_base(stage: Stage) -> np.ndarray:
    stage.paint(stage.add(oblique(256)))
    return stage.atelier.finish()[0].texture


@pytest.fixture(scope="module")
def base() -> np.ndarray:
    """A texture of Suzanne painted from one side: painted, filled and free texels."""
    texture = painted_base(Stage(shapes.suzanne(), side=SIDE))
    texture[0:3, 0:3] = (9, 8, 7, 200)  # somebody else's
    assert set(np.unique(texture[:, :, 3])) == {0, 1, 200, 255}
    return texture


def test_a_base_that_nobody_changes_stays_as_it_is_byte_by_byte(base: np.ndarray) -> None:
    stage = Stage(shapes.suzanne(), side=SIDE, bases=[base])
    assert np.array_equal(stage.atelier.finish()[0].texture, base)
    (number,) = stage.add(oblique(256))
    stage.atelier.give(number, np.ones((256, 256, 3), np.float32), np.zeros((256, 256), np.float32))
    finished = stage.atelier.finish()[0]
    assert np.array_equal(finished.texture, base)
    assert finished.covered == 0.0


def test_a_mask_lets_a_picture_through_softly_and_nowhere_else(base: np.ndarray) -> None:
    stage = Stage(shapes.suzanne(), side=SIDE, bases=[base])
    (number,) = stage.add(oblique(256))
    y, x = np.mgrid[0:256, 0:256].astype(np.float32)
    mask = np.clip((40 - np.hypot(x - 128, y - 128)) / 16, 0, 1)
    stage.atelier.give(number, np.ones((256, 256, 3), np.float32), mask)
    texels = stage.texels(stage.atelier.finish()).astype(int)
    before = stage.texels([stage.atelier.finish()[0].__class__(base, 0.0)]).astype(int)
    sight = stage.sight(number)
    at = sight.pixels.astype(int)
    wanted = np.zeros(len(texels))
    wanted[sight.texels] = mask[at[:, 1], at[:, 0]]
    inner = np.zeros(len(texels), bool)
    inner[sight.texels] = (sight.margin > 6) & (sight.cosine > 0.4)
    old = before[:, 3] == 255
    inside = np.zeros(len(texels), bool)
    inside[sight.texels] = np.hypot(*(sight.pixels - 128).T) < 22
    full, half = inner & old & inside, inner & old & (wanted > 0.3) & (wanted < 0.7)
    assert full.sum() > 300
    assert (texels[full, :3] >= 254).all()
    mixed = before[half, :3] + (255 - before[half, :3]) * wanted[half, None]
    assert np.abs(texels[half, :3] - mixed).max() <= 20  # the mask's slope, over half a pixel
    outside = np.ones(len(texels), bool)
    outside[sight.texels] = False
    near = np.zeros_like(outside)
    near[sight.texels] = np.hypot(*(sight.pixels - 128).T) < 43
    untouched = old & ~near
    assert np.array_equal(texels[untouched], before[untouched])


def test_views_that_are_painted_whole_cover_their_base(base: np.ndarray) -> None:
    stage = Stage(
        shapes.suzanne(), side=SIDE, bases=[base], colour=lambda p: np.full(p.shape, 0.2, np.float32)
    )
    stage.paint(stage.around(8, 256))
    texels = stage.texels(stage.atelier.finish())
    assert (np.abs(texels[:, :3].astype(int) - 51).max(axis=1) > 25).mean() < 0.03


def test_holes_of_a_base_are_filled_anew_where_their_surroundings_change(base: np.ndarray) -> None:
    stage = Stage(
        shapes.suzanne(), side=SIDE, bases=[base], colour=lambda p: np.full(p.shape, 0.2, np.float32)
    )
    stage.paint(stage.around(8, 256))
    texture = stage.atelier.finish()[0].texture
    holes = (texture[:, :, 3] == 1) & (base[:, :, 3] == 1)
    assert holes.sum() > 100
    assert np.median(np.abs(texture[holes][:, :3].astype(int) - 51)) <= 3


def test_beside_the_layout_only_a_rim_is_changed_of_what_may_be_anothers(base: np.ndarray) -> None:
    whole = base.copy()
    whole[:, :, 3] = 255
    stage = Stage(shapes.suzanne(), side=SIDE, bases=[whole])
    stage.paint(stage.around(8, 256))
    texture = stage.atelier.finish()[0].texture
    table = stage.atelier._surface.tables[0]
    rows, columns = np.nonzero((texture != whole).any(axis=2) & ~table.covered)
    nearest = table.nearest[rows, columns]
    away = np.maximum(np.abs(table.rows[nearest] - rows), np.abs(table.columns[nearest] - columns))
    assert len(rows) > 100
    assert away.max() <= 2
    assert (texture[:, :, 3] == 255)[~table.covered].all()


def test_a_mask_of_one_of_several_views_leaves_the_rest_to_the_others() -> None:
    stage = Stage(shapes.sheet(), side=128)
    first, second = stage.add(*[look_at((0.0, -5.0, 0.0), (0.0, 0.0, 0.0), (128, 128), extent=2.2)] * 2)
    left = np.zeros((128, 128), np.float32)
    left[:, :64] = 1.0
    stage.atelier.give(first, np.full((128, 128, 3), 1.0, np.float32), left, fixed=True)
    stage.atelier.give(second, np.full((128, 128, 3), 0.0, np.float32), 1.0 - left, fixed=True)
    row = stage.atelier.finish()[0].texture[64, :, 0].astype(int)
    assert (row[8:60] == 255).all()
    assert (row[68:120] == 0).all()


def test_a_picture_of_a_part_ends_softly_at_its_frame() -> None:
    base = np.full((SIDE, SIDE, 4), 255, np.uint8)
    base[:, :, :3] = 40
    stage = Stage(shapes.sheet(), side=SIDE, bases=[base])
    (number,) = stage.add(look_at((0.0, -5.0, 0.0), (0.0, 0.0, 0.0), (128, 128), extent=1.0))
    stage.atelier.give(number, np.full((128, 128, 3), 200 / 255, np.float32))
    values = stage.atelier.finish()[0].texture[SIDE // 2, :, 0].astype(int)
    assert values.min() == 40
    assert values.max() == 200
    assert np.abs(np.diff(values)).max() <= 80


def test_without_a_mask_views_blend_and_a_view_given_again_takes_its_own_place() -> None:
    red, blue = (np.broadcast_to(np.float32(c), (128, 128, 3)) for c in ([1, 0, 0], [0, 0, 1]))
    stage = Stage(shapes.cube(), side=64)
    (number,) = stage.add(oblique(128))
    stage.atelier.give(number, red)
    stage.atelier.give(number, blue)
    texels = stage.texels(stage.atelier.finish())
    assert (texels[texels[:, 3] == 255][:, :3] == (0, 0, 255)).all()


def test_fixed_pictures_keep_their_colours_and_others_come_to_them() -> None:
    stage = Stage(shapes.torus(), side=256)
    numbers = stage.around(8, 256)
    for number in numbers:
        picture = stage.photograph(number)
        if number == 0:
            stage.atelier.give(number, picture, fixed=True)
        else:
            stage.atelier.give(number, picture * np.float32(0.93) + np.float32(0.03))
    texels = stage.texels(stage.atelier.finish())
    assert np.abs(texels[:, :3] / 255.0 - shapes.painted(stage.positions)).mean() < 0.01
