"""The journal's file: its schema, older ones brought up to it, and what is done with one that cannot be read.

Each version of the schema is a step in `_MIGRATIONS`; a journal of any older version is brought up to date
in one transaction when it is opened.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

__all__ = ["SCHEMA_VERSION", "Transaction", "connect", "is_disk_trouble", "put_aside"]

SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE clients (client TEXT PRIMARY KEY, event INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of acceptance; the worker's name for the job
    client TEXT NOT NULL,
    job TEXT NOT NULL,                         -- the client's name for it
    urgency TEXT NOT NULL,
    state TEXT NOT NULL,
    request BLOB NOT NULL,                     -- msgpack of GenerateRequest
    layers BLOB NOT NULL,                      -- msgpack of list[StoredLayer]
    code TEXT,
    sentence TEXT,
    event INTEGER NOT NULL,
    crashes INTEGER NOT NULL DEFAULT 0,        -- workers that died while it held the device
    forgotten INTEGER NOT NULL DEFAULT 0,
    created_s REAL NOT NULL,
    changed_s REAL NOT NULL,
    note TEXT NOT NULL DEFAULT '',             -- the client's own
    starts INTEGER NOT NULL DEFAULT 0          -- times it began since it last ended in any way
);
CREATE UNIQUE INDEX jobs_known ON jobs (client, job) WHERE NOT forgotten;
CREATE INDEX jobs_events ON jobs (client, event);
CREATE TABLE pixels (
    number INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    role TEXT NOT NULL,                        -- input | layer
    digest TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    format TEXT NOT NULL,
    size INTEGER NOT NULL,                     -- bytes
    PRIMARY KEY (number, role, digest)
) WITHOUT ROWID;
CREATE INDEX pixels_digest ON pixels (digest);
"""
_MIGRATIONS = {  # from that version to the next; columns are added where _SCHEMA has them, at the end
    1: (
        "ALTER TABLE jobs ADD COLUMN note TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE jobs ADD COLUMN starts INTEGER NOT NULL DEFAULT 0",
    ),
}


def connect(path: Path) -> tuple[sqlite3.Connection, int]:
    """The open database and the version of its schema, which is made if there is none."""
    path.touch(mode=0o600)  # it holds prompts
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            return database, int(version)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        if version < SCHEMA_VERSION:
            with Transaction(database):
                for statement in _statements(version):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        database.close()
        raise
    return database, SCHEMA_VERSION


def _statements(version: int) -> list[str]:
    """What makes a database of that version, 0 an empty one, into one of ours."""
    if version == 0:
        return _SCHEMA.split(";\n")
    return [statement for step in range(version, SCHEMA_VERSION) for statement in _MIGRATIONS[step]]


def put_aside(path: Path, pixels: Path) -> Path:
    """Renames the database, with what SQLite keeps beside it, and its pixels' folder. Returns where to."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.aside-{stamp}")
    count = 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}.aside-{stamp}-{count}")
    suffix = aside.name[len(path.name) :]
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        source = path.with_name(name)
        if source.exists():
            source.replace(path.with_name(name.replace(path.name, aside.name)))
    if pixels.exists():
        pixels.replace(pixels.with_name(pixels.name + suffix))
    return aside


class Transaction:
    """BEGIN IMMEDIATE … COMMIT; anything that goes wrong, the commit included, rolls all of it back."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            try:
                self._database.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        if self._database.in_transaction:  # SQLite may have rolled back by itself, as it does on a full disk
            self._database.execute("ROLLBACK")


def is_disk_trouble(error: Exception) -> bool:
    """Full, over quota, or refusing writes. By text: `sqlite_errorcode` came with Python 3.11."""
    if isinstance(error, OSError):
        return True
    return any(words in str(error) for words in ("database or disk is full", "disk I/O error"))
