"""Noise on objects: normal, the same from everywhere, and only where an object is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from impasto_server.engine.surface_noise import surface_noise
from impasto_server.texturing.atelier import Atelier, Target
from impasto_server.texturing.view import look_at

from tests.texturing import shapes

CELLS = (32, 32)


def painted(*places: tuple[float, float, float], seed: int = 3) -> tuple[Atelier, torch.Tensor]:
    atelier = Atelier([Target(shapes.sphere(), 64, 64)])
    numbers = [atelier.add_view(look_at(place, (0, 0, 0), (256, 256))) for place in places]
    return atelier, surface_noise(atelier, numbers, [CELLS] * len(numbers), CELLS, 4, seed)


def test_what_two_views_show_starts_from_the_same_numbers() -> None:
    atelier, noise = painted((0.0, -3.5, 0.0), (0.0, -3.5, 0.02))
    on = np.isfinite(atelier.places(0, *CELLS)[:, :, 0]) & np.isfinite(atelier.places(1, *CELLS)[:, :, 0])
    same = (noise[0] == noise[1]).all(dim=0).numpy()
    assert same[on].mean() > 0.5
    assert not same[~on].any()


@pytest.mark.parametrize("place", [(0.0, -3.5, 0.0), (2.0, -2.0, 2.0)])
def test_it_is_still_noise(place: tuple[float, float, float]) -> None:
    atelier, noise = painted(place)
    on = np.isfinite(atelier.places(0, *CELLS)[:, :, 0])
    values = noise[0].numpy()[:, on]
    assert abs(float(values.mean())) < 0.1
    assert 0.9 < float(values.std()) < 1.1
    grid = np.where(on, noise[0].numpy(), np.nan)
    neighbours = grid[:, :, 1:] * grid[:, :, :-1]
    assert abs(float(np.nanmean(neighbours))) < 0.25, "few cells share a piece of surface"


def test_a_seed_decides_it() -> None:
    assert torch.equal(painted((0.0, -3.5, 0.0))[1], painted((0.0, -3.5, 0.0))[1])
    assert not torch.equal(painted((0.0, -3.5, 0.0))[1], painted((0.0, -3.5, 0.0), seed=4)[1])


def test_views_that_see_nothing_get_plain_noise() -> None:
    atelier = Atelier([Target(shapes.cube(), 64, 64)])
    number = atelier.add_view(look_at((0, -4, 0), (0, -8, 0), (256, 256)))
    noise = surface_noise(atelier, [number], [CELLS], CELLS, 4, 3)
    assert noise.shape == (1, 4, 32, 32)
    assert 0.9 < float(noise.std()) < 1.1
