"""PNG files out: pixels, texts, and a write that is whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import secrets
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from impasto_protocol.errors import BadValue, DiskFull
from PIL import Image

from impasto_server.cli.images import Array

__all__ = ["check_target", "encode", "write"]

_SIGNATURE_AND_HEADER = 8 + 25  # bytes: signature, IHDR chunk
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def encode(pixels: Array, texts: Mapping[str, str]) -> bytes:
    """A PNG of (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16, sRGB. Same pixels and texts: same bytes."""
    plain = _encode_eight(pixels) if pixels.dtype == np.uint8 else _encode_sixteen(pixels)
    chunks = b"".join(_text_chunk(keyword, text) for keyword, text in texts.items())
    return plain[:_SIGNATURE_AND_HEADER] + chunks + plain[_SIGNATURE_AND_HEADER:]


def _encode_eight(pixels: Array) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _encode_sixteen(pixels: Array) -> bytes:
    """Pillow writes no 16-bit colour."""
    import cv2

    codes = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    ordered = (
        pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels), codes[pixels.shape[2]])
    )
    done, data = cv2.imencode(".png", ordered)
    assert done
    return bytes(data)


def _text_chunk(keyword: str, text: str) -> bytes:
    """iTXt, uncompressed UTF-8; plain tEXt for `parameters` where ASCII suffices, as its readers expect."""
    if keyword == "parameters" and text.isascii():
        return _chunk(b"tEXt", keyword.encode() + b"\0" + text.encode())
    return _chunk(b"iTXt", keyword.encode() + b"\0\0\0\0\0" + text.encode("utf-8", "replace"))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def check_target(path: Path) -> None:
    """Before an hour of painting, not after it. Raises `BadValue`."""
    if path.suffix.lower() != ".png":
        raise BadValue(f"Pictures are written as PNG. Name the file {path.with_suffix('.png').name}.")
    folder = path.parent
    if not folder.is_dir():
        raise BadValue(f"There is no folder {folder}. Make it first, or choose another.")
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise BadValue(f"{path} cannot be written. Choose another name or folder.")


def write(path: Path, data: bytes) -> None:
    """Writes under another name, flushes, then renames: a reader sees the old file or the new one, whole.

    Raises `DiskFull`, or `BadValue` where the file cannot be written; the old file is untouched then.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in _FULL:
            raise DiskFull(
                f"The disk is full: {path} was not written. The result is kept; free some space and run: "
                "impasto jobs fetch"
            ) from error
        raise BadValue(f"{path} cannot be written: {error.strerror}.") from error
