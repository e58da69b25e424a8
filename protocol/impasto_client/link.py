"""Staying connected: one connection at a time, opened again, with growing pauses, when it breaks."""

import threading
import time
from typing import Callable, Optional

from impasto_protocol.errors import ImpastoError, ServerUnreachable, Unauthorized, VersionUnsupported

from impasto_client.connection import Connection

__all__ = ["HOPELESS", "Link"]

HOPELESS = (Unauthorized, VersionUnsupported)  # not mended by trying the same again
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_CLOSING_S = 30.0


class Link:
    """Of one session. All but `connect` and `close` may be called on any thread."""

    def __init__(
        self,
        lock: threading.RLock,
        changed: threading.Condition,
        connect: Callable[[], None],
        errands: Callable[[], bool],
        run_errands: Callable[[], None],
    ) -> None:
        """`lock` guards what is here; `changed`, made of it, is notified at each change. `connect` opens a
        connection and calls `established` with it. `errands`: whether there is something to send that no
        other thread may; `run_errands` sends it, on this link's own thread."""
        self._changed = changed
        self._work = threading.Condition(lock)  # notified when there is something for the keeper to do
        self._connect = connect
        self._errands = errands
        self._run_errands = run_errands
        self.connection: Optional[Connection] = None
        self.fatal: Optional[ImpastoError] = None  # why there will be none any more
        self._closed = False
        self._keeper = threading.Thread(target=self._keep_connected, name="impasto-session", daemon=True)

    def connect(self) -> None:
        """The first time on the caller's thread, so that it hears what is wrong. Raises leaves of
        `ImpastoError`."""
        self._connect()
        self._keeper.start()

    def established(self, connection: Connection) -> bool:
        """There is a connection, which has all that the last one had. True: it is not wanted any more."""
        with self._changed:
            self.connection = connection
            self._changed.notify_all()
            return self._closed

    def lost(self, connection: Connection) -> None:
        with self._changed:
            if self.connection is connection:
                self.connection = None
                self._changed.notify_all()
                self._work.notify_all()

    def give_up(self, error: ImpastoError) -> None:
        with self._changed:
            self.fatal = error
            self._changed.notify_all()
            self._work.notify_all()

    def has_errands(self) -> None:
        """Wakes the keeper."""
        with self._changed:
            self._work.notify_all()

    def connected(self, timeout_s: float) -> Connection:
        """The connection, waited for. Raises `ServerUnreachable`, or why there can be none."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.connection is not None or self.fatal is not None or self._closed, timeout_s
            )
            if self.connection is not None:
                return self.connection
            if self.fatal is not None:
                raise self.fatal
        raise ServerUnreachable("There is no connection to the server. Start it with “impasto serve”.")

    def close(self) -> None:
        """Ends the connection and the thread. Idempotent."""
        with self._changed:
            self._closed = True
            connection = self.connection
            self._changed.notify_all()
            self._work.notify_all()
        if connection is not None:
            connection.close()
        if self._keeper.is_alive() and self._keeper is not threading.current_thread():
            self._keeper.join(_CLOSING_S)

    def _keep_connected(self) -> None:
        pause_s, since = _FIRST_PAUSE_S, time.monotonic()
        while True:
            with self._changed:
                self._work.wait_for(lambda: self._closed or self.connection is None or self._errands())
                connection = self.connection
                if self._closed or self.fatal is not None:
                    return
                if connection is None and time.monotonic() - since < _LONGEST_PAUSE_S:  # it failed at once
                    self._work.wait_for(lambda: self._closed, pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                elif connection is None:
                    pause_s = _FIRST_PAUSE_S
            if connection is not None:
                self._run_errands()
                continue
            since = time.monotonic()
            try:
                self._connect()
            except HOPELESS as error:
                self.give_up(error)
            except ImpastoError:
                continue  # not there yet
