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
from impasto_server.front.journal import JobRecord, Journal
from impasto_server.pool.channel import StoredLayer
from impasto_server.records import pack

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


# The schema of version 1, as it stands in journals of artists: written down here, not derived.
SCHEMA_1 = """
CREATE TABLE clients (client TEXT PRIMARY KEY, event INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (number INTEGER PRIMARY KEY AUTOINCREMENT, client TEXT NOT NULL, job TEXT NOT NULL,
    urgency TEXT NOT NULL, state TEXT NOT NULL, request BLOB NOT NULL, layers BLOB NOT NULL, code TEXT,
    sentence TEXT, event INTEGER NOT NULL, crashes INTEGER NOT NULL DEFAULT 0,
    forgotten INTEGER NOT NULL DEFAULT 0, created_s REAL NOT NULL, changed_s REAL NOT NULL);
CREATE UNIQUE INDEX jobs_known ON jobs (client, job) WHERE NOT forgotten;
CREATE INDEX jobs_events ON jobs (client, event);
CREATE TABLE pixels (number INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE, role TEXT NOT NULL,
    digest TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, format TEXT NOT NULL,
    size INTEGER NOT NULL, PRIMARY KEY (number, role, digest)) WITHOUT ROWID;
CREATE INDEX pixels_digest ON pixels (digest);
PRAGMA user_version = 1;
"""


async def test_a_journal_of_the_first_schema_opens_with_nothing_lost(tmp_path: Path) -> None:
    ref = put(tmp_path, b"pixels")
    path = tmp_path / "journal.sqlite"
    old = sqlite3.connect(path)
    old.executescript(SCHEMA_1)
    old.execute("INSERT INTO clients VALUES (?, 4)", (A,))
    old.executemany(
        "INSERT INTO jobs VALUES (?, ?, ?, 'batch', ?, ?, ?, NULL, NULL, ?, 1, 0, 5.0, 6.0)",
        [
            (3, A, ONE, "done", pack(GenerateRequest("x", image=ref)), pack([layer(ref)]), 3),
            (5, A, TWO, "running", pack(REQUEST), pack([]), 4),
        ],
    )
    old.execute("INSERT INTO pixels VALUES (3, 'layer', ?, 6, 1, 'gray8', 6)", (ref.digest,))
    old.commit()
    old.close()
    for _ in range(2):  # the second time it is ours already
        async with opened(tmp_path) as journal:
            assert journal.notice is None
            done, running = await journal.jobs(A)
            assert (done.job, done.state, done.layers, done.note) == (ONE, "done", (layer(ref),), "")
            assert done.request == GenerateRequest("x", image=ref)
            assert (running.job, running.state, running.crashes) == (TWO, "running", 1)
            assert files(tmp_path) == {ref.digest}
    async with opened(tmp_path) as journal:
        await journal.annotate(A, ONE, "kept")
        accepted, _ = await journal.accept(A, "3" * 32, "batch", REQUEST, "new")
        assert (accepted.number, accepted.event) == (6, 5)
        assert [job.number for job in await journal.resume()] == [5, 6]


