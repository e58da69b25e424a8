"""Pixels handed over in memory instead of through a socket, between two processes of one user on one host.

A segment is a file in a private folder (0700; on Linux in a tmpfs). Its owner keeps it mapped and writes into
it; the receiver reads it with an ordinary `read`, never a mapping, so an owner that cuts its file short
cannot crash the receiver (SIGBUS), only make it refuse. `multiprocessing.shared_memory` is not used: its
resource tracker starts `sys.executable`, which inside Krita is Krita.

Names are made here and checked before they touch the file system: `<pid in hex>-<16 hex digits>`.
"""

import contextlib
import mmap
import os
import re
import secrets
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Union

from .errors import MalformedFrame
from .messages import SharedBytes, SharedOffer

__all__ = ["SegmentPool", "SharedFolder", "copy_out", "private_folder", "read_into", "sweep"]

Buffer = Union[bytes, bytearray, memoryview]

_NAME = re.compile(r"([0-9a-f]{1,8})-[0-9a-f]{16}")
_GRAIN = 1 << 20  # segments are made in these sizes, so that one fits many pictures
_PROBE_BYTES = 32
_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK if hasattr(os, "O_NOFOLLOW") else 0
_BINARY = getattr(os, "O_BINARY", 0)  # Windows alone tells text from bytes

_GONE = "The memory that should hold these pixels cannot be used: {}."


def private_folder(folder: Path) -> Optional[Path]:
    """Makes `folder` for this user alone. None when it cannot be had or belongs to someone else."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder if _is_private(folder) else None
    except OSError:
        return None


def _is_private(folder: Path) -> bool:
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        return False
    return os.name == "nt" or (status.st_uid == os.getuid() and status.st_mode & 0o077 == 0)


# ── the receiver ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class SharedFolder:
    """A folder whose segments this process reads."""

    folder: Path
    owner: Optional[int] = None  # user id its files must have; None: ours

    def copy_out(self, shared: SharedBytes) -> bytes:
        """The bytes of a segment. Raises `MalformedFrame` for a name that is none, and for a file that is a
        link, not regular, of another user, or shorter than `shared.size`.
        """
        with self._open(shared) as descriptor:
            data = os.read(descriptor, shared.size)
            while len(data) < shared.size:
                more = os.read(descriptor, shared.size - len(data))
                if not more:
                    raise MalformedFrame(_GONE.format("it is shorter than announced"))
                data += more
        return data

    def check(self, shared: SharedBytes) -> None:
        """Raises what `copy_out` would raise now."""
        with self._open(shared):
            pass

    def read_into(self, shared: SharedBytes, target: memoryview) -> None:
        """Like `copy_out`, into `target`, which has `shared.size` bytes (ValueError otherwise)."""
        if len(target) != shared.size:
            raise ValueError(f"{len(target)} bytes cannot take {shared.size}")
        with self._open(shared) as descriptor, open(descriptor, "rb", buffering=0, closefd=False) as file:
            taken = 0
            while taken < shared.size:
                count = file.readinto(target[taken:])
                if not count:
                    raise MalformedFrame(_GONE.format("it is shorter than announced"))
                taken += count

    @contextlib.contextmanager
    def mapped(self, shared: SharedBytes) -> Iterator[memoryview]:
        """The bytes of a segment where they lie, uncopied. Only for an owner that is trusted: one that cuts
        its file short meanwhile ends this process (SIGBUS). Raises what `copy_out` does.
        """
        with self._open(shared) as descriptor:
            mapping = mmap.mmap(descriptor, shared.size, access=mmap.ACCESS_READ)
        with mapping, memoryview(mapping) as view:
            yield view

    def accepts(self, offer: SharedOffer) -> bool:
        """Whether the probe of a server's offer lies here with its nonce: then both are on one host."""
        if not offer.nonce or len(offer.nonce) > 4096:
            return False
        try:
            if not _is_private(self.folder):
                return False
            return secrets.compare_digest(
                self.copy_out(SharedBytes(offer.probe, len(offer.nonce))), offer.nonce
            )
        except (MalformedFrame, OSError):
            return False

    def _open(self, shared: SharedBytes) -> "_Descriptor":
        if not _NAME.fullmatch(shared.name):
            raise MalformedFrame(_GONE.format("that is no name of a segment"))
        try:
            descriptor = os.open(str(self.folder / shared.name), os.O_RDONLY | _OPEN | _BINARY)
        except OSError as error:
            raise MalformedFrame(_GONE.format("it is gone, or is no plain file")) from error
        try:
            self._check(os.fstat(descriptor), shared.size)
        except MalformedFrame:
            os.close(descriptor)
            raise
        return _Descriptor(descriptor)

    def _check(self, status: os.stat_result, size: int) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise MalformedFrame(_GONE.format("it is no plain file"))
        if os.name != "nt" and status.st_uid != (os.getuid() if self.owner is None else self.owner):
            raise MalformedFrame(_GONE.format("it belongs to another user"))
        if not 0 <= size <= status.st_size:
            raise MalformedFrame(_GONE.format("it is shorter than announced"))


