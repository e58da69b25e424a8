"""`impasto bench cancel`: how soon a cancel is acknowledged, and how soon the device is free.

A tiny model paints a long job; at a random moment of it the client cancels. Counted are the time until the
client hears `cancelled`, and the time until the next job, which was waiting, samples.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any

from impasto_client.session import Session
from impasto_protocol import places
from impasto_protocol.errors import ImpastoError
from impasto_protocol.messages import GenerateRequest, JobChanged, JobProgress

from impasto_server.bench.bare import GUIDANCE, PROMPT
from impasto_server.bench.numbers import in_ms, say, summary
from impasto_server.bench.overhead import MODEL, SIDE, build_model
from impasto_server.bench.processes import running

__all__ = ["measure", "table"]

ROUNDS, LONG_STEPS, WAIT_S = 40, 100, 60.0


def measure(quick: bool = False) -> dict[str, Any]:
    rounds, dice = (5 if quick else ROUNDS), random.Random(5)
    say(f"Cancelling {rounds} jobs in mid-step …")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        build_model(home, places.model_folder(home) / MODEL)
        with running("impasto_server.cli", home, "serve", "--port", "0"), _Watcher(home) as watcher:
            watcher.cancel_one(0.2)  # the worker starts and loads
            watcher.acknowledged_s.clear()
            watcher.free_s.clear()
            for _ in range(rounds):
                watcher.cancel_one(dice.uniform(0.05, 0.3))
    return {
        "side_px": SIDE,
        "acknowledged": summary(watcher.acknowledged_s),
        "slowest_ms": in_ms(max(watcher.acknowledged_s)),
        "next_job": summary(watcher.free_s),
        "step_ms": in_ms(watcher.step_s),
    }


def table(numbers: dict[str, Any]) -> str:
    heard, following = numbers["acknowledged"], numbers["next_job"]
    return (
        f"A cancel at {numbers['side_px']}² px is acknowledged after p50 {heard['p50_ms']:.1f} ms, "
        f"p95 {heard['p95_ms']:.1f} ms, at most {numbers['slowest_ms']:.1f} ms\n"
        f"The next job samples after p50 {following['p50_ms']:.1f} ms, "
        f"p95 {following['p95_ms']:.1f} ms (a step takes {numbers['step_ms']:.1f} ms)"
    )


class _Watcher:
    """A client that notes when what it waits for is heard."""

    def __init__(self, home: Path) -> None:
        self.acknowledged_s: list[float] = []
        self.free_s: list[float] = []
        self.step_s = 0.0
        self._cancelled_at: dict[str, float] = {}
        self._steps: dict[str, dict[int, float]] = {}
        self._session = Session.connect(home, name="impasto bench", listener=self._heard)

    def __enter__(self) -> _Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def _heard(self, message: JobChanged | JobProgress) -> None:
        now = time.perf_counter()
        if isinstance(message, JobProgress):
            if message.stage == "sampling":
                self._steps.setdefault(message.job, {}).setdefault(message.step, now)
        elif message.state == "cancelled":
            self._cancelled_at.setdefault(message.job, now)

    def cancel_one(self, after_s: float) -> None:
        """Cancels a long job `after_s` seconds into its sampling, while another one waits."""
        victim = self._session.submit(_request(LONG_STEPS))
        self._until(lambda: len(self._steps.get(victim.id, ())) > 1)
        waiting = self._session.submit(_request(4))
        time.sleep(after_s)
        begin = time.perf_counter()
        victim.cancel()
        self._until(lambda: victim.id in self._cancelled_at and waiting.id in self._steps)
        self.acknowledged_s.append(self._cancelled_at[victim.id] - begin)
        self.free_s.append(min(self._steps[waiting.id].values()) - begin)
        steps = sorted(self._steps[victim.id].items())
        self.step_s = (steps[-1][1] - steps[0][1]) / (steps[-1][0] - steps[0][0])
        waiting.wait(WAIT_S)
        for job in (victim, waiting):
            job.forget()

    @staticmethod
    def _until(condition: Any) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > deadline:
                raise ImpastoError("The bench's job does not get on. Look into the log of the bench.")
            time.sleep(0.0005)


def _request(steps: int) -> GenerateRequest:
    return GenerateRequest(
        PROMPT, model=MODEL, width=SIDE, height=SIDE, steps=steps, guidance=GUIDANCE, seed=1
    )
