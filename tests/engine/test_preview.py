"""Previews: close to what the decoder would show, for any autoencoder whose latents follow colour."""

from __future__ import annotations

import numpy as np
import torch
from impasto_server.engine import preview


def encoder(picture: np.ndarray) -> torch.Tensor:
    """Latents that mix the mean colours of 8 px cells, as real ones nearly do, and an unrelated channel."""
    cells = picture.reshape(picture.shape[0] // 8, 8, -1, 8, 3).mean((1, 3))
    mix = np.array([[2, -1, 0.5], [0.3, 1, -2], [1, 1, 1], [-1, 0.2, 0.7]])
    latents = cells @ mix.T - 0.4
    noise = np.random.default_rng(0).normal(size=(*latents.shape[:2], 1))
    return torch.from_numpy(np.concatenate([latents, noise], 2)).permute(2, 0, 1)[None].float()


def test_a_preview_shows_the_colours_of_the_picture() -> None:
    palette = preview.palette(8)
    fitted = preview.fit(encoder(palette), palette)
    scene = np.zeros((96, 160, 3), np.float32)
    scene[:, 80:] = (0.9, 0.4, 0.1)
    shown = fitted.picture(encoder(scene))
    assert (shown.width, shown.height) == (20, 12)
    pixels = np.frombuffer(shown.data or b"", np.uint8).reshape(12, 20, 3)
    assert np.abs(pixels[:, :10].astype(int)).max() <= 4
    assert np.abs(pixels[:, 10:].astype(int) - np.array([230, 102, 26])).max() <= 4


def test_a_preview_of_a_large_picture_stays_small() -> None:
    palette = preview.palette(8)
    shown = preview.fit(encoder(palette), palette).picture(torch.zeros(1, 5, 100, 400))
    assert (shown.width, shown.height) == (128, 32)


def test_broken_latents_give_a_preview_all_the_same() -> None:
    palette = preview.palette(8)
    shown = preview.fit(encoder(palette), palette).picture(torch.full((1, 5, 4, 4), float("nan")))
    assert shown.data == bytes(48)


def test_the_palette_has_varied_colours() -> None:
    cells = preview.palette(8)[::8, ::8].reshape(-1, 3)
    assert cells.min() >= 0 <= cells.max() <= 1
    assert np.linalg.eigvalsh(np.cov(cells.T)).min() > 0.03