async def test_a_note_stays_with_its_job(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        accepted, _ = await journal.accept(A, ONE, "interactive", REQUEST, "first")
        again, _ = await journal.accept(A, ONE, "interactive", REQUEST, "of a second submit")
        assert again.note == "first"
        assert (await journal.annotate(A, ONE, "Skizze 夜")).event == accepted.event, "no news for anybody"
        await journal.begin(accepted.number)
        await journal.finish(accepted.number, "done")
        with pytest.raises(UnknownJob):
            await journal.annotate(B, ONE, "mine now")
    async with opened(tmp_path) as journal:
        (job,) = await journal.jobs(A)
        assert (job.summary().note, job.summary().urgency) == ("Skizze 夜", "interactive")
        await journal.forget(A, ONE)
        with pytest.raises(UnknownJob):
            await journal.annotate(A, ONE, "too late")


async def killed(home: Path, *numbers: int) -> list[JobRecord]:
    """A server's life that begins these jobs and ends as if the power failed. What it resumed with."""
    journal = Journal(home / "journal.sqlite", BlobStore(home / "blobs"), Clock())
    await journal.open()
    resumed = await journal.resume()
    for number in numbers:
        await journal.begin(number)
    journal._close()
    journal._thread.shutdown()
    return resumed


async def test_a_job_that_takes_the_machine_down_each_time_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.accept(A, ONE, "interactive", REQUEST)
        await journal.accept(A, TWO, "interactive", REQUEST)
    for _ in range(3):
        assert [job.number for job in await killed(tmp_path, 1)] == [1, 2]
    assert [job.number for job in await killed(tmp_path)] == [2], "the other one is still to be done"
    async with opened(tmp_path) as journal:
        given_up = await journal.known(A, ONE)
        assert given_up.state == "failed"
        assert given_up.error is not None
        assert given_up.error.code == "worker_crashed"
        _, missed = await journal.since(A, given_up.event - 1)
        assert ONE in [job.job for job in missed], "its client hears of it"


@pytest.mark.parametrize("ending", ["stopped", "worker died"])
async def test_starts_that_ended_in_good_order_do_not_count(tmp_path: Path, ending: str) -> None:
    async with opened(tmp_path) as journal:
        await journal.accept(A, ONE, "interactive", REQUEST)
    for _ in range(2):
        await killed(tmp_path, 1)
    async with opened(tmp_path) as journal:
        await journal.resume()
        await journal.begin(1)
        if ending == "worker died":
            await journal.requeue(1, crashed=False)
            await journal.begin(1)
    for _ in range(2):
        assert [job.number for job in await killed(tmp_path, 1)] == [1]
    assert [job.number for job in await killed(tmp_path)] == [1]


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


async def test_a_documents_history_does_not_age(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path, clock, retention_s=100.0) as journal:
        for job, note, state in ((ONE, "document 1", "done"), (TWO, "", "done"), ("3" * 32, "1", "failed")):
            record, _ = await journal.accept(A, job, "interactive", REQUEST, note)
            await journal.finish(
                record.number, state, error=ErrorInfo("x", "X.") if state == "failed" else None
            )
        clock.now_s += 101
        await journal.prune()
        assert [job.job for job in await journal.jobs(A)] == [ONE]
        await journal.forget(A, ONE)
        clock.now_s += 101
        assert await journal.prune() == 1


@pytest.mark.parametrize("end", ["cancelled", "failed", "done"])
async def test_layers_that_are_finished_early_stay_whatever_the_end(tmp_path: Path, end: str) -> None:
    async with opened(tmp_path) as journal:
        one, two, three = (put(tmp_path, pixels) for pixels in (b"one", b"two", b"three"))
        record, _ = await journal.accept(A, ONE, "interactive", REQUEST)
        await journal.begin(record.number)
        first = await journal.keep(record.number, [layer(one)])
        second = await journal.keep(record.number, [layer(one), layer(two)])
        assert first is not None
        assert second is not None
        assert (first.state, first.event, second.event) == ("running", 3, 4)
        assert [info.width for info in second.changed().layers] == [3, 3]
        if end == "cancelled":
            await journal.cancel(A, ONE)
        elif end == "failed":
            await journal.finish(record.number, "failed", [layer(one)], ErrorInfo("x", "X."))
        else:
            await journal.finish(record.number, "done", [layer(one), layer(two), layer(three)])
        assert await journal.keep(record.number, [layer(one), layer(two), layer(three)]) is None
    async with opened(tmp_path) as journal:
        known = await journal.known(A, ONE)
        assert known.state == end
        kept = [one, two, three] if end == "done" else [one, two]
        assert [stored.pixels for stored in known.layers] == kept
        assert known.summary().layers == tuple(layer(ref).info for ref in kept)
        assert files(tmp_path) == {ref.digest for ref in kept}, "opening has swept the others"
        await journal.forget(A, ONE)
        assert files(tmp_path) == set()


async def test_a_job_that_begins_again_keeps_its_layers_until_it_is_done(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        first = [layer(put(tmp_path, pixels)) for pixels in (b"one", b"two")]
        record, _ = await journal.accept(A, ONE, "interactive", REQUEST)
        await journal.begin(record.number)
        await journal.keep(record.number, first)
        waiting = await journal.requeue(record.number, crashed=True)
        assert waiting is not None
        assert (waiting.state, list(waiting.layers)) == ("queued", first)
    async with opened(tmp_path) as journal:
        (resumed,) = await journal.resume()
        assert list(resumed.layers) == first
        again = [layer(put(tmp_path, pixels)) for pixels in (b"other one", b"other two", b"three")]
        await journal.begin(record.number)
        assert await journal.keep(record.number, again[:1]) is None
        assert await journal.keep(record.number, again[:2]) is None
        done = await journal.finish(record.number, "done", again)
        assert done is not None
        assert list(done.layers) == again
        await journal.prune()
        assert files(tmp_path) == {stored.pixels.digest for stored in again}


async def test_a_layer_that_comes_before_the_word_that_its_job_runs_counts_as_one_start(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as journal:
        await journal.accept(A, ONE, "interactive", REQUEST)
    for pixels in (b"1", b"22", b"333"):
        journal = Journal(tmp_path / "journal.sqlite", BlobStore(tmp_path / "blobs"), Clock())
        await journal.open()
        assert [job.number for job in await journal.resume()] == [1]
        kept = [*(await journal.known(A, ONE)).layers, layer(put(tmp_path, pixels))]
        early = await journal.keep(1, kept)
        assert early is not None
        assert early.state == "running"
        assert await journal.begin(1) is None
        assert await journal.keep(1, [*kept, layer(put(tmp_path, pixels * 2))]) is not None
        journal._close()
        journal._thread.shutdown()
    async with opened(tmp_path) as journal:
        assert await journal.resume() == [], "given up after three starts, not before"
        given_up = await journal.known(A, ONE)
        assert (given_up.state, len(given_up.layers)) == ("failed", 6)


async def test_what_was_kept_of_a_cancelled_job_belongs_to_the_history(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path, clock, retention_s=100.0) as journal:
        for job, note in ((ONE, "document 1"), (TWO, "")):
            record, _ = await journal.accept(A, job, "interactive", REQUEST, note)
            await journal.begin(record.number)
            await journal.keep(record.number, [layer(put(tmp_path, job.encode()))])
            await journal.cancel(A, job)
        clock.now_s += 101
        assert await journal.prune() == 1
        assert [(job.job, len(job.layers)) for job in await journal.jobs(A)] == [(ONE, 1)]
        assert len(files(tmp_path)) == 1


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
