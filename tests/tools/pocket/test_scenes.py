"""Pocket's training pictures: what a caption says is what the picture shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))
pytest.importorskip("skimage")

from tools.pocket import icons, materials, render, scenes
from tools.pocket.words import COLOURS, MATERIALS, OBJECTS, RELATIONS, SHAPE_NAMES, SPELLINGS, is_held_out

seeds = st.integers(0, 2**32 - 1)
mixes = st.sampled_from(sorted(scenes.MIXES))


def _names(word, others):
    return others.get(word, (word,))


@given(seeds, mixes)
@settings(max_examples=150, deadline=None)
def test_a_caption_names_every_object_with_its_colour(seed, mix):
    scene = scenes.sample(np.random.default_rng(seed), mix)
    for item in scene.items:
        assert any(name in scene.caption for name in _names(item.colour, SPELLINGS)), scene
        assert any(name in scene.caption for name in _names(item.shape, SHAPE_NAMES)), scene


@given(seeds, mixes)
@settings(max_examples=150, deadline=None)
def test_what_a_caption_tells_is_what_the_scene_holds(seed, mix):
    scene = scenes.sample(np.random.default_rng(seed), mix)
    told = dict(scene.told)
    if "background" in told:
        assert list(COLOURS)[told["background"] - 1] == scene.colour
    if "colour" in told:
        assert list(COLOURS)[told["colour"] - 1] == scene.items[0].colour
    if told.get("relation", 1) > 1:
        relation = RELATIONS[told["relation"] - 1]
        (x, y), (other_x, other_y) = scene.items[0].centre, scene.items[1].centre
        assert {"left": x < other_x, "right": x > other_x, "above": y < other_y, "below": y > other_y}[
            relation
        ]


@given(seeds, mixes)
@settings(max_examples=300, deadline=None)
def test_held_out_combinations_are_never_trained(seed, mix):
    scene = scenes.sample(np.random.default_rng(seed), mix)
    for item in scene.items:
        assert not (scene.colour and is_held_out(item.colour, item.shape, scene.colour))


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_held_out_scenes_are_held_out(seed):
    scene = scenes.sample(np.random.default_rng(seed), held_out=True)
    assert is_held_out(scene.items[0].colour, scene.items[0].shape, scene.colour)


@given(seeds, mixes)
@settings(max_examples=25, deadline=None)
def test_a_scene_paints_the_same_bytes_every_time(seed, mix):
    scene = scenes.sample(np.random.default_rng(seed), mix)
    assert np.array_equal(render.picture(scene, 64), render.picture(scene, 64))


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_a_scene_looks_the_same_at_twice_the_size(seed):
    scene = scenes.sample(np.random.default_rng(seed), held_out=True)
    small, large = render.picture(scene, 64), render.picture(scene, 128)
    halved = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).mean() < 2


@pytest.mark.parametrize("shape", OBJECTS)
def test_every_shape_fills_its_bounding_diameter(shape):
    mask = render.mask(scenes.Item(shape, "red", (0.5, 0.5), 0.8), 100) > 127
    rows, columns = np.nonzero(mask)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    assert 62 <= extent <= 82
    assert rows.min() >= 5
    assert columns.min() >= 5


def test_a_ring_has_a_hole_and_a_circle_has_none():
    for shape, filled in (("ring", False), ("circle", True)):
        assert (render.mask(scenes.Item(shape, "red", (0.5, 0.5), 0.8), 65)[32, 32] > 127) == filled


@pytest.mark.parametrize("name", MATERIALS)
def test_a_material_looks_the_same_at_twice_the_size(name):
    small, large = (materials.texture(name, np.random.default_rng(3), px).astype(float) for px in (128, 256))
    halved = large.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    other = materials.texture(name, np.random.default_rng(4), 128)
    assert np.abs(halved - small).mean() < 0.5 * np.abs(other - small).mean()


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_no_icon_is_drawn_where_none_are_loaded(seed):
    assert not icons.available()
    assert all(item.shape in OBJECTS for item in scenes.sample(np.random.default_rng(seed), "broad").items)


def test_an_icon_stands_where_its_item_says():
    square = np.zeros((icons.SIDE_PX, icons.SIDE_PX, 4), np.uint8)
    square[48:144, 48:144] = 255  # the middle half
    alpha = icons.placed(scenes.Item("cat", "", (0.25, 0.6), 0.5), square, 200)[:, :, 3] > 0.5
    rows, columns = np.nonzero(alpha)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == pytest.approx((25, 74, 95, 144), abs=1)
