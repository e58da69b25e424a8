"""Threads that talk to the server, so that the UI thread never does."""

import logging
import queue
import threading
from typing import Callable, Optional, Protocol, Tuple, TypeVar

from impasto_protocol.errors import ImpastoError, InternalError, ServerUnreachable

from impasto_studio.texts import tr

__all__ = ["Failed", "MakeWorker", "Worker", "WorkerThread"]

T = TypeVar("T")
Failed = Callable[[ImpastoError], None]
CallSoon = Callable[[Callable[[], None]], None]
logger = logging.getLogger(__name__)


class Worker(Protocol):
    """Does one errand after the other, in order."""

    def do(self, errand: Callable[[], T], done: Callable[[T], None], failed: Failed) -> None:
        """Runs `errand` off the UI thread, then `done` with what it returned or `failed` on the UI thread."""

    def close(self) -> None:
        """What is waiting is still done, but nothing is told any more. Does not wait."""

    def join(self, timeout_s: float) -> None:
        """Waits until a closed worker has ended."""


MakeWorker = Callable[[str, CallSoon], Worker]  # name, and how it tells


class WorkerThread:
    """A `Worker` with a thread of its own, which ends with the program at the latest."""

    def __init__(self, name: str, call_soon: CallSoon) -> None:
        self._call_soon = call_soon
        self._waiting: "queue.SimpleQueue[Optional[Callable[[], None]]]" = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, errand: Callable[[], T], done: Callable[[T], None], failed: Failed) -> None:
        self._waiting.put(lambda: self._work(errand, done, failed))

    def close(self) -> None:
        self._closed = True
        self._waiting.put(None)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            work = self._waiting.get()
            if work is None:
                return
            work()

    def _work(self, errand: Callable[[], T], done: Callable[[T], None], failed: Failed) -> None:
        result, error = outcome(errand)
        if error is not None:
            self._tell(lambda: failed(error))
        else:
            self._tell(lambda: done(result))  # type: ignore[arg-type]

    def _tell(self, news: Callable[[], None]) -> None:
        def tell() -> None:
            if not self._closed:
                news()

        self._call_soon(tell)


def outcome(errand: Callable[[], T]) -> Tuple[Optional[T], Optional[ImpastoError]]:
    """What an errand returned, or how it failed, with a sentence in any case."""
    try:
        return errand(), None
    except ImpastoError as error:
        return None, error
    except TimeoutError:
        return None, ServerUnreachable(tr("The server does not answer. Wait a moment, then try again."))
    except Exception:  # a mistake of ours: the worker lives on, or no later job would ever be sent
        logger.exception("an errand failed")
        sentence = tr("Something went wrong inside of Impasto. Try again; the host's log says more.")
        return None, InternalError(sentence)
