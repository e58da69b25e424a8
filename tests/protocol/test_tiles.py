"""After any edits and losses the receiver's mirror is the artist's picture, byte for byte."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from types import SimpleNamespace

import numpy  # noqa: F401  loaded, so that `tiles` finds it
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_protocol.errors import MalformedFrame
from impasto_protocol.messages import TILE_PX
from impasto_protocol.rasters import PixelFormat, bytes_per_pixel, raster_size
from impasto_protocol.tiles import (
    apply_tiles,
    changed_tiles,
    inflate_tiles,
    pack_tiles,
    squeeze_tiles,
    tile_count,
    tiles_size,
)

FORMATS = st.sampled_from(PixelFormat)
SIDES = st.one_of(st.integers(1, 5), st.integers(60, 70), st.integers(120, 140))
F = PixelFormat.RGBA8


@pytest.fixture(params=["with numpy", "without numpy"], autouse=True)
def numpy_or_not(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without numpy":
        _take_numpy_away(monkeypatch)


def _take_numpy_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """For `tiles` alone: hypothesis, too, looks into the true sys.modules."""
    monkeypatch.setattr("impasto_protocol.tiles.sys", SimpleNamespace(modules={}))


def edited(pixels: bytes, width: int, height: int, format: PixelFormat, chance: random.Random) -> bytes:
    """Rectangles, single bytes, or nothing at all, changed."""
    new, pixel = bytearray(pixels), bytes_per_pixel(format)
    for _ in range(chance.randint(0, 3)):
        if chance.random() < 0.3:
            new[chance.randrange(len(new))] ^= chance.randint(1, 255)
            continue
        x, y = chance.randrange(width), chance.randrange(height)
        w, h = chance.randint(1, width - x), chance.randint(1, height - y)
        for row in range(y, y + h):
            at = (row * width + x) * pixel
            new[at : at + w * pixel] = chance.randbytes(w * pixel)
    return bytes(new)


def plainly_changed(old: bytes, new: bytes, width: int, height: int, format: PixelFormat) -> list[int]:
    """Every row of every tile cut out and compared."""
    columns, pixel = -(-width // TILE_PX), bytes_per_pixel(format)
    found = set()
    for y in range(height):
        for column in range(columns):
            start = (y * width + column * TILE_PX) * pixel
            end = (y * width + min((column + 1) * TILE_PX, width)) * pixel
            if old[start:end] != new[start:end]:
                found.add(y // TILE_PX * columns + column)
    return sorted(found)


@given(SIDES, SIDES, FORMATS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_mirror_is_the_picture_after_any_sequence_with_losses(
    width: int, height: int, format: PixelFormat, chance: random.Random
) -> None:
    sent = chance.randbytes(raster_size(width, height, format))
    mirror = bytearray(sent)  # the key frame
    for _ in range(5):
        new = edited(sent, width, height, format, chance)
        tiles = changed_tiles(sent, new, width, height, format)
        encoding, data = squeeze_tiles(pack_tiles(sent, new, tiles, width, height, format))
        sent = new
        if chance.random() < 0.2:  # lost: the receiver sees the gap and is sent everything
            mirror[:] = new
            continue
        plain = inflate_tiles(encoding, data, tiles_size(tiles, width, height, format))
        apply_tiles(mirror, tiles, plain, width, height, format)
        assert mirror == new


@given(SIDES, SIDES, FORMATS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_exactly_the_tiles_that_differ_are_found(
    width: int, height: int, format: PixelFormat, chance: random.Random
) -> None:
    old = chance.randbytes(raster_size(width, height, format))
    new = edited(old, width, height, format, chance)
    expected = plainly_changed(old, new, width, height, format)
    assert changed_tiles(old, new, width, height, format) == expected
    assert changed_tiles(bytearray(old), bytearray(new), width, height, format) == expected


def test_tiles_are_numbered_in_rows_and_cropped_to_the_canvas() -> None:
    assert tile_count(129, 64) == 3
    assert tiles_size([0, 1], 129, 70, F) == 2 * 64 * 64 * 4
    assert tiles_size([2], 129, 70, F) == 1 * 64 * 4
    assert tiles_size([5], 129, 70, F) == 1 * 6 * 4
    old = bytes(raster_size(129, 70, PixelFormat.GRAY8))
    new = old[:-1] + b"\7"
    assert changed_tiles(old, new, 129, 70, PixelFormat.GRAY8) == [5]
    assert pack_tiles(old, new, [5], 129, 70, PixelFormat.GRAY8) == b"\0\0\0\0\0\7"


def test_both_ways_of_packing_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(4)
    old = chance.randbytes(raster_size(150, 130, F))
    new = edited(old, 150, 130, F, chance)
    tiles = list(range(tile_count(150, 130)))
    here = pack_tiles(old, new, tiles, 150, 130, F)
    _take_numpy_away(monkeypatch)
    assert pack_tiles(old, new, tiles, 150, 130, F) == here


@pytest.mark.parametrize("tiles", [[1, 0], [0, 0], [4], [-1]])
def test_wrong_tile_numbers_are_refused_and_nothing_changes(tiles: list[int]) -> None:
    mirror = bytearray(128 * 128 * 4)
    with pytest.raises(MalformedFrame):
        apply_tiles(mirror, tiles, b"\1" * (64 * 64 * 4 * len(tiles)), 128, 128, F)
    assert not any(mirror)


@pytest.mark.parametrize("size", [0, 64 * 64 * 4 - 1, 64 * 64 * 4 + 1])
def test_data_of_the_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(MalformedFrame):
        apply_tiles(bytearray(128 * 128 * 4), [0], bytes(size), 128, 128, F)


def test_rasters_of_the_wrong_size_are_refused() -> None:
    with pytest.raises(ValueError, match="128×128"):
        changed_tiles(b"", b"", 128, 128, F)


def test_a_decompression_bomb_makes_no_more_than_it_may() -> None:
    bomb = zlib.compress(bytes(20 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedFrame):
            inflate_tiles("zlib", bomb, 1000)
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("zlib", b"garbage"),
        ("zlib", b""),
        ("zlib", zlib.compress(b"abcd")[:-2]),
        ("zlib", zlib.compress(b"abcd") + b"x"),
        ("zlib", zlib.compress(b"abc")),
        ("raw", b"abc"),
        ("lzma", b"abcd"),
    ],
)
def test_broken_updates_are_refused(encoding: str, data: bytes) -> None:
    with pytest.raises(MalformedFrame):
        inflate_tiles(encoding, data, 4)


def test_noise_is_sent_raw_and_zeros_are_squeezed() -> None:
    noise = random.Random(1).randbytes(4096)
    assert squeeze_tiles(noise) == ("raw", noise)
    encoding, data = squeeze_tiles(bytes(4096))
    assert (encoding, len(data) < 100) == ("zlib", True)
