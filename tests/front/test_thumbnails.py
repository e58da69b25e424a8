"""Small copies show what the layer shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from impasto_protocol.errors import NoSuchInput
from impasto_protocol.rasters import PixelFormat
from impasto_server.blobs import BlobRef, BlobStore
from impasto_server.compositing.raster import Raster
from impasto_server.front import averaging, thumbnails
from impasto_server.front.averaging import thumbnail
from impasto_server.front.thumbnails import Thumbnails


def filled(height: int, width: int, *colour: int, dtype: str = "uint8") -> Raster:
    return np.broadcast_to(np.array(colour, dtype), (height, width, len(colour))).copy()


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (512, 1024, (64, 128)),
        (1000, 300, (128, 38)),
        (40, 60, (40, 60)),
        (3000, 2, (128, 1)),
        (129, 128, (128, 127)),
    ],
)
def test_the_proportions_stay_and_nothing_is_enlarged(height: int, width: int, size: tuple[int, int]) -> None:
    assert thumbnail(filled(height, width, 9, 9, 9, 100), 128).shape == (*size, 4)
    assert thumbnail(filled(height, width, 9, 9, 9), 128).shape == (*size, 4)


def test_a_thin_line_is_averaged_in_not_skipped() -> None:
    pixels = filled(512, 512, 0, 0, 0)
    pixels[:, 3] = 255
    small = thumbnail(pixels, 64)
    assert {tuple(pixel) for pixel in small[:, 0]} == {(32, 32, 32, 255)}
    assert small[:, 1:, :3].max() == 0


def test_the_colour_of_what_is_transparent_does_not_bleed_in() -> None:
    pixels = filled(256, 256, 0, 255, 0, 0)  # green that nobody sees
    pixels[::2, :] = (200, 0, 0, 255)
    assert {tuple(pixel) for pixel in thumbnail(pixels, 64).reshape(-1, 4)} == {(200, 0, 0, 128)}


def test_a_transparent_layer_is_transparent() -> None:
    assert thumbnail(filled(256, 256, 7, 7, 7, 0), 64)[:, :, 3].max() == 0


@pytest.mark.parametrize("shape", [(700, 333), (64, 64)])
def test_16_bits_show_what_8_bits_show(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 4), np.uint8)
    wide = pixels.astype(np.uint16) * 257
    difference = thumbnail(wide, 50).astype(int) - thumbnail(pixels, 50)
    assert np.abs(difference).max() <= 1


def test_a_map_is_shown_in_gray() -> None:
    small = thumbnail(filled(100, 100, 77), 50)
    assert {tuple(pixel) for pixel in small.reshape(-1, 4)} == {(77, 77, 77, 255)}


def test_bands_make_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (600, 400, 4), np.uint8)
    whole = thumbnail(pixels, 60)
    monkeypatch.setattr(averaging, "_BAND_PX", 4000)
    assert np.abs(thumbnail(pixels, 60).astype(int) - whole).max() <= 1


def stored(home: Path, value: int) -> BlobRef:
    return BlobStore(home).put(bytes([value]) * (64 * 64 * 3), 64, 64, PixelFormat.RGB8)


def test_a_thumbnail_is_made_once_and_the_longest_unasked_for_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "CACHE_BYTES", 2 * 16 * 16 * 4)
    small = Thumbnails(BlobStore(tmp_path))
    one, two, three = (stored(tmp_path, value) for value in (1, 2, 3))
    first = small.of(one, 16)
    assert first.data == bytes([1, 1, 1, 255]) * 256
    small.of(two, 16)
    assert small.of(one, 16) is first
    small.of(three, 16)  # takes the place of `two`
    for ref in (one, two, three):
        (tmp_path / ref.digest).unlink()
    assert small.of(one, 16) is first
    with pytest.raises(NoSuchInput):
        small.of(two, 16)
