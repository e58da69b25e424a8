"""The disk is full at every write: nothing half-written, nothing lost, and no restart needed when there is
room.

The method is SQLite's: the n-th write, flush or rename fails, for n = 1, 2, … until a whole run passes.
SQLite's own writes fail for real: its table of system calls is made to lead here
(sqlite3_vfs.xSetSystemCall).
"""

from __future__ import annotations

import _sqlite3
import asyncio
import ctypes
import errno
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from impasto_protocol.errors import DiskFull
from impasto_protocol.messages import FINAL_STATES, CanvasRef, GenerateRequest, Pixels, Submit
from impasto_protocol.rasters import PixelFormat
from impasto_server import blobs as blobs_module
from impasto_server.blobs import BlobStore
from impasto_server.config import DEFAULT_LIMITS
from impasto_server.front.jobs import Inputs, JobDesk
from impasto_server.front.journal import Journal
from impasto_server.front.scheduler import Scheduler

from tests.fakes.pool import FakePool

A = "a" * 32
IMAGE = Pixels(64, 64, PixelFormat.RGB8, os.urandom(64 * 64 * 3))
FAILS_IN_A_ROW = 3

Write = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_longlong, use_errno=True
)
PlainWrite = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, use_errno=True
)
SetSystemCall = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


class Vfs(ctypes.Structure):
    """sqlite3.h, struct sqlite3_vfs, version 3."""

    _fields_ = [
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("zName", ctypes.c_char_p),
        ("pAppData", ctypes.c_void_p),
        *[(f"x{number}", ctypes.c_void_p) for number in range(13)],  # xOpen … xCurrentTimeInt64
        ("xSetSystemCall", SetSystemCall),
    ]


class Disk:
    """Has room, but for `FAILS_IN_A_ROW` operations from the `full_at`-th on."""

    def __init__(self) -> None:
        self.count = 0
        self.full_at = 0
        self.failures = 0

    def refuses(self) -> bool:
        self.count += 1
        if self.full_at and self.full_at <= self.count < self.full_at + FAILS_IN_A_ROW:
            self.failures += 1
            return True
        return False

    def charge(self) -> None:
        if self.refuses():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _ShortFile:
    """Writes half of what it is given before it finds the disk full."""

    def __init__(self, file: object, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def __enter__(self) -> _ShortFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: memoryview) -> None:
        if self._disk.refuses():
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._file.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    fsync, fdopen, replace = os.fsync, os.fdopen, Path.replace

    def failing_fsync(descriptor: int) -> None:
        disk.charge()
        fsync(descriptor)

    def failing_replace(path: Path, target: Path) -> Path:
        disk.charge()
        return replace(path, target)

    monkeypatch.setattr(blobs_module.os, "fsync", failing_fsync)
    monkeypatch.setattr(blobs_module.os, "fdopen", lambda *values: _ShortFile(fdopen(*values), disk))
    monkeypatch.setattr(Path, "replace", failing_replace)

    library = ctypes.CDLL(_sqlite3.__file__)
    try:
        library.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
    except AttributeError:
        pytest.skip("this Python keeps its SQLite to itself")
    vfs = library.sqlite3_vfs_find(None)
    system = ctypes.CDLL(None, use_errno=True)
    hooks: list[object] = []
    for name, prototype in ((b"pwrite", Write), (b"pwrite64", Write), (b"write", PlainWrite)):
        actual = prototype((name.decode(), system))

        def write(*values: int, actual: Callable[..., int] = actual) -> int:
            if disk.refuses():
                ctypes.set_errno(errno.ENOSPC)
                return -1
            return actual(*values)

        hook = prototype(write)
        hooks.append(hook)
        vfs.contents.xSetSystemCall(
            ctypes.cast(vfs, ctypes.c_void_p), name, ctypes.cast(hook, ctypes.c_void_p)
        )
    yield disk
    for name in (b"pwrite", b"pwrite64", b"write"):
        vfs.contents.xSetSystemCall(ctypes.cast(vfs, ctypes.c_void_p), name, None)


async def insist(action: Callable[[], Awaitable[object]]) -> None:
    """What an artist does: reads the sentence, makes room, tries again."""
    for _ in range(3 * FAILS_IN_A_ROW):
        try:
            await action()
        except DiskFull as error:
            refusal = error.sentence
        else:
            return
        assert "Free some space" in refusal
    raise AssertionError("it is refused though there is room")


async def until(condition: Callable[[], object]) -> None:
    for _ in range(20_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came true")


async def scenario(home: Path) -> None:
    """A short life of a server, as an artist sees it who insists on everything."""
    while True:
        blobs = BlobStore(home / "blobs")
        pool = FakePool(blobs)
        journal = Journal(home / "journal.sqlite", blobs)
        desk = JobDesk(journal, Scheduler(), pool, blobs, DEFAULT_LIMITS, disk_retry_s=0.001)
        try:
            await desk.start()
            break
        except DiskFull:
            await desk.stop()
    heard: dict[str, str] = {}
    subscription = await desk.subscribe(A, 0, lambda m: heard.__setitem__(m.job, getattr(m, "state", "")))
    subscription.start()
    await pool.come_up()
    for number in range(3):
        request = GenerateRequest(f"fox {number}", image=CanvasRef("c", 1))
        job = Submit(f"{number:032x}", request)
        await insist(lambda job=job: desk.submit(A, job, Inputs({"image": IMAGE})))
    await insist(lambda: desk.cancel(A, f"{1:032x}"))
    for job in (f"{0:032x}", f"{2:032x}"):
        await until(lambda: pool.running[0])
        await insist(pool.end)
        await until(lambda job=job: heard.get(job) in FINAL_STATES)
    await insist(lambda: desk.forget(A, f"{0:032x}"))
    await insist(journal.prune)
    await desk.stop()


async def check(home: Path) -> None:
    for path in (home / "blobs").iterdir():
        assert len(path.name) == 64, "half a picture was left behind"
    blobs = BlobStore(home / "blobs")
    journal = Journal(home / "journal.sqlite", blobs)
    await journal.open()
    assert journal.notice is None, "a full disk was taken for damage"
    jobs = await journal.jobs(A)
    assert [(job.job, job.state) for job in jobs] == [(f"{1:032x}", "cancelled"), (f"{2:032x}", "done")]
    assert bytes(blobs.read(jobs[1].layers[0].pixels)) == b"fox 2".ljust(16)
    assert jobs[1].request.image is not None
    assert bytes(blobs.read(jobs[1].request.image)) == IMAGE.data  # type: ignore[arg-type]
    await journal.close()
    database = sqlite3.connect(home / "journal.sqlite")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


@pytest.mark.faults
@pytest.mark.skipif(os.name == "nt", reason="the system calls have other names there")
async def test_whichever_write_finds_the_disk_full(tmp_path: Path, disk: Disk) -> None:
    for full_at in range(1, 1000):
        home = tmp_path / str(full_at)
        home.mkdir()
        disk.count, disk.failures, disk.full_at = 0, 0, full_at
        await scenario(home)
        failures, disk.full_at = disk.failures, 0
        await check(home)
        if failures == 0:
            break
    assert full_at > 60, "SQLite's writes and the blob store's have all had their turn"
