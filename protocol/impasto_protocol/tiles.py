"""Changed tiles of a canvas: found, sent as XOR, applied. Standard library only.

A canvas is cut into 64×64 px tiles, numbered row-major over ceil(width/64) columns; those at the right and
bottom edge are cropped to the canvas. An update is the numbers of the changed tiles, rising, and for each the
XOR of its old and new bytes, rows top to bottom. Most of it is zero and packs well; applying it twice undoes
it, so sender and receiver must agree on the sequence.

Speed rests on two C loops of CPython. `bytes.startswith(view, offset)` is memcmp without a copy (4 MiB in
0.09 ms; `==` of two memoryviews goes byte by byte and takes 11 ms). And XOR of long ints (0.03 ms for a 16
KiB tile, conversions included), here only over the rows that differ. In a program that has loaded numpy
already, its XOR is used instead (0.005 ms a tile); it is never imported from here.
"""

import sys
import zlib
from typing import List, Sequence, Tuple, Union

from .errors import MalformedFrame
from .messages import TILE_PX
from .rasters import PixelFormat, bytes_per_pixel, raster_size

__all__ = [
    "apply_tiles",
    "changed_tiles",
    "inflate_tiles",
    "pack_tiles",
    "squeeze_tiles",
    "tile_count",
    "tiles_size",
]

Bytes = Union[bytes, bytearray]
Buffer = Union[bytes, bytearray, memoryview]

_STROKE_BYTES = 512 << 10
_WORTH_SQUEEZING = 256  # bytes; below, zlib's head costs more than it saves


def tile_count(width: int, height: int) -> int:
    """How many tiles a canvas of `width` × `height` pixels has."""
    return _columns(width) * _columns(height)


def changed_tiles(old: Bytes, new: Bytes, width: int, height: int, format: PixelFormat) -> List[int]:
    """Numbers, rising, of the tiles that differ between two rasters of the same size.

    Raises ValueError when a raster does not have `raster_size(width, height, format)` bytes.
    """
    size = raster_size(width, height, format)
    if len(old) != size or len(new) != size:
        raise ValueError(f"{len(old)} and {len(new)} bytes are not {width}×{height} {format.value} rasters")
    pixel = bytes_per_pixel(format)
    columns = _columns(width)
    band = TILE_PX * width * pixel
    found: List[int] = []
    view = memoryview(old)
    for row, start in enumerate(range(0, size, band or 1)):
        end = min(start + band, size)
        if not new.startswith(view[start:end], start):
            columns_hit = _changed_columns(view, new, start, end, width * pixel, TILE_PX * pixel)
            found.extend(row * columns + column for column in columns_hit)
    return found


