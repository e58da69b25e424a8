"""Pixels in shared memory arrive whole, and nothing but a plain file of this user is ever read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from impasto_protocol.errors import MalformedFrame
from impasto_protocol.messages import SharedBytes, SharedOffer
from impasto_protocol.shared_memory import (
    SegmentPool,
    SharedFolder,
    copy_out,
    private_folder,
    read_into,
    sweep,
)

NAME = "1f-0123456789abcdef"
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX owners and links")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = private_folder(tmp_path / "shm")
    assert made is not None
    return made


def test_bytes_arrive_as_they_were_lent(folder: Path) -> None:
    pool = SegmentPool(folder)
    data = os.urandom(3_000_001)
    shared = pool.lend(data)
    assert shared is not None
    assert copy_out(folder, shared) == data
    target = bytearray(len(data))
    read_into(folder, shared, memoryview(target))
    assert target == data
    pool.close()


def test_a_released_segment_is_used_again_and_a_lent_one_is_not(folder: Path) -> None:
    pool = SegmentPool(folder)
    first, second = pool.lend(b"one"), pool.lend(b"two")
    assert first is not None
    assert second is not None
    assert first.name != second.name
    assert pool.release(first.name)
    third = pool.lend(b"three")
    assert third is not None
    assert third.name == first.name
    assert copy_out(folder, second) == b"two"
    pool.close()


def test_releasing_twice_or_something_else_changes_nothing(folder: Path) -> None:
    pool = SegmentPool(folder)
    shared = pool.lend(b"one")
    assert shared is not None
    assert pool.release(shared.name)
    assert not pool.release(shared.name)
    assert not pool.release("../../etc/passwd")
    pool.close()


def test_a_pool_at_its_limit_lends_nothing_until_something_is_released(folder: Path) -> None:
    pool = SegmentPool(folder, limit_bytes=2 << 20)
    first = pool.lend(bytes(1 << 20))
    assert first is not None
    assert pool.lend(bytes(2 << 20)) is None
    pool.release(first.name)
    assert pool.lend(bytes(2 << 20)) is not None
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2 << 20
    pool.close()


def test_a_closed_pool_leaves_nothing_behind(folder: Path) -> None:
    pool = SegmentPool(folder)
    pool.lend(b"one")
    assert pool.offer() is not None
    pool.close()
    pool.close()
    assert list(folder.iterdir()) == []


@posix
def test_files_are_for_their_user_alone(folder: Path) -> None:
    pool = SegmentPool(folder)
    shared = pool.lend(b"one")
    assert shared is not None
    assert (folder / shared.name).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    pool.close()


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../secret", "/etc/passwd", NAME + "/x", NAME.upper(), NAME + "\n", "x" * 300, NAME[:-1]],
)
def test_a_name_that_is_none_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(MalformedFrame, match="no name"):
        copy_out(folder, SharedBytes(name, 1))


def test_a_segment_that_is_gone_is_refused(folder: Path) -> None:
    with pytest.raises(MalformedFrame, match="gone"):
        copy_out(folder, SharedBytes(NAME, 1))


@pytest.mark.parametrize("size", [-1, 5, 1 << 60])
def test_a_segment_that_is_too_short_is_refused(folder: Path, size: int) -> None:
    (folder / NAME).write_bytes(b"four")
    with pytest.raises(MalformedFrame, match="shorter"):
        copy_out(folder, SharedBytes(NAME, size))


@posix
def test_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (folder / NAME).symlink_to(secret)
    with pytest.raises(MalformedFrame, match="no plain file"):
        copy_out(folder, SharedBytes(NAME, 6))


@posix
def test_a_pipe_is_refused_without_waiting_for_a_writer(folder: Path) -> None:
    os.mkfifo(folder / NAME)
    with pytest.raises(MalformedFrame, match="plain file"):
        copy_out(folder, SharedBytes(NAME, 1))


@posix
def test_a_file_of_another_user_is_refused(folder: Path) -> None:
    (folder / NAME).write_bytes(b"data")
    with pytest.raises(MalformedFrame, match="another user"):
        SharedFolder(folder, owner=os.getuid() + 1).copy_out(SharedBytes(NAME, 4))


@posix
def test_a_folder_others_can_read_is_not_private(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "open")
    (tmp_path / "file").write_bytes(b"")
    assert private_folder(tmp_path / "open") is None
    assert private_folder(tmp_path / "link") is None
    assert private_folder(tmp_path / "file") is None


def test_an_offer_is_accepted_only_where_its_probe_lies(folder: Path, tmp_path: Path) -> None:
    pool = SegmentPool(folder)
    offer = pool.offer()
    assert offer is not None
    elsewhere = private_folder(tmp_path / "elsewhere")
    assert elsewhere is not None
    assert SharedFolder(folder).accepts(offer)
    assert not SharedFolder(elsewhere).accepts(offer)
    assert not SharedFolder(folder).accepts(SharedOffer(offer.folder, offer.probe, b"x" * 32))
    assert not SharedFolder(folder).accepts(SharedOffer(offer.folder, offer.probe, b""))
    assert not SharedFolder(folder).accepts(SharedOffer(offer.folder, "../x", offer.nonce))
    pool.close()


def test_segments_of_the_dead_are_swept_and_those_of_the_living_stay(folder: Path) -> None:
    for name in ("aa-0123456789abcdef", "bb-0123456789abcdef", "notes.txt"):
        (folder / name).write_bytes(b"")
    assert sweep(folder, lambda pid: pid == 0xBB) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["bb-0123456789abcdef", "notes.txt"]
