"""Noise estimation and grain synthesis; bar B5 on its own."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from impasto_server.compositing.grain import (
    TILE,
    grain_tile,
    measure_grain,
    missing_sigma,
    noise_sigma,
    tiled,
)
from skimage import data

from tests.compositing.scenes import FloatArray, flat_art

ALL = np.ones((256, 256), dtype=bool)


def noisy(sigma: float, seed: int = 0, blur: float = 0.0) -> FloatArray:
    noise = np.random.default_rng(seed).standard_normal((256, 256, 3)).astype(np.float32)
    if blur:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
        noise /= noise.std()
    ramp = np.linspace(0.2, 0.8, 256, dtype=np.float32)[:, None, None]
    return (ramp + noise * np.float32(sigma)).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.004, 0.01, 0.04])
def test_white_noise_is_measured_on_a_gradient(sigma: float) -> None:
    assert noise_sigma(noisy(sigma), ALL) == pytest.approx([sigma] * 3, rel=0.03)


def test_weak_grain_is_measured_through_8_bit_rounding() -> None:
    for sigma in (0.7, 1.0, 1.7):
        picture = noisy(sigma / 255, 6)
        rounded = np.rint(picture * 255).astype(np.float32) / np.float32(255)
        # Rounding itself is noise of 1/√12 of a step.
        assert noise_sigma(rounded, ALL) * 255 == pytest.approx([np.hypot(sigma, 12**-0.5)] * 3, rel=0.05)


def test_edges_and_lines_are_no_grain() -> None:
    assert noise_sigma(flat_art(256, 256, 3), ALL).max() == 0.0


def test_pixels_out_of_the_region_do_not_vote() -> None:
    picture = noisy(0.01)
    picture[:, 128:] = np.random.default_rng(1).random((256, 128, 3))
    left = ALL.copy()
    left[:, 128:] = False
    assert noise_sigma(picture, left) == pytest.approx([0.01] * 3, rel=0.05)


def test_too_few_pixels_have_no_grain() -> None:
    few = np.zeros((256, 256), dtype=bool)
    few[10:14, 10:14] = True
    assert not noise_sigma(noisy(0.05), few).any()


def test_grain_below_half_an_8_bit_step_is_ignored() -> None:
    assert measure_grain(noisy(0.4 / 255), ALL) is None
    assert measure_grain(noisy(0.8 / 255), ALL) is not None


def test_flat_art_gets_no_grain() -> None:
    assert measure_grain(flat_art(256, 256, 3), ALL) is None


@pytest.mark.parametrize("blur", [0.0, 0.7])
@pytest.mark.parametrize("decoder_blur", [0.8, 2.0])
def test_the_missing_grain_is_made_up(blur: float, decoder_blur: float) -> None:
    original = noisy(0.02, 1, blur)
    painted = cv2.GaussianBlur(original, (0, 0), decoder_blur)
    grain = measure_grain(original, ALL)
    assert grain is not None
    missing = missing_sigma(grain, noise_sigma(painted, ALL))
    repaired = painted + tiled(grain_tile(grain, missing, 5), (0, 256), (0, 256))
    assert noise_sigma(repaired, ALL) / grain.sigma == pytest.approx([1.0] * 3, abs=0.15)


def test_a_picture_with_its_grain_lacks_none() -> None:
    grain = measure_grain(noisy(0.02, 1), ALL)
    assert grain is not None
    assert not missing_sigma(grain, noise_sigma(noisy(0.0195, 2), ALL)).any()


@pytest.mark.parametrize("blur", [0.0, 0.8])
def test_the_grain_has_the_surroundings_spectrum(blur: float) -> None:
    original = noisy(0.02, 3, blur)
    grain = measure_grain(original, ALL)
    assert grain is not None
    tile = grain_tile(grain, grain.sigma, 1)
    source = original - cv2.GaussianBlur(original, (0, 0), 1.5)
    made = tile - cv2.GaussianBlur(tile, (0, 0), 1.5)
    for lag in (1, 2):
        assert neighbours(made, lag) == pytest.approx(neighbours(source, lag), abs=0.08)


def neighbours(noise: FloatArray, lag: int) -> float:
    """Correlation of each pixel with the one ``lag`` px to its right."""
    return float(np.corrcoef(noise[:, :-lag].ravel(), noise[:, lag:].ravel())[0, 1])


def test_grey_grain_stays_grey() -> None:
    grey = np.repeat(noisy(0.02, 4)[:, :, :1], 3, axis=2)
    grain = measure_grain(grey, ALL)
    assert grain is not None
    tile = grain_tile(grain, grain.sigma, 1)
    assert np.abs(tile - tile.mean(axis=2, keepdims=True)).max() < 0.1 * tile.std()


def test_a_seed_always_draws_the_same_grain() -> None:
    grain = measure_grain(noisy(0.02), ALL)
    assert grain is not None
    first, again, other = (grain_tile(grain, grain.sigma, seed) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_tile_covers_the_plane_without_a_seam() -> None:
    grain = measure_grain(noisy(0.02, 3, 0.7), ALL)
    assert grain is not None
    tile = grain_tile(grain, grain.sigma, 1)
    plane = tiled(tile, (TILE - 40, TILE + 40), (2 * TILE - 40, 2 * TILE + 40))
    assert np.array_equal(plane[40:, 40:], tile[:40, :40])
    across_seam = np.abs(plane[40] - plane[39]).mean()
    elsewhere = np.abs(plane[60] - plane[59]).mean()
    assert across_seam == pytest.approx(elsewhere, rel=0.35)


def photograph(name: str) -> FloatArray:
    picture = getattr(data, name)()[:400, :400]
    colour = np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture
    return np.ascontiguousarray(colour, dtype=np.float32) / np.float32(255)


@pytest.mark.parametrize("name", ["gravel", "grass"])
def test_texture_is_no_grain(name: str) -> None:
    """A smooth ball on gravel would look like leather."""
    picture = photograph(name)
    where = np.ones(picture.shape[:2], dtype=bool)
    assert noise_sigma(picture, where).max() > 3 / 255
    assert measure_grain(picture, where) is None


@pytest.mark.parametrize("name", ["brick", "chelsea", "coffee"])
@pytest.mark.parametrize("sigma", [2.0, 4.0])
def test_a_photographs_grain_is_measured_beside_its_texture(name: str, sigma: float) -> None:
    clean = photograph(name)
    noise = np.random.default_rng(5).standard_normal(clean.shape).astype(np.float32) * np.float32(sigma / 255)
    grain = measure_grain(np.clip(clean + noise, 0, 1), np.ones(clean.shape[:2], dtype=bool))
    assert grain is not None
    assert grain.sigma.mean() * 255 == pytest.approx(sigma, rel=0.15)
