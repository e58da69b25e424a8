"""`kill -9` of the server: no accepted job is lost or doubled, and nobody has to ask for the rest."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from impasto_protocol.messages import FINAL_STATES
from impasto_server.blobs import BlobRef, BlobStore
from impasto_server.engine.interface import Input
from impasto_server.front.journal import Journal

from tests.fakes.engine import painted

pytestmark = [
    pytest.mark.faults,
    pytest.mark.heavy,
    pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there"),
]

RANDOM_KILLS = 20


def start(
    home: Path, life: int, kill_at: int = 0, when: str = "before", stdout: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "IMPASTO_FAKE_STEP_S": "0.01",
    }
    command = [sys.executable, "-m", "tests.faults.victim", str(home), str(life), str(kill_at), when]
    return subprocess.Popen(command, env=environment, stdout=stdout)


class Promises:
    """What the clients remember: who was promised what, and what each heard last."""

    def __init__(self, home: Path) -> None:
        self.accepted: set[tuple[str, str]] = set()
        self.cancelled: set[tuple[str, str]] = set()
        self.forgotten: set[tuple[str, str]] = set()
        self.heard: dict[tuple[str, str], str] = {}
        self.finished: dict[tuple[str, str], int] = {}  # layers it heard of
        self.last_event: dict[str, int] = defaultdict(int)
        path = home / "promises"
        for line in path.read_text().splitlines() if path.exists() else []:
            client, what, *rest = line.split()
            if what == "heard":
                event, job, state, layers = rest
                self.heard[client, job] = state
                self.finished[client, job] = int(layers)
                self.last_event[client] = max(self.last_event[client], int(event))
            else:
                kinds = {"accepted": self.accepted, "cancelled": self.cancelled, "forgetting": self.forgotten}
                kinds[what].add((client, rest[0]))


async def check(home: Path) -> None:
    """All that was promised has been kept. Opens the journal as the next server would."""
    promises = Promises(home)
    blobs = BlobStore(home / "blobs")
    journal = Journal(home / "journal.sqlite", blobs)
    await journal.open()
    assert journal.notice is None
    known = {}
    for client in {client for client, _ in promises.accepted} | set(promises.last_event):
        rows = await journal.jobs(client)
        assert len({row.job for row in rows}) == len(rows), "a job was doubled"
        known |= {(client, row.job): row for row in rows}
        _, missed = await journal.since(client, promises.last_event[client])
        for row in missed:
            promises.heard[client, row.job] = row.state
            promises.finished[client, row.job] = len(row.layers)
    assert await journal.resume() == [], "something is still to be done"
    for key in promises.accepted - promises.forgotten:
        assert key in known, "an accepted job was lost"
        assert promises.heard[key] == known[key].state, "the client that comes back hears another thing"
        assert promises.finished[key] == len(known[key].layers), "or another number of takes"
        assert known[key].state == ("cancelled" if key in promises.cancelled else "done") or (
            known[key].state == "cancelled"
            and key[1].endswith("3")  # cancelled, but killed before it was told
        )
    for row in known.values():
        assert row.state in FINAL_STATES
        assert row.state == "cancelled" or len(row.layers) == row.request.takes
        for number, layer in enumerate(row.layers):
            take = replace(row.request, seed=row.request.seed + number, takes=1)
            given = {role: _input(blobs, ref) for role, ref in row.request.pictures.items()}
            assert bytes(blobs.read(layer.pixels)) == painted(take, given)
    await journal.close()
    database = sqlite3.connect(home / "journal.sqlite")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def _input(blobs: BlobStore, ref: BlobRef) -> Input:
    return Input(ref, np.frombuffer(blobs.read(ref), np.uint8))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_at_every_step_of_the_journal(tmp_path: Path, when: str) -> None:
    for kill_at in range(1, 100):
        home = tmp_path / str(kill_at)
        status = start(home, 1, kill_at, when).wait(60)
        assert status in (0, -signal.SIGKILL)
        begun_s = time.monotonic()
        assert start(home, 0).wait(60) == 0
        assert time.monotonic() - begun_s < 60
        await check(home)
        if status == 0:
            break
    assert kill_at > 10, "the journal is written at least once for each change of each job"


async def test_at_random_moments_one_life_after_the_other(tmp_path: Path) -> None:
    draw = random.Random(2026)
    for life in range(1, RANDOM_KILLS + 1):
        with start(tmp_path, life, stdout=subprocess.PIPE) as victim:
            assert victim.stdout is not None
            if life % 5:  # the others die while they start
                assert victim.stdout.readline() == b"alive\n"
            await asyncio.sleep(draw.uniform(0.0, 1.6))
            victim.kill()
    assert start(tmp_path, 0).wait(60) == 0
    assert len(Promises(tmp_path).accepted) >= RANDOM_KILLS, "the kills came too early to say anything"
    await check(tmp_path)
