"""Colours that drift from view to view are brought together."""

from __future__ import annotations

import numpy as np
import pytest
from impasto_server.texturing.sight import Sight
from impasto_server.texturing.solve import Solved, solve_colours

from tests.texturing import shapes
from tests.texturing.stage import Stage


def all_of(count: int, among: slice = slice(None)) -> Sight:
    texels = np.arange(count, dtype=np.int32)[among]
    return Sight(texels, *(np.zeros((len(texels), 2), np.float32),) * 4)


def solved(colours: list[np.ndarray], fixed: tuple[int, ...] = (), patch: int = 16) -> Solved:
    """All views see all texels."""
    count = len(colours[0])
    ones = [np.ones(count, np.float32)] * len(colours)
    patches = (np.arange(count) // patch).astype(np.int32)
    return solve_colours([all_of(count)] * len(colours), colours, ones, patches, fixed)


def waves(count: int = 8000) -> np.ndarray:
    """(count, 3) 0..1 that vary over many patches."""
    at = np.linspace(0, 60, count)
    return np.stack([0.5 + 0.3 * np.sin(at + i) for i in range(3)], 1).astype(np.float32)


def test_drift_is_taken_away_wherever_views_overlap() -> None:
    rng = np.random.default_rng(3)
    gains, offsets = 1 + rng.uniform(-0.05, 0.05, (8, 3)), rng.uniform(-0.05, 0.05, (8, 3))
    errors = []
    for drifting in (True, False):
        stage = Stage(shapes.torus(), side=512)

        def drift(number: int, picture: np.ndarray, on: bool = drifting) -> np.ndarray:
            return (picture * gains[number] + offsets[number]).astype(np.float32) if on else picture

        stage.paint(stage.around(), drift)
        given = stage.texels(stage.atelier.finish())[:, :3] / 255.0
        truth = shapes.painted(stage.positions)
        fits = [
            np.polyfit(given[:, i], truth[:, i], 1) for i in range(3)
        ]  # one gain and offset none can know
        errors.append(
            np.sqrt(np.mean([(np.polyval(fits[i], given[:, i]) - truth[:, i]) ** 2 for i in range(3)]))
        )
    assert errors[1] < 0.004
    assert errors[0] < 0.006


def test_a_view_that_is_fixed_stays_and_the_others_come_to_it() -> None:
    truth = waves()
    found = solved([truth, truth * 0.9 + 0.04, truth * 1.1 - 0.02], (0,))
    assert np.array_equal(found.gains[0], np.ones(3))
    assert np.array_equal(found.offsets[0], np.zeros(3))
    for view, given in ((1, truth * 0.9 + 0.04), (2, truth * 1.1 - 0.02)):
        assert np.allclose(found.applied(view, given), truth, atol=0.01)


def test_views_that_are_fixed_alone_come_to_each_other_alone() -> None:
    truth = waves()
    found = solved([truth * 0.95, truth * 1.05, truth * 0.8], (0, 1))
    alone = solved([truth * 0.95, truth * 1.05])
    assert np.allclose(found.gains[:2], alone.gains)
    assert np.allclose(found.applied(2, truth * 0.8), truth, atol=0.015)


def test_without_a_fixed_view_the_mean_stays() -> None:
    truth = waves()
    found = solved([truth * 0.95 - 0.02, truth * 1.05 + 0.02])
    assert np.allclose(found.gains.mean(axis=0), 1.0, atol=0.002)
    assert np.allclose(found.offsets.mean(axis=0), 0.0, atol=0.002)


def test_pictures_of_different_details_keep_their_contrast() -> None:
    """Noise that no gain can take away must not teach it to take everything away."""
    rng = np.random.default_rng(0)
    found = solved(
        [np.clip(waves() + rng.normal(0, 0.15, (8000, 3)), 0, 1).astype(np.float32) for _ in range(6)]
    )
    assert found.gains == pytest.approx(1.0, abs=0.03)
    apart = solved([rng.uniform(0, 1, (8000, 3)).astype(np.float32) for _ in range(4)], patch=1)
    assert apart.gains == pytest.approx(1.0, abs=0.05)
    with_fixed = solved(
        [waves(), np.clip(waves() + rng.normal(0, 0.15, (8000, 3)), 0, 1).astype(np.float32)], (0,)
    )
    assert with_fixed.gains == pytest.approx(1.0, abs=0.05)


def test_a_spot_that_one_view_paints_otherwise_does_not_change_the_rest() -> None:
    truth = waves()
    spotted = truth.copy()
    spotted[:1200] = (1.0, 0.0, 0.0)
    found = solved([truth, spotted], (0,))
    away = np.abs(found.applied(1, spotted) - truth)[1200:].mean()
    assert away < 0.03


def test_views_that_share_nothing_leave_each_other_alone() -> None:
    colours = [np.full((500, 3), 0.2, np.float32), np.full((500, 3), 0.9, np.float32)]
    sights = [all_of(1000, slice(0, 500)), all_of(1000, slice(500, None))]
    found = solve_colours(sights, colours, [np.ones(500, np.float32)] * 2, np.zeros(1000, np.int32))
    assert np.array_equal(found.gains, np.ones((2, 3)))
    assert np.array_equal(found.offsets, np.zeros((2, 3)))


def test_a_whole_other_picture_is_not_bent_into_this_one() -> None:
    found = solved([np.full((2000, 3), 0.1, np.float32), np.full((2000, 3), 0.9, np.float32)], (0,))
    assert np.allclose(found.gains, 1.0)
    assert np.allclose(found.offsets, 0.0, atol=1e-6)
