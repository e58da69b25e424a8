"""The context box and the working sizes, on any canvas up to 16k; and bar B6's crop round trip."""

from __future__ import annotations

from math import sqrt

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_server.compositing.context import CropPlan, crop, paste, plan_crop
from impasto_server.compositing.geometry import Box
from impasto_server.compositing.raster import FloatArray, quantise


@st.composite
def plans(draw: st.DrawFn) -> tuple[CropPlan, int, int]:
    canvas = (draw(st.integers(1, 16384)), draw(st.integers(1, 16384)))
    width, height = draw(st.integers(1, canvas[0])), draw(st.integers(1, canvas[1]))
    x, y = draw(st.integers(0, canvas[0] - width)), draw(st.integers(0, canvas[1] - height))
    native, grid = draw(st.sampled_from([256, 512, 1024])), draw(st.sampled_from([8, 16, 32]))
    strength = draw(st.floats(0.0, 1.0))
    bounds = Box(x, y, width, height)
    return plan_crop(bounds, canvas, native=native, strength=strength, grid=grid), native, grid


@given(plans())
def test_the_context_holds_the_mask_and_lies_on_the_canvas(made: tuple[CropPlan, int, int]) -> None:
    plan, _, _ = made
    assert Box(0, 0, *plan.canvas).contains(plan.context)
    assert plan.context.contains(plan.bounds)


@given(plans())
def test_the_context_gives_surroundings_at_every_strength(made: tuple[CropPlan, int, int]) -> None:
    plan, _, _ = made
    context, bounds = plan.context, plan.bounds
    # Either 64 px on both sides together with what the canvas' edge gave back, or all the canvas there is.
    assert context.width >= min(bounds.width + 128, plan.canvas[0])
    assert context.height >= min(bounds.height + 128, plan.canvas[1])


@given(plans())
def test_the_context_is_never_below_the_native_size_where_the_canvas_permits(
    made: tuple[CropPlan, int, int],
) -> None:
    plan, native, grid = made
    for side, canvas in ((plan.context.width, plan.canvas[0]), (plan.context.height, plan.canvas[1])):
        assert side >= min(native, canvas)
        assert side == canvas or side % grid == 0


@given(plans())
def test_working_sizes_are_on_the_grid_near_the_native_area_and_keep_the_aspect(
    made: tuple[CropPlan, int, int],
) -> None:
    plan, native, grid = made
    assert plan.working[0] % grid == 0
    assert plan.working[1] % grid == 0
    assert plan.content[0] <= plan.working[0]
    assert plan.content[1] <= plan.working[1]
    if min(plan.content) > 8:
        mean_side = sqrt(plan.content[0] * plan.content[1])
        assert 0.85 * native <= mean_side <= 1.3 * native
        stretch = plan.content[0] * plan.context.height / (plan.content[1] * plan.context.width)
        assert stretch == pytest.approx(1.0, abs=1.05 / min(plan.content))


@given(plans())
def test_a_second_pass_adds_resolution_and_stays_bounded(made: tuple[CropPlan, int, int]) -> None:
    plan, native, grid = made
    if plan.hires_content is None or plan.hires_working is None:
        return
    assert plan.hires_content[0] > plan.content[0]
    assert plan.hires_content[0] <= plan.context.width
    assert sqrt(plan.hires_content[0] * plan.hires_content[1]) <= 2.0 * native + 2
    assert plan.hires_working[0] % grid == plan.hires_working[1] % grid == 0


def test_a_small_mask_is_painted_pixel_for_pixel() -> None:
    plan = plan_crop(Box(700, 900, 60, 40), (2000, 1500), native=512, strength=1.0)
    assert (plan.context.width, plan.context.height) == plan.content == plan.working == (512, 512)
    assert plan.hires_working is None


