"""Questions on their way to the server, each until its answer has come.

Every question waits for itself: what else comes meanwhile (acknowledgements, progress) wakes nobody here.
"""

import threading
from typing import Callable, Dict, Optional, Union

from impasto_protocol.errors import ImpastoError, ServerUnreachable
from impasto_protocol.messages import ClientMessage, ServerMessage

from impasto_client.connection import Connection

__all__ = ["Questions"]

Question = Callable[[int], ClientMessage]  # from the number the answer will repeat


class _Waiting:
    def __init__(self, connection: Connection, target: Optional[memoryview]) -> None:
        self.connection = connection
        self.target = target
        self.answer: Union[ServerMessage, ImpastoError, None] = None
        self.over = threading.Event()


class Questions:
    """Of one session. `ask` may be called on any thread; the rest is for the connection's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all below, and the targets while they are written
        self._last = 0
        self._waiting: Dict[int, _Waiting] = {}

    def ask(
        self,
        connection: Connection,
        question: Question,
        timeout_s: float,
        target: Optional[memoryview] = None,
    ) -> Optional[ServerMessage]:
        """The answer; None when the connection ended first. Its pixels go into `target`, if there is one.

        Raises the error of a `Problem`, and TimeoutError; afterwards nothing is written to `target` any more.
        """
        waiting = _Waiting(connection, target)
        with self._lock:
            self._last += 1
            number = self._last
            self._waiting[number] = waiting
        try:
            connection.send(question(number))
            # A connection that has ended by now may have told so before this question was listed.
            if not connection.ended and not waiting.over.wait(timeout_s):
                raise TimeoutError("the server did not answer in time")
        except ServerUnreachable:
            return None
        finally:
            with self._lock:
                del self._waiting[number]
        if isinstance(waiting.answer, ImpastoError):
            raise waiting.answer
        return waiting.answer

    def answer(self, number: int, answer: Union[ServerMessage, ImpastoError]) -> None:
        """What came for a question, if it is still open."""
        with self._lock:
            waiting = self._waiting.get(number)
            if waiting is not None:
                waiting.answer = answer
                waiting.over.set()

    def land(self, number: int, size: int, fill: Callable[[memoryview], None]) -> Optional[memoryview]:
        """Lets `fill` write the `size` bytes of an answer to where the asker wants them, and returns that.

        None when she has named no place of that size: then the caller makes one.
        """
        with self._lock:
            waiting = self._waiting.get(number)
            target = waiting.target if waiting is not None else None
            if target is None or len(target) != size:
                return None
            fill(target)
            return target

    def connection_ended(self, connection: Connection) -> None:
        """What was asked on it will not be answered any more, and can be asked again on the next one."""
        with self._lock:
            for waiting in self._waiting.values():
                if waiting.connection is connection:
                    waiting.over.set()
