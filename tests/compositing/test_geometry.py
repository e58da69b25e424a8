"""Boxes and mask bounds."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_server.compositing import EmptyMask
from impasto_server.compositing.geometry import Box, mask_bounds, place_span, round_up

from tests.compositing.scenes import Selection, selections


@given(selections(low=1, high=200))
def test_the_bounds_hold_every_selected_pixel_and_no_empty_row_or_column(selection: Selection) -> None:
    rows, columns = np.nonzero(selection.mask)
    box = mask_bounds(selection.mask)
    assert (box.x, box.y) == (columns.min(), rows.min())
    assert (box.right, box.bottom) == (columns.max() + 1, rows.max() + 1)


def test_an_empty_mask_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(EmptyMask, match="Select or paint") as caught:
        mask_bounds(np.zeros((7, 5), dtype=np.uint8))
    assert caught.value.code == "empty_mask"


def test_a_mask_that_is_not_a_number_anywhere_is_empty() -> None:
    with pytest.raises(EmptyMask):
        mask_bounds(np.full((4, 4), np.nan, dtype=np.float32))


def test_the_bounds_of_a_16k_canvas_cost_no_copy_of_it() -> None:
    mask = np.zeros((16384, 16384), dtype=np.uint8)
    mask[16001, 12345] = 1
    mask[16383, 12000] = 255
    tracemalloc.start()
    try:
        box = mask_bounds(mask)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert box == Box(12000, 16001, 346, 383)
    assert peak < 1 << 20


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 80), st.integers(1, 80))
def test_a_clamped_box_lies_on_the_canvas_and_in_the_box(x: int, y: int, width: int, height: int) -> None:
    box = Box(x, y, width, height)
    clamped = box.clamped(40, 30)
    assert Box(0, 0, 40, 30).contains(clamped)
    grid = np.zeros((30, 40), dtype=bool)
    grid[clamped.slices] = True
    expected = [[x <= i < x + width and y <= j < y + height for i in range(40)] for j in range(30)]
    assert np.array_equal(grid, np.array(expected))


@given(st.integers(0, 90), st.integers(1, 60), st.integers(0, 80), st.integers(0, 80))
def test_a_placed_span_holds_what_it_was_made_for(low: int, size: int, extra: int, room: int) -> None:
    high, length = low + size, size + extra
    limit = max(high, length) + room
    start = place_span(low, high, length, limit)
    assert 0 <= start <= low
    assert high <= start + length <= limit


def test_rounding_up_keeps_multiples() -> None:
    assert [round_up(value, 8) for value in (0, 1, 8, 9)] == [0, 8, 8, 16]
