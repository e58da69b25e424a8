"""What a session knows of its jobs: how far each is, and which the server has not taken in yet."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Set, Tuple, Union

from impasto_protocol.errors import ImpastoError, UnknownJob, from_code
from impasto_protocol.messages import (
    FINAL_STATES,
    GenerateRequest,
    JobChanged,
    JobProgress,
    JobSummary,
    LayerInfo,
)

from impasto_client.canvas import Canvas

if TYPE_CHECKING:
    from impasto_client.session import Session

__all__ = ["Job", "JobBook", "Layer", "OnProgress", "Record", "Unaccepted"]

_RESUBMITS = 5  # of one job, when the server says its canvas is stale

OnProgress = Callable[[JobProgress], None]


@dataclass(frozen=True)
class Layer:
    """A layer of a result, with its pixels: `info.width` × `info.height` in `info.format`."""

    info: LayerInfo
    pixels: bytes


@dataclass
class Record:
    """How far a job is, as far as is known here."""

    state: str = "queued"
    layers: Tuple[LayerInfo, ...] = ()
    error: Optional[ImpastoError] = None
    progress: Optional[JobProgress] = None


@dataclass
class Unaccepted:
    """A job the server has not said yes to. Holds the pictures, so that they can be sent again."""

    request: GenerateRequest
    urgency: str
    note: str
    pictures: Dict[str, Tuple[Canvas, bytes]]  # by role, see `GenerateRequest.pictures`
    attempts: int = 0


class JobBook:
    """Of one session, and read and changed under its lock only; whoever changes it tells the others."""

    def __init__(self, last_event: int) -> None:
        self.last_event = last_event  # newest JobChanged.event seen
        self.records: Dict[str, Record] = {}
        self.unaccepted: Dict[str, Unaccepted] = {}
        self.again: Set[str] = set()  # unaccepted jobs to submit again
        self.cancelled: Set[str] = set()  # asked for, not yet known to be final

    def record(self, job: str) -> Record:
        """A copy."""
        return replace(self.records.get(job, Record()))

    def submitted(self, job: str, unaccepted: Unaccepted) -> None:
        self.records.setdefault(job, Record())
        self.unaccepted[job] = unaccepted

    def wants_cancel(self, job: str) -> bool:
        """Notes that a job is to be cancelled; False if it is over."""
        if self.records.setdefault(job, Record()).state in FINAL_STATES:
            return False
        self.cancelled.add(job)
        return True

    def heard(self, message: Union[JobChanged, JobProgress]) -> None:
        record = self.records.setdefault(message.job, Record())
        self.unaccepted.pop(message.job, None)
        if isinstance(message, JobProgress):
            record.progress = message
            if record.state == "queued" and message.stage != "waiting":
                record.state = "running"
            return
        self.last_event = max(self.last_event, message.event)
        record.state, record.layers = message.state, message.layers
        if message.error is not None:
            record.error = from_code(message.error.code, message.error.sentence)
        if message.state in FINAL_STATES:
            self.cancelled.discard(message.job)

    def learn(self, summary: JobSummary) -> None:
        """From the server's list: of jobs of earlier sessions it is all that is known."""
        record = self.records.setdefault(summary.job, Record())
        if record.state not in FINAL_STATES:
            record.state = summary.state
            if len(summary.layers) > len(record.layers):  # else news have overtaken the list
                record.layers = summary.layers
            if summary.error is not None:
                record.error = from_code(summary.error.code, summary.error.sentence)

    def heard_refusal(self, job: str, error: ImpastoError) -> bool:
        """What the server has against a job. True: its pictures were stale, and it is to be submitted again
        with fresh ones."""
        unaccepted = self.unaccepted.get(job)
        if unaccepted is not None and error.code in ("stale_canvas", "unknown_canvas"):
            unaccepted.attempts += 1
            if unaccepted.attempts <= _RESUBMITS:
                for canvas, _ in unaccepted.pictures.values():
                    canvas.heard_stale()
                self.again.add(job)
                return True
        self.cancelled.discard(job)
        if unaccepted is not None or isinstance(error, UnknownJob):
            self.refuse(job, error)
        return False

    def refuse(self, job: str, error: ImpastoError) -> None:
        self.unaccepted.pop(job, None)
        record = self.records.setdefault(job, Record())
        record.state, record.error = "failed", error


class Job:
    """A job of this client, by its id; made by `Session.submit` and `Session.job`."""

    def __init__(self, session: "Session", job: str) -> None:
        self.id = job
        self._session = session

    @property
    def state(self) -> str:
        """queued, running, done, failed or cancelled, as far as is known here."""
        return self._session.record(self.id).state

    @property
    def layers(self) -> Tuple[LayerInfo, ...]:
        """The layers that are finished; those of a job of several takes come one by one, and stay when it is
        cancelled or fails. `Session.fetch_layer` has their pixels at any time."""
        return self._session.record(self.id).layers

    @property
    def error(self) -> Optional[ImpastoError]:
        """Why it failed or was refused."""
        return self._session.record(self.id).error

    @property
    def progress(self) -> Optional[JobProgress]:
        """The newest progress, if there was any."""
        return self._session.record(self.id).progress

    def wait(
        self, timeout_s: Optional[float] = None, on_progress: Optional[OnProgress] = None
    ) -> List[Layer]:
        """The layers with their pixels, when the job is over; of a cancelled one those that were finished.

        `on_progress` is called on the waiting thread, with the newest progress only. Raises what made the job
        fail, TimeoutError after `timeout_s`, `ServerUnreachable` when reconnecting is hopeless.
        """
        return self._session.wait_for(self.id, timeout_s, on_progress)

    def cancel(self) -> None:
        """Asks the server to stop; idempotent. `wait` returns when it has."""
        self._session.cancel(self.id)

    def forget(self) -> None:
        """The result is in the document: the server may drop it."""
        self._session.forget(self.id)
