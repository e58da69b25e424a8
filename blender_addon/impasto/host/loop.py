"""The main thread's turn: what other threads hand over, and long work in slices.

Blender may be touched on its main thread only, and that thread draws the artist's screen. So everything comes
through `Loop.pump`, which a timer calls and which stops after `SLICE_S`. Nothing here knows of Blender.
"""

import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from impasto_protocol.errors import ImpastoError

__all__ = ["SLICE_S", "Loop", "Sliced", "Trouble"]

SLICE_S = 0.012  # of every turn: a frame at 60 per second has room for it

# Long work: yields wherever it may be interrupted, returns what it found, raises `Trouble` or `ImpastoError`.
Sliced = Generator[None, None, Any]


class Trouble(Exception):
    """Why something cannot be done: one sentence for the artist, which says what to do."""


class Loop:
    """`call_soon` from any thread; all else on the main thread."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._soon: deque[Callable[[], None]] = deque()
        self._running: list[tuple[Sliced, Callable[[Any], None], Callable[[str], None]]] = []

    @property
    def busy(self) -> bool:
        """Whether there is anything to do at the next turn."""
        return bool(self._soon or self._running)

    def call_soon(self, do: Callable[[], None]) -> None:
        self._soon.append(do)

    def run(self, work: Sliced, done: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        """Does `work` in the coming turns. Exactly one of `done` and `failed` is called then."""
        self._running.append((work, done, failed))

    def pump(self, slice_s: float = SLICE_S) -> None:
        """One turn: all that was handed over, then as much of the long work as fits. Everything gets on."""
        until_s = self._clock() + slice_s
        for _ in range(len(self._soon)):
            self._soon.popleft()()
        while self._running and self._clock() < until_s:
            self._step(*self._running.pop(0))

    def stop(self) -> None:
        """Gives up everything: nobody is told. Work that is under way clears up in its `finally`."""
        self._soon.clear()
        running, self._running = self._running, []
        for work, _, _ in running:
            work.close()

    def _step(self, work: Sliced, done: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        try:
            next(work)
        except StopIteration as end:
            done(end.value)
        except Trouble as trouble:
            failed(str(trouble))
        except ImpastoError as error:
            failed(error.sentence)
        else:
            self._running.append((work, done, failed))
