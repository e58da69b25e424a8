"""Errands are done in order, off the UI thread, and what came of them is told on it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from impasto_protocol.errors import DiskFull, ImpastoError, InternalError, ServerUnreachable
from impasto_studio.workers import WorkerThread

PATIENCE_S = 10.0


class Loop:
    def __init__(self) -> None:
        self.due: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.heard: list[Any] = []
        self.worker = WorkerThread("tests", self.due.put)

    def do(self, errand: Callable[[], object]) -> None:
        self.worker.do(errand, self.heard.append, self.heard.append)

    def turn(self) -> None:
        self.due.get(timeout=PATIENCE_S)()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.worker.close()
    made.worker.join(PATIENCE_S)
    assert "tests" not in {thread.name for thread in threading.enumerate()}


def raising(error: Exception) -> Callable[[], None]:
    def errand() -> None:
        raise error

    return errand


def test_errands_are_done_in_order_on_another_thread(loop: Loop) -> None:
    loop.do(threading.get_ident)
    loop.do(lambda: 2)
    loop.do(lambda: None)
    for _ in range(3):
        loop.turn()
    assert loop.heard[0] != threading.get_ident()
    assert loop.heard[1:] == [2, None]


@pytest.mark.parametrize(
    ("error", "kind"),
    [(DiskFull("Full."), DiskFull), (TimeoutError(), ServerUnreachable), (KeyError("x"), InternalError)],
)
def test_an_errand_that_fails_has_a_sentence(loop: Loop, error: Exception, kind: type[ImpastoError]) -> None:
    loop.do(raising(error))
    loop.do(lambda: "goes on")
    loop.turn()
    loop.turn()
    assert type(loop.heard[0]) is kind
    assert loop.heard[0].sentence.endswith(".")
    assert "x" not in loop.heard[0].sentence.split()
    assert loop.heard[1] == "goes on"


def test_a_closed_worker_tells_nothing(loop: Loop) -> None:
    done = threading.Event()
    loop.do(done.set)
    loop.worker.close()
    assert done.wait(PATIENCE_S)
    loop.turn()
    assert loop.heard == []