def _changed_columns(
    old: memoryview, new: Bytes, start: int, end: int, row_bytes: int, tile_bytes: int
) -> List[int]:
    """Tile columns that differ in one band of rows.

    With numpy all at once, in 0.01 ms where the rest takes 0.04. Without it row by row, and in a row only the
    stretches between columns already known to differ: a stroke that runs down the whole band costs three
    compares a row, not one for each column.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        word = numpy.uint64 if row_bytes % 8 == 0 else numpy.uint8
        was, now = (
            numpy.frombuffer(raster, numpy.uint8, end - start, start)
            .view(word)
            .reshape(-1, row_bytes // word(0).nbytes)
            for raster in (old, new)
        )
        differs = (was != now).any(axis=0)
        firsts = numpy.arange(0, differs.size, tile_bytes // word(0).nbytes)
        return list(numpy.logical_or.reduceat(differs, firsts).nonzero()[0].tolist())
    same = [(0, row_bytes)]  # stretches of a row in which no difference has been seen yet
    hit: List[int] = []
    for row in range(start, end, row_bytes):
        if not same:
            break
        still_same: List[Tuple[int, int]] = []
        for left, right in same:
            if new.startswith(old[row + left : row + right], row + left):
                still_same.append((left, right))
            else:
                still_same.extend(_split(old, new, row, left, right, tile_bytes, hit))
        same = still_same
    return sorted(hit)


def _split(
    old: memoryview, new: Bytes, row: int, left: int, right: int, tile_bytes: int, hit: List[int]
) -> List[Tuple[int, int]]:
    """Takes the differing columns out of a stretch of one row, noting them in `hit`. Returns what is left of
    it.
    """
    rest: List[Tuple[int, int]] = []
    clean_from = left
    for at in range(left, right, tile_bytes):
        end = min(at + tile_bytes, right)
        if not new.startswith(old[row + at : row + end], row + at):
            hit.append(at // tile_bytes)
            if clean_from < at:
                rest.append((clean_from, at))
            clean_from = end
    if clean_from < right:
        rest.append((clean_from, right))
    return rest


def pack_tiles(
    old: Bytes, new: Bytes, tiles: Sequence[int], width: int, height: int, format: PixelFormat
) -> bytes:
    """XOR of the named tiles, one after another: `tiles_size(tiles, …)` bytes."""
    row_bytes = width * bytes_per_pixel(format)
    places = [_place(tile, width, height, format) for tile in tiles]
    numpy = sys.modules.get("numpy")
    if numpy is not None and tiles:
        was = numpy.frombuffer(old, numpy.uint8).reshape(height, row_bytes)
        now = numpy.frombuffer(new, numpy.uint8).reshape(height, row_bytes)
        areas = [numpy.s_[y : y + rows, x : x + span] for x, y, span, rows in places]
        return b"".join([(was[area] ^ now[area]).tobytes() for area in areas])
    view_old, view_new = memoryview(old), memoryview(new)
    return b"".join([_xor_tile(view_old, view_new, new, row_bytes, *place) for place in places])


def _xor_tile(
    old: memoryview, new: memoryview, new_bytes: Bytes, row_bytes: int, x: int, y: int, span: int, rows: int
) -> bytes:
    """XOR of one tile with long ints, over the rows that differ."""
    starts = range(y * row_bytes + x, (y + rows) * row_bytes + x, row_bytes)
    differing = [row for row, s in enumerate(starts) if not new_bytes.startswith(old[s : s + span], s)]
    if not differing:
        return bytes(rows * span)
    first, last = differing[0], differing[-1] + 1
    before = b"".join([old[s : s + span] for s in starts[first:last]])
    after = b"".join([new[s : s + span] for s in starts[first:last]])
    return bytes(first * span) + _xor(before, after) + bytes((rows - last) * span)


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "little") ^ int.from_bytes(other, "little")).to_bytes(len(one), "little")


def apply_tiles(
    mirror: bytearray, tiles: Sequence[int], data: Buffer, width: int, height: int, format: PixelFormat
) -> None:
    """XORs an update into `mirror`. `data` is what `inflate_tiles` returned.

    Raises `MalformedFrame`, before anything is changed, when the tile numbers do not rise, lie outside the
    canvas, or `data` has another size than they need.
    """
    _check(tiles, width, height)
    if len(data) != tiles_size(tiles, width, height, format):
        raise MalformedFrame("The bytes of a canvas update do not fit its tiles.")
    row_bytes = width * bytes_per_pixel(format)
    numpy = sys.modules.get("numpy")
    plane = None
    if numpy is not None and tiles:
        plane = numpy.frombuffer(mirror, numpy.uint8).reshape(height, row_bytes)
        change_bytes = numpy.frombuffer(data, numpy.uint8)
    taken = 0
    for tile in tiles:
        x, y, span, rows = _place(tile, width, height, format)
        end = taken + rows * span
        if plane is not None:
            plane[y : y + rows, x : x + span] ^= change_bytes[taken:end].reshape(rows, span)
        else:
            _apply_tile(mirror, bytes(data[taken:end]), row_bytes, x, y, span)
        taken = end


def _apply_tile(mirror: bytearray, change: bytes, row_bytes: int, x: int, y: int, span: int) -> None:
    """XORs one tile with long ints, over the rows that are not all zero."""
    first = (len(change) - len(change.lstrip(b"\0"))) // span
    last = -(-len(change.rstrip(b"\0")) // span)
    starts = range((y + first) * row_bytes + x, (y + last) * row_bytes + x, row_bytes)
    if not starts:
        return
    before = b"".join([mirror[s : s + span] for s in starts])
    after = _xor(before, change[first * span : last * span])
    for row, start in enumerate(starts):
        mirror[start : start + span] = after[row * span : (row + 1) * span]


def tiles_size(tiles: Sequence[int], width: int, height: int, format: PixelFormat) -> int:
    """Bytes of these tiles, each cropped to the canvas."""
    columns, last_row = _columns(width), _columns(height) - 1
    right, bottom = width - (columns - 1) * TILE_PX, height - last_row * TILE_PX
    pixels = sum(
        (right if tile % columns == columns - 1 else TILE_PX)
        * (bottom if tile // columns == last_row else TILE_PX)
        for tile in tiles
    )
    return pixels * bytes_per_pixel(format)


def squeeze_tiles(data: bytes) -> Tuple[str, bytes]:
    """(encoding, bytes) for `CanvasTiles`: "zlib", or "raw" where that is not smaller.

    Level 6 for what a stroke changes, an eighth smaller than level 1; level 1 for more, over which level 6
    would take tens of milliseconds.

    For a server on another machine. On the same one it costs more than it saves: at 1024² a stroke over 2 %
    of the canvas is 340 KiB raw, which loopback carries in 0.1 ms; packing and unpacking it takes 2 ms.
    """
    if len(data) < _WORTH_SQUEEZING:
        return "raw", data
    packed = zlib.compress(data, 6 if len(data) <= _STROKE_BYTES else 1)
    return ("zlib", packed) if len(packed) < len(data) else ("raw", data)


def inflate_tiles(encoding: str, data: Buffer, size: int) -> Buffer:
    """The XOR bytes of a `CanvasTiles`; `size` is what `tiles_size` says they must be.

    Never makes more than `size` bytes. Raises `MalformedFrame` for another size, a broken stream or encoding.
    """
    if encoding == "zlib":
        try:
            unpacker = zlib.decompressobj()
            plain: Buffer = unpacker.decompress(data, size + 1)
        except zlib.error as error:
            raise MalformedFrame("The compressed bytes of a canvas update are broken.") from error
        if not unpacker.eof or unpacker.unused_data:
            raise MalformedFrame("The compressed bytes of a canvas update do not end where they should.")
    elif encoding == "raw":
        plain = data
    else:
        raise MalformedFrame("A canvas update is compressed in a way this version does not know.")
    if len(plain) != size:
        raise MalformedFrame("The bytes of a canvas update do not fit its tiles.")
    return plain


def _check(tiles: Sequence[int], width: int, height: int) -> None:
    previous = -1
    for tile in tiles:
        if tile <= previous:
            raise MalformedFrame("The tiles of a canvas update are not in rising order.")
        previous = tile
    if previous >= tile_count(width, height):
        raise MalformedFrame("A canvas update names a tile outside the canvas.")


def _columns(length: int) -> int:
    return -(-length // TILE_PX)


def _place(tile: int, width: int, height: int, format: PixelFormat) -> Tuple[int, int, int, int]:
    """(x in bytes, y in rows, bytes in a row of the tile, rows of the tile)."""
    row, column = divmod(tile, _columns(width))
    pixel = bytes_per_pixel(format)
    x, y = column * TILE_PX, row * TILE_PX
    return x * pixel, y, min(TILE_PX, width - x) * pixel, min(TILE_PX, height - y)
