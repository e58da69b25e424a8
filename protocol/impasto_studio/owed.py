"""What the server's journal has yet to be told, kept while there is no connection."""

from functools import partial
from typing import Callable, Dict, Optional, Set

from impasto_client.session import Session
from impasto_protocol.errors import ImpastoError, ServerUnreachable

from impasto_studio.workers import Worker

__all__ = ["Owed"]


class Owed:
    """Jobs to forget and notes to change: told at once when the server is there, else when it is back."""

    def __init__(self, ask: Worker, say: Callable[[str], None]) -> None:
        self._ask = ask
        self._say = say
        self._session: Optional[Session] = None
        self._forgotten: Set[str] = set()
        self._telling: Set[str] = set()  # of these, on their way
        self._notes: Dict[str, str] = {}

    def forget(self, job: str) -> None:
        self._forgotten.add(job)
        self._notes.pop(job, None)
        self.pay(self._session)

    def forgets(self, job: str) -> bool:
        """Whether that job is forgotten here, and the server may not know it yet."""
        return job in self._forgotten

    def annotate(self, job: str, note: str) -> None:
        self._notes[job] = note
        self.pay(self._session)

    def pay(self, session: Optional[Session]) -> None:
        self._session = session
        if session is None or not session.connected:
            return
        for job in sorted(self._forgotten - self._telling):
            self._telling.add(job)
            self._ask.do(partial(session.forget, job), partial(self._told, job), partial(self._untold, job))
        for job, note in list(self._notes.items()):
            del self._notes[job]
            failed = partial(self._not_annotated, job, note)
            self._ask.do(partial(session.annotate, job, note), _nothing, failed)

    def _told(self, job: str, _: None) -> None:
        self._forgotten.discard(job)
        self._telling.discard(job)

    def _untold(self, job: str, _: ImpastoError) -> None:
        """Said again with the next connection."""
        self._telling.discard(job)

    def _not_annotated(self, job: str, note: str, error: ImpastoError) -> None:
        if isinstance(error, ServerUnreachable):
            self._notes.setdefault(job, note)
        else:
            self._say(error.sentence)


def _nothing(_: object) -> None:
    pass
