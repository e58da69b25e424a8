"""All jobs of one kind of this program: from the click to their layers, and those the server still has from
earlier runs.

State belongs to the UI thread. Two workers talk to the server: one sends (pictures, submits, cancels), so
that these stay in order, one asks (lists, notes), so that nothing waits behind a large picture. A job can be
cancelled at any moment and by its own id only; what is done stays done. A cancelled job counts as done with
the layers that it has finished, and so does a failed one, once the artist has dismissed its failure.
"""

import secrets
from abc import ABC, abstractmethod
from functools import partial
from typing import Callable, Dict, Generic, List, Optional, Set, Tuple, TypeVar, Union

from impasto_client.session import Session
from impasto_protocol.errors import ImpastoError, ServerUnreachable
from impasto_protocol.messages import FINAL_STATES, JobChanged, JobProgress, JobSummary, LayerInfo, Limits

from impasto_studio.base_work import BaseWork, Parcel
from impasto_studio.canvases import CanvasShelf
from impasto_studio.owed import Owed
from impasto_studio.texts import tr
from impasto_studio.workers import Worker

__all__ = ["BaseDesk", "new_job"]

W = TypeVar("W", bound=BaseWork)


def new_job() -> str:
    """An id."""
    return secrets.token_hex(16)


class BaseDesk(ABC, Generic[W]):
    """`changed` is called after every change; `finished` when a job this run has seen unfinished has more
    layers, unless it was cancelled here."""

    def __init__(
        self,
        send: Worker,
        ask: Worker,
        *,
        changed: Callable[[], None],
        finished: Callable[[W], None],
        say: Callable[[str], None],
    ) -> None:
        self.works: Dict[str, W] = {}  # by job, oldest first
        self._send = send
        self._ask = ask
        self._changed = changed
        self._finished = finished
        self._say = say
        self._shelf = CanvasShelf()  # the sending worker's
        self._session: Optional[Session] = None
        self._limits: Optional[Limits] = None
        self._early: Dict[str, JobChanged] = {}  # of jobs not known here, while a list is on its way
        self._listing = False
        self._listed_once = False  # since the connection came
        self._checking = False
        self._owed = Owed(ask, say)

    # ── what each kind does ──────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def _read(self, work: W) -> None:
        """Reads from the host what the job needs; then `_captured` or `_fail`."""

    @abstractmethod
    def _again(self, old: W) -> Union[W, str]:
        """A failed job once more, or the sentence why that cannot be."""

    @abstractmethod
    def _recalled(self, summary: JobSummary) -> Optional[W]:
        """A job of an earlier run, from its note; None for a stranger's."""

    @abstractmethod
    def _settled(self, work: W) -> bool:
        """Whether a job of an earlier run is over and nobody waits for it: it is forgotten."""

    @abstractmethod
    def _worth_keeping(self, work: W) -> bool:
        """Whether a failed job's layers are of use."""

    @abstractmethod
    def _dismissed(self, work: W) -> None:
        """Writes into its note that the artist has read why it failed."""

    # ── what the artist does ─────────────────────────────────────────────────────────────────────────────

    def _begin(self, work: W) -> None:
        """Reads the host at once, unless that was done before; the rest is on the workers."""
        self.works[work.job] = work
        if work.parcel is not None:
            self._captured(work, work.parcel)
        else:
            self._read(work)
        self._changed()

    def retry(self, job: str) -> None:
        """A failed job once more, as a new one with the same pixels."""
        old = self.works.get(job)
        if old is None or old.state != "failed":
            return
        anew = self._again(old)
        if isinstance(anew, str):
            self._say(anew)
            return
        anew.parcel = old.parcel
        self.dismiss(job)
        self._begin(anew)

    def dismiss(self, job: str) -> None:
        """A failed job is off the list; the layers it has finished stay."""
        work = self.works.get(job)
        if work is None or work.state != "failed":
            return
        if self._worth_keeping(work):
            work.over()
            self._dismissed(work)
        else:
            self.forget(job)

    def cancel(self, job: str) -> None:
        """Off the list at once; the server is told behind what was sent before. Finished layers stay."""
        work = self.works.get(job)
        if work is None or work.ended:
            return
        work.stop.set()
        session = self._session
        if work.state == "capturing" or (session is None and not work.accepted):
            del self.works[job]  # nobody else knows of it
        work.state, work.parcel, work.preview = "cancelled", None, None
        if session is not None and (work.sent or work.accepted):
            self._send.do(partial(session.cancel, job), _nothing, _nothing)
        self._changed()

    def forget(self, job: str) -> None:
        """An ended job is off the list, and off the server's journal."""
        if self.works.pop(job, None) is not None:
            self._owed.forget(job)
            self._changed()

    def _note_changed(self, work: W) -> None:
        """Into the journal as soon as the server is there."""
        self._owed.annotate(work.job, work.note_text)
        self._changed()

    # ── the connection ───────────────────────────────────────────────────────────────────────────────────

    def attach(self, session: Session, limits: Limits) -> None:
        """A session, new or connected again: says what it missed, and asks what the server has."""
        fresh = session is not self._session
        self._session, self._limits = session, limits
        for work in list(self.works.values()) if fresh else ():
            if work.state == "cancelled":
                self._send.do(partial(session.cancel, work.job), _nothing, _nothing)
            elif not work.ended and not work.accepted:
                self._submit(work)
        self._listed_once = False
        self._owed.pay(session)
        self._list(session)

    def detach(self) -> None:
        """The session is of no use any more. What was not accepted is sent again on the next one."""
        self._session = None
        self._listing = self._checking = False
        for work in self.works.values():
            work.sent = work.accepted

    def heard(self, message: Union[JobChanged, JobProgress]) -> None:
        """News of the server."""
        work = self.works.get(message.job)
        if work is None:
            if isinstance(message, JobChanged) and self._listing:
                self._early[message.job] = message
            return
        work.accepted = True
        if isinstance(message, JobProgress):
            work.progressed(message)
        else:
            sentence = message.error.sentence if message.error is not None else ""
            self._moved(work, message.state, message.layers, sentence)
        self._changed()

    def poll(self) -> None:
        """What the server refuses, it tells nobody who does not ask: asked while a job is not accepted."""
        session = self._session
        if session is not None and session.connected and not (self._listed_once or self._listing):
            self._list(session)
        open_jobs = [
            work.job for work in self.works.values() if work.sent and not work.accepted and not work.ended
        ]
        if session is None or self._checking or not open_jobs:
            return
        self._checking = True
        self._ask.do(
            lambda: {job: session.record(job).error for job in open_jobs},
            self._refused,
            lambda error: self._refused({}),
        )

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────────

    def _captured(self, work: W, parcel: Parcel) -> None:
        if work.ended or work.job not in self.works:
            return  # cancelled meanwhile
        work.state, work.parcel = "sending", parcel
        self._submit(work)
        self._changed()

    def _submit(self, work: W) -> None:
        session, limits, parcel = self._session, self._limits, work.parcel
        if session is None or limits is None or parcel is None:
            return  # on `attach`
        note = work.note_text

        def send() -> bool:
            refs = self._shelf.refs(session, work.document, parcel.pictures(), limits, work.stop)
            if refs is None:
                return False
            session.submit(parcel.request.with_pictures(refs), job=work.job, note=note)
            return True

        def sent(done: bool) -> None:
            work.sent = done
            if done and work.stop.is_set():  # cancelled after the last look at it
                self._send.do(partial(session.cancel, work.job), _nothing, _nothing)
            elif not done:
                self.works.pop(work.job, None)

        def failed(error: ImpastoError) -> None:
            if session is self._session or not isinstance(error, ServerUnreachable):
                self._fail(work, error.sentence)

        self._send.do(send, sent, failed)

    def _refused(self, errors: Dict[str, Optional[ImpastoError]]) -> None:
        self._checking = False
        for job, error in errors.items():
            work = self.works.get(job)
            if error is not None and work is not None and not work.accepted:
                self._fail(work, error.sentence)

    # ── what becomes of a job ────────────────────────────────────────────────────────────────────────────

    def _moved(self, work: W, state: str, layers: Tuple[LayerInfo, ...], sentence: str) -> None:
        """A job's new state, or more layers. What is done or failed stays so; a cancelled one may turn out to
        be done."""
        if work.state in ("done", "failed"):
            return
        live = work.state != "cancelled"
        more = len(layers) > len(work.layers)
        work.layers = layers if more else work.layers
        if state == "done" or (work.layers and (state == "cancelled" or (state == "failed" and not live))):
            work.over()
        elif state == "cancelled" or (state == "failed" and not live):
            work.state = "cancelled"
            self.forget(work.job)
        elif state == "failed":
            self._fail(work, sentence)
        elif live:
            work.state = state
        if live and more:
            self._finished(work)

    def _fail(self, work: W, sentence: str) -> None:
        """Keeps the pixels: the artist may try again."""
        if not work.ended:
            work.state, work.error, work.preview = "failed", sentence, None
            self._changed()

    # ── what the server has ──────────────────────────────────────────────────────────────────────────────

    def _list(self, session: Session) -> None:
        self._listing = True
        self._early.clear()
        known = {work.job for work in self.works.values() if work.accepted}
        self._ask.do(session.jobs, partial(self._listed, known), lambda error: self._listed(known, None))

    def _listed(self, known: Set[str], summaries: Optional[List[JobSummary]]) -> None:
        """The server's list; `known`: jobs it had accepted when it was asked for it. None: no answer."""
        self._listing = False
        early, self._early = self._early, {}
        if summaries is None:
            return  # asked again by `poll`
        self._listed_once = True
        for summary in summaries:
            self._merge(summary, early.get(summary.job))
        gone = known - {summary.job for summary in summaries}
        for work in [one for one in self.works.values() if one.job in gone]:
            if work.state in ("done", "cancelled"):
                del self.works[work.job]
            else:
                work.layers = ()
                self._fail(work, tr("The server does not know this job any more. Start it again."))
        self.works = dict(sorted(self.works.items(), key=lambda item: item[1].created_s))
        self._changed()

    def _merge(self, summary: JobSummary, newer: Optional[JobChanged]) -> None:
        state, layers, error = summary.state, summary.layers, summary.error
        if newer is not None and state not in FINAL_STATES:
            state, layers, error = newer.state, newer.layers, newer.error
        sentence = error.sentence if error is not None else ""
        work = self.works.get(summary.job)
        if work is not None:
            work.accepted = True
            self._moved(work, state, layers, sentence)
            return
        if self._owed.forgets(summary.job) or (state == "cancelled" and not layers):
            return
        work = self._recalled(summary)
        if work is None:
            return
        work.state = "done" if state == "cancelled" or (work.dismissed and layers) else state
        work.sent = work.accepted = True
        work.layers, work.error = layers, sentence
        if self._settled(work):
            self._owed.forget(work.job)
        else:
            self.works[work.job] = work


def _nothing(_: object) -> None:
    pass
