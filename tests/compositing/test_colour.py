"""The membrane: what it removes, and what it leaves alone."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from impasto_server.compositing.colour import membrane, solve_laplace

from tests.compositing.bars import low_pass_error
from tests.compositing.scenes import (
    CASTS,
    SCENES,
    ByteArray,
    FloatArray,
    Selection,
    selections,
    sky,
    texture,
)


def disc(size: int = 256, radius: int = 60) -> ByteArray:
    mask = np.zeros((size, size), dtype=np.uint8)
    cv2.circle(mask, (size // 2, size // 2), radius, 255, -1)
    return mask


def decoded(picture: FloatArray, seed: int = 0) -> FloatArray:
    """A picture as an autoencoder returns it: a little blurred, a little noisy."""
    noise = np.random.default_rng(seed).normal(0.0, 0.006, picture.shape)
    return (cv2.GaussianBlur(picture, (0, 0), 0.8) + noise).astype(np.float32)


def test_the_solver_continues_harmonic_functions() -> None:
    # One step for both axes: the functions are harmonic on square pixels only.
    rows, columns = np.mgrid[-96:97, -128:129].astype(np.float32) / 128
    functions = [rows**2 - columns**2, rows * columns, np.exp(rows) * np.cos(columns), 0.3 * rows - columns]
    values = np.stack(functions, axis=-1).astype(np.float32)
    unknown = (np.hypot(rows, columns) < 0.55) | (
        (np.abs(rows - 0.65) < 0.07) & (np.abs(columns - 0.4) < 0.2)
    )
    solved = solve_laplace(np.where(unknown[:, :, None], 0.0, values).astype(np.float32), unknown)
    assert np.array_equal(solved[~unknown], values[~unknown])
    spread = values.max(axis=(0, 1)) - values.min(axis=(0, 1))
    assert (np.abs(solved - values).max(axis=(0, 1)) <= 0.012 * spread).all()


@given(selections(low=9, high=150))
@settings(deadline=None, max_examples=40)
def test_a_clean_picture_is_left_alone(selection: Selection) -> None:
    picture = texture(selection.mask.shape[1], selection.mask.shape[0], 3)
    assert not membrane(picture, picture, selection.mask > 0).shift.any()


@given(selections(low=9, high=150))
@settings(deadline=None, max_examples=40)
def test_the_document_under_the_mask_has_no_say(selection: Selection) -> None:
    unknown = selection.mask > 0
    picture = sky(unknown.shape[1], unknown.shape[0], 3)
    generated = CASTS["varying"](picture)
    spoiled = np.where(unknown[:, :, None], np.float32(0.95), picture)
    assert np.array_equal(
        membrane(generated, picture, unknown).shift, membrane(generated, spoiled, unknown).shift
    )


def test_with_everything_selected_there_is_nothing_to_match() -> None:
    picture = sky(64, 64, 1)
    found = membrane(CASTS["uniform"](picture), picture, np.ones((64, 64), dtype=bool))
    assert not found.shift.any()
    assert not found.shadow_crosses


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("cast", CASTS)
def test_a_decoders_blur_and_noise_do_not_spoil_the_match(scene: str, cast: str) -> None:
    mask = disc() > 0
    for seed in (1, 2):
        truth = SCENES[scene](256, 256, seed)
        generated = CASTS[cast](decoded(truth, seed))
        matched = generated - membrane(generated, truth, mask).shift
        assert low_pass_error(matched, truth, mask) <= 0.5


def test_a_ramp_is_continued_to_the_pictures_edge() -> None:
    truth = texture(256, 256, 4)
    unknown = np.zeros((256, 256), dtype=bool)
    unknown[:, 150:] = True
    generated = CASTS["varying"](decoded(truth))
    matched = generated - membrane(generated, truth, unknown).shift
    assert low_pass_error(matched, truth, unknown) <= 0.5


def let_go() -> npt.NDArray[np.bool_]:
    """Where a sampler is free that repaints the disc: 16 px further."""
    return cv2.dilate((disc() > 0).view(np.uint8), np.ones((33, 33), dtype=np.uint8)) > 0


@pytest.mark.parametrize("cast", CASTS)
@pytest.mark.parametrize("scene", SCENES)
def test_no_cast_is_taken_for_a_shadow(scene: str, cast: str) -> None:
    truth = SCENES[scene](256, 256, 2)
    assert not membrane(CASTS[cast](decoded(truth)), truth, disc() > 0, free=let_go()).shadow_crosses


def shadowed(truth: FloatArray, depth: float) -> FloatArray:
    """A soft shadow across the disc's right border."""
    spot = np.zeros(truth.shape[:2], dtype=np.float32)
    cv2.circle(spot, (188, 128), 24, 1.0, -1)
    return truth * (1.0 - depth * cv2.GaussianBlur(spot, (0, 0), 4.0))[:, :, None]


def test_a_shadow_across_the_border_is_reported() -> None:
    truth = sky(256, 256, 2)
    found = membrane(decoded(shadowed(truth, 0.35)), truth, disc() > 0, free=let_go())
    assert found.shadow_crosses
    assert 0.02 < found.crossing < 0.5


def test_an_object_that_reaches_across_the_border_does_not_tint_the_mask() -> None:
    truth = np.full((256, 256, 3), (0.5, 0.35, 0.25), dtype=np.float32)
    selection, grown = disc() > 0, let_go()
    generated = truth.copy()
    generated[grown] = (0.3, 0.45, 0.25)  # the model painted the whole place it was given
    found = membrane(generated, truth, selection, free=grown)
    assert np.abs(found.shift[selection]).max() < 0.01
    assert found.shadow_crosses
    assert np.abs(membrane(generated, truth, selection).shift[selection]).max() > 0.05


def test_a_foreign_object_at_the_border_does_not_tint_the_rest() -> None:
    truth = np.full((256, 256, 3), 0.7, dtype=np.float32)
    generated = truth.copy()
    cv2.circle(generated, (188, 128), 24, (0.05, 0.1, 0.6), -1)
    found = membrane(generated, truth, disc() > 0, free=let_go())
    assert np.abs(found.shift[disc() > 0]).mean() < 0.02
    assert found.shadow_crosses
