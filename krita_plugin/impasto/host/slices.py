"""Long work on the UI thread, in slices that leave it free.

Work is a generator. It yields where it may be interrupted: `None` (go on when there is time), `Pause` (go
on later) or `Elsewhere` (a call that waits, on a thread of its own; its result is what the `yield` gives
back)."""

import threading
import time
import traceback
from typing import Any, Callable, Generator, NamedTuple, Set, TypeVar, Union

from ..qt import Qt, QtCore, Signal

__all__ = ["BUDGET_S", "Elsewhere", "Pause", "Slices", "Steps", "Trouble", "fitting"]

BUDGET_S = 0.003  # of one slice: well under half a frame at 60 Hz, also when the processor is shared
BETWEEN_MS = 1  # timers of 0 ms would run one after the other, before those of others
MOST_PIXELS = 1 << 20  # of one read or write: a larger one pays nothing more

Done = TypeVar("Done")


class Trouble(Exception):
    """Ends the work; its text is a sentence for the artist."""


class Pause(NamedTuple):
    milliseconds: int


class Elsewhere(NamedTuple):
    """A call into Krita that waits for its image (`addChildNode` waits for a whole refresh). Krita's
    bindings let go of Python's lock meanwhile, and the image's own queue takes orders from any thread."""

    do: Callable[[], Any]


Steps = Generator[Union[Pause, Elsewhere, None], Any, Done]


def fitting(rows: int, width: int, took_s: float) -> int:
    """How many rows the next slice should have, when `rows` of this width took so long."""
    fair = rows * BUDGET_S / max(took_s, 1e-6)
    most = max(1, MOST_PIXELS // width)
    return max(1, min(int(fair), rows * 2, most))


class Slices(QtCore.QObject):
    """Runs works side by side, on the thread that made it."""

    _came_back = Signal(object, object, object)

    def __init__(self) -> None:
        super().__init__()
        self._came_back.connect(self._go_on, Qt.ConnectionType.QueuedConnection)
        self._running: Set[Any] = set()

    def start(self, steps: Steps[Done], done: Callable[[Done], None], failed: Callable[[str], None]) -> None:
        """Begins soon; exactly one of the two is called."""
        work = (steps, done, failed)
        self._running.add(work)
        self._soon(work, 0)

    def stop(self, steps: Steps[Any]) -> None:
        """Neither of the two is called. Steps that are running this moment go on to their next pause."""
        self._running = {work for work in self._running if work[0] is not steps}

    def _soon(self, work: Any, milliseconds: int) -> None:
        QtCore.QTimer.singleShot(milliseconds, lambda: self._go_on(work, None, None))

    def _go_on(self, work: Any, value: Any, error: Any) -> None:
        if work not in self._running:
            return
        steps, done, failed = work
        end = time.perf_counter() + BUDGET_S
        try:
            while True:
                wanted = steps.throw(error) if error is not None else steps.send(value)
                value = error = None
                if isinstance(wanted, Elsewhere):
                    threading.Thread(target=self._away, args=(work, wanted.do), daemon=True).start()
                    return
                if isinstance(wanted, Pause):
                    self._soon(work, wanted.milliseconds)
                    return
                if time.perf_counter() > end:
                    self._soon(work, BETWEEN_MS)
                    return
        except StopIteration as stop:
            self._running.discard(work)
            done(stop.value)
        except Trouble as trouble:
            self._running.discard(work)
            failed(str(trouble))
        except Exception as unforeseen:  # noqa: BLE001 – whoever waits must hear of it
            self._running.discard(work)
            traceback.print_exc()
            failed(f"Krita refused: {unforeseen}. The take is still in the history.")

    def _away(self, work: Any, do: Callable[[], Any]) -> None:
        try:
            value, error = do(), None
        except Exception as raised:  # noqa: BLE001 – handed to the work itself
            value, error = None, raised
        self._came_back.emit(work, value, error)
