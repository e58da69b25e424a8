"""ΔE00 against the paper and another implementation; the seam and edge measures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_server.compositing.metrics import (
    boundary_gradient_ratio,
    delta_e_2000,
    percentile_95,
    seam_steps,
    signed_distance,
    srgb_to_lab,
)
from skimage.color import deltaE_ciede2000, rgb2lab

from tests.compositing.scenes import sky, texture

# Table 1 of Sharma, Wu and Dalal (2005): L1 a1 b1 L2 a2 b2 ΔE00.
SHARMA = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def test_delta_e_gives_the_papers_numbers_both_ways() -> None:
    table = np.array([[float(value) for value in line.split()] for line in SHARMA.strip().splitlines()])
    assert len(table) == 34
    for first, second in ((slice(0, 3), slice(3, 6)), (slice(3, 6), slice(0, 3))):
        assert delta_e_2000(table[:, first], table[:, second]) == pytest.approx(table[:, 6], abs=5e-5)


@given(st.lists(st.tuples(*[st.floats(0.0, 1.0)] * 6), min_size=1, max_size=50))
def test_delta_e_of_srgb_colours_agrees_with_scikit_image(pairs: list[tuple[float, ...]]) -> None:
    colours = np.array(pairs)
    ours = [srgb_to_lab(colours[:, :3]), srgb_to_lab(colours[:, 3:])]
    theirs = [rgb2lab(colours[:, :3]), rgb2lab(colours[:, 3:])]
    assert np.allclose(ours[0], theirs[0], atol=0.02)
    difference = np.abs(delta_e_2000(theirs[0], theirs[1]) - deltaE_ciede2000(theirs[0], theirs[1]))
    # At exactly opposite hues both directions are right, and rounding picks one.
    assert np.median(difference) < 1e-6 or len(pairs) < 3
    assert difference.max() < 0.2


def disc() -> np.ndarray:
    mask = np.zeros((256, 256), dtype=np.uint8)
    cv2.circle(mask, (120, 130), 60, 255, -1)
    return mask > 0


def test_an_untouched_picture_has_no_step() -> None:
    picture = texture(256, 256, 1)
    assert seam_steps(picture, signed_distance(disc()), picture).max() < 1e-9


def test_a_pasted_cast_shows_as_a_step_on_every_arc() -> None:
    truth = sky(256, 256, 1)
    pasted = np.where(disc()[:, :, None], truth + np.float32(0.03), truth)
    steps = seam_steps(pasted, signed_distance(disc()), truth)
    assert len(steps) == 32
    assert steps.min() > 1.0
    assert percentile_95(seam_steps(pasted, signed_distance(disc()) - 20.0, truth)) < 0.01


def test_a_grey_step_measures_as_its_lightness_says() -> None:
    mask = disc()
    picture = np.where(mask[:, :, None], np.uint8(130), np.uint8(120)) * np.ones(3, dtype=np.uint8)
    greys = srgb_to_lab(np.array([[130 / 255] * 3, [120 / 255] * 3]))
    expected = delta_e_2000(greys[:1], greys[1:])[0]
    assert percentile_95(seam_steps(picture, signed_distance(mask))) == pytest.approx(expected, rel=1e-6)


def test_masks_without_a_border_have_no_arcs() -> None:
    picture = sky(40, 40, 1)
    everything = signed_distance(np.ones((40, 40), dtype=bool))
    assert seam_steps(picture, everything).size == 0
    assert boundary_gradient_ratio(picture, everything) == 1.0


def test_the_gradient_ratio_sees_a_hard_edge_and_a_blurred_one() -> None:
    truth, mask = sky(256, 256, 2), disc()
    signed = signed_distance(mask)
    assert boundary_gradient_ratio(truth, signed) == pytest.approx(1.0, abs=0.1)
    pasted = np.where(mask[:, :, None], truth + np.float32(0.1), truth)
    assert boundary_gradient_ratio(pasted, signed, truth) > 2.0
    smeared = np.where(mask[:, :, None], cv2.GaussianBlur(truth, (0, 0), 3), truth)
    assert boundary_gradient_ratio(smeared, signed, truth) < 0.9


def test_the_signed_distance_is_half_a_pixel_on_both_sides_of_the_border() -> None:
    row = signed_distance(np.tile(np.arange(10) >= 4, (5, 1)))[2]
    assert row[2:6].tolist() == [1.5, 0.5, -0.5, -1.5]
