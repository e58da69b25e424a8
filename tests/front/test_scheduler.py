"""Who paints next: urgency, fairness, patience, nesting. All in simulated time."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from impasto_server.front.scheduler import Scheduler, Turn, Urgency

BATCH, INTERACTIVE = Urgency


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def make(workers: int = 1, patience_s: float = 120.0) -> tuple[Scheduler, Clock]:
    clock = Clock()
    scheduler = Scheduler(clock, workers, patience_s=patience_s)
    for worker in range(workers):
        scheduler.ready(worker)
    return scheduler, clock


def test_nothing_runs_before_a_worker_is_ready() -> None:
    scheduler = Scheduler(Clock(), 1)
    scheduler.add(1, "a", INTERACTIVE)
    assert scheduler.next() is None
    scheduler.ready(0)
    assert scheduler.next() == Turn(0, 1)


def test_interactive_goes_before_batch() -> None:
    scheduler, _ = make()
    for job, urgency in enumerate((BATCH, INTERACTIVE)):
        scheduler.add(job, "a", urgency)
    order = []
    for _ in range(2):
        turn = scheduler.next()
        assert turn is not None
        order.append(turn.job)
        scheduler.ended(turn.worker, turn.job, 1.0)
    assert order == [1, 0]


def test_one_client_gets_its_jobs_in_the_order_of_acceptance() -> None:
    scheduler, _ = make()
    for job in (1, 2, 3):
        scheduler.add(job, "a", INTERACTIVE)
    assert scheduler.order() == [1, 2, 3]


def test_a_more_urgent_job_is_put_on_top_of_a_running_one_and_nesting_ends_at_two() -> None:
    scheduler, _ = make()
    for job, urgency in enumerate((BATCH, INTERACTIVE)):
        scheduler.add(job, "a", urgency)
        assert scheduler.next() == Turn(0, job)
    for job, urgency in enumerate((BATCH, INTERACTIVE), start=3):
        scheduler.add(job, "b", urgency)
    assert scheduler.next() is None
    assert scheduler.running() == 2


def test_a_free_worker_is_taken_before_a_busy_one_is_disturbed() -> None:
    scheduler, _ = make(workers=2)
    scheduler.add(1, "a", BATCH)
    assert scheduler.next() == Turn(0, 1)
    scheduler.add(2, "a", INTERACTIVE)
    assert scheduler.next() == Turn(1, 2)


def test_interactive_jobs_do_not_push_each_other_aside() -> None:
    scheduler, _ = make()
    scheduler.add(1, "a", INTERACTIVE)
    scheduler.next()
    scheduler.add(2, "b", INTERACTIVE)
    assert scheduler.next() is None


def test_a_class_that_waited_long_enough_gets_one_turn_and_no_more() -> None:
    scheduler, clock = make(patience_s=60.0)
    for job in (1, 2):
        scheduler.add(job, "a", BATCH)
    clock.now_s += 61
    for job in (3, 4):
        scheduler.add(job, "a", INTERACTIVE)
    assert scheduler.order() == [1, 3, 4, 2]
    assert scheduler.next() == Turn(0, 1)
    assert scheduler.next() == Turn(0, 3), "once begun it is disturbed as before"
    scheduler.ended(0, 3, 1.0)
    assert scheduler.next() == Turn(0, 4)


def test_a_lost_worker_gives_its_jobs_back_and_gets_none_until_it_is_ready() -> None:
    scheduler, _ = make()
    scheduler.add(1, "a", BATCH)
    scheduler.next()
    scheduler.add(2, "a", INTERACTIVE)
    scheduler.next()
    assert scheduler.lost(0) == (1, 2)
    scheduler.add(1, "a", BATCH)
    assert scheduler.next() is None
    scheduler.ready(0)
    assert scheduler.next() == Turn(0, 1)


def test_a_job_that_is_here_already_is_refused() -> None:
    scheduler, _ = make()
    scheduler.add(1, "a", BATCH)
    with pytest.raises(ValueError, match="already"):
        scheduler.add(1, "a", BATCH)


def simulate(seed: int, workers: int, seconds: float, cost_s: dict[str, float]) -> dict[str, float]:
    """Clients that always have jobs waiting, each of its own size. Returns device seconds by client."""
    draw = random.Random(seed)
    scheduler, clock = make(workers)
    served: dict[str, float] = defaultdict(float)
    owner: dict[int, str] = {}
    free_s = [clock.now_s] * workers
    holds: list[tuple[int, float] | None] = [None] * workers
    end_s = clock.now_s + seconds

    def submit(client: str) -> None:
        owner[len(owner)] = client
        scheduler.add(len(owner) - 1, client, INTERACTIVE)

    for client in cost_s:
        for _ in range(3):
            submit(client)
    while clock.now_s < end_s:
        worker = free_s.index(min(free_s))
        clock.now_s = free_s[worker]
        if (held := holds[worker]) is not None:
            job, device_s = held
            scheduler.ended(worker, job, device_s)
            served[owner[job]] += device_s
            submit(owner[job])
        turn = scheduler.next()
        assert turn is not None
        assert turn.worker == worker
        device_s = cost_s[owner[turn.job]] * draw.uniform(0.5, 1.5)
        holds[worker] = (turn.job, device_s)
        free_s[worker] = clock.now_s + device_s
    return served


def jain(shares: list[float]) -> float:
    """Jain, Chiu and Hawe (1984): 1 when all are equal, 1/n when one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


