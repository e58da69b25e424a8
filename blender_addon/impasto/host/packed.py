"""Our own PNG files inside the .blend, read without Blender: it would stop the artist while it unpacks one.

Blender unpacks a file when somebody first asks for its image's size or pixels, on the main thread: 0.4 s at
4096². What is not loaded has not been painted on either, so the file is what the image is.
"""

import struct
import threading
import zlib
from collections.abc import Generator
from typing import Any

import numpy as np

__all__ = ["file_of", "texels_of"]

HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
COLOURS = {2: 3, 6: 4}  # channels by colour type: RGB, RGBA
WAIT_S = 0.02


def file_of(image: Any) -> bytes | None:
    """The file, where it is one as we write them and Blender has not loaded it; None: it is another image.
    Loads nothing, but copies the file: 50 ms for 60 MB."""
    if image.source != "FILE" or image.has_data or image.is_dirty or len(image.packed_files) != 1:
        return None
    if image.alpha_mode != "CHANNEL_PACKED" or image.colorspace_settings.name != "sRGB":
        return None
    file: bytes = image.packed_file.data
    return file if _head(file) is not None else None


def texels_of(file: bytes) -> Generator[float, None, np.ndarray | None]:
    """(h, w, C) uint8, the top row first, of a `file_of`; None: it is not as we write them after all. Another
    thread unpacks it meanwhile."""
    found: list[np.ndarray | None] = []
    thread = threading.Thread(target=lambda: found.append(_texels(file)), name="impasto-unpack", daemon=True)
    thread.start()
    while thread.is_alive():
        yield WAIT_S
    return found[0] if found else None


def _head(file: bytes) -> tuple[int, int, int] | None:
    """As `impasto_studio.png` writes them: 8 bits, not interlaced."""
    if len(file) < 64 or not file.startswith(HEAD):
        return None
    width, height, depth, colour, *rest = struct.unpack_from(">IIBBBBB", file, len(HEAD))
    chunks = file[37:41], file[50:54]
    if depth != 8 or colour not in COLOURS or any(rest) or chunks != (b"sRGB", b"IDAT"):
        return None
    return width, height, COLOURS[colour]


def _texels(file: bytes) -> np.ndarray | None:
    head = _head(file)
    if head is None:
        return None
    width, height, channels = head
    (size,) = struct.unpack_from(">I", file, 46)
    try:
        rows = np.frombuffer(zlib.decompress(memoryview(file)[54 : 54 + size]), np.uint8).reshape(height, -1)
    except (zlib.error, ValueError):
        return None
    if rows.shape[1] != 1 + width * channels or rows[:, 0].any():  # filtered: somebody else's
        return None
    return rows[:, 1:].reshape(height, width, channels)
