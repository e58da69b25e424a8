"""Small copies of result layers, for a client's list of results.

Made from the stored layer on a thread, and kept in memory, the most recently asked for up to `CACHE_BYTES`:
reading 4 MiB and averaging it costs 2 to 7 ms, and a list is scrolled up and down.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
from impasto_protocol.messages import Pixels
from impasto_protocol.rasters import PixelFormat, channels, raster_size

from impasto_server.blobs import BlobRef, BlobStore

__all__ = ["Thumbnails"]

CACHE_BYTES = 64 << 20  # 256 of 256²: a long list
_SAMPLES = {PixelFormat.GRAY16: "<u2", PixelFormat.RGBA16: "<u2", PixelFormat.DEPTH32F: "<f4"}


class Thumbnails:
    """Of the layers in one blob store. May be used from several threads at once."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._lock = threading.Lock()  # guards all below
        self._kept: OrderedDict[tuple[str, int], Pixels] = OrderedDict()
        self._bytes = 0

    def of(self, ref: BlobRef, longest_px: int) -> Pixels:
        """RGBA8, straight alpha, the longer side `longest_px` at most. Raises `NoSuchInput`."""
        key = (ref.digest, longest_px)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        # Here: a server that nobody has asked for a thumbnail does without OpenCV (30 MiB, 50 ms).
        from impasto_server.front.averaging import thumbnail

        samples = np.frombuffer(self._blobs.read(ref), _SAMPLES.get(ref.format, "u1"))
        small = thumbnail(samples.reshape(ref.height, ref.width, channels(ref.format)), longest_px)
        made = Pixels(small.shape[1], small.shape[0], PixelFormat.RGBA8, small.tobytes())
        self._keep(key, made)
        return made

    def _keep(self, key: tuple[str, int], made: Pixels) -> None:
        with self._lock:
            if key not in self._kept:
                self._bytes += raster_size(made.width, made.height, made.format)
            self._kept[key] = made
            while self._bytes > CACHE_BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= raster_size(oldest.width, oldest.height, oldest.format)
