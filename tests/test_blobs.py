"""Pixels on disk are whole or not there, and stay as long as anybody wants them."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from impasto_protocol.errors import DiskFull, NoSuchInput
from impasto_protocol.rasters import PixelFormat
from impasto_server.blobs import BlobRef, BlobStore

GRAY = PixelFormat.GRAY8


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def age(blobs: BlobStore, ref: BlobRef, seconds: float = 3600.0) -> None:
    path = blobs.folder / ref.digest
    then_s = path.stat().st_mtime - seconds
    os.utime(path, (then_s, then_s))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pixels=st.binary(min_size=1, max_size=300))
def test_what_is_put_is_read(blobs: BlobStore, pixels: bytes) -> None:
    ref = blobs.put(pixels, len(pixels), 1, GRAY)
    assert bytes(blobs.read(ref)) == pixels


def test_the_same_pixels_take_one_file(blobs: BlobStore) -> None:
    first, second = blobs.put(b"abcd", 4, 1, GRAY), blobs.put(memoryview(b"abcd"), 2, 2, GRAY)
    assert first.digest == second.digest
    assert len(list(blobs.folder.iterdir())) == 1


def test_pixels_that_do_not_fill_the_raster_are_refused(blobs: BlobStore) -> None:
    with pytest.raises(ValueError, match="raster"):
        blobs.put(b"abc", 2, 2, GRAY)


def test_only_the_owner_may_read_them(blobs: BlobStore) -> None:
    ref = blobs.put(b"abcd", 2, 2, GRAY)
    assert (blobs.folder / ref.digest).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("digest", ["../journal.sqlite", "", "A" * 64, "a" * 63])
def test_a_name_that_is_no_digest_leads_nowhere(blobs: BlobStore, digest: str) -> None:
    with pytest.raises(NoSuchInput):
        blobs.read(BlobRef(digest, 1, 1, GRAY))


def test_a_blob_that_is_gone_or_cut_short_is_not_read(blobs: BlobStore) -> None:
    ref = blobs.put(b"abcd", 2, 2, GRAY)
    (blobs.folder / ref.digest).write_bytes(b"ab")
    with pytest.raises(NoSuchInput):
        blobs.read(ref)
    assert bytes(blobs.read(blobs.put(b"abcd", 2, 2, GRAY))) == b"abcd", "putting it again mends it"
    (blobs.folder / ref.digest).unlink()
    with pytest.raises(NoSuchInput):
        blobs.read(ref)


def test_sweeping_leaves_what_is_wanted(blobs: BlobStore) -> None:
    kept, stray = blobs.put(b"abcd", 2, 2, GRAY), blobs.put(b"efgh", 2, 2, GRAY)
    (blobs.folder / f"{stray.digest}.0123.part").write_bytes(b"half")
    assert blobs.sweep([kept.digest]) == 2
    assert [path.name for path in blobs.folder.iterdir()] == [kept.digest]


def test_young_blobs_are_spared_until_they_are_old(blobs: BlobStore) -> None:
    ref = blobs.put(b"abcd", 2, 2, GRAY)
    assert not blobs.discard(ref.digest)
    age(blobs, ref)
    assert blobs.discard(ref.digest)
    assert list(blobs.folder.iterdir()) == []
    assert blobs.discard(ref.digest), "what is gone is gone"


def test_putting_pixels_again_makes_them_young(blobs: BlobStore) -> None:
    ref = blobs.put(b"abcd", 2, 2, GRAY)
    age(blobs, ref)
    blobs.put(b"abcd", 2, 2, GRAY)
    assert not blobs.discard(ref.digest)


def test_pixels_put_in_the_very_moment_they_are_discarded_stay(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = blobs.put(b"abcd", 2, 2, GRAY)
    age(blobs, ref)
    replace = Path.replace

    def replace_late(path: Path, target: Path) -> Path:
        monkeypatch.undo()
        blobs.put(b"abcd", 2, 2, GRAY)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replace_late)
    assert not blobs.discard(ref.digest)
    assert bytes(blobs.read(ref)) == b"abcd"
    assert len(list(blobs.folder.iterdir())) == 1


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing_behind(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch, call: str, reason: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    with monkeypatch.context() as full:
        full.setattr(os, call, fail)
        if call == "replace":
            full.setattr(Path, "replace", fail)
        with pytest.raises(DiskFull, match="Free some space"):
            blobs.put(b"abcd", 2, 2, GRAY)
    assert not blobs.folder.exists() or list(blobs.folder.iterdir()) == []
    assert bytes(blobs.read(blobs.put(b"abcd", 2, 2, GRAY))) == b"abcd"


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, 3 << 20])
def test_large_rasters_are_stored_like_small_ones(blobs: BlobStore, size: int) -> None:
    pixels = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    first, again = blobs.put(pixels, size, 1, GRAY), blobs.put(bytearray(pixels), size, 1, GRAY)
    assert first == again
    assert first.digest == hashlib.sha256(pixels).hexdigest()
    assert bytes(blobs.read(first)) == pixels
    assert [path.name for path in blobs.folder.iterdir()] == [first.digest]


def test_a_large_raster_on_a_full_disk_leaves_nothing_behind(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fail)
        with pytest.raises(DiskFull):
            blobs.put(bytes(1 << 20), 1 << 20, 1, GRAY)
    assert list(blobs.folder.iterdir()) == []
