"""msgpack, written and read one value at a time.

The general libraries build a tree of whatever a frame holds before anyone can look at it: 5 MB of empty lists
become 344 MiB of Python objects. Here the caller says what must come next, so a frame of the wrong shape is
refused before anything is allocated for it, and the bytes of a picture are copied once, also where no C
extension can be loaded (inside Krita and Blender).

Format: https://github.com/msgpack/msgpack/blob/master/spec.md. Extension types are refused.
"""

import struct
from typing import List, Optional, Union, cast

from .errors import BadValue, MalformedFrame

__all__ = ["Buffer", "Reader", "write_array_size", "write_map_size", "write_value"]

Buffer = Union[bytes, bytearray, memoryview]

_MAX_ITEMS = 65536  # of one array: the tiles of a 16384² canvas
_MAX_SKIPPED = 4096  # values in the unknown fields of one frame

_UINT8, _UINT16, _UINT32, _UINT64 = 0xCC, 0xCD, 0xCE, 0xCF
_INTEGERS = {
    _UINT8: struct.Struct(">B"),
    _UINT16: struct.Struct(">H"),
    _UINT32: struct.Struct(">I"),
    _UINT64: struct.Struct(">Q"),
    0xD0: struct.Struct(">b"),
    0xD1: struct.Struct(">h"),
    0xD2: struct.Struct(">i"),
    0xD3: struct.Struct(">q"),
}
_FLOATS = {0xCA: struct.Struct(">f"), 0xCB: struct.Struct(">d")}
_SIZES = {1: struct.Struct(">B"), 2: struct.Struct(">H"), 4: struct.Struct(">I")}
_NIL, _FALSE, _TRUE = 0xC0, 0xC2, 0xC3


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────


def write_value(value: object, pieces: List[Buffer]) -> None:
    """Appends None, a bool, an int, a float, a str or bytes. Bytes are appended as they are, without a copy.

    Raises `BadValue` for an integer beyond 64 bits and for text that is not Unicode, TypeError for other
    types.
    """
    if value is None:
        pieces.append(b"\xc0")
    elif isinstance(value, bool):
        pieces.append(b"\xc3" if value else b"\xc2")
    elif isinstance(value, int):
        pieces.append(_integer(value))
    elif isinstance(value, float):
        pieces.append(struct.pack(">Bd", 0xCB, value))
    elif isinstance(value, str):
        text = _utf8(value)
        pieces.append(_sized(len(text), 0xA0, 32, 0xD9))
        pieces.append(text)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        data = memoryview(value).cast("B") if isinstance(value, memoryview) else value
        pieces.append(_sized(len(data), 0, 0, 0xC4))
        pieces.append(data)
    else:
        raise TypeError(f"a message cannot hold a {type(value).__name__}")


def write_array_size(count: int, pieces: List[Buffer]) -> None:
    pieces.append(bytes((0x90 | count,)) if count < 16 else _container(count, 0xDC))


def write_map_size(count: int, pieces: List[Buffer]) -> None:
    pieces.append(bytes((0x80 | count,)) if count < 16 else _container(count, 0xDE))


