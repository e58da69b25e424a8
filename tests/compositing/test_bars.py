"""Bars B2 (through a decoder), B3 (cast), B4 (edge) and B5 (grain) over generated masks and canvas sizes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from impasto_server.compositing.grain import noise_sigma
from impasto_server.compositing.raster import to_float

from tests.compositing.bars import paint, repaint
from tests.compositing.scenes import (
    CASTS,
    ROOMY,
    SCENES,
    FloatArray,
    Selection,
    ellipse,
    flat_art,
    selections,
    sky,
)

ROOMY_OR_THIN = (*ROOMY, "stroke", "islands")


def decoder(picture: FloatArray) -> FloatArray:
    """An autoencoder's round trip: a little blur, a little noise, no cast."""
    noise = np.random.default_rng(9).normal(0.0, 0.006, picture.shape)
    return (cv2.GaussianBlur(picture, (0, 0), 0.6) + noise).astype(np.float32)


def gain_can_be_known(truth: FloatArray, mask: np.ndarray) -> bool:
    """Whether the colours under the mask occur outside it: nobody can know a gain on colours never seen."""
    inside, outside = truth[mask > 0], truth[mask == 0]
    low, high = np.percentile(outside, [1, 99], axis=0)
    return bool(((inside >= low - 0.05) & (inside <= high + 0.05)).mean() > 0.98)


@given(
    selections(low=321, high=430, kinds=ROOMY_OR_THIN),
    st.sampled_from(sorted(SCENES)),
    st.sampled_from(sorted(CASTS)),
    st.integers(0, 9999),
)
@settings(deadline=None, max_examples=60)
def test_a_cast_is_gone_at_the_border_and_inside(
    selection: Selection, scene: str, cast: str, seed: int
) -> None:
    height, width = selection.mask.shape
    truth = SCENES[scene](width, height, seed)
    assume((selection.mask > 0).sum() > 400)
    assume((selection.mask == 0).sum() > 20_000)
    assume(gain_can_be_known(truth, selection.mask))
    bars = repaint(truth, selection.mask, CASTS[cast])
    assert bars.seam <= 0.75
    assert bars.inside <= (2.0 if bars.share_of_crop > 0.6 else 1.0)
    if bars.seam_hard >= 1.0:
        assert bars.seam <= bars.seam_hard / 4
        assert bars.edge <= max(0.35 * bars.edge_hard, 0.5 / 255.0)  # less than half an 8-bit step is none
    assert 0.85 <= bars.gradient_ratio <= 1.15


@given(
    selections(low=200, high=700, kinds=ROOMY),
    st.sampled_from(sorted(SCENES)),
    st.sampled_from(sorted(CASTS)),
    st.sampled_from([256, 512]),
)
@settings(deadline=None, max_examples=25)
def test_a_cast_is_gone_when_the_picture_was_resampled(
    selection: Selection, scene: str, cast: str, native: int
) -> None:
    height, width = selection.mask.shape
    truth = SCENES[scene](width, height, 77)
    assume((selection.mask > 0).sum() > 400)
    assume((selection.mask == 0).sum() > 20_000)
    assume(gain_can_be_known(truth, selection.mask))
    bars = repaint(truth, selection.mask, CASTS[cast], native=native)
    assert bars.seam <= 0.75
    assert bars.inside <= (2.0 if bars.share_of_crop > 0.6 else 1.0)
    if bars.seam_hard >= 1.0:
        # Not 0.35 as above: a model that works smaller loses the truth's own grain; so does a hard paste. An
        # edge of less than half an 8-bit step is none.
        assert bars.edge <= max(0.5 * bars.edge_hard, 0.5 / 255.0)
    assert 0.85 <= bars.gradient_ratio <= 1.15


def wandering(seed: int) -> Callable[[FloatArray], FloatArray]:
    """Smooth blobs about 100 px wide, ±0.015: no plane and no gain; what they do inside cannot be known."""

    def cast(picture: FloatArray) -> FloatArray:
        noise = np.random.default_rng(seed).standard_normal(picture.shape).astype(np.float32)
        blobs = cv2.GaussianBlur(noise, (0, 0), 48.0)
        return picture + np.float32(0.015 / blobs.std()) * blobs

    return cast


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_cast_of_no_simple_form_leaves_no_seam(scene: str, seed: int) -> None:
    mask = ellipse(384, 384, np.random.default_rng(seed))
    bars = repaint(SCENES[scene](384, 384, seed), mask, wandering(seed))
    assert bars.seam <= 0.75
    assert bars.seam <= bars.seam_hard / 4


@pytest.mark.parametrize("scene", SCENES)
def test_the_bars_can_fail_without_colour_matching(scene: str) -> None:
    mask = ellipse(384, 384, np.random.default_rng(1))
    for cast in CASTS.values():
        bars = repaint(SCENES[scene](384, 384, 1), mask, cast, match_colour=False)
        assert bars.seam > 0.75


@given(selections(low=300, high=430, kinds=ROOMY), st.sampled_from(sorted(SCENES)), st.integers(0, 9999))
@settings(deadline=None, max_examples=25)
def test_through_a_decoder_alone_no_seam_appears(selection: Selection, scene: str, seed: int) -> None:
    height, width = selection.mask.shape
    assume((selection.mask > 0).sum() > 400)
    assume((selection.mask == 0).sum() > 20_000)
    bars = repaint(SCENES[scene](width, height, seed), selection.mask, decoder)
    assert bars.seam <= 0.5


def smoothing(sigma: float) -> Callable[[FloatArray], FloatArray]:
    return lambda picture: cv2.GaussianBlur(picture, (0, 0), sigma)


@given(
    selections(low=300, high=430, kinds=("ellipse", "holes", "at the border")),
    st.integers(0, 9999),
    st.sampled_from([0.8, 1.5, 4.0]),
    st.sampled_from([384, 512]),
)
@settings(deadline=None, max_examples=25)
def test_grain_inside_equals_grain_outside(
    selection: Selection, seed: int, sigma: float, native: int
) -> None:
    height, width = selection.mask.shape
    mask = selection.mask
    deep = cv2.erode(mask, np.ones((21, 21), np.uint8), borderValue=255) > 0
    assume(deep.sum() > 2000)
    assume((mask == 0).sum() > 20_000)
    ours, _, _, metrics = paint(sky(width, height, seed), mask, smoothing(sigma), native=native)
    inside, outside = noise_sigma(to_float(ours), deep), noise_sigma(to_float(ours), mask == 0)
    assert (outside > 1 / 255).all()
    assert 0.85 <= inside.mean() / outside.mean() <= 1.15
    assert metrics.grain_ratio == pytest.approx(1.0, abs=0.15)


def test_grain_is_missing_without_the_grain_step() -> None:
    mask = ellipse(384, 384, np.random.default_rng(1))
    deep = cv2.erode(mask, np.ones((21, 21), np.uint8)) > 0
    ours, _, _, _ = paint(sky(384, 384, 1), mask, smoothing(1.5), native=384, match_grain=False)
    inside, outside = noise_sigma(to_float(ours), deep), noise_sigma(to_float(ours), mask == 0)
    assert inside.mean() / outside.mean() < 0.5


@pytest.mark.parametrize("seed", range(4))
def test_flat_art_stays_flat(seed: int) -> None:
    mask = ellipse(384, 384, np.random.default_rng(seed))
    truth = flat_art(384, 384, seed)
    with_grain, _, _, _ = paint(truth, mask, CASTS["uniform"], native=384)
    without, _, _, _ = paint(truth, mask, CASTS["uniform"], native=384, match_grain=False)
    assert np.array_equal(with_grain, without)
