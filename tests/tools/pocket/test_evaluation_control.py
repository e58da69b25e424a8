"""The measures of control and inpainting: 1 for a picture that follows, about 0 for one that does not."""

import numpy as np
import pytest

pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))
pytest.importorskip("skimage")

from tools.pocket import render
from tools.pocket.evaluation import control, inpainting, prompts

SIDE = 128


def test_outlines_are_thin_lines_about_the_object():
    scene = prompts.anywhere(4)[3]
    lines = control.outline(scene, SIDE) > 127
    mask = render.mask(scene.items[0], SIDE) > 127
    assert 0 < lines.mean() < 0.12
    assert control.edge_f1(lines, _border(mask), 2) > 0.98


def _border(mask):
    inner = mask.copy()
    inner[1:-1, 1:-1] = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return mask & ~inner


def test_the_same_edges_agree_and_moved_ones_do_not():
    edge = np.zeros((64, 64), np.uint8)
    edge[20:44, 20] = 255
    assert control.edge_f1(edge, edge) == 1
    assert control.edge_f1(np.roll(edge, 3, axis=1), edge) == 1
    assert control.edge_f1(np.roll(edge, 6, axis=1), edge) == 0
    assert control.edge_f1(np.zeros_like(edge), edge) == 0


def test_half_the_edges_are_half_of_the_recall():
    """40 of 80 edge pixels, and three more that lie within reach of the cut."""
    edge = np.zeros((96, 96), np.uint8)
    edge[4:84, 20] = 255
    half = edge.copy()
    half[44:] = 0
    assert control.edge_f1(half, edge) == pytest.approx(2 * (43 / 80) / (1 + 43 / 80))


@pytest.mark.parametrize("objects", [1, 2])
def test_true_renders_agree_with_their_own_depth_and_not_with_another_s(objects):
    rng = np.random.default_rng(2)
    scenes = prompts.off_centre(10, objects)
    pictures = [render.picture(scene, SIDE) for scene in scenes]
    depths = [control.depth(scene, SIDE, rng) for scene in scenes]
    own = [control.depth_agreement(*each) for each in zip(depths, pictures, strict=True)]
    other = [control.depth_agreement(*each) for each in zip(depths[1:] + depths[:1], pictures, strict=True)]
    assert min(own) > 0.9
    assert abs(np.mean(other)) < 0.2


def test_the_depth_of_a_picture_turned_inside_out_disagrees():
    scene = prompts.off_centre(1, 1)[0]
    depth = control.depth(scene, SIDE, np.random.default_rng(0))
    assert control.depth_agreement(255 - depth, render.picture(scene, SIDE)) < -0.9


def test_a_picture_of_nothing_follows_no_depth():
    scene = prompts.off_centre(1, 1)[0]
    depth = control.depth(scene, SIDE, np.random.default_rng(0))
    assert control.depth_agreement(depth, np.full((SIDE, SIDE, 3), 90, np.uint8)) == 0


def test_colours_are_right_only_when_all_are():
    scene = prompts.off_centre(1, 2)[0]
    picture = render.picture(scene, SIDE)
    assert control.colours_right(scene, picture)
    assert not control.colours_right(scene, np.ascontiguousarray(picture[:, :, ::-1]) // 2)


@pytest.mark.parametrize("on", inpainting.GROUNDS)
def test_objects_pasted_into_a_mask_are_accepted_and_a_flat_fill_has_only_the_colour(on):
    made = inpainting.cases(24, on, SIDE)
    true = [inpainting.verdict(case, case.true()) for case in made]
    flat = [inpainting.verdict(case, case.flooded()) for case in made]
    untouched = [inpainting.verdict(case, case.picture) for case in made]
    solid = [case.solid for case in made]
    assert 6 <= sum(solid) <= 20
    assert all(each["colour"] for each, full in zip(true, solid, strict=True) if full)
    assert sum(each["shape"] for each in true) >= 23
    assert all(each["colour"] for each in flat)
    assert sum(each["shape"] for each in flat) <= 6
    assert not any(each["colour"] for each in untouched)
