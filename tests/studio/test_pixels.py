"""Masks and pixel formats, made of bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol.rasters import PixelFormat
from impasto_server.compositing.context import plan_crop
from impasto_server.compositing.geometry import Box as ServerBox
from impasto_studio.geometry import Box
from impasto_studio.growing import context, part
from impasto_studio.host import Picture
from impasto_studio.masks import RAMP_PX, frame, inverted
from impasto_studio.pictures import to_show

MARGINS = st.integers(0, 40)


def test_inverting_twice_is_nothing() -> None:
    mask = Picture(16, 16, PixelFormat.GRAY8, bytes(range(256)))
    assert inverted(mask).pixels == bytes(range(255, -1, -1))
    assert inverted(inverted(mask)) == mask


@given(MARGINS, MARGINS, MARGINS, MARGINS, st.integers(1, 100), st.integers(1, 100))
def test_a_frame_is_full_outside_and_fades_inside(
    left: int, top: int, right: int, bottom: int, width: int, height: int
) -> None:
    inner = Box(0, 0, width, height)
    outer = inner.grown(left, top, right, bottom)
    mask = frame(outer, inner)
    assert (mask.width, mask.height) == outer.size
    assert len(mask.pixels) == outer.area
    for y in range(0, outer.height, 7):
        for x in range(0, outer.width, 5):
            value = mask.pixels[y * outer.width + x]
            sides = [
                x - left if left else RAMP_PX,
                left + width - 1 - x if right else RAMP_PX,
                y - top if top else RAMP_PX,
                top + height - 1 - y if bottom else RAMP_PX,
            ]
            beyond = not (left <= x < left + width and top <= y < top + height)
            if beyond:
                assert value == 255
            else:
                nearest = min(sides)
                assert value == (
                    0 if nearest >= RAMP_PX else round(255 * (RAMP_PX - nearest) / (RAMP_PX + 1))
                )
                assert value < 255


def test_a_frame_of_a_large_document_is_made_of_rows() -> None:
    inner = Box(0, 0, 8192, 8192)
    mask = frame(inner.grown(64, 64, 64, 64), inner)
    assert mask.pixels.count(0) == (8192 - 2 * RAMP_PX) ** 2


def test_what_is_shown_is_rgb_with_or_without_alpha() -> None:
    deep = Picture(1, 1, PixelFormat.RGBA16, bytes([0xCD, 0xAB, 0, 1, 2, 3, 0xFF, 0xFF]))
    assert to_show(deep) == Picture(1, 1, PixelFormat.RGBA8, bytes([0xAB, 1, 3, 0xFF]))
    gray = Picture(2, 1, PixelFormat.GRAY8, bytes([7, 9]))
    assert to_show(gray) == Picture(2, 1, PixelFormat.RGB8, bytes([7, 7, 7, 9, 9, 9]))
    plain = Picture(1, 1, PixelFormat.RGB8, b"abc")
    assert to_show(plain) is plain


@st.composite
def inside(draw: st.DrawFn) -> tuple[tuple[int, int], Box]:
    width, height = draw(st.integers(16, 4096)), draw(st.integers(16, 4096))
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return (width, height), Box(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))


@given(inside(), st.sampled_from([256, 512, 1024]), st.integers(0, 100))
def test_the_growing_picture_shows_what_the_server_cuts_out(
    case: tuple[tuple[int, int], Box], native: int, percent: int
) -> None:
    size, selection = case
    plan = plan_crop(ServerBox(*selection), size, native=native, strength=percent / 100)
    cut = plan.context
    assert context(selection, size, native, percent / 100) == Box(cut.x, cut.y, cut.width, cut.height)


@given(inside(), st.integers(1, 40), st.integers(1, 40))
def test_a_part_of_it_covers_what_changes(case: tuple[tuple[int, int], Box], across: int, down: int) -> None:
    size, wanted = case
    shows = Box(0, 0, *size).moved(7, -9)
    wanted = wanted.moved(7, -9)
    picture = Picture(across, down, PixelFormat.RGB8, bytes(3 * across * down))
    cropped, box = part(picture, shows, wanted)
    assert len(cropped.pixels) == 3 * cropped.width * cropped.height
    assert cropped.width >= 1
    assert cropped.height >= 1
    assert shows.common(box) == box or not box.area
    cell = (-(-size[0] // across), -(-size[1] // down))
    assert box.x - cell[0] <= wanted.x
    assert box.right + cell[0] >= wanted.right
    assert box.y - cell[1] <= wanted.y
    assert box.bottom + cell[1] >= wanted.bottom


def test_a_part_is_cut_row_by_row() -> None:
    picture = Picture(4, 2, PixelFormat.RGB8, bytes(value for value in range(8) for _ in range(3)))
    cropped, box = part(picture, Box(0, 0, 40, 20), Box(12, 11, 10, 5))
    assert (cropped.width, cropped.height, cropped.pixels[::3], box) == (
        2,
        1,
        b"\x05\x06",
        Box(10, 10, 20, 10),
    )