class _Descriptor(contextlib.ExitStack):
    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.callback(os.close, descriptor)

    def __enter__(self) -> int:  # type: ignore[override]
        super().__enter__()
        return self._descriptor


def copy_out(folder: Path, shared: SharedBytes) -> bytes:
    """`SharedFolder(folder).copy_out(shared)`."""
    return SharedFolder(folder).copy_out(shared)


def read_into(folder: Path, shared: SharedBytes, target: memoryview) -> None:
    """`SharedFolder(folder).read_into(shared, target)`."""
    SharedFolder(folder).read_into(shared, target)


# ── the owner ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Segment:
    name: str
    mapped: mmap.mmap
    lent: bool = False


@dataclass
class SegmentPool:
    """Segments this process owns in one folder, used again once released. Safe for several threads."""

    folder: Path
    limit_bytes: int = 256 << 20  # of all segments together
    _segments: Dict[str, _Segment] = field(default_factory=dict)
    _probes: List[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lend(self, data: Buffer) -> Optional[SharedBytes]:
        """Copies `data` into a free segment. None when the limit is reached or the system has no memory: send
        it in the frame then.
        """
        with self._lock:
            segment = self._free(len(data)) or self._make(len(data))
            if segment is None:
                return None
            segment.lent = True
        try:
            segment.mapped[: len(data)] = data
        except ValueError:
            return None  # closed by another thread meanwhile
        return SharedBytes(segment.name, len(data))

    def release(self, name: str) -> bool:
        """The receiver has its copy. False for a name that is not lent: released twice, or never ours."""
        with self._lock:
            segment = self._segments.get(name)
            if segment is None or not segment.lent:
                return False
            segment.lent = False
            return True

    def release_all(self) -> None:
        """The receiver is gone and has copied all it ever will."""
        with self._lock:
            for segment in self._segments.values():
                segment.lent = False

    def offer(self) -> Optional[SharedOffer]:
        """A probe in the folder and the offer that names it; None when the folder cannot be written."""
        nonce = secrets.token_bytes(_PROBE_BYTES)
        name = _new_name()
        try:
            with _create(self.folder / name) as descriptor:
                os.write(descriptor, nonce)
        except OSError:
            return None
        with self._lock:
            self._probes.append(name)
        return SharedOffer(str(self.folder), name, nonce)

    def close(self) -> None:
        """Gives all memory back and removes the files. Idempotent."""
        with self._lock:
            names = list(self._segments) + self._probes
            for segment in self._segments.values():
                segment.mapped.close()
            self._segments.clear()
            self._probes.clear()
        for name in names:
            _remove(self.folder / name)

    def _free(self, size: int) -> Optional[_Segment]:
        fitting = [s for s in self._segments.values() if not s.lent and len(s.mapped) >= size]
        return min(fitting, key=lambda s: len(s.mapped)) if fitting else None

    def _make(self, size: int) -> Optional[_Segment]:
        capacity = max(1, -(-size // _GRAIN)) * _GRAIN
        self._shrink(capacity)
        if capacity + self._held() > self.limit_bytes:
            return None
        name = _new_name()
        try:
            with _create(self.folder / name) as descriptor:
                _reserve(descriptor, capacity)
                mapped = mmap.mmap(descriptor, capacity)
        except OSError:
            _remove(self.folder / name)
            return None
        self._segments[name] = _Segment(name, mapped)
        return self._segments[name]

    def _shrink(self, wanted: int) -> None:
        """Drops free segments, which were all too small, until `wanted` bytes fit the limit."""
        for segment in [s for s in self._segments.values() if not s.lent]:
            if self._held() + wanted <= self.limit_bytes:
                return
            segment.mapped.close()
            del self._segments[segment.name]
            _remove(self.folder / segment.name)

    def _held(self) -> int:
        return sum(len(segment.mapped) for segment in self._segments.values())


def sweep(folder: Path, alive: Callable[[int], bool]) -> int:
    """Removes the segments of owners that died without `close`; `alive(pid)` says which live. Returns how
    many.
    """
    removed = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and not alive(int(match.group(1), 16)):
            _remove(path)
            removed += 1
    return removed


def _new_name() -> str:
    return f"{os.getpid():x}-{secrets.token_hex(8)}"


def _create(path: Path) -> _Descriptor:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN | _BINARY
    return _Descriptor(os.open(str(path), flags, 0o600))


def _reserve(descriptor: int, size: int) -> None:
    """Takes the memory now: a write into a sparse file on a full tmpfs would end the process with SIGBUS."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass  # gone already, or (Windows) still read by the other side: `sweep` gets it later
