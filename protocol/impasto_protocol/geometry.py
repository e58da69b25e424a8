"""Meshes as bytes, in the shape of a canvas: so that they are sent once, then only where they changed.

A packed geometry is a gray8 canvas `ROW_BYTES` wide. Its bytes, little-endian, in this order, padded with
zeros to a whole row:

    "IMPASTO MESHES 1"                            16 bytes
    parts                                         uint32
    of each part: texture int32, vertices uint32, triangles uint32, has normals uint32
    of each part, one after another:
        positions                                 float32 (vertices, 3)
        triangles                                 int32 (triangles, 3)
        uvs, if it has a texture                  float32 (triangles, 3, 2)
        normals, if it has any                    float32 (triangles, 3, 3)
"""

import struct
from dataclasses import dataclass
from typing import List, Optional, Sequence, Union

from .errors import BadValue

__all__ = ["ROW_BYTES", "Part", "pack", "unpack"]

ROW_BYTES = 8192

_MAGIC = b"IMPASTO MESHES 1"
_HEAD, _PART = struct.Struct("<16sI"), struct.Struct("<iIII")
_MOST_PARTS = 100_000
_BROKEN = "The geometry cannot be read. Bring the plugin and the server up to date."

Bytes = Union[bytes, bytearray, memoryview]


@dataclass(frozen=True)
class Part:
    """One object's surface, evaluated, in world space, in Blender's axes (+Z up), as little-endian bytes.

    positions: float32 (V, 3). triangles: int32 (T, 3), counter-clockwise seen from outside. uvs: float32
    (T, 3, 2) of each corner, u right, v up, 0 … 1 over the texture; empty without a texture. normals:
    float32 (T, 3, 3) of each corner, as shaded; None: flat.
    """

    texture: int  # number of the target in `TextureRequest.targets`; -1: it only stands in the way
    positions: Bytes
    triangles: Bytes
    uvs: Bytes = b""
    normals: Optional[Bytes] = None

    def check(self) -> None:
        """Raises ValueError when the lengths do not fit each other."""
        vertices, rest = divmod(len(self.positions), 12)
        triangles, odd = divmod(len(self.triangles), 12)
        uvs = 24 * triangles if self.texture >= 0 else 0
        normals = 36 * triangles if self.normals is not None else 0
        if rest or odd or len(self.uvs) != uvs or len(self.normals or b"") != normals or self.texture < -1:
            raise ValueError(f"a part of {vertices} vertices and {triangles} triangles has other lengths")


def pack(parts: Sequence[Part]) -> bytes:
    """The bytes of a canvas; its height is their number by `ROW_BYTES`. Where objects of one texture overlap
    in its UV layout, the earlier part has the texel."""
    pieces: List[Bytes] = [_HEAD.pack(_MAGIC, len(parts))]
    for part in parts:
        part.check()
        sizes = len(part.positions) // 12, len(part.triangles) // 12
        pieces.append(_PART.pack(part.texture, *sizes, part.normals is not None))
    for part in parts:
        pieces += [part.positions, part.triangles, part.uvs, part.normals or b""]
    size = sum(len(piece) for piece in pieces)
    pieces.append(bytes(-size % ROW_BYTES))
    return b"".join(pieces)


def unpack(data: Bytes) -> List[Part]:
    """The parts, uncopied: their arrays are views of `data`. Raises `BadValue` for what `pack` has not made.
    Indices of vertices are not looked at."""
    view = memoryview(data)
    if len(view) < _HEAD.size:
        raise BadValue(_BROKEN)
    magic, count = _HEAD.unpack_from(view)
    at = _HEAD.size
    if magic != _MAGIC or count > _MOST_PARTS or at + count * _PART.size > len(view):
        raise BadValue(_BROKEN)
    heads = [_PART.unpack_from(view, at + number * _PART.size) for number in range(count)]
    at += count * _PART.size

    def taken(size: int) -> memoryview:
        nonlocal at
        if at + size > len(view):
            raise BadValue(_BROKEN)
        at += size
        return view[at - size : at]

    parts = []
    for texture, vertices, triangles, normals in heads:
        if texture < -1 or normals > 1:
            raise BadValue(_BROKEN)
        parts.append(
            Part(
                texture,
                taken(12 * vertices),
                taken(12 * triangles),
                taken(24 * triangles if texture >= 0 else 0),
                taken(36 * triangles) if normals else None,
            )
        )
    return parts