def _integer(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes((value,))
    if -32 <= value < 0:
        return bytes((256 + value,))
    unsigned = ((_UINT8, 8), (_UINT16, 16), (_UINT32, 32), (_UINT64, 64))
    signed = ((0xD0, 7), (0xD1, 15), (0xD2, 31), (0xD3, 63))
    for head, bits in unsigned if value >= 0 else signed:
        if value < 1 << bits if value >= 0 else value >= -(1 << bits):
            return bytes((head,)) + _INTEGERS[head].pack(value)
    raise BadValue("A number in this request is larger than the server can take. Choose a smaller one.")


def _utf8(value: str) -> bytes:
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadValue("The text holds a broken character. Type it again.") from error


def _sized(size: int, fixed: int, fixed_below: int, smallest: int) -> bytes:
    """Head of a str or bin: `fixed | size` below `fixed_below`, else one of three heads that follow
    `smallest`.
    """
    if size < fixed_below:
        return bytes((fixed | size,))
    for step, width in enumerate((1, 2, 4)):
        if size < 1 << 8 * width:
            return bytes((smallest + step,)) + _SIZES[width].pack(size)
    raise BadValue("This picture is larger than one message can be. Send it in bands.")


def _container(count: int, head: int) -> bytes:
    return struct.pack(">BH", head, count) if count < 1 << 16 else struct.pack(">BI", head + 1, count)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


class Reader:
    """Walks through one frame. Every method raises `MalformedFrame` when something else stands there."""

    __slots__ = ("_at", "_copy_below", "_end", "_skipped", "_view")

    def __init__(self, frame: Buffer, copy_below: Optional[int] = None) -> None:
        """`copy_below`: bytes from this size on are not copied but given as views of the frame."""
        self._view = memoryview(frame)
        self._copy_below = copy_below
        self._at = 0
        self._end = len(self._view)
        self._skipped = 0

    @property
    def at(self) -> int:
        """Bytes read so far; may be set back to read again."""
        return self._at

    @at.setter
    def at(self, position: int) -> None:
        self._at = position

    def end(self) -> None:
        if self._at != self._end:
            raise MalformedFrame("There are bytes after the end of the message.")

    def nil(self) -> bool:
        """Whether nil comes next; if so, it is read."""
        if self._at < self._end and self._view[self._at] == _NIL:
            self._at += 1
            return True
        return False

    def boolean(self) -> bool:
        head = self._head()
        if head == _TRUE:
            return True
        if head == _FALSE:
            return False
        raise MalformedFrame("A message holds something else where true or false belongs.")

    def integer(self) -> int:
        head = self._head()
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 256
        layout = _INTEGERS.get(head)
        if layout is None:
            raise MalformedFrame("A message holds something else where a whole number belongs.")
        value: int = layout.unpack_from(self._view, self._step(layout.size))[0]
        return value

    def number(self) -> float:
        """A float; a whole number is taken for one."""
        head = self._head()
        layout = _FLOATS.get(head)
        if layout is None:
            self._at -= 1
            return float(self.integer())
        value: float = layout.unpack_from(self._view, self._step(layout.size))[0]
        return value

    def text(self) -> str:
        head = self._head()
        size = head & 0x1F if head & 0xE0 == 0xA0 else self._size(head, 0xD9, "text belongs")
        start = self._step(size)
        try:
            return str(self._view[start : self._at], "utf-8")
        except UnicodeDecodeError as error:
            raise MalformedFrame("A message holds text that is not UTF-8.") from error

    def binary(self) -> bytes:
        size = self._size(self._head(), 0xC4, "bytes belong")
        start = self._step(size)
        view = self._view[start : self._at]
        if self._copy_below is not None and size >= self._copy_below:
            return cast(bytes, view)
        return bytes(view)

    def array_size(self) -> int:
        return self._count(0x90, 0xDC, "a list belongs")

    def map_size(self) -> int:
        return self._count(0x80, 0xDE, "a map belongs")

    def skip(self) -> None:
        """Passes over one value of any kind, however deep, without building it."""
        pending = 1
        while pending:
            pending += self._skip_one() - 1
            self._skipped += 1
            if self._skipped > _MAX_SKIPPED:
                raise MalformedFrame("A message holds too much that this version does not know.")

    def _skip_one(self) -> int:
        """Passes over one head and its bytes. Returns how many values lie inside."""
        head = self._head()
        if head < 0x80 or head >= 0xE0 or head in (_NIL, _FALSE, _TRUE):
            return 0
        if head < 0x90:
            return 2 * (head & 0x0F)
        if head < 0xA0:
            return head & 0x0F
        if head in (0xDC, 0xDD, 0xDE, 0xDF):
            self._at -= 1
            return 2 * self.map_size() if head >= 0xDE else self.array_size()
        layout = _INTEGERS.get(head) or _FLOATS.get(head)
        if layout is not None:
            self._step(layout.size)
        elif head < 0xC0:
            self._step(head & 0x1F)
        elif 0xC4 <= head <= 0xC6:
            self._step(self._size(head, 0xC4, "bytes belong"))
        else:  # 0xC1 and the extension types end here
            self._step(self._size(head, 0xD9, "a known kind of value belongs"))
        return 0

    def _head(self) -> int:
        if self._at >= self._end:
            raise MalformedFrame("A message is cut short.")
        self._at += 1
        return self._view[self._at - 1]

    def _step(self, size: int) -> int:
        """Moves past `size` bytes. Returns where they start."""
        start = self._at
        if size > self._end - start:
            raise MalformedFrame("A message is cut short.")
        self._at = start + size
        return start

    def _size(self, head: int, smallest: int, expected: str) -> int:
        if not smallest <= head <= smallest + 2:
            raise MalformedFrame(f"A message holds something else where {expected}.")
        layout = _SIZES[1 << (head - smallest)]
        size: int = layout.unpack_from(self._view, self._step(layout.size))[0]
        return size

    def _count(self, fixed: int, wide: int, expected: str) -> int:
        head = self._head()
        if head & 0xF0 == fixed:
            return head & 0x0F
        if head not in (wide, wide + 1):
            raise MalformedFrame(f"A message holds something else where {expected}.")
        layout = _SIZES[2 if head == wide else 4]
        count: int = layout.unpack_from(self._view, self._step(layout.size))[0]
        if count > min(_MAX_ITEMS, self._end - self._at):  # each item takes at least one byte
            raise MalformedFrame("A message holds a list that is too long.")
        return count
