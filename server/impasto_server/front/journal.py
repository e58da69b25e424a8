"""What was accepted and what came of it: an SQLite database that outlives every crash.

Each change of a job is one transaction, on disk before anybody hears of it (WAL, synchronous=FULL: 0.2 ms).
In the same transaction the job takes the next event number of its client, so a client that names the last
event it saw gets exactly what it missed. Progress is never written.

One thread owns the database; the event loop awaits it and never touches the disk. Pixels lie in the blob
store; the journal names them, and removes those that nobody names any more.

A job keeps the layers it has finished, whatever becomes of it. They never get fewer; those that it is done
with replace them all.

A job that was forgotten keeps its inputs, so that its recipe can be replayed, until `retention_s` has passed
or `budget_bytes` is exceeded; its layers go at once. Finished jobs that nobody forgot go by the same rule,
but later; those with a note and a layer are part of a document's history, and go only when `budget_bytes` is
exceeded, the oldest first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from impasto_protocol.errors import DiskFull, InternalError, UnknownJob, WorkerCrashed
from impasto_protocol.messages import (
    FINAL_STATES,
    ErrorInfo,
    GenerateRequest,
    InputRef,
    JobChanged,
    JobSummary,
)
from impasto_protocol.rasters import PixelFormat, raster_size

from impasto_server.blobs import BlobRef, BlobStore
from impasto_server.front.journal_file import SCHEMA_VERSION, Transaction, connect, is_disk_trouble, put_aside
from impasto_server.pool.channel import StoredLayer, decode_layers
from impasto_server.records import pack, unpack_request

__all__ = ["JobRecord", "Journal"]

log = logging.getLogger(__name__)
T = TypeVar("T")

MOST_STARTS = 3  # of a job that the server never saw end, until it is failed
BUDGET_BYTES = 8 << 30
_COLUMNS = (
    "number, client, job, urgency, state, request, layers, code, sentence, event, crashes, created_s, note"
)
_NO_LAYERS = pack([])


@dataclass(frozen=True)
class JobRecord:
    number: int
    client: str
    job: str
    urgency: str
    state: str
    request: GenerateRequest
    layers: tuple[StoredLayer, ...]
    error: ErrorInfo | None
    event: int
    crashes: int
    created_s: float  # Unix time
    note: str = ""

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    def changed(self) -> JobChanged:
        infos = tuple(layer.info for layer in self.layers)
        return JobChanged(self.event, self.job, self.state, infos, self.error)

    def summary(self) -> JobSummary:
        infos = tuple(layer.info for layer in self.layers)
        return JobSummary(
            job=self.job,
            state=self.state,
            prompt=self.request.prompt,
            created_s=self.created_s,
            layers=infos,
            error=self.error,
            controls=tuple(control.kind for control in self.request.controls),
            loras=tuple(lora.name for lora in self.request.loras),
            note=self.note,
            urgency=self.urgency,
        )


class Journal:
    """The database at `path`. Every method but `close` needs `open` first, and may raise `DiskFull`."""

    def __init__(
        self,
        path: Path,
        blobs: BlobStore,
        clock: Callable[[], float] = time.time,
        *,
        retention_s: float = 7 * 86_400.0,
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        self._path = path
        self._blobs = blobs
        self._clock = clock
        self._retention_s = retention_s
        self._budget_bytes = budget_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._database: sqlite3.Connection | None = None
        self.notice: str | None = None  # a sentence for the artist, if the last journal had to be put aside

    # ── opening and closing ──────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Opens or creates the database and removes pixels that it does not name.

        A database that is broken, or was written by a newer Impasto, is put aside together with its pixels,
        and `notice` says so. Raises `DiskFull`.
        """
        await self._in_thread(self._open)

    async def close(self) -> None:
        """The server stops in good order: what runs now was not what ended it."""
        await self._in_thread(self._close_in_order)
        self._thread.shutdown()

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        reason = None
        try:
            self._database, version = connect(self._path)
        except sqlite3.OperationalError:
            raise  # the disk is full, or another program holds the file: nothing is wrong with it
        except sqlite3.DatabaseError:
            reason = "is damaged"
        else:
            if version <= SCHEMA_VERSION:
                self._sweep()
                return
            reason = "was written by a newer Impasto"
            self._close()
        aside = put_aside(self._path, self._blobs.folder)
        self.notice = (
            f"The list of jobs {reason}. It was put aside as {aside.name}, nothing was deleted; "
            "the server goes on with an empty list."
        )
        log.warning(self.notice)
        self._database, _ = connect(self._path)

    def _close_in_order(self) -> None:
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):  # a full disk must not keep the server from stopping
                self._database.execute("UPDATE jobs SET starts = 0 WHERE state = 'running'")
        self._close()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    # ── changes, each durable when it returns ────────────────────────────────────────────────────────────

    async def accept(
        self, client: str, job: str, urgency: str, request: GenerateRequest, note: str = ""
    ) -> tuple[JobRecord, bool]:
        """Takes a job in, queued. A job the client has handed in before is returned as it stands, with False.

        `request` names stored pixels only (InputRef).
        """
        return await self._in_thread(self._accept, client, job, urgency, request, note)

    async def annotate(self, client: str, job: str, note: str) -> JobRecord:
        """Replaces the note of a job, which makes no event. Raises `UnknownJob`."""
        return await self._in_thread(self._annotate, client, job, note)

    async def begin(self, number: int) -> JobRecord | None:
        """queued → running, counted as a start. None if it is not queued, so nothing changed."""
        return await self._in_thread(self._move, number, ("queued",), "running")

    async def requeue(self, number: int, *, crashed: bool) -> JobRecord | None:
        """running → queued: its worker died; `crashed`: while this job held the device. None: as above."""
        return await self._in_thread(
            self._move, number, ("queued", "running"), "queued", crashes=1 if crashed else 0
        )

    async def keep(self, number: int, layers: Sequence[StoredLayer]) -> JobRecord | None:
        """All layers that a running job has finished so far. None if the job has a final state, or as many
        are kept from an earlier start: a job paints the same bytes each time."""
        return await self._in_thread(self._keep, number, layers)

    async def finish(
        self, number: int, state: str, layers: Sequence[StoredLayer] = (), error: ErrorInfo | None = None
    ) -> JobRecord | None:
        """The last change of a job. None if it has a final state already, which it keeps."""
        return await self._in_thread(
            self._move, number, ("queued", "running"), state, layers=layers, error=error
        )

    async def cancel(self, client: str, job: str) -> tuple[JobRecord, bool]:
        """Cancels an unfinished job; a finished one stays as it is, with False. Raises `UnknownJob`."""
        return await self._in_thread(self._cancel, client, job)

    async def forget(self, client: str, job: str) -> None:
        """Puts a job away, which must have a final state. Unknown jobs are ignored."""
        await self._in_thread(self._forget, client, job)

    async def resume(self) -> list[JobRecord]:
        """After a start: running → queued, or → failed for a job that began `MOST_STARTS` times and took the
        server down each time. Returns all unfinished jobs in the order of acceptance."""
        return await self._in_thread(self._resume)

    async def prune(self) -> int:
        """Drops finished jobs that are too old or too much, the forgotten ones first. Returns how many."""
        return await self._in_thread(self._prune)

    def _accept(
        self, client: str, job: str, urgency: str, request: GenerateRequest, note: str
    ) -> tuple[JobRecord, bool]:
        with self._transaction() as database:
            known = self._find(client, job)
            if known is not None:
                return known, False
            now_s = self._clock()
            cursor = database.execute(
                "INSERT INTO jobs "
                "(client, job, urgency, state, request, layers, event, created_s, changed_s, note) "
                "VALUES (?1, ?2, ?3, 'queued', ?4, ?5, ?6, ?7, ?7, ?8)",
                (client, job, urgency, pack(request), _NO_LAYERS, self._next_event(client), now_s, note),
            )
            number = cursor.lastrowid
            assert number is not None
            inputs = [ref for ref in request.pictures.values() if isinstance(ref, InputRef)]
            self._note_pixels(number, "input", inputs)
            return self._record(number), True

    def _move(
        self,
        number: int,
        sources: tuple[str, ...],
        target: str,
        *,
        layers: Sequence[StoredLayer] = (),
        error: ErrorInfo | None = None,
        crashes: int = 0,
    ) -> JobRecord | None:
        with self._transaction() as database:
            row = database.execute("SELECT client, state FROM jobs WHERE number = ?", (number,)).fetchone()
            if row is None or row[1] not in sources:
                return None
            if target == "done" or (layers and len(layers) > len(self._record(number).layers)):
                self._replace_layers(number, layers)
            database.execute(
                # Its first layer may be here before the word that it has begun.
                "UPDATE jobs SET "
                "starts = CASE ?1 WHEN 'running' THEN starts + (state = 'queued') ELSE 0 END, "
                "state = ?1, code = ?2, sentence = ?3, crashes = crashes + ?4, event = ?5, changed_s = ?6 "
                "WHERE number = ?7",
                (
                    target,
                    error.code if error else None,
                    error.sentence if error else None,
                    crashes,
                    self._next_event(row[0]),
                    self._clock(),
                    number,
                ),
            )
            return self._record(number)

    def _keep(self, number: int, layers: Sequence[StoredLayer]) -> JobRecord | None:
        known = self._select("number = ?", number)
        if not known or len(layers) <= len(known[0].layers):
            return None
        return self._move(number, ("queued", "running"), "running", layers=layers)

    def _replace_layers(self, number: int, layers: Sequence[StoredLayer]) -> None:
        """Within a transaction. Pixels that nobody names any more go with the next `prune`."""
        self._db.execute("UPDATE jobs SET layers = ? WHERE number = ?", (pack(list(layers)), number))
        self._db.execute("DELETE FROM pixels WHERE number = ? AND role = 'layer'", (number,))
        self._note_pixels(number, "layer", [layer.pixels for layer in layers])

    def _annotate(self, client: str, job: str, note: str) -> JobRecord:
        with self._transaction() as database:
            known = self._known(client, job)
            database.execute("UPDATE jobs SET note = ? WHERE number = ?", (note, known.number))
            return self._record(known.number)

    def _cancel(self, client: str, job: str) -> tuple[JobRecord, bool]:
        known = self._known(client, job)
        changed = self._move(known.number, ("queued", "running"), "cancelled")
        return (changed, True) if changed is not None else (known, False)

    def _forget(self, client: str, job: str) -> None:
        with self._transaction() as database:
            known = self._find(client, job)
            if known is None:
                return
            if not known.is_final:
                raise ValueError(f"job {known.number} is {known.state}: cancel it first")
            database.execute(
                "UPDATE jobs SET forgotten = 1, layers = ?, changed_s = ? WHERE number = ?",
                (_NO_LAYERS, self._clock(), known.number),
            )
            loose = self._digests("number = ? AND role = 'layer'", known.number)
            database.execute("DELETE FROM pixels WHERE number = ? AND role = 'layer'", (known.number,))
        self._discard(loose)

    def _resume(self) -> list[JobRecord]:
        with self._transaction() as database:
            for number, client, starts in database.execute(
                "SELECT number, client, starts FROM jobs WHERE state = 'running' ORDER BY number"
            ).fetchall():
                change = (
                    ("failed", WorkerCrashed.code, _TOOK_ALL_DOWN)
                    if starts >= MOST_STARTS
                    else ("queued", None, None)
                )
                database.execute(
                    "UPDATE jobs SET state = ?, code = ?, sentence = ?, event = ?, changed_s = ? "
                    "WHERE number = ?",
                    (*change, self._next_event(client), self._clock(), number),
                )
        return self._select("state = 'queued' ORDER BY number")

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────

    async def find(self, client: str, job: str) -> JobRecord | None:
        return await self._in_thread(self._find, client, job)

    async def known(self, client: str, job: str) -> JobRecord:
        """A job of this client. Raises `UnknownJob`, also for a job of another client."""
        return await self._in_thread(self._known, client, job)

    async def jobs(self, client: str) -> list[JobRecord]:
        """All jobs the client has not forgotten, oldest first."""
        return await self._in_thread(self._select, "client = ? AND NOT forgotten ORDER BY number", client)

    async def since(self, client: str, event: int) -> tuple[int, list[JobRecord]]:
        """The client's newest event, and its jobs that changed after `event`, by event.

        An event this journal never gave out was another journal's: then all jobs are news.
        """
        return await self._in_thread(self._since, client, event)

    async def input(self, client: str, digest: str) -> BlobRef | None:
        """Pixels that a job of this client used, forgotten ones included."""
        return await self._in_thread(self._input, client, digest)

    def _find(self, client: str, job: str) -> JobRecord | None:
        found = self._select("client = ? AND job = ? AND NOT forgotten", client, job)
        return found[0] if found else None

    def _known(self, client: str, job: str) -> JobRecord:
        known = self._find(client, job)
        if known is None:
            raise UnknownJob("The server knows no such job of yours. It may have been put away already.")
        return known

    def _since(self, client: str, event: int) -> tuple[int, list[JobRecord]]:
        row = self._db.execute("SELECT event FROM clients WHERE client = ?", (client,)).fetchone()
        newest: int = row[0] if row else 0
        if event > newest:
            event = 0
        return newest, self._select(
            "client = ? AND event > ? AND NOT forgotten ORDER BY event", client, event
        )

    def _input(self, client: str, digest: str) -> BlobRef | None:
        row = self._db.execute(
            "SELECT digest, width, height, format FROM pixels JOIN jobs USING (number) "
            "WHERE client = ? AND role = 'input' AND digest = ?",
            (client, digest),
        ).fetchone()
        return None if row is None else BlobRef(row[0], row[1], row[2], PixelFormat(row[3]))

    # ── keeping house ────────────────────────────────────────────────────────────────────────────────────

    def _sweep(self) -> None:
        self._blobs.sweep(digest for (digest,) in self._db.execute("SELECT DISTINCT digest FROM pixels"))

    def _prune(self) -> int:
        final = "state IN ('done', 'failed', 'cancelled')"
        oldest_s = self._clock() - self._retention_s
        going = {
            number
            for (number,) in self._db.execute(
                f"SELECT number FROM jobs WHERE {final} AND changed_s < ? "  # noqa: S608
                "AND (forgotten OR note = '' OR (state != 'done' AND layers = ?))",
                (oldest_s, _NO_LAYERS),
            )
        }
        sizes: dict[str, int] = {}
        holders: dict[str, set[int]] = {}
        for number, digest, size in self._db.execute("SELECT number, digest, size FROM pixels"):
            sizes[digest] = size
            holders.setdefault(digest, set()).add(number)
        total = sum(size for digest, size in sizes.items() if holders[digest] - going)
        for (number,) in self._db.execute(
            f"SELECT number FROM jobs WHERE {final} ORDER BY forgotten DESC, changed_s"  # noqa: S608
        ):
            if total <= self._budget_bytes:
                break
            if number not in going:
                going.add(number)
                total -= sum(
                    size
                    for digest, size in sizes.items()
                    if number in holders[digest] and holders[digest] <= going
                )
        with self._transaction() as database:
            database.executemany("DELETE FROM jobs WHERE number = ?", [(number,) for number in going])
        # Also those whose job was cancelled while a worker still stored its layers: nobody names them.
        self._discard(path.name for path in self._stored() if len(path.name) == 64)
        return len(going)

    def _stored(self) -> list[Path]:
        return list(self._blobs.folder.iterdir()) if self._blobs.folder.is_dir() else []

    def _discard(self, digests: Iterable[str]) -> None:
        for digest in digests:
            if self._db.execute("SELECT 1 FROM pixels WHERE digest = ?", (digest,)).fetchone() is None:
                self._blobs.discard(digest)

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _db(self) -> sqlite3.Connection:
        if self._database is None:
            raise InternalError("The server is stopping. Start it again.")
        return self._database

    def _transaction(self) -> Transaction:
        return Transaction(self._db)

    def _next_event(self, client: str) -> int:
        row = self._db.execute(
            "INSERT INTO clients VALUES (?, 1) "
            "ON CONFLICT (client) DO UPDATE SET event = event + 1 RETURNING event",
            (client,),
        ).fetchone()
        return int(row[0])

    def _note_pixels(self, number: int, role: str, refs: Sequence[BlobRef]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO pixels VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    number,
                    role,
                    ref.digest,
                    ref.width,
                    ref.height,
                    ref.format.value,
                    raster_size(ref.width, ref.height, ref.format),
                )
                for ref in refs
            ],
        )

    def _digests(self, where: str, *values: object) -> list[str]:
        return [
            digest
            for (digest,) in self._db.execute(f"SELECT digest FROM pixels WHERE {where}", values)  # noqa: S608
        ]

    def _record(self, number: int) -> JobRecord:
        return self._select("number = ?", number)[0]

    def _select(self, where: str, *values: object) -> list[JobRecord]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM jobs WHERE {where}", values)  # noqa: S608
        return [_to_record(row) for row in rows]

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────

    async def _in_thread(self, work: Callable[..., T], *values: object, **named: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._guarded, work, values, named
        )

    def _guarded(self, work: Callable[..., T], values: tuple[object, ...], named: dict[str, object]) -> T:
        try:
            return work(*values, **named)
        except (sqlite3.Error, OSError) as error:
            if is_disk_trouble(error):
                raise DiskFull(
                    f"The disk that holds {self._path.parent} is full or failing ({error}). "
                    "Free some space and try again; nothing that was accepted is lost."
                ) from error
            raise


def _to_record(row: tuple[object, ...]) -> JobRecord:
    number, client, job, urgency, state, request, layers, code, sentence, event, crashes, created_s, note = (
        row
    )
    return JobRecord(
        number=int(number),  # type: ignore[call-overload]  # sqlite3 rows are untyped; the schema types them
        client=str(client),
        job=str(job),
        urgency=str(urgency),
        state=str(state),
        request=unpack_request(request),  # type: ignore[arg-type]
        layers=tuple(decode_layers(layers)),  # type: ignore[arg-type]
        error=None if code is None else ErrorInfo(str(code), str(sentence)),
        event=int(event),  # type: ignore[call-overload]
        crashes=int(crashes),  # type: ignore[call-overload]
        created_s=float(created_s),  # type: ignore[arg-type]
        note=str(note),
    )


_TOOK_ALL_DOWN = (
    f"The server, or this computer, went down {MOST_STARTS} times while it painted this picture, so it was "
    "given up. A smaller size or another model may work; log/worker.log says more."
)
