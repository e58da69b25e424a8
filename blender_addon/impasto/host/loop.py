"""The main thread's turn: what other threads hand over, and long work in slices.

Blender may be touched on its main thread only, and that thread draws the artist's screen. So everything comes
through `Loop.pump`, which a timer calls and which stops after `SLICE_S`. Nothing here knows of Blender.
"""

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from impasto_protocol.errors import ImpastoError

__all__ = ["SLICE_S", "Loop", "Sliced", "Trouble"]

SLICE_S = 0.012  # of every turn: a frame at 60 per second has room for it

# Long work: yields wherever it may be interrupted, and how many seconds it wants to rest there, if any;
# returns what it found, raises `Trouble` or `ImpastoError`.
Sliced = Generator[float | None, None, Any]


class Trouble(Exception):
    """Why something cannot be done: one sentence for the artist, which says what to do."""


class Loop:
    """`call_soon` from any thread; all else on the main thread."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._soon: deque[Callable[[], None]] = deque()
        self._running: list[_Running] = []
        self._current: _Running | None = None  # in the middle of a step

    @property
    def busy(self) -> bool:
        """Whether there is anything to do at once: then the next turn should come soon."""
        now = self._clock()
        return bool(self._soon) or any(one.rests_until <= now for one in self._running)

    def call_soon(self, do: Callable[[], None]) -> None:
        self._soon.append(do)

    def run(self, work: Sliced, done: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        """Does `work` in the coming turns. Exactly one of `done` and `failed` is called then."""
        self._running.append(_Running(work, done, failed))

    def stop_one(self, work: Sliced) -> None:
        """Gives up one piece of work, also from within itself: nobody is told."""
        for one in list(self._running):
            if one.work is work:
                one.stopped = True
                if one is not self._current:
                    self._running.remove(one)
                    work.close()

    def pump(self, slice_s: float = SLICE_S) -> None:
        """One turn: all that was handed over, then as much of the long work as fits. Everything gets on."""
        until_s = self._clock() + slice_s
        for _ in range(len(self._soon)):
            self._soon.popleft()()
        while (now := self._clock()) < until_s:
            one = next((one for one in self._running if one.rests_until <= now), None)
            if one is None:
                return
            self._step(one)

    def stop(self) -> None:
        """Gives up everything: nobody is told. Work that is under way clears up in its `finally`."""
        self._soon.clear()
        running, self._running = self._running, []
        for one in running:
            one.stopped = True
            if one is not self._current:
                one.work.close()

    def _step(self, one: "_Running") -> None:
        """One piece. What comes after it goes to the end of the line."""
        self._current = one
        try:
            rest_s = next(one.work)
        except StopIteration as end:
            self._leave(one, one.done, end.value)
        except Trouble as trouble:
            self._leave(one, one.failed, str(trouble))
        except ImpastoError as error:
            self._leave(one, one.failed, error.sentence)
        except BaseException:  # a fault of ours: it is told where faults are told, and not done again
            self._leave(one, lambda _: None, None)
            raise
        else:
            self._current = None
            if one.stopped:
                one.work.close()
            if one in self._running:
                self._running.remove(one)
                one.rests_until = self._clock() + rest_s if rest_s else 0.0
                self._running += () if one.stopped else (one,)

    def _leave(self, one: "_Running", tell: Callable[[Any], None], what: Any) -> None:
        self._current = None
        if one in self._running:
            self._running.remove(one)
        if not one.stopped:
            tell(what)


@dataclass(eq=False)
class _Running:
    work: Sliced
    done: Callable[[Any], None]
    failed: Callable[[str], None]
    rests_until: float = 0.0  # of the loop's clock
    stopped: bool = False
