"""The denoise, release and composite masks; and the release rule of bar B7."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_server.compositing import masks
from impasto_server.compositing.geometry import Box

from tests.compositing.scenes import Selection, selections


@given(selections(low=1, high=160))
@settings(deadline=None)
def test_the_composite_is_zero_wherever_the_artists_mask_is_zero(selection: Selection) -> None:
    alpha = masks.composite_alpha(selection.mask)
    assert not alpha[selection.mask == 0].any()
    assert alpha.min() >= 0.0
    assert alpha.max() <= 1.0
    assert (alpha <= selection.mask / np.float32(255) + 1e-6).all()


@given(selections(low=1, high=160))
@settings(deadline=None)
def test_something_of_every_hard_selection_is_painted_opaquely(selection: Selection) -> None:
    hard = np.where(selection.mask >= 128, 255, 0).astype(np.uint8)
    if hard.any():
        assert masks.composite_alpha(hard).max() == 1.0


def test_the_ramp_runs_inwards_over_eight_pixels() -> None:
    mask = np.zeros((64, 120), dtype=np.uint8)
    mask[:, 40:] = 255
    row = masks.composite_alpha(mask)[32]
    assert np.allclose(row[38:50], [0, 0, *((np.arange(8) + 0.5) / 8), 1, 1])


def test_small_selections_have_short_ramps() -> None:
    sides = [1, 80, 128, 320, 4000]
    assert [masks.ramp_px(Box(0, 0, side, 5000)) for side in sides] == [2.0, 2.0, 3.2, 8.0, 8.0]
    assert masks.ramp_px(Box(0, 0, 5000, 128)) == 3.2


def test_the_canvas_edge_is_no_border_of_the_selection() -> None:
    assert (masks.composite_alpha(np.full((20, 30), 255, np.uint8)) == 1.0).all()


def test_a_single_pixel_is_painted_in_full() -> None:
    mask = np.zeros((9, 9), dtype=np.uint8)
    mask[4, 4] = 255
    assert masks.composite_alpha(mask)[4, 4] == 1.0


def test_a_thin_stroke_is_opaque_along_its_middle() -> None:
    mask = np.zeros((60, 200), dtype=np.uint8)
    cv2.line(mask, (20, 30), (180, 30), 255, 5)
    assert (masks.composite_alpha(mask)[30, 20:180] == 1.0).all()


def test_a_soft_selection_keeps_its_softness() -> None:
    mask = np.tile(np.linspace(0, 255, 256).astype(np.uint8), (40, 1))
    alpha = masks.composite_alpha(mask)
    assert np.allclose(alpha, mask / 255.0, atol=1e-6)


@given(selections(low=100, high=260), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_alpha_in_strips_equals_alpha_of_the_whole(selection: Selection, cut: int) -> None:
    whole = masks.composite_alpha(selection.mask)
    top, bottom = max(cut - masks.ALPHA_HALO_PX, 0), cut + 1 + masks.ALPHA_HALO_PX
    strip = masks.composite_alpha(np.ascontiguousarray(selection.mask[top:bottom]))
    assert np.allclose(strip[cut - top], whole[cut], atol=1e-6)


@given(selections(low=8, high=200))
@settings(deadline=None)
def test_the_denoise_mask_covers_the_selection_and_nothing_else(selection: Selection) -> None:
    size = (selection.mask.shape[1], selection.mask.shape[0])
    soft, touched = masks.working_masks(selection.mask, size)
    denoise = masks.denoise_mask(soft, touched)
    assert (denoise >= soft).all()
    assert (denoise[selection.mask == 255] == 1.0).all()
    assert np.array_equal(denoise > 0.0, selection.mask > 0)


@given(selections(low=120, high=420), st.integers(8, 40), st.integers(8, 40))
@settings(deadline=None)
def test_no_selection_is_lost_by_a_strong_reduction(selection: Selection, width: int, height: int) -> None:
    soft, touched = masks.working_masks(selection.mask, (width, height))
    assert touched.any()
    rows, columns = np.nonzero(selection.mask)
    full_height, full_width = selection.mask.shape
    for row, column in zip(rows[::37], columns[::37], strict=True):
        assert touched[row * height // full_height, column * width // full_width]
    assert masks.denoise_mask(soft, touched).max() == 1.0


def test_masks_of_every_type_mean_the_same() -> None:
    byte = np.zeros((40, 40), dtype=np.uint8)
    byte[10:20, 12:30] = 255
    for other in (byte > 0, (byte / 255).astype(np.float32), byte / 255.0, byte.astype(np.uint16) * 257):
        assert np.array_equal(masks.composite_alpha(other), masks.composite_alpha(byte))
        for size in ((40, 40), (25, 17), (66, 52)):
            ours, reference = masks.working_masks(other, size), masks.working_masks(byte, size)
            assert np.allclose(ours[0], reference[0], atol=2 / 255)
            assert np.array_equal(ours[1], reference[1])


def test_a_latent_cell_is_released_where_half_of_it_is_selected() -> None:
    denoise = np.zeros((24, 40), dtype=np.float32)
    denoise[:, :20] = 1.0  # two cells and a half
    denoise[:, 8] = 0.25
    assert masks.release_mask(denoise, 8).tolist() == [[1.0, 1.0, 1.0, 0.0, 0.0]] * 3
    denoise[:, 19] = 0.0
    assert masks.release_mask(denoise, 8).tolist() == [[1.0, 1.0, 0.0, 0.0, 0.0]] * 3


def test_a_soft_cell_is_released_as_early_as_its_strongest_pixel() -> None:
    denoise = np.full((8, 8), 0.25, dtype=np.float32)
    denoise[3, 4] = 0.75
    assert masks.release_mask(denoise, 8).tolist() == [[0.75]]


def test_every_cell_of_a_thin_selection_is_released() -> None:
    denoise = np.zeros((32, 80), dtype=np.float32)
    denoise[10:12, 5:70] = 1.0
    assert masks.release_mask(denoise, 8)[1].tolist() == [1.0] * 9 + [0.0]


def test_the_reach_is_a_cell_beyond_what_is_released_early_enough() -> None:
    release, touched = np.zeros((5, 5), dtype=np.float32), np.zeros((40, 40), dtype=bool)
    release[2, 2], touched[0, 0] = 0.25, True
    reach = masks.reach_mask(release, touched, 8)
    assert reach[8:32, 8:32].all()
    assert reach.sum() == 24 * 24 + 1
    release[2, 2] = 0.2
    assert masks.reach_mask(release, touched, 8).sum() == 1


def test_few_steps_get_a_hard_or_two_level_release() -> None:
    soft = np.linspace(0, 1, 101, dtype=np.float32)
    assert set(masks.levelled(soft, 4)) == {0.0, 1.0}
    assert set(masks.levelled(soft, 8)) == {0.0, 0.5, 1.0}
    assert masks.levelled(soft, 9) is soft
    for steps in (1, 4, 5, 8, 20):
        assert masks.levelled(soft, steps)[0] == 0.0
        assert masks.levelled(soft, steps)[-1] == 1.0


@given(st.integers(1, 100), st.floats(0.0, 1.0))
def test_a_release_value_is_the_share_of_the_steps_a_latent_is_free(steps: int, value: float) -> None:
    free = np.float32(value) >= masks.release_thresholds(steps)
    assert (np.diff(free.astype(int)) >= 0).all()
    assert free.mean() == pytest.approx(value, abs=0.5 / steps + 1e-6)


def test_a_pass_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        masks.release_thresholds(0)


@pytest.mark.parametrize("steps", [2, 4, 8, 20])
def test_known_latents_stand_at_the_noise_of_the_next_step_and_end_clean(steps: int) -> None:
    random = np.random.default_rng(steps)
    clean, noise, target = random.standard_normal((3, 4, 6, 10)).astype(np.float32)
    keep = np.append(np.linspace(0.1, 0.95, steps), 1.0).astype(np.float32)
    release = np.zeros((6, 10), dtype=np.float32)
    release[:, 3:7], release[:, 7:] = 0.5, 1.0

    def noised(step: int) -> np.ndarray:
        return np.sqrt(keep[step]) * clean + np.sqrt(1 - keep[step]) * noise

    latents = noised(0)
    for step in range(steps):
        estimate = (latents - np.sqrt(keep[step]) * target) / np.sqrt(1 - keep[step])
        latents = np.sqrt(keep[step + 1]) * target + np.sqrt(1 - keep[step + 1]) * estimate
        free = latents.copy()
        latents = masks.hold_known(latents, noised(step + 1), release, step, steps)
        assert np.abs(latents[..., :3] - noised(step + 1)[..., :3]).max() <= 1e-5
        assert np.array_equal(latents[..., 7:], free[..., 7:])
        held = np.array_equal(latents[..., 3:7], noised(step + 1)[..., 3:7])
        assert held == (step + 0.5 < steps / 2)
    assert np.array_equal(latents[..., :3], clean[..., :3])
    assert np.abs(latents[..., 7:] - target[..., 7:]).max() <= 1e-4
