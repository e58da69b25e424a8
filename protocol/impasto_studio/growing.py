"""Where a picture that grows belongs: it shows all that the model sees, which is more than changes."""

from typing import Tuple

from impasto_protocol.rasters import row_size

from impasto_studio.geometry import Box
from impasto_studio.host import Picture

__all__ = ["context", "part"]

GRID_PX = 8  # of most model families; a coarser one moves the picture by less than a cell of its own


def context(selection: Box, size: Tuple[int, int], native_px: int, strength: float) -> Box:
    """What the model sees of a picture of `size` when `selection` in it is repainted.

    Mirrors `plan_crop` of the server's compositing/context.py.
    """
    most = 64 + 64 * strength
    padding = round(min(max(0.5 * max(selection.size), 64), most))
    width = max(selection.width + 2 * padding, native_px)
    height = max(selection.height + 2 * padding, native_px)
    width, height = max(width, -(-height // 2)), max(height, -(-width // 2))
    width, height = min(_on_grid(width), size[0]), min(_on_grid(height), size[1])
    return Box(
        _start(selection.x, selection.right, width, size[0]),
        _start(selection.y, selection.bottom, height, size[1]),
        width,
        height,
    )


def _on_grid(length: int) -> int:
    return -(-length // GRID_PX) * GRID_PX


def _start(low: int, high: int, length: int, limit: int) -> int:
    return min(max((low + high - length) // 2, 0), limit - length)


def part(picture: Picture, shows: Box, wanted: Box) -> Tuple[Picture, Box]:
    """The pixels of a small picture of `shows` that have to do with `wanted`, and what exactly they cover."""
    left, right = _cells(wanted.x - shows.x, wanted.right - shows.x, shows.width, picture.width)
    top, bottom = _cells(wanted.y - shows.y, wanted.bottom - shows.y, shows.height, picture.height)
    row, cell = row_size(picture.width, picture.format), row_size(1, picture.format)
    rows = [picture.pixels[y * row + left * cell : y * row + right * cell] for y in range(top, bottom)]
    x, x_end = shows.width * left // picture.width, shows.width * right // picture.width
    y, y_end = shows.height * top // picture.height, shows.height * bottom // picture.height
    box = Box(shows.x + x, shows.y + y, x_end - x, y_end - y)
    return Picture(right - left, bottom - top, picture.format, b"".join(rows)), box


def _cells(low: int, high: int, length: int, cells: int) -> Tuple[int, int]:
    """The cells of a side of `length` px that low … high touches; at least one."""
    first = min(max(0, low * cells // length), cells - 1)
    return first, max(first + 1, min(cells, -(-high * cells // length)))
