"""Views brought together on the surface, at every step and of any number of channels."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texturing import shapes
from tests.texturing.stage import MESHES, Stage, look_at


def latents(stage: Stage, px: int, channels: int = 4) -> list[np.ndarray]:
    """What each view sees of a field in space."""
    made = []
    for number, view in enumerate(stage.views):
        small = Stage(*stage.meshes, side=8)
        small.add(view.resized(px, px))
        picture = small.photograph(0)
        made.append(np.concatenate([picture, picture], 2)[:, :, :channels])
        assert number < 8
    return made


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
@pytest.mark.parametrize("sharpness", [0.0, 3.0, 6.0])
def test_views_that_agree_stay_as_they_are(channels: int, sharpness: float) -> None:
    stage = Stage(shapes.torus(), side=256)
    stage.around(8, 512)
    given = latents(stage, 64, channels)
    for one, other in zip(given, stage.atelier.agree(given, sharpness), strict=True):
        assert other.shape == one.shape
        assert other.dtype == np.float32
        assert np.abs(one - other).mean() < 0.02


def test_what_is_the_same_everywhere_stays_the_same_to_the_very_rim() -> None:
    stage = Stage(shapes.suzanne(), side=256)
    stage.around(3, 256)
    given = [np.full((64, 64, 4), 0.7, np.float32)] * 3
    for made in stage.atelier.agree(given, 3.0):
        assert np.abs(made - 0.7).max() < 1e-4


def test_views_that_differ_meet() -> None:
    stage = Stage(shapes.torus(), side=256)
    stage.around(8, 512)
    rng = np.random.default_rng(0)
    given = [np.broadcast_to(rng.normal(size=4), (64, 64, 4)).astype(np.float32) for _ in range(8)]
    spread = []
    for sharpness in (0.0, 6.0):
        made = stage.atelier.agree(given, sharpness)
        on = [small_silhouette(stage, number) for number in range(8)]
        spread.append(
            np.std([one[mask].mean(axis=0) for one, mask in zip(made, on, strict=True)], axis=0).mean()
        )
        for one, other, mask in zip(given, made, on, strict=True):
            assert np.array_equal(one[~mask], other[~mask])  # what is not surface
    before = np.std([one[0, 0] for one in given], axis=0).mean()
    assert spread[0] < 0.5 * before
    assert spread[0] < spread[1] < before


def small_silhouette(stage: Stage, number: int) -> np.ndarray:
    small = Stage(*stage.meshes, side=8)
    small.add(stage.views[number].resized(64, 64))
    return small.atelier.silhouette(0)


def test_a_view_alone_keeps_its_details() -> None:
    """What is read back of one view is that view: nothing blurs from step to step."""
    stage = Stage(MESHES["cube"](), side=512)
    stage.add(look_at((2.6, -3.4, 2.2), (0, 0, 0), (512, 512)))
    given = np.random.default_rng(0).normal(size=(64, 64, 4)).astype(np.float32)
    (made,) = stage.atelier.agree([given], 2.0)
    margin = stage.margin(0)[4::8, 4::8]
    inner = margin > 8
    assert inner.sum() > 300
    assert np.corrcoef(made[inner].ravel(), given[inner].ravel())[0, 1] > 0.97


def test_some_views_may_agree_without_the_others_and_sizes_may_change() -> None:
    stage = Stage(shapes.torus(), side=64)
    stage.around(4, 128)
    rng = np.random.default_rng(0)
    few = [rng.normal(size=(16, 16, 4)).astype(np.float32) for _ in range(2)]
    all_four = [rng.normal(size=(32, 32, 3)).astype(np.float32) for _ in range(4)]
    first = stage.atelier.agree(few, 1.0, [1, 3])
    assert [one.shape for one in first] == [(16, 16, 4)] * 2
    assert [one.shape for one in stage.atelier.agree(all_four, 1.0)] == [(32, 32, 3)] * 4
    again = stage.atelier.agree(few, 1.0, [1, 3])
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
