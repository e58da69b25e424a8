"""Tile plans and blending; bar B8."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_server.compositing.metrics import percentile_95, seam_steps
from impasto_server.compositing.tiles import TilePlan, blend, cut, plan_tiles

from tests.compositing.scenes import FloatArray, sky, texture


@st.composite
def plans(draw: st.DrawFn) -> tuple[TilePlan, int]:
    tile = (draw(st.integers(16, 64)), draw(st.integers(16, 64)))
    grid = draw(st.sampled_from([1, 2, 8]))
    overlap = draw(st.integers(0, min(tile) - grid))
    size = (draw(st.integers(1, 200)), draw(st.integers(1, 200)))
    wrap = (draw(st.booleans()), draw(st.booleans()))
    return plan_tiles(size, tile, overlap, grid=grid, wrap=wrap), overlap


@given(plans())
@settings(deadline=None)
def test_tiles_cover_the_picture_and_overlap_as_asked(made: tuple[TilePlan, int]) -> None:
    plan, overlap = made
    for axis, starts in enumerate((plan.starts_x, plan.starts_y)):
        length, tile = plan.size[axis], plan.tile[axis]
        ends = [*starts[1:], starts[0] + length] if plan.wrap[axis] else list(starts[1:])
        assert starts[0] == 0
        assert len(set(starts)) == len(starts)
        for start, following in zip(starts, ends, strict=False):
            assert following - start <= tile - min(overlap, tile - 1) or tile == length
        if not plan.wrap[axis]:
            assert starts[-1] + tile == length


@given(plans())
@settings(deadline=None, max_examples=50)
def test_tiles_that_agree_give_back_the_picture(made: tuple[TilePlan, int]) -> None:
    plan, _ = made
    picture = np.random.default_rng(1).random((plan.size[1], plan.size[0], 3), dtype=np.float32)
    again = blend(plan, (cut(picture, plan, box) for box in plan.boxes))
    assert np.allclose(again, picture, atol=1e-5)


def test_a_small_picture_is_one_tile() -> None:
    plan = plan_tiles((40, 30), (64, 64), 16)
    assert [(box.x, box.y, box.width, box.height) for box in plan.boxes] == [(0, 0, 40, 30)]


def test_an_overlap_that_leaves_a_tile_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot overlap"):
        plan_tiles((100, 100), (32, 32), 32)


def drifting(plan: TilePlan, picture: FloatArray, seed: int) -> FloatArray:
    """The picture as a decoder returns it that shifts each tile's tone by up to ±0.02."""
    random = np.random.default_rng(seed)
    shifts = random.uniform(-0.02, 0.02, (len(plan.boxes), 3)).astype(np.float32)
    return blend(
        plan, (cut(picture, plan, box) + shift for box, shift in zip(plan.boxes, shifts, strict=True))
    )


def line_steps(image: FloatArray, truth: FloatArray, column: int) -> float:
    """B3's arcs along a vertical line."""
    signed = np.broadcast_to(np.arange(image.shape[1], dtype=np.float32) - (column - 0.5), image.shape[:2])
    return percentile_95(seam_steps(image, np.ascontiguousarray(signed), truth))


@pytest.mark.parametrize("scene", [texture, sky])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_tile_line_shows(scene: type, seed: int) -> None:
    picture = scene(480, 300, seed)
    plan = plan_tiles((480, 300), (256, 256), 128, grid=8)
    tiled = drifting(plan, picture, seed)
    lines = [x for start in plan.starts_x for x in (start, start + plan.tile[0]) if 8 <= x <= 472]
    assert len(lines) >= 3
    assert max(line_steps(tiled, picture, x) for x in lines) <= 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_tileable_has_no_step_at_its_wrap_edge(seed: int) -> None:
    picture = texture(512, 512, seed)
    plan = plan_tiles((512, 512), (256, 256), 128, grid=8, wrap=(True, True))
    rolled = [np.roll(image, (256, 256), axis=(0, 1)) for image in (drifting(plan, picture, seed), picture)]
    assert line_steps(rolled[0], rolled[1], 256) <= 0.5
    turned = [np.ascontiguousarray(image.swapaxes(0, 1)) for image in rolled]
    assert line_steps(turned[0], turned[1], 256) <= 0.5


def test_butted_tiles_would_fail_the_bar() -> None:
    picture = sky(480, 300, 1)
    plan = plan_tiles((480, 300), (160, 160), 0)
    assert line_steps(drifting(plan, picture, 1), picture, 160) > 0.5
