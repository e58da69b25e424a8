"""Pixels on disk: inputs of jobs and layers of results, written once, named by their content.

Front and worker share one store. A blob is a bare raster (no header) in a file named by its SHA-256, so
writing the same pixels twice costs one file, and a reader maps the file instead of copying it through a pipe.

A blob is durable when `put` returns: bytes are flushed to disk under a temporary name, then renamed, then
the folder is flushed. A crash leaves either the whole blob or a `.part` file, which `sweep` removes.

Between `put` and the journal's note of it, a blob belongs to nobody. So `put` sets the file's time also when
the pixels were there already, and `discard` spares what is young: it goes the next time, if still nobody
wants it.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import re
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from impasto_protocol.errors import DiskFull, NoSuchInput
from impasto_protocol.messages import InputRef
from impasto_protocol.rasters import PixelFormat, raster_size

__all__ = ["BlobRef", "BlobStore"]

BlobRef = InputRef  # one description of stored pixels, on the wire and off it

_LARGE = 1 << 20  # bytes; below, a thread costs more than it saves
YOUNG_S = 600.0  # far longer than from a worker's `put` to the front's note
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class BlobStore:
    """A folder of blobs. Safe for several processes: a blob never changes once it has its name."""

    folder: Path

    def put(
        self, pixels: bytes | bytearray | memoryview, width: int, height: int, format: PixelFormat
    ) -> BlobRef:
        """Stores a raster durably.

        Raises `DiskFull` when it does not fit; nothing is left behind then. ValueError for a wrong size.
        """
        view = memoryview(pixels).cast("B")
        if len(view) != raster_size(width, height, format):
            raise ValueError(f"{len(view)} bytes are not a {width}×{height} {format.value} raster")
        try:
            digest = self._put_large(view) if len(view) >= _LARGE else self._put_small(view)
        except OSError as error:
            if error.errno in _FULL:
                raise DiskFull(
                    f"The disk that holds {self.folder} is full. "
                    "Free some space and try again; nothing was lost."
                ) from error
            raise
        return BlobRef(digest, width, height, format)

    def _put_small(self, view: memoryview) -> str:
        digest = hashlib.sha256(view).hexdigest()
        if not self._refreshed(digest, len(view)):
            self._rename(self._written(view), digest)
        return digest

    def _put_large(self, view: memoryview) -> str:
        """Hashes while the disk writes: both take as long. What was there already is written for nothing."""
        with ThreadPoolExecutor(1) as beside:
            hashed = beside.submit(lambda: hashlib.sha256(view).hexdigest())
            part = self._written(view)
            digest = hashed.result()
        if self._refreshed(digest, len(view)):
            part.unlink(missing_ok=True)
        else:
            self._rename(part, digest)
        return digest

    def _refreshed(self, digest: str, size: int) -> bool:
        """True if the blob is there; it counts as young again then."""
        target = self.folder / digest
        try:
            os.utime(target)
            whole = target.stat().st_size == size
            _flush_folder(self.folder)  # another process may have renamed it a moment ago
        except FileNotFoundError:
            return False
        return whole

    def _written(self, view: memoryview) -> Path:
        """A `.part` file with the bytes, flushed."""
        part = self.folder / f"{secrets.token_hex(8)}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
                file.write(view)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return part

    def _rename(self, part: Path, digest: str) -> None:
        try:
            part.replace(self.folder / digest)
            _flush_folder(self.folder)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def read(self, ref: BlobRef) -> mmap.mmap:
        """The raster's bytes, mapped read-only. Raises `NoSuchInput` when the blob is gone or cut short."""
        try:
            with self._path(ref.digest).open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (FileNotFoundError, ValueError) as error:
            raise NoSuchInput("The server no longer keeps these pixels. Send the picture again.") from error
        if len(mapped) != raster_size(ref.width, ref.height, ref.format):
            mapped.close()
            raise NoSuchInput("The stored pixels have another size than asked for. Send the picture again.")
        return mapped

    def discard(self, digest: str, younger_s: float = YOUNG_S) -> bool:
        """Removes a blob that nobody wants, unless it was put within the last `younger_s`. True: it is gone.

        An old one is taken aside before its time is read again: a `put` at the same moment either has made it
        young, or finds it gone and writes it anew.
        """
        target = self._path(digest)
        aside = target.with_name(f"{digest}.{secrets.token_hex(4)}.part")
        try:
            if _age_s(target) < younger_s:
                return False
            target.replace(aside)
        except FileNotFoundError:
            return True
        if _age_s(aside) < younger_s:
            aside.replace(target)
            return False
        aside.unlink()
        return True

    def sweep(self, keep: Iterable[str]) -> int:
        """Removes every file that is not in `keep`: leftovers of crashes. Returns how many went.

        Only for the start of a server, when nobody else uses the store.
        """
        wanted = set(keep)
        if not self.folder.is_dir():
            return 0
        stray = [path for path in self.folder.iterdir() if path.name not in wanted]
        for path in stray:
            path.unlink(missing_ok=True)
        return len(stray)

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise NoSuchInput("That is no name of stored pixels.")
        return self.folder / digest


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _flush_folder(folder: Path) -> None:
    """Makes the rename itself durable. Windows has no such call and orders its journal by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
