"""Control images show what the picture shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))
pytest.importorskip("skimage")

from tools.pocket import hints, render, scenes

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_outlines_lie_on_the_edges_of_the_picture(seed):
    scene = scenes.KINDS["anywhere"](np.random.default_rng(seed))
    labels = hints.silhouettes(scene, 128)
    line = hints.outlines_of(labels, 2.0) > 127
    item = scene.items[0]
    inside = render.mask(item, 128) > 127
    assert np.array_equal(labels > 0, inside)
    assert line[:, 1:][inside[:, 1:] != inside[:, :-1]].all()
    assert line[1:][inside[1:] != inside[:-1]].all()
    assert line.mean() < 0.2


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_an_object_is_nearer_than_what_lies_behind_it(seed):
    scene = scenes.KINDS["anywhere"](np.random.default_rng(seed))
    near = hints.depth(scene, 128)
    inside = render.mask(scene.items[0], 128)
    if scene.items[0].shape != "ball":
        assert near[inside == 255].min() > near[inside == 0].max()
    assert np.median(near[inside > 127]) > np.median(near[inside < 127])


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_a_landscape_comes_nearer_towards_the_bottom(seed):
    scene = scenes.KINDS["landscape"](np.random.default_rng(seed))
    near = hints.depth(scene, 128)
    assert near[0].mean() < 30
    assert near[-1].mean() > 200
    assert render.picture(scene, 128).shape == (128, 128, 3)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_the_same_random_numbers_draw_the_same_scribble(seed):
    scene = scenes.KINDS["pair"](np.random.default_rng(seed))
    picture = render.picture(scene, 128)
    first, again = (hints.scribble(scene, picture, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.uint8


def test_edges_of_colours_of_one_brightness_are_found():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:] = (200, 0, 0)
    picture[16:48, 16:48] = (0, 102, 0)  # the same gray
    assert (hints.edges(picture) > 0).sum() > 60
