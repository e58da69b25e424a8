"""The step gate: a job stops where it should, waits for more urgent ones, and always gets on."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from impasto_protocol.messages import GenerateRequest, Pixels
from impasto_protocol.rasters import PixelFormat
from impasto_server.engine.interface import Cancelled
from impasto_server.pool.channel import CancelRun, Event, Progress, Run, Stop
from impasto_server.pool.memory import PictureMemory
from impasto_server.worker.channel_ends import Inbox, Outbox
from impasto_server.worker.gate import Gate, Stopping

PREVIEW = Pixels(1, 1, PixelFormat.RGB8, b"abc")


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Letters(Outbox):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), PictureMemory(None))
        self.sent: list[Event] = []

    def send(self, event: Event) -> None:
        self.sent.append(event)


def run(job: str) -> Run:
    return Run(job, GenerateRequest("x"))


def make(nested: Callable[[Run], None] = lambda _: None) -> tuple[Gate, Inbox, Letters, Clock]:
    inbox, outbox, clock = Inbox(), Letters(), Clock()
    inbox.put(run("1"))
    inbox.take_runs()
    return Gate("1", inbox, outbox, lambda: None, nested, lambda _: None, clock), inbox, outbox, clock


def test_an_open_gate_lets_the_job_pass() -> None:
    gate, _, _, _ = make()
    gate.check()


def test_a_cancelled_job_stops_at_the_gate_and_others_do_not() -> None:
    gate, inbox, _, _ = make()
    inbox.put(run("2"))
    inbox.put(CancelRun("2"))
    inbox.put(CancelRun("never heard of"))
    gate.check()
    inbox.put(CancelRun("1"))
    with pytest.raises(Cancelled):
        gate.check()


def test_a_cancel_of_a_job_that_has_ended_does_not_hit_a_later_one_of_that_name() -> None:
    gate, inbox, _, _ = make()
    inbox.ended("1")
    inbox.put(CancelRun("1"))
    inbox.put(run("1"))
    inbox.take_runs()
    gate.check()


def test_the_end_of_the_worker_stops_the_job_without_calling_it_cancelled() -> None:
    gate, inbox, _, _ = make()
    inbox.put(Stop())
    with pytest.raises(Stopping):
        gate.check()


def test_jobs_that_were_pending_run_in_the_gate_the_newest_first() -> None:
    done = []
    gate, inbox, _, _ = make(lambda command: done.append(command.job))
    inbox.put(run("2"))
    inbox.put(run("3"))
    gate.check()
    assert done == ["3", "2"]
    gate.check()
    assert done == ["3", "2"]


def test_a_flood_of_urgent_jobs_lets_the_job_do_a_step_after_each() -> None:
    done = []

    def nested(command: Run) -> None:
        done.append(command.job)
        inbox.put(run(str(int(command.job) + 1)))  # the next one is there before this one ends

    gate, inbox, _, _ = make(nested)
    inbox.put(run("2"))
    for step in range(5):
        gate.check()
        assert len(done) == step + 1


def test_cancelling_the_job_below_while_a_nested_one_runs_leaves_that_alone() -> None:
    done = []

    def nested(command: Run) -> None:
        inbox.put(CancelRun("1"))
        Gate(command.job, inbox, Letters(), lambda: None, lambda _: None, lambda _: None).check()
        done.append(command.job)

    gate, inbox, _, _ = make(nested)
    inbox.put(run("2"))
    with pytest.raises(Cancelled):
        gate.check()
    assert done == ["2"]


def test_time_in_which_others_held_the_device_is_not_counted() -> None:
    def nested(_: Run) -> None:
        clock.now_s += 100

    gate, inbox, _, clock = make(nested)
    clock.now_s += 2
    inbox.put(run("2"))
    gate.check()
    clock.now_s += 3
    assert gate.device_s == 5


def test_steps_that_follow_too_soon_are_not_told_but_stages_and_previews_are() -> None:
    gate, _, outbox, clock = make()
    gate.report("loading")
    gate.report("sampling", 1, 9)
    gate.report("sampling", 2, 9)
    gate.report("sampling", 3, 9, PREVIEW)
    clock.now_s += 0.06
    gate.report("sampling", 4, 9)
    told = [(event.stage, event.step) for event in outbox.sent if isinstance(event, Progress)]
    assert told == [("loading", 0), ("sampling", 1), ("sampling", 3), ("sampling", 4)]


def test_a_preview_is_wanted_at_first_and_again_when_the_last_one_is_old() -> None:
    gate, _, _, clock = make()
    assert gate.wants_preview()
    gate.report("sampling", 1, 9, PREVIEW)
    assert not gate.wants_preview()
    clock.now_s += 0.25
    assert gate.wants_preview()


def test_the_remaining_time_follows_from_the_steps_done_without_the_slow_first_one() -> None:
    gate, _, outbox, clock = make()
    for step, seconds in enumerate((0.0, 9.0, 1.0, 1.0)):
        clock.now_s += seconds
        gate.report("sampling", step, 10)
    remaining = [event.remaining_s for event in outbox.sent if isinstance(event, Progress)]
    assert remaining == [-1.0, 9.0 * 9, 1.0 * 8, 1.0 * 7]
