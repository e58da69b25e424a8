"""Questions on their way to the server, each until its answer has come.

Every question waits for itself: what else comes meanwhile (acknowledgements, progress) wakes nobody here.
"""

import threading
import time
from functools import partial
from typing import Callable, Dict, Optional, Type, TypeVar, Union

from impasto_protocol.errors import ImpastoError, MalformedFrame, ServerUnreachable
from impasto_protocol.messages import (
    CanvasPixels,
    ClientMessage,
    InputPixels,
    LayerPixels,
    ServerMessage,
    ThumbnailPixels,
)

from impasto_client.canvas import bands
from impasto_client.connection import Connection
from impasto_client.link import Link

__all__ = ["Questions", "pixels_of"]

Question = Callable[[int], ClientMessage]  # from the number the answer will repeat
WithPixels = Union[CanvasPixels, InputPixels, LayerPixels, ThumbnailPixels]
A = TypeVar("A")
P = TypeVar("P", CanvasPixels, InputPixels, LayerPixels)


class _Waiting:
    def __init__(self, connection: Connection, target: Optional[memoryview]) -> None:
        self.connection = connection
        self.target = target
        self.answer: Union[ServerMessage, ImpastoError, None] = None
        self.over = threading.Event()


class Questions:
    """Of one session. `ask` and `rows` may be called on any thread; the rest is for the connection's."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = threading.Lock()  # guards all below, and the targets while they are written
        self._last = 0
        self._waiting: Dict[int, _Waiting] = {}

    def ask(
        self, question: Question, kind: Type[A], timeout_s: float, target: Optional[memoryview] = None
    ) -> A:
        """The answer, of this kind; asked again on the next connection when this one breaks. Its pixels go
        into `target`, if there is one.

        Raises the error of a `Problem`, `ServerUnreachable` without a connection after `timeout_s`, and
        TimeoutError; afterwards nothing is written to `target` any more.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            connection = self._link.connected(max(0.0, deadline - time.monotonic()))
            answer = self._ask_once(connection, question, max(0.0, deadline - time.monotonic()), target)
            if answer is None:
                self._link.lost(connection)
                self.connection_ended(connection)
            elif isinstance(answer, kind):
                return answer
            else:
                raise MalformedFrame(f"The server answered with {answer.type}. Bring both sides up to date.")

    def rows(
        self,
        question: Callable[[int, int, int], ClientMessage],
        kind: Type[P],
        height: int,
        row_bytes: int,
        timeout_s: float,
        into: Optional[memoryview] = None,
    ) -> bytes:
        """All rows of a raster, in bands. `question(y, rows, number)` is answered by a message of `kind`.
        Empty when they went `into` memory of the caller's."""
        pieces = []
        for y, rows in bands(0, height, row_bytes):
            target = None if into is None else into[y * row_bytes : (y + rows) * row_bytes]
            reply = self.ask(partial(question, y, rows), kind, timeout_s, target)
            piece = pixels_of(reply, rows * row_bytes)
            if target is None:
                pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _ask_once(
        self, connection: Connection, question: Question, timeout_s: float, target: Optional[memoryview]
    ) -> Optional[ServerMessage]:
        """None when the connection ended first."""
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


def pixels_of(reply: WithPixels, size: int) -> bytes:
    """The bytes of a reply with pixels, which must be as many as were asked for."""
    data = reply.pixels.data
    if data is None or len(data) != size:
        raise MalformedFrame("The server sent a picture of the wrong size. Bring both sides up to date.")
    return data
