"""What the server has promised, it still knows after any crash."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from impasto_protocol.errors import DiskFull, UnknownJob
from impasto_protocol.messages import ErrorInfo, GenerateRequest, LayerInfo, Recipe
from impasto_protocol.rasters import PixelFormat
from impasto_server.blobs import BlobRef, BlobStore
from impasto_server.front.journal import Journal
from impasto_server.pool.channel import StoredLayer

A, B = "a" * 32, "b" * 32
ONE, TWO = "1" * 32, "2" * 32
REQUEST = GenerateRequest("a fox", seed=7)


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def opened(home: Path, clock: Clock | None = None, **settings: float) -> AsyncIterator[Journal]:
    journal = Journal(home / "journal.sqlite", BlobStore(home / "blobs"), clock or Clock(), **settings)  # type: ignore[arg-type]
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


def put(home: Path, pixels: bytes, *, old: bool = True) -> BlobRef:
    ref = BlobStore(home / "blobs").put(pixels, len(pixels), 1, PixelFormat.GRAY8)
    if old:
        os.utime(home / "blobs" / ref.digest, (0, 0))
    return ref


def layer(ref: BlobRef) -> StoredLayer:
    recipe = Recipe(REQUEST, "Euler", "0" * 64, {"torch": "2"})
    return StoredLayer(LayerInfo("fox", 1, 2, ref.width, ref.height, ref.format, recipe, {"seam": 0.5}), ref)


def found(home: Path, pattern: str) -> list[Path]:
    return list(home.glob(pattern))


def files(home: Path) -> set[str]:
    return {path.name for path in (home / "blobs").iterdir()} if (home / "blobs").exists() else set()


async def test_a_job_is_taken_in_once_however_often_it_is_handed_in(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        first, new = await journal.accept(A, ONE, "interactive", REQUEST)
        again, new_again = await journal.accept(A, ONE, "batch", GenerateRequest("other"))
        assert (new, new_again) == (True, False)
        assert again == first
        other, new = await journal.accept(B, ONE, "interactive", REQUEST)
        assert new
        assert other.number != first.number


async def test_everything_is_still_there_after_reopening(tmp_path: Path) -> None:
    ref = put(tmp_path, b"pixels")
    async with opened(tmp_path) as journal:
        accepted, _ = await journal.accept(A, ONE, "batch", GenerateRequest("x", image=ref, mask=ref))
        await journal.begin(accepted.number)
        await journal.finish(accepted.number, "done", [layer(ref)])
        failed, _ = await journal.accept(A, TWO, "batch", REQUEST)
        await journal.finish(failed.number, "failed", error=ErrorInfo("out_of_memory", "Too large."))
        before = await journal.jobs(A)
    async with opened(tmp_path) as journal:
        assert await journal.jobs(A) == before
        assert before[0].layers == (layer(ref),)
        assert before[0].request == GenerateRequest("x", image=ref, mask=ref)
        assert before[1].error == ErrorInfo("out_of_memory", "Too large.")


async def test_a_journal_of_an_impasto_without_controls_is_read(tmp_path: Path) -> None:
    """Its requests and recipes lack the fields that came later, in a journal of the same schema."""
    ref = put(tmp_path, b"pixels")
    async with opened(tmp_path) as journal:
        for job in (ONE, TWO):
            await journal.accept(A, job, "interactive", REQUEST)
        await journal.finish(1, "done", [layer(ref)])
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    for number, request, layers in database.execute("SELECT number, request, layers FROM jobs").fetchall():
        tables = [msgspec.msgpack.decode(blob) for blob in (request, layers)]
        _without(tables, {"controls", "loras", "adapters"})
        old = [msgspec.msgpack.encode(table) for table in tables]
        assert old[0] != request
        database.execute("UPDATE jobs SET request = ?, layers = ? WHERE number = ?", (*old, number))
    database.commit()
    database.close()
    async with opened(tmp_path) as journal:
        assert journal.notice is None
        (waiting,) = await journal.resume()
        assert waiting.request == REQUEST
        done = await journal.known(A, ONE)
        assert done.layers == (layer(ref),)


def _without(table: object, fields: set[str]) -> None:
    if isinstance(table, dict):
        for field in fields & table.keys():
            del table[field]
        table = list(table.values())
    for value in table if isinstance(table, list) else ():
        _without(value, fields)


async def test_an_interrupted_job_is_queued_again_in_its_old_place(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        first, _ = await journal.accept(A, ONE, "interactive", REQUEST)
        second, _ = await journal.accept(B, ONE, "interactive", REQUEST)
        await journal.begin(first.number)
    async with opened(tmp_path) as journal:
        resumed = await journal.resume()
        assert [(job.number, job.state) for job in resumed] == [
            (first.number, "queued"),
            (second.number, "queued"),
        ]
        assert resumed[0].event > first.event, "the client hears that it waits again"
        assert resumed[0].crashes == 0


async def test_events_of_a_client_rise_by_one_and_are_sent_again_from_where_it_was(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        one, _ = await journal.accept(A, ONE, "interactive", REQUEST)
        await journal.accept(B, ONE, "interactive", REQUEST)
        two, _ = await journal.accept(A, TWO, "interactive", REQUEST)
        running = await journal.begin(one.number)
        assert running is not None
        assert [one.event, two.event, running.event] == [1, 2, 3]
        newest, missed = await journal.since(A, 1)
        assert newest == 3
        assert [(job.job, job.event) for job in missed] == [(TWO, 2), (ONE, 3)]
        assert await journal.since(A, 3) == (3, [])
        newest, missed = await journal.since(A, 99)
        assert newest == 3
        assert len(missed) == 2, "an event of a journal that is gone: everything is news"


async def test_the_first_final_state_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        job, _ = await journal.accept(A, ONE, "interactive", REQUEST)
        cancelled, changed = await journal.cancel(A, ONE)
        assert changed
        assert cancelled.state == "cancelled"
        assert await journal.finish(job.number, "done", [layer(put(tmp_path, b"late"))]) is None
        assert await journal.begin(job.number) is None
        assert await journal.requeue(job.number, crashed=True) is None
        again, changed = await journal.cancel(A, ONE)
        assert not changed
        assert again == cancelled


async def test_a_job_of_another_client_is_unknown(tmp_path: Path) -> None:
    ref = put(tmp_path, b"private")
    async with opened(tmp_path) as journal:
        job, _ = await journal.accept(A, ONE, "interactive", GenerateRequest("x", image=ref))
        with pytest.raises(UnknownJob):
            await journal.cancel(B, ONE)
        with pytest.raises(UnknownJob):
            await journal.known(B, ONE)
        await journal.forget(B, ONE)
        assert (await journal.known(A, ONE)).number == job.number
        assert await journal.input(B, ref.digest) is None
        assert await journal.input(A, ref.digest) == ref


async def test_a_forgotten_job_gives_its_layers_up_and_keeps_its_inputs_for_a_while(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path, clock, retention_s=100.0) as journal:
        image, result = put(tmp_path, b"image"), put(tmp_path, b"result")
        job, _ = await journal.accept(A, ONE, "interactive", GenerateRequest("x", image=image))
        await journal.finish(job.number, "done", [layer(result)])
        await journal.forget(A, ONE)
        assert await journal.jobs(A) == []
        assert files(tmp_path) == {image.digest}
        assert await journal.input(A, image.digest) == image
        clock.now_s += 101
        assert await journal.prune() == 1
        assert files(tmp_path) == set()


async def test_pixels_that_two_jobs_share_stay_until_both_are_gone(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path, clock, retention_s=100.0) as journal:
        shared = put(tmp_path, b"shared")
        one, _ = await journal.accept(A, ONE, "interactive", GenerateRequest("x", image=shared))
        await journal.finish(one.number, "done")
        clock.now_s += 60
        two, _ = await journal.accept(A, TWO, "interactive", GenerateRequest("x", image=shared))
        await journal.finish(two.number, "done")
        clock.now_s += 60
        assert await journal.prune() == 1
        assert files(tmp_path) == {shared.digest}


async def test_over_the_budget_forgotten_jobs_go_first_and_unfinished_ones_never(tmp_path: Path) -> None:
    async with opened(tmp_path, budget_bytes=100) as journal:
        for index, job in enumerate((ONE, TWO, "3" * 32)):
            ref = put(tmp_path, bytes([index]) * 60)
            record, _ = await journal.accept(A, job, "interactive", GenerateRequest("x", image=ref))
            if index < 2:
                await journal.finish(record.number, "done")
        await journal.forget(A, TWO)
        assert await journal.prune() == 2
        assert [job.job for job in await journal.jobs(A)] == ["3" * 32]
        assert len(files(tmp_path)) == 1


async def test_within_the_budget_a_finished_job_outlives_a_forgotten_one(tmp_path: Path) -> None:
    async with opened(tmp_path, budget_bytes=100) as journal:
        for index, job in enumerate((ONE, TWO)):
            ref = put(tmp_path, bytes([index]) * 60)
            record, _ = await journal.accept(A, job, "interactive", GenerateRequest("x", image=ref))
            await journal.finish(record.number, "done")
        await journal.forget(A, TWO)
        assert await journal.prune() == 1
        assert [job.job for job in await journal.jobs(A)] == [ONE]


async def test_pruning_spares_pixels_that_a_worker_has_just_stored(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        fresh, stray = put(tmp_path, b"fresh", old=False), put(tmp_path, b"stray")
        await journal.prune()
        assert files(tmp_path) == {fresh.digest}
        assert stray.digest not in files(tmp_path)


async def test_opening_removes_what_a_crash_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        kept = put(tmp_path, b"kept")
        await journal.accept(A, ONE, "interactive", GenerateRequest("x", image=kept))
        put(tmp_path, b"stray")
        (tmp_path / "blobs" / "half.part").touch()
    async with opened(tmp_path):
        assert files(tmp_path) == {kept.digest}


async def test_prompts_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.accept(A, ONE, "interactive", REQUEST)
        for path in found(tmp_path, "journal.sqlite*"):
            assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["newer", "garbage", "torn"])
async def test_a_journal_that_cannot_be_read_is_put_aside_with_its_pixels(
    tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "journal.sqlite"
    async with opened(tmp_path) as journal:
        ref = put(tmp_path, b"pixels")
        for index in range(50):
            await journal.accept(A, f"{index:032x}", "batch", GenerateRequest("x" * 500, image=ref))
    if damage == "newer":
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version = 99")
        database.close()
    elif damage == "garbage":
        path.write_bytes(b"this is no database" * 1000)
    else:
        content = path.read_bytes()
        path.write_bytes(content[:8192] + b"\xff" * 8192 + content[16384:])
    damaged = path.read_bytes()

    async with opened(tmp_path) as journal:
        assert await journal.jobs(A) == []
        assert journal.notice is not None
        assert ("newer Impasto" in journal.notice) == (damage == "newer")
        await journal.accept(A, ONE, "interactive", REQUEST)
    aside = next(path for path in found(tmp_path, "journal.sqlite.aside-*") if path.name[-4:-3] != "-")
    assert aside.read_bytes() == damaged
    assert aside.name in journal.notice
    assert [path.name for path in found(tmp_path, "blobs.aside-*/*")] == [ref.digest]
    async with opened(tmp_path) as journal:
        assert [job.job for job in await journal.jobs(A)] == [ONE]


async def test_a_full_disk_refuses_changes_and_takes_them_again_when_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        job, _ = await journal.accept(A, ONE, "interactive", REQUEST)
        assert journal._database is not None
        (pages,) = journal._database.execute("PRAGMA page_count").fetchone()
        journal._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DiskFull, match="Free some space"):
            await journal.accept(A, TWO, "interactive", GenerateRequest("x" * 100_000))
        assert [known.job for known in await journal.jobs(A)] == [ONE]
        journal._database.execute("PRAGMA max_page_count = 100000")
        _, new = await journal.accept(A, TWO, "interactive", GenerateRequest("x" * 100_000))
        assert new
        assert (await journal.find(A, ONE)) == job


async def test_changes_from_many_tasks_get_distinct_rising_events(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        accepted = await asyncio.gather(
            *[journal.accept(A, f"{n:032x}", "batch", REQUEST) for n in range(40)]
        )
        assert sorted(job.event for job, _ in accepted) == list(range(1, 41))
