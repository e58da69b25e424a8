"""Which job runs next, and where. Pure: no threads, no files, no torch; the clock comes from outside.

    interactive > batch     but a class that has waited `patience_s` for a turn gets the next one
    clients of one class    whoever has used the device least goes first (start-time fair queuing, Goyal, Vin
                            and Cheng 1996, with measured device seconds)
    jobs of one client      in the order of acceptance
    every worker busy       a job may be put on top of a less urgent one, which then waits in its step gate;
                            urgency on one worker rises strictly, so at most two jobs nest
    live previews           are no jobs: workers paint them between the steps of any (worker/live.py), and the
                            time they take is charged here

The turn out of patience is all that a flooded class needs: once begun, a job is disturbed as before, but its
step gate lets it do a step after each disturbance. So batch always gets on, and never makes an artist wait
longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

__all__ = ["Scheduler", "Turn", "Urgency"]

PATIENCE_S = 120.0
FIRST_GUESS_S = 5.0  # device time of a job before any has been measured
MEMORY = 0.8  # weight of the past in the running mean of device times


class Urgency(IntEnum):
    BATCH = 0
    INTERACTIVE = 1


@dataclass(frozen=True)
class Turn:
    """Run `job` on `worker` now."""

    worker: int
    job: int


@dataclass
class _Waiting:
    job: int  # rises with acceptance
    client: str
    urgency: Urgency
    since_s: float


@dataclass
class _Running:
    job: int
    client: str
    urgency: Urgency
    charged_s: float


@dataclass
class _Worker:
    ready: bool = False
    stack: list[_Running] = field(default_factory=list)  # the last one holds the device


class Scheduler:
    """Owner of the queue. Jobs are numbers that rise with acceptance; the `clock` never goes back."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        workers: int = 1,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._clock = clock
        self._patience_s = patience_s
        self._waiting: dict[int, _Waiting] = {}
        self._workers = [_Worker() for _ in range(workers)]
        self._used_s: dict[str, float] = {}  # virtual time of each client
        self._now_s = 0.0  # virtual time of the system: that of the client served last
        self._last_turn_s = dict.fromkeys(Urgency, clock())
        self.expected_s = FIRST_GUESS_S  # running mean of measured device times

    # ── what the desk tells ──────────────────────────────────────────────────────────────────────────────

    def add(self, job: int, client: str, urgency: Urgency) -> None:
        """Queues a job."""
        if job in self._waiting or self.worker_of(job) is not None:
            raise ValueError(f"job {job} is here already")
        self._welcome(client)
        self._waiting[job] = _Waiting(job, client, urgency, self._clock())

    def charge(self, client: str, device_s: float) -> None:
        """The client has had live previews painted for `device_s`."""
        self._welcome(client)
        self._used_s[client] += device_s
        self._tidy(client)

    def remove(self, job: int) -> bool:
        """Takes a waiting job out of the queue. False if it does not wait."""
        waiting = self._waiting.pop(job, None)
        if waiting is not None:
            self._tidy(waiting.client)
        return waiting is not None

    def ready(self, worker: int) -> None:
        """The worker can take jobs."""
        self._workers[worker].ready = True

    def ended(self, worker: int, job: int, device_s: float) -> None:
        """The job has left the worker, after holding the device for `device_s`."""
        stack = self._workers[worker].stack
        running = next(running for running in stack if running.job == job)
        stack.remove(running)
        self._used_s[running.client] += device_s - running.charged_s
        if device_s > 0:
            self.expected_s = MEMORY * self.expected_s + (1 - MEMORY) * device_s
        self._tidy(running.client)

    def lost(self, worker: int) -> tuple[int, ...]:
        """The worker died. Returns its jobs, which run nowhere now; the last one held the device."""
        jobs = tuple(running.job for running in self._workers[worker].stack)
        for job in jobs:
            self.ended(worker, job, 0.0)
        self._workers[worker].ready = False
        return jobs

    # ── what it decides ──────────────────────────────────────────────────────────────────────────────────

    def next(self) -> Turn | None:
        """The next job and its worker; it counts as running from now on. None: nothing can start now."""
        impatient = self._impatient()
        for waiting in sorted(self._waiting.values(), key=lambda waiting: self._rank(waiting, impatient)):
            worker = self._place(waiting)
            if worker is not None:
                return self._begin(worker, waiting)
        return None

    def _rank(self, waiting: _Waiting, impatient: set[Urgency]) -> tuple[bool, int, float, int]:
        calm = waiting.urgency not in impatient
        return (calm, -waiting.urgency, self._used_s[waiting.client], waiting.job)

    def _impatient(self) -> set[Urgency]:
        """Classes none of whose jobs has begun for `patience_s`, though one was waiting all that time."""
        first_s: dict[Urgency, float] = {}
        for waiting in self._waiting.values():
            first_s[waiting.urgency] = min(waiting.since_s, first_s.get(waiting.urgency, waiting.since_s))
        late_s = self._clock() - self._patience_s
        return {urgency for urgency, s in first_s.items() if max(s, self._last_turn_s[urgency]) <= late_s}

    def _place(self, waiting: _Waiting) -> int | None:
        """A free worker, else the one with the least urgent job, if that is less urgent than this."""
        ready = [number for number, worker in enumerate(self._workers) if worker.ready]
        if not ready:
            return None
        best = min(ready, key=lambda number: (self._held(number), len(self._workers[number].stack), number))
        return best if self._held(best) < waiting.urgency else None

    def _held(self, worker: int) -> int:
        stack = self._workers[worker].stack
        return stack[-1].urgency if stack else -1

    def _begin(self, worker: int, waiting: _Waiting) -> Turn:
        del self._waiting[waiting.job]
        self._last_turn_s[waiting.urgency] = self._clock()
        self._now_s = max(self._now_s, self._used_s[waiting.client])
        self._used_s[waiting.client] += self.expected_s  # corrected when it ends
        running = _Running(waiting.job, waiting.client, waiting.urgency, self.expected_s)
        self._workers[worker].stack.append(running)
        return Turn(worker, waiting.job)

    # ── what others may ask ──────────────────────────────────────────────────────────────────────────────

    def worker_of(self, job: int) -> int | None:
        """The worker that runs the job."""
        for number, worker in enumerate(self._workers):
            if any(running.job == job for running in worker.stack):
                return number
        return None

    def any_ready(self) -> bool:
        return any(worker.ready for worker in self._workers)

    def order(self) -> list[int]:
        """Waiting jobs in the order they would start if none came and each took `expected_s`."""
        used_s = dict(self._used_s)
        queues: dict[Urgency, dict[str, list[int]]] = {}  # class → client → jobs, the next one last
        for waiting in sorted(self._waiting.values(), key=lambda waiting: -waiting.job):
            queues.setdefault(waiting.urgency, {}).setdefault(waiting.client, []).append(waiting.job)

        def take(clients: dict[str, list[int]]) -> int:
            client = min(clients, key=lambda client: (used_s[client], clients[client][-1]))
            used_s[client] += self.expected_s
            job = clients[client].pop()
            if not clients[client]:
                del clients[client]
            return job

        order = [take(queues[urgency]) for urgency in sorted(self._impatient(), reverse=True)]
        for urgency in sorted(queues, reverse=True):
            while queues[urgency]:
                order.append(take(queues[urgency]))
        return order

    def running(self) -> int:
        """How many jobs are on workers, waiting in gates included."""
        return sum(len(worker.stack) for worker in self._workers)

    def _welcome(self, client: str) -> None:
        """Idleness earns no credit: who comes back stands level with whoever is served now."""
        if not self._is_active(client):
            self._used_s[client] = max(self._used_s.get(client, 0.0), self._now_s)

    def _is_active(self, client: str) -> bool:
        return any(waiting.client == client for waiting in self._waiting.values()) or any(
            running.client == client for worker in self._workers for running in worker.stack
        )

    def _tidy(self, client: str) -> None:
        """Forgets an idle client that owes nothing, and all debts when nobody waits: clients add up."""
        if not self._waiting and not self.running():
            self._used_s.clear()
        elif not self._is_active(client) and self._used_s[client] <= self._now_s:
            del self._used_s[client]
