"""The server's mirror of a canvas is the client's canvas, byte for byte, or known to be stale."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol.errors import (
    BadImage,
    BadValue,
    ImageTooLarge,
    ImpastoError,
    MalformedFrame,
    StaleCanvas,
    UnknownCanvas,
)
from impasto_protocol.messages import (
    CanvasAck,
    CanvasRef,
    CanvasRows,
    CanvasStale,
    CanvasTiles,
    Limits,
    OpenCanvas,
    Pixels,
)
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_protocol.tiles import changed_tiles, pack_tiles
from impasto_server.front.canvases import INLINE_BYTES, Canvases, copy_chunks

RGB8 = PixelFormat.RGB8
LIMITS = Limits(
    frame_bytes=1 << 20, canvas_px=8192, canvases=3, canvas_bytes=80 << 20, jobs=4, takes=4, steps=50
)


def opened(width: int = 100, height: int = 70, format: PixelFormat = RGB8) -> Canvases:
    canvases = Canvases(LIMITS)
    canvases.open(OpenCanvas("c", width, height, format))
    return canvases


def rows(
    sequence: int, y: int, height: int, data: bytes, width: int = 100
) -> tuple[CanvasRows, int, Callable[[memoryview], None]]:
    message = CanvasRows("c", sequence, y, Pixels(width, height, RGB8, data))
    return message, len(data), partial(copy_chunks, source=data)


def tiles(sequence: int, numbers: tuple[int, ...], data: bytes, encoding: str = "raw") -> CanvasTiles:
    return CanvasTiles("c", sequence, numbers, encoding, data)


def pixels_of(canvases: Canvases) -> bytes:
    canvas = canvases._open["c"]
    snapshot = canvases.rows("c", 0, canvas.height)
    try:
        return bytes(snapshot.pixels.data or b"")
    finally:
        snapshot.release()


@given(
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    format=st.sampled_from(list(PixelFormat)),
    strokes=st.integers(1, 6),
    seed=st.integers(0, 2**32),
)
def test_after_any_strokes_the_mirror_is_byte_equal(
    size: tuple[int, int], format: PixelFormat, strokes: int, seed: int
) -> None:
    async def paint() -> None:
        draw = random.Random(seed)
        canvases = opened(*size, format)
        picture = bytearray(raster_size(*size, format))
        for sequence in range(1, strokes + 1):
            before = bytes(picture)
            for _ in range(draw.randrange(1, 5)):
                at = draw.randrange(len(picture))
                piece = draw.randbytes(min(40, len(picture) - at))
                picture[at : at + len(piece)] = piece
            found = tuple(changed_tiles(before, bytes(picture), *size, format))
            data = pack_tiles(before, bytes(picture), found, *size, format)
            encoding = draw.choice(["raw", "zlib"])
            packed = zlib.compress(data, 1) if encoding == "zlib" else data
            assert await canvases.write_tiles(tiles(sequence, found, packed, encoding)) == CanvasAck(
                "c", sequence
            )
            assert pixels_of(canvases) == picture

    asyncio.run(paint())


async def test_a_gap_makes_a_canvas_stale_until_it_is_opened_again() -> None:
    canvases = opened()
    row = bytes([7]) * 300
    assert await canvases.write_rows(*rows(1, 0, 1, row)) == CanvasAck("c", 1)
    assert await canvases.write_rows(*rows(3, 1, 1, row)) == CanvasStale("c", 1)
    assert await canvases.write_rows(*rows(4, 1, 1, row)) is None  # told once
    assert await canvases.write_tiles(tiles(2, (0,), b"")) is None  # not even what would have followed
    with pytest.raises(StaleCanvas):
        canvases.snapshot(CanvasRef("c", 1))
    canvases.open(OpenCanvas("c", 100, 70, RGB8))
    assert pixels_of(canvases) == bytes(100 * 70 * 3)
    assert await canvases.write_rows(*rows(1, 0, 1, row)) == CanvasAck("c", 1)


async def test_rows_that_broke_off_leave_the_canvas_stale() -> None:
    canvases = opened()
    message, size, _ = rows(1, 0, 1, bytes(300))

    def broken(target: memoryview) -> None:
        target[:100] = b"x" * 100
        raise MalformedFrame("The segment was cut short.")

    with pytest.raises(MalformedFrame):
        await canvases.write_rows(message, size, broken)
    with pytest.raises(StaleCanvas):
        canvases.rows("c", 0, 1)
    assert await canvases.write_rows(*rows(1, 0, 1, bytes(300))) is None
    canvases.open(OpenCanvas("c", 100, 70, RGB8))
    assert await canvases.write_rows(*rows(1, 0, 1, bytes(300))) == CanvasAck("c", 1)


async def test_a_repeated_update_is_not_applied_twice() -> None:
    canvases = opened(64, 64)
    update = tiles(1, (0,), b"\x01" * (64 * 64 * 3))
    assert await canvases.write_tiles(update) == CanvasAck("c", 1)
    assert await canvases.write_tiles(update) == CanvasStale("c", 1)


async def test_a_snapshot_stays_as_it_was_while_strokes_go_on() -> None:
    for height in (70, 5 * INLINE_BYTES // 4 // 2400):  # copied at once, and on a thread
        canvases = opened(800, height)
        await canvases.write_rows(*rows(1, 0, 1, b"\x05" * 2400, width=800))
        first = canvases.snapshot(CanvasRef("c", 1))
        before = bytes(first.pixels.data or b"")
        await canvases.write_rows(*rows(2, 0, 1, b"\x06" * 2400, width=800))
        second = canvases.snapshot(CanvasRef("c", 2))
        await canvases.write_tiles(tiles(3, (0,), b"\xff" * (64 * 64 * 3)))
        assert bytes(first.pixels.data or b"") == before
        assert bytes((second.pixels.data or b"")[:300]) == b"\x06" * 300
        assert pixels_of(canvases)[:3] == b"\xf9" * 3


async def test_a_released_snapshot_costs_no_copy() -> None:
    canvases = opened()
    await canvases.write_rows(*rows(1, 0, 1, bytes(300)))
    buffer = canvases._open["c"].buffer
    snapshot = canvases.snapshot(CanvasRef("c", 1))
    snapshot.release()
    snapshot.release()
    await canvases.write_rows(*rows(2, 0, 1, bytes(300)))
    assert canvases._open["c"].buffer is buffer


async def test_a_snapshot_cannot_be_written_through() -> None:
    view = opened().rows("c", 0, 2).pixels.data
    with pytest.raises(TypeError):
        view[0] = 1  # type: ignore[index]


async def test_a_job_gets_the_canvas_it_named_or_none() -> None:
    canvases = opened()
    await canvases.write_rows(*rows(1, 0, 1, bytes(300)))
    for sequence in (0, 2):
        with pytest.raises(StaleCanvas):
            canvases.snapshot(CanvasRef("c", sequence))
    with pytest.raises(UnknownCanvas):
        canvases.snapshot(CanvasRef("d", 1))


@pytest.mark.parametrize(
    ("update", "error"),
    [
        (rows(1, 69, 2, bytes(600)), BadValue),
        (rows(1, -1, 1, bytes(300)), BadValue),
        (rows(1, 0, 0, b""), BadValue),
        (rows(1, 0, 1, bytes(299)), BadImage),
        (rows(1, 0, 1, bytes(301)), BadImage),
        (rows(1, 0, 1, b""), BadImage),
        (rows(1, 0, 1, bytes(297), width=99), BadImage),
        ((CanvasRows("d", 1, 0, Pixels(100, 1, RGB8)), 300, pytest.fail), UnknownCanvas),
        ((CanvasRows("c", 1, 0, Pixels(100, 1, PixelFormat.RGBA8)), 400, pytest.fail), BadImage),
    ],
)
async def test_rows_that_are_not_of_this_canvas_change_nothing(
    update: Any, error: type[ImpastoError]
) -> None:
    canvases = opened()
    with pytest.raises(error):
        await canvases.write_rows(*update)
    assert pixels_of(canvases) == bytes(100 * 70 * 3)
    assert await canvases.write_rows(*rows(1, 0, 1, bytes(300))) == CanvasAck("c", 1)


FULL = 64 * 64 * 3


@pytest.mark.parametrize(
    "update",
    [
        tiles(1, (0,), bytes(FULL - 1)),
        tiles(1, (4,), bytes(FULL)),
        tiles(1, (-1,), bytes(FULL)),
        tiles(1, (1, 0), bytes(FULL + 36 * 64 * 3)),
        tiles(1, (0, 0), bytes(2 * FULL)),
        tiles(1, (0,) * 5000, zlib.compress(bytes(5000 * FULL)), "zlib"),
        tiles(1, (0,), b"not zlib", "zlib"),
        tiles(1, (0,), zlib.compress(bytes(FULL))[:-3], "zlib"),
        tiles(1, (0,), zlib.compress(bytes(FULL)) + b"more", "zlib"),
        tiles(1, (0,), zlib.compress(b"\x01" * 64 * 1024 * 1024), "zlib"),
        tiles(1, (0,), bytes(FULL), "zstd"),
    ],
)
async def test_tiles_that_do_not_fit_change_nothing_and_inflate_to_nothing(update: CanvasTiles) -> None:
    canvases = opened()
    tracemalloc.start()
    try:
        with pytest.raises(MalformedFrame):
            await canvases.write_tiles(update)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert pixels_of(canvases) == bytes(100 * 70 * 3)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (OpenCanvas("d", 0, 5, RGB8), BadValue),
        (OpenCanvas("d", 5, -1, RGB8), BadValue),
        (OpenCanvas("", 5, 5, RGB8), BadValue),
        (OpenCanvas("d" * 65, 5, 5, RGB8), BadValue),
        (OpenCanvas("d", 8193, 5, RGB8), ImageTooLarge),
        (OpenCanvas("d", 4096, 4096, PixelFormat.RGBA16), ImageTooLarge),
    ],
)
def test_a_canvas_that_cannot_be_is_refused(message: OpenCanvas, error: type[ImpastoError]) -> None:
    canvases = opened()
    held = canvases.bytes_held
    with pytest.raises(error):
        canvases.open(message)
    assert canvases.bytes_held == held


def test_canvases_are_counted() -> None:
    canvases = opened()
    for name in ("d", "e"):
        canvases.open(OpenCanvas(name, 5, 5, RGB8))
    with pytest.raises(ImageTooLarge, match="3 canvases"):
        canvases.open(OpenCanvas("f", 5, 5, RGB8))
    canvases.open(OpenCanvas("e", 6, 6, RGB8))  # opened again: not one more
    canvases.close("e")
    canvases.close("e")
    canvases.open(OpenCanvas("f", 5, 5, RGB8))


def test_reopening_a_canvas_frees_what_it_held() -> None:
    canvases = opened(4000, 4000, PixelFormat.RGBA8)
    for _ in range(3):
        canvases.open(OpenCanvas("c", 4000, 4000, PixelFormat.RGBA8))
    assert canvases.bytes_held == 4000 * 4000 * 4
    with pytest.raises(ImageTooLarge, match="MiB"):
        canvases.open(OpenCanvas("d", 4000, 4000, PixelFormat.RGBA8))
