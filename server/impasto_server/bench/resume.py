"""`impasto bench resume`: kill -9 of the server in the middle of its queue, and what comes of the jobs."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from impasto_client.session import Job, Session
from impasto_protocol.errors import ImpastoError
from impasto_protocol.messages import GenerateRequest

from impasto_server.bench.numbers import in_ms, say
from impasto_server.bench.paced import PAINTED
from impasto_server.bench.processes import launch, until_listening

__all__ = ["measure", "table"]

JOBS, KILLS = 20, 8
FINISH_S = 60.0
_MODULE = "impasto_server.bench.paced"


def measure(quick: bool = False) -> dict[str, Any]:
    """One queue, one client that stays; the server is killed and started again `kills` times while it
    works."""
    kills, dice = (2 if quick else KILLS), random.Random(8)
    say(f"{JOBS} jobs, and kill -9 of the server {kills} times …")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        process = launch(_MODULE, home)
        until_listening(home, process)
        known: set[int] = set()
        times = []
        try:
            with Session.connect(home, name="impasto bench") as session:
                jobs = {
                    seed: session.submit(GenerateRequest("a bench", model="paced", seed=seed))
                    for seed in range(JOBS)
                }
                _until_accepted(session)
                painted_before: Counter[int] = Counter()
                for _ in range(kills):
                    time.sleep(dice.uniform(0.1, 0.5))
                    # What the client has been told is done must never be painted again.
                    known |= {seed for seed, job in jobs.items() if job.state == "done"}
                    painted_before = _painted(home)
                    process.kill()
                    process.wait()
                    begin = time.perf_counter()
                    process = launch(_MODULE, home)
                    until_listening(home, process)
                    times.append(time.perf_counter() - begin)
                lost = [seed for seed, job in jobs.items() if not _finishes(job, seed)]
                kept = session.jobs()
            doubled = [seed for seed in known if _painted(home)[seed] > painted_before[seed]]
        finally:
            process.kill()
            process.wait()
    return {
        "jobs": JOBS,
        "kills": kills,
        "lost": len(lost),
        "doubled": len(doubled) + len(kept) - len({job.job for job in kept}) + max(0, len(kept) - JOBS),
        "listening_again_p50_ms": in_ms(median(times)),
        "listening_again_max_ms": in_ms(max(times)),
    }


def table(numbers: dict[str, Any]) -> str:
    return (
        f"{numbers['jobs']} jobs, kill -9 {numbers['kills']} times: "
        f"{numbers['lost']} lost, {numbers['doubled']} doubled; "
        f"listening again after {numbers['listening_again_p50_ms']:.0f} ms "
        f"(longest {numbers['listening_again_max_ms']:.0f} ms)"
    )


def _until_accepted(session: Session) -> None:
    deadline = time.monotonic() + FINISH_S
    while len(session.jobs()) < JOBS and time.monotonic() < deadline:
        time.sleep(0.01)


def _finishes(job: Job, seed: int) -> bool:
    """Whether the job ends with its own picture."""
    with suppress(ImpastoError, TimeoutError):
        layers = job.wait(FINISH_S)
        return len(layers) == 1 and set(layers[0].pixels) == {seed % 256}
    return False


def _painted(home: Path) -> Counter[int]:
    """seed → how often it was painted to the end."""
    file = home / PAINTED
    return Counter(int(line) for line in file.read_text().split()) if file.exists() else Counter()
