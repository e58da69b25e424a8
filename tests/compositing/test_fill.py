"""The pre-fill under the mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_server.compositing import FILL_MODES, UnknownFill, default_fill
from impasto_server.compositing.fill import prefill, push_pull
from impasto_server.compositing.masks import working_masks

from tests.compositing.scenes import FloatArray, Selection, selections, sky


def filled(image: FloatArray, selection: Selection, mode: str) -> FloatArray:
    size = (image.shape[1], image.shape[0])
    return prefill(image, *working_masks(selection.mask, size), mode)


@given(selections(low=3, high=150), st.sampled_from(FILL_MODES))
@settings(deadline=None, max_examples=60)
def test_a_fill_leaves_the_surroundings_bit_for_bit(selection: Selection, mode: str) -> None:
    image = sky(selection.mask.shape[1], selection.mask.shape[0], 5)
    result = filled(image, selection, mode)
    assert result.dtype == np.float32
    assert np.array_equal(result[selection.mask == 0], image[selection.mask == 0])
    assert np.isfinite(result).all()
    assert result.min() >= 0.0
    assert result.max() <= 1.0


@given(selections(low=3, high=120, kinds=("ellipse", "stroke", "holes", "at the border", "everything")))
@settings(deadline=None, max_examples=40)
def test_what_lay_under_a_hard_mask_does_not_leak_into_the_fill(selection: Selection) -> None:
    hard = Selection(selection.kind, np.where(selection.mask > 0, 255, 0).astype(np.uint8))
    image = sky(hard.mask.shape[1], hard.mask.shape[0], 5)
    other = np.where(hard.mask[:, :, None] > 0, np.float32(0.9), image)
    for mode in ("border", "blur", "neutral"):
        assert np.allclose(filled(image, hard, mode), filled(other, hard, mode), atol=1e-6), mode


@pytest.mark.parametrize("mode", ["border", "blur"])
def test_a_hole_in_a_gradient_is_filled_with_the_gradient(mode: str) -> None:
    ramp = np.linspace(0.2, 0.8, 256, dtype=np.float32)[None, :, None]
    image = np.ascontiguousarray(np.broadcast_to(ramp, (200, 256, 3)))
    mask = np.zeros((200, 256), dtype=np.uint8)
    mask[60:140, 90:170] = 255
    error = np.abs(filled(image, Selection("square", mask), mode) - image)
    assert error.max() < 0.06


def test_neutral_is_mid_grey_and_none_is_the_picture() -> None:
    image = sky(40, 30, 1)
    mask = np.zeros((30, 40), dtype=np.uint8)
    mask[5:20, 8:30] = 255
    selection = Selection("square", mask)
    assert (filled(image, selection, "neutral")[mask > 0] == 0.5).all()
    assert filled(image, selection, "none") is image


def test_without_surroundings_the_fill_is_mid_grey() -> None:
    selection = Selection("everything", np.full((30, 40), 255, dtype=np.uint8))
    for mode in ("border", "blur"):
        assert (filled(sky(40, 30, 1), selection, mode) == 0.5).all()


def test_an_unknown_fill_names_the_known_ones() -> None:
    with pytest.raises(UnknownFill, match="border, blur, neutral, none"):
        filled(sky(8, 8, 1), Selection("one", np.full((8, 8), 255, np.uint8)), "magic")


def test_only_a_full_repaint_is_filled_by_default() -> None:
    assert default_fill(1.0) == "border"
    assert default_fill(0.6) == "none"


def test_push_pull_reaches_the_middle_of_a_large_hole() -> None:
    image = np.full((301, 257, 3), 0.25, dtype=np.float32)
    known = np.zeros((301, 257), dtype=bool)
    known[:3] = True
    assert np.allclose(push_pull(image * known[:, :, None], known), 0.25, atol=1e-3)
