"""From an artist's drawing, a renderer's depth or an edge map to what a ControlNet was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from impasto_protocol.errors import BadImage
from impasto_server.compositing.geometry import Box
from impasto_server.engine.control_images import control_image
from impasto_server.models.control_kinds import LINES

WHOLE = Box(0, 0, 64, 64)


def cross(dtype: str = "uint8") -> np.ndarray:
    """White lines on black, one pixel wide, (64, 64)."""
    peak = 255 if dtype == "uint8" else 65535
    pixels = np.zeros((64, 64), dtype)
    pixels[20], pixels[:, 30] = peak, peak
    return pixels


def made(kind: str, pixels: np.ndarray, size: tuple[int, int] = (64, 64), context: Box = WHOLE) -> np.ndarray:
    return control_image(kind, pixels).cut(context, size, size)


WHITE = made("scribble", cross())


@pytest.mark.parametrize("kind", sorted(LINES))
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_lines_are_white_on_black_however_they_were_drawn(kind: str, dtype: str) -> None:
    line, peak = cross(dtype), 255 if dtype == "uint8" else 65535
    rgb = np.dstack([line] * 3)
    drawings = {
        "white on black": line,
        "ink on paper": peak - line,
        "colour": rgb,
        "opaque": np.dstack([rgb, np.full_like(line, peak)]),
        "paper with alpha": np.dstack([peak - rgb, np.full_like(line, peak)]),
        "dark strokes on a transparent layer": np.dstack([np.zeros_like(rgb), line]),
        "light strokes on a transparent layer": np.dstack([np.full_like(rgb, peak), line]),
    }
    for name, drawing in drawings.items():
        image = made(kind, drawing)
        assert (image.shape, image.dtype) == ((64, 64, 3), np.float32), name
        assert np.array_equal(image, WHITE), name
    assert (WHITE.max(), WHITE.mean()) == (1.0, cross().mean() / 255)


@pytest.mark.parametrize("pixels", [np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64), np.uint8)])
def test_an_empty_drawing_has_no_lines(pixels: np.ndarray) -> None:
    assert made("scribble", pixels).max() == 0.0


def test_whether_lines_are_inverted_does_not_depend_on_the_crop() -> None:
    """A crop of white paper with one thick black bar is mostly black, and still ink on paper."""
    paper = np.full((64, 64), 255, np.uint8)
    paper[:16, :16] = 0
    assert made("edges", paper, (16, 16), Box(0, 0, 16, 16)).min() == 1.0


@pytest.mark.parametrize("size", [(63, 63), (40, 40), (16, 16), (5, 5)])
@pytest.mark.parametrize("ink", [False, True], ids=["white", "ink"])
def test_lines_do_not_fade_when_shrunk(size: tuple[int, int], ink: bool) -> None:
    image = made("scribble", 255 - cross() if ink else cross(), size)[:, :, 0]
    row, column = int(20.5 * size[1] / 64), int(30.5 * size[0] / 64)
    assert (image[row].min(), image[:, column].min()) == (1.0, 1.0)
    assert np.count_nonzero(image) == sum(size) - 1, "and stay one pixel wide"


@pytest.mark.parametrize("kind", ["depth", "normal", "something new"])
def test_other_kinds_are_averaged_and_never_inverted(kind: str) -> None:
    pixels = np.full((64, 64), 200, np.uint8)
    pixels[:, ::2] = 240
    image = made(kind, pixels, (16, 16))
    assert np.allclose(image, 220 / 255, atol=2e-3)


def test_transparent_parts_are_far() -> None:
    pixels = np.full((64, 64, 4), 255, np.uint8)
    pixels[:, 32:, 3] = 0
    image = made("depth", pixels)
    assert (image[:, :32].min(), image[:, 32:].max()) == (1.0, 0.0)


def test_gray_with_16_bits_keeps_them() -> None:
    ramp = np.tile(np.arange(64, dtype=np.uint16) * 7, (64, 1))
    assert np.allclose(made("depth", ramp)[0, :, 0], ramp[0] / 65535, atol=1e-7)


def test_distances_become_nearness_and_a_far_background_takes_nothing_of_the_range() -> None:
    distances = np.full((64, 64), 1e10, np.float32)  # what Blender renders where nothing is
    distances[10:50, 10:20], distances[10:50, 20:30], distances[10:50, 30:40] = 2.0, 4.0, 8.0
    distances[0], distances[1], distances[2] = np.inf, np.nan, -3.0
    image = made("depth", distances)[:, :, 0]
    assert np.allclose(image[30, [15, 25, 35, 60]], [1.0, 0.5, 0.25, 0.0], atol=1e-6)
    assert image[:3].max() == 0.0


def test_the_range_of_distances_is_the_whole_canvas_s() -> None:
    distances = np.linspace(1.0, 3.0, 64, dtype=np.float32)[:, None].repeat(64, 1)
    part = Box(0, 40, 64, 24)
    assert np.array_equal(made("depth", distances, (64, 24), part), made("depth", distances)[40:])


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_distances_without_any_sense_are_black(value: float) -> None:
    assert made("depth", np.full((64, 64), value, np.float32)).max() == 0.0


def test_one_distance_everywhere_is_near() -> None:
    assert made("depth", np.full((64, 64), 5.0, np.float32)).min() == 1.0


def test_distances_steer_nothing_but_depth() -> None:
    with pytest.raises(BadImage, match="“depth” only"):
        control_image("scribble", np.ones((64, 64), np.float32))
