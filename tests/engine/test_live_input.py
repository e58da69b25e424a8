"""What canvases become before a live frame sees them."""

from __future__ import annotations

import numpy as np
import pytest
from impasto_protocol.errors import BadImage, SizeMismatch
from impasto_server.engine.live_input import Followed, check_size, live_mask, show, working_size

from tests.engine.conftest import disc, picture


@pytest.mark.parametrize(
    ("picture_size", "longest_px", "expected"),
    [
        ((512, 512), 0, (512, 512)),  # up to the native size as it is
        ((300, 200), 0, (304, 200)),
        ((4096, 2048), 0, (512, 256)),
        ((1000, 10), 0, (512, 128)),  # a strip is stretched
        ((512, 512), 256, (256, 256)),
        ((200, 100), 768, (768, 384)),
        ((333, 333), 333, (336, 336)),
    ],
)
def test_the_working_size_lies_on_the_grid(
    picture_size: tuple[int, int], longest_px: int, expected: tuple[int, int]
) -> None:
    assert working_size(picture_size, longest_px, native_px=512, grid=8) == expected


def test_a_picture_of_the_working_size_is_shown_as_it_is() -> None:
    given, out = picture(40, 56), np.zeros((40, 56, 3), np.uint8)
    show(given, out)
    assert np.array_equal(out, given)


@pytest.mark.parametrize("size", [(80, 112), (100, 70), (20, 28), (41, 56)])
def test_other_sizes_are_averaged_or_interpolated(size: tuple[int, int]) -> None:
    flat = np.full((*size, 3), (10, 120, 250), np.uint8)
    half = flat.copy()
    half[:, size[1] // 2 :] = 0
    out = np.zeros((40, 56, 3), np.uint8)
    show(flat, out)
    assert (out == (10, 120, 250)).all()
    show(half, out)
    assert (out[:, :24] == (10, 120, 250)).all()
    assert (out[:, 32:] == 0).all()


def test_transparency_is_white_and_mixes_before_it_is_reduced() -> None:
    """A transparent pixel's own colour, which nobody sees, must not bleed into its neighbours."""
    clear = np.zeros((80, 112, 4), np.uint8)
    clear[:, :, :3] = (255, 0, 0)
    out = np.zeros((40, 56, 3), np.uint8)
    show(clear, out)
    assert (out == 255).all()
    clear[:, :, 3] = 128
    show(clear, out)
    assert np.abs(out.astype(int) - (255, 127, 127)).max() <= 1
    clear[:, :, 3] = 255
    show(clear, out)
    assert (out == (255, 0, 0)).all()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.uint16), np.zeros((0, 8, 3), np.uint8)],
)
def test_other_pictures_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(BadImage):
        show(wrong, np.zeros((8, 8, 3), np.uint8))


def test_a_canvas_is_looked_at_again_only_when_it_has_changed() -> None:
    seen: list[tuple[int, int]] = []

    def make(pixels: np.ndarray, size: tuple[int, int]) -> object:
        seen.append(size)
        return object()

    followed = Followed(make)
    canvas = picture(16, 16)
    first = followed.at(canvas, (16, 16))
    assert followed.at(canvas.copy(), (16, 16)) is first
    assert followed.at(canvas, (8, 8)) is not first
    canvas[3, 3] ^= 1  # in place, as the front's mirror changes
    assert followed.at(canvas, (8, 8)) is not first
    assert seen == [(16, 16), (8, 8), (8, 8)]


@pytest.mark.parametrize("size", [(64, 64), (32, 32), (96, 96)])
def test_what_is_not_selected_keeps_its_bytes(size: tuple[int, int]) -> None:
    selected = disc(64, 64, 30, 34, 16)
    mask = live_mask(selected, size, 8)
    assert mask is not None
    assert mask.release.shape == (size[1] // 8, size[0] // 8)
    given, painted = picture(size[1], size[0]), picture(size[1], size[0], seed=5)
    kept = painted.copy()
    mask.keep(given, kept)
    scale = size[0] / 64
    rows, columns = (np.mgrid[: size[1], : size[0]] + 0.5) / scale
    distance = np.hypot(columns - 30.5, rows - 34.5)
    assert np.array_equal(kept[distance > 18.5], given[distance > 18.5])
    assert np.array_equal(kept[distance < 8], painted[distance < 8])


def test_nothing_selected_is_no_mask() -> None:
    assert live_mask(np.zeros((64, 64), np.uint8), (64, 64), 8) is None
    one = np.zeros((64, 64), np.uint8)
    one[30, 30] = 1
    assert live_mask(one, (32, 32), 8) is not None  # never lost, however small


def test_sizes_are_compared_with_the_picture_s() -> None:
    check_size("mask", np.zeros((8, 4), np.uint8), np.zeros((8, 4, 3), np.uint8))
    with pytest.raises(SizeMismatch, match="mask is 8×4 px"):
        check_size("mask", np.zeros((4, 8), np.uint8), np.zeros((8, 4, 3), np.uint8))