def test_a_large_mask_gets_a_second_pass() -> None:
    plan = plan_crop(Box(100, 100, 1000, 1000), (2000, 1500), native=512, strength=1.0)
    assert plan.context == Box(0, 0, 1256, 1256)
    assert plan.working == (512, 512)
    assert plan.hires_working == (1024, 1024)


def test_an_odd_canvas_is_padded_and_not_resampled() -> None:
    plan = plan_crop(Box(10, 10, 400, 400), (517, 509), native=512, strength=1.0)
    assert plan.content == (517, 509)
    assert plan.working == (520, 512)


def blobs(width: int, height: int, sigma: float, seed: int) -> FloatArray:
    """A picture whose detail survives any of the tested reductions."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
    return (0.5 + 0.12 * smooth / smooth.std()).clip(0.0, 1.0).astype(np.float32)


def displacement_px(moved: FloatArray, still: FloatArray) -> float:
    """Largest shift of any quadrant by one Gauss–Newton step: sees zoom and rotation as well as shifts."""
    rows, columns = still.shape[0] // 2, still.shape[1] // 2
    worst = 0.0
    for y in (slice(0, rows), slice(rows, None)):
        for x in (slice(0, columns), slice(columns, None)):
            down, across = np.gradient(still[y, x, 1].astype(np.float64))
            difference = (moved[y, x, 1] - still[y, x, 1]).astype(np.float64)
            basis = np.stack([across.ravel(), down.ravel()], axis=1)
            shift, *_ = np.linalg.lstsq(basis, difference.ravel(), rcond=None)
            worst = max(worst, float(np.hypot(*shift)))
    return worst


@settings(deadline=None, max_examples=25)
@given(st.integers(97, 901), st.integers(97, 901), st.sampled_from([128, 256, 512]), st.integers(0, 99))
def test_the_crop_round_trip_moves_nothing_by_more_than_a_twentieth_of_a_pixel(
    width: int, height: int, native: int, seed: int
) -> None:
    picture = quantise(blobs(width, height, 14.0, seed), np.uint16)
    bounds = Box(width // 3, height // 3, width // 3, height // 3)
    plan = plan_crop(bounds, (width, height), native=native, strength=1.0)
    working = crop(picture, plan.context, plan.content, plan.working, 1.0)
    back = paste(working, plan.context, plan.content, plan.context)
    assert displacement_px(back, crop_as_is(picture, plan.context)) <= 0.05


def test_the_displacement_measure_sees_an_eighth_of_a_pixel() -> None:
    picture = blobs(300, 300, 14.0, 3)
    step = np.array([[1.0, 0.0, 0.125], [0.0, 1.0, 0.0]])
    moved = cv2.warpAffine(picture, step, (300, 300), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    assert displacement_px(moved, picture) == pytest.approx(0.125, abs=0.02)


def crop_as_is(picture: np.ndarray, box: Box) -> FloatArray:
    return (picture[box.slices] / 65535.0).astype(np.float32)


@given(st.integers(20, 160), st.integers(20, 160), st.data())
@settings(deadline=None, max_examples=30)
def test_a_pasted_part_equals_the_same_part_of_the_whole(
    width: int, height: int, data: st.DataObject
) -> None:
    working = np.random.default_rng(width * height).random((64, 96, 3), dtype=np.float32)
    context = Box(7, 11, width, height)
    part_width, part_height = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
    x, y = data.draw(st.integers(0, width - part_width)), data.draw(st.integers(0, height - part_height))
    part = Box(7 + x, 11 + y, part_width, part_height)
    whole = paste(working, context, (90, 60), context)
    piece = paste(working, context, (90, 60), part)
    assert np.allclose(piece, whole[y : y + part_height, x : x + part_width], atol=2e-6)


def test_an_enlarged_picture_keeps_its_mean_and_a_flat_one_stays_flat() -> None:
    flat = np.full((33, 47, 3), 0.37, dtype=np.float32)
    assert np.allclose(paste(flat, Box(0, 0, 130, 91), (47, 33), Box(0, 0, 130, 91)), 0.37, atol=1e-6)