@pytest.mark.parametrize("workers", [1, 2])
def test_clients_share_the_device_by_time_whatever_the_size_of_their_jobs(workers: int) -> None:
    costs = {"sketch": 0.5, "picture": 5.0, "poster": 20.0, "album": 2.0}
    served = simulate(1, workers, 20_000.0, costs)
    assert jain([served[client] for client in costs]) >= 0.98


def test_a_client_that_slept_does_not_get_all_it_missed_at_once() -> None:
    scheduler, _ = make()
    for job in range(100):
        scheduler.add(job, "busy", INTERACTIVE)
        turn = scheduler.next()
        assert turn == Turn(0, job)
        scheduler.ended(0, job, 10.0)
    for job in range(100, 110):
        scheduler.add(job, "busy", INTERACTIVE)
        scheduler.add(job + 100, "sleeper", INTERACTIVE)
    first = scheduler.order()[:6]
    assert 2 <= sum(job < 200 for job in first) <= 4


def test_batch_starts_in_bounded_time_under_a_flood_of_more_urgent_jobs() -> None:
    scheduler, clock = make(patience_s=60.0)
    flood = itertools.count(3)
    for job in range(3):
        scheduler.add(job, "patient", BATCH)
    since_s = clock.now_s
    starts_s: list[float] = []
    while len(starts_s) < 3:
        for client in ("x", "y", "z"):
            scheduler.add(next(flood), client, INTERACTIVE)
        turn = scheduler.next()
        assert turn is not None
        if turn.job < 3:
            starts_s.append(clock.now_s - since_s)
        clock.now_s += 2.0
        scheduler.ended(0, turn.job, 2.0)
        assert clock.now_s - since_s < 200.0
    assert starts_s == [60.0, 120.0, 180.0]


def test_live_previews_count_as_device_time() -> None:
    scheduler, _ = make()
    scheduler.add(1, "other", BATCH)
    scheduler.next()
    scheduler.charge("live", 20.0)
    for job in (2, 3):
        scheduler.add(job, "live", INTERACTIVE)
        scheduler.add(job + 10, "still", INTERACTIVE)
    assert scheduler.order() == [12, 13, 2, 3]


def test_live_previews_that_nobody_waited_for_are_forgotten() -> None:
    scheduler, _ = make()
    scheduler.charge("live", 1000.0)
    scheduler.add(1, "live", INTERACTIVE)
    scheduler.add(2, "other", INTERACTIVE)
    assert scheduler.order() == [1, 2]


def test_idle_clients_leave_nothing_behind() -> None:
    scheduler, _ = make()
    for job in range(1000):
        scheduler.add(job, f"client {job}", INTERACTIVE)
        scheduler.next()
        scheduler.ended(0, job, 1.0)
    assert len(scheduler._used_s) < 5


class Queue(RuleBasedStateMachine):
    """Any history: no job lost, none on two workers, levels on a worker rise strictly."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler, self.clock = make(workers=2, patience_s=10.0)
        self.urgency: dict[int, Urgency] = {}
        self.waiting: set[int] = set()
        self.on: dict[int, int] = {}
        self.client: dict[int, str] = {}
        self.down: set[int] = set()

    @rule(client=st.sampled_from("abc"), urgency=st.sampled_from(Urgency))
    def add(self, client: str, urgency: Urgency) -> None:
        job = len(self.urgency)
        self.urgency[job] = urgency
        self.client[job] = client
        self.scheduler.add(job, client, urgency)
        self.waiting.add(job)

    @rule(client=st.sampled_from("abcd"), device_s=st.floats(0, 100))
    def charge(self, client: str, device_s: float) -> None:
        self.scheduler.charge(client, device_s)

    @rule()
    def dispatch(self) -> None:
        turn = self.scheduler.next()
        if turn is None:
            busy = set(self.on.values()) | self.down
            assert not self.waiting or busy == {0, 1}, "a free worker and a waiting job"
            return
        assert turn.worker not in self.down
        below = [self.urgency[job] for job, worker in self.on.items() if worker == turn.worker]
        assert all(urgency < self.urgency[turn.job] for urgency in below)
        self.waiting.remove(turn.job)
        assert turn.job not in self.on
        self.on[turn.job] = turn.worker

    @precondition(lambda self: self.on)
    @rule(data=st.data(), device_s=st.floats(0, 100))
    def end(self, data: st.DataObject, device_s: float) -> None:
        job = data.draw(st.sampled_from(sorted(self.on)))
        self.scheduler.ended(self.on.pop(job), job, device_s)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.waiting)))
        assert self.scheduler.remove(job)
        self.waiting.remove(job)

    @rule(worker=st.integers(0, 1))
    def lose(self, worker: int) -> None:
        lost = self.scheduler.lost(worker)
        assert set(lost) == {job for job, on in self.on.items() if on == worker}
        self.down.add(worker)
        for job in lost:
            del self.on[job]
            self.scheduler.add(job, self.client[job], self.urgency[job])
            self.waiting.add(job)

    @rule(worker=st.integers(0, 1))
    def come_up(self, worker: int) -> None:
        self.scheduler.ready(worker)
        self.down.discard(worker)

    @rule(seconds=st.floats(0, 15))
    def wait(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @invariant()
    def nothing_is_lost(self) -> None:
        assert sorted(self.scheduler.order()) == sorted(self.waiting)
        assert {job: self.scheduler.worker_of(job) for job in self.on} == self.on
        assert self.scheduler.running() == len(self.on)


Queue.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_history = Queue.TestCase
