"""What plugins and the command line use: canvases, jobs and results that outlive any connection.

A session connects again by itself, with growing pauses, and then makes the server whole: it says which event
it saw last, and submits again, canvases included, what was not yet accepted. Submitting is idempotent, so
nothing is painted twice; what was accepted is in the server's journal, so nothing is lost.

Threads. All methods may be called from any thread and block it at most for `timeout_s`; none may be called
from `listener`, except `Job.cancel` and reading attributes. `listener` is called on the connection's thread
with every JobChanged and JobProgress: hand these to the host's own thread and return. Reconnecting has a
thread of its own.
"""

import contextlib
import secrets
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Set, Tuple, Union, cast

from impasto_protocol import places
from impasto_protocol.errors import (
    BadValue,
    ImpastoError,
    MalformedFrame,
    ServerUnreachable,
    Unauthorized,
    UnknownCanvas,
    UnknownJob,
    VersionUnsupported,
    from_code,
)
from impasto_protocol.messages import (
    FINAL_STATES,
    PROTOCOL_VERSION,
    Cancel,
    CanvasAck,
    CanvasPixels,
    CanvasRef,
    CanvasStale,
    ClientMessage,
    FetchInput,
    FetchLayer,
    Forget,
    GenerateRequest,
    Hello,
    InputPixels,
    InputRef,
    JobChanged,
    JobList,
    JobProgress,
    JobSummary,
    LayerInfo,
    LayerPixels,
    ListJobs,
    ListModels,
    ModelInfo,
    ModelList,
    Problem,
    ReadCanvas,
    ServerMessage,
    Submit,
    Welcome,
)
from impasto_protocol.rasters import PixelFormat, row_size

from impasto_client.canvas import Canvas, bands
from impasto_client.connection import Connection
from impasto_client.discovery import ServerAddress, client_id, find_server
from impasto_client.questions import Questions

__all__ = ["Canvas", "Job", "Layer", "Session"]

WAIT_S = 30.0  # for an answer, reconnecting included
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_RESUBMITS = 5  # of one job, when the server says its canvas is stale
_HOPELESS = (Unauthorized, VersionUnsupported)  # not mended by trying the same again

Listener = Callable[[Union[JobChanged, JobProgress]], None]
OnProgress = Callable[[JobProgress], None]


@dataclass(frozen=True)
class Layer:
    """A layer of a result, with its pixels: `info.width` × `info.height` in `info.format`."""

    info: LayerInfo
    pixels: bytes


@dataclass
class _Record:
    """What the session knows of a job. Changed under the session's lock only."""

    state: str = "queued"
    layers: Tuple[LayerInfo, ...] = ()
    error: Optional[ImpastoError] = None
    progress: Optional[JobProgress] = None


@dataclass
class _Unaccepted:
    """A job the server has not said yes to. Holds the pictures, so that they can be sent again."""

    request: GenerateRequest
    urgency: str
    pictures: Dict[str, Tuple[Canvas, bytes]]  # by role, see `GenerateRequest.pictures`
    attempts: int = 0


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
        """The layers of the result; empty until it is done."""
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
        """The layers with their pixels; an empty list when the job was cancelled.

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


class Session:
    """A client's stay with the server. Use `Session.connect`; close it, or use it in a `with`."""

    def __init__(
        self,
        find: Callable[[], ServerAddress],
        client: str,
        name: str,
        last_event: int = 0,
        listener: Optional[Listener] = None,
        shared_memory: bool = True,
    ) -> None:
        self.client = client
        self.name = name
        self.last_event = last_event  # newest JobChanged.event seen; keep it to resume in another process
        self._find = find
        self._listener = listener
        self._shared_memory = shared_memory
        self._uploads = threading.RLock()  # held while canvases and submits are sent: they stay in order
        lock = threading.RLock()  # guards all below
        self._changed = threading.Condition(lock)  # notified at each change
        self._work = threading.Condition(lock)  # notified when there is something for the keeper to do
        self._connection: Optional[Connection] = None
        self._fatal: Optional[ImpastoError] = None
        self._closed = False
        self._records: Dict[str, _Record] = {}
        self._unaccepted: Dict[str, _Unaccepted] = {}
        self._again: Set[str] = set()  # unaccepted jobs to submit again
        self._cancelled: Set[str] = set()  # asked for, not yet known to be final
        self._questions = Questions()
        self._canvases: Dict[str, Canvas] = {}
        self._keeper = threading.Thread(target=self._keep_connected, name="impasto-session", daemon=True)

    @classmethod
    def connect(
        cls,
        home: Optional[Path] = None,
        name: str = "impasto cli",
        client_id: Optional[str] = None,
        *,
        address: Optional[ServerAddress] = None,
        last_event: int = 0,
        listener: Optional[Listener] = None,
        shared_memory: bool = True,
    ) -> "Session":
        """Connects to the server of `home` (default: `places.home()`), or to `address`.

        `client_id`: 32 hex digits, to which jobs belong; None takes the home's own. Raises
        `ServerUnreachable`, `Unauthorized`, `VersionUnsupported`.
        """
        folder = places.home() if home is None else home
        find = partial(find_server, folder) if address is None else (lambda: address)
        client = client_id if client_id is not None else _client_id(folder)
        session = cls(find, client, name, last_event, listener, shared_memory)
        session._connect()
        session._keeper.start()
        return session

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and the threads. Jobs go on. Idempotent."""
        with self._changed:
            self._closed = True
            connection = self._connection
            self._changed.notify_all()
            self._work.notify_all()
        if connection is not None:
            connection.close()
        if self._keeper.is_alive() and self._keeper is not threading.current_thread():
            self._keeper.join(WAIT_S)

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def welcome(self) -> Welcome:
        """What the server said of itself: version, limits, capabilities. Raises `ServerUnreachable`."""
        return self._connected(WAIT_S).welcome

    # ── canvases ─────────────────────────────────────────────────────────────────────────────────────────

    def canvas(self, width: int, height: int, format: PixelFormat) -> Canvas:
        """A new canvas, all bytes zero. Nothing is sent before its first `update`."""
        canvas = Canvas(self, secrets.token_hex(8), width, height, format)
        with self._changed:
            self._canvases[canvas.name] = canvas
        return canvas

    def drop_canvas(self, canvas: Canvas) -> None:
        with self._changed:
            self._canvases.pop(canvas.name, None)
        with self.uploading() as connection:
            if connection is not None:
                with contextlib.suppress(ServerUnreachable):
                    connection.send(canvas.said_goodbye())

    def read_canvas(self, canvas: Canvas, timeout_s: float, into: Optional[memoryview] = None) -> bytes:
        """The server's mirror; empty when it went `into` memory of the caller's."""

        def question(y: int, height: int, number: int) -> ClientMessage:
            return ReadCanvas(number, canvas.name, y, height)

        row = row_size(canvas.width, canvas.format)
        return self._ask_rows(question, CanvasPixels, canvas.height, row, timeout_s, into)

    @contextlib.contextmanager
    def uploading(self) -> Iterator[Optional[Connection]]:
        """The right to send canvases and submits, in order; None without a connection."""
        with self._uploads:
            yield self._connection

    # ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────

    def submit(
        self, generate: GenerateRequest, urgency: str = "interactive", job: Optional[str] = None
    ) -> Job:
        """Asks for a job; returns at once. Its pictures are references of `Canvas.update`, or of the
        journal.

        What the server says against it is raised by `Job.wait`. Without a connection the job is submitted as
        soon as there is one. Raises `StaleCanvas` or `UnknownCanvas` for a reference that is not to be had
        any more.
        """
        pictures = self._pictures(generate)
        name = job if job is not None else secrets.token_hex(16)
        with self._uploads:
            with self._changed:
                self._records.setdefault(name, _Record())
                self._unaccepted[name] = _Unaccepted(generate, urgency, pictures)
            self._submit(name, self._connection)
        return Job(self, name)

    def job(self, job: str) -> Job:
        """A job of this client that was submitted earlier, perhaps by another process."""
        return Job(self, job)

    def jobs(self, timeout_s: float = WAIT_S) -> List[JobSummary]:
        """The client's jobs the server still keeps, oldest first."""
        reply = self._ask(ListJobs, timeout_s)
        if not isinstance(reply, JobList):
            raise _unexpected(reply)
        for summary in reply.jobs:
            self._learn(summary)
        return list(reply.jobs)

    def models(self, timeout_s: float = WAIT_S) -> List[ModelInfo]:
        """The models the server can paint with."""
        reply = self._ask(ListModels, timeout_s)
        if not isinstance(reply, ModelList):
            raise _unexpected(reply)
        return list(reply.models)

    def fetch_layer(
        self, job: Union[Job, str], index: int, info: Optional[LayerInfo] = None, timeout_s: float = WAIT_S
    ) -> Layer:
        """One layer of a finished job. `info` saves a question when the job is not known here."""
        name = job.id if isinstance(job, Job) else job
        if info is None:
            if not self.record(name).layers:
                self.jobs(timeout_s)
            layers = self.record(name).layers
            if not 0 <= index < len(layers):
                raise UnknownJob("The server keeps no such result any more. Generate it again.")
            info = layers[index]

        def question(y: int, height: int, number: int) -> ClientMessage:
            return FetchLayer(number, name, index, y, height)

        row = row_size(info.width, info.format)
        return Layer(info, self._ask_rows(question, LayerPixels, info.height, row, timeout_s))

    def fetch_input(self, ref: InputRef, timeout_s: float = WAIT_S) -> bytes:
        """The pixels of an image or mask a job of this client used. Raises `NoSuchInput`."""

        def question(y: int, height: int, number: int) -> ClientMessage:
            return FetchInput(number, ref.digest, y, height)

        row = row_size(ref.width, ref.format)
        return self._ask_rows(question, InputPixels, ref.height, row, timeout_s)

    def record(self, job: str) -> _Record:
        """A copy of what is known of a job."""
        with self._changed:
            return replace(self._records.get(job, _Record()))

    def cancel(self, job: str) -> None:
        with self._changed:
            if self._records.setdefault(job, _Record()).state in FINAL_STATES:
                return
            self._cancelled.add(job)
            connection = self._connection
        if connection is not None:
            with contextlib.suppress(ServerUnreachable):  # said again after reconnecting
                connection.post(Cancel(job))

    def forget(self, job: str) -> None:
        self._connected(WAIT_S).send(Forget(job))
        with self._changed:
            self._records.pop(job, None)

    def wait_for(
        self, job: str, timeout_s: Optional[float], on_progress: Optional[OnProgress]
    ) -> List[Layer]:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        shown: Optional[JobProgress] = None
        while True:
            with self._changed:
                self._changed.wait_for(partial(self._news, job, shown, on_progress), _left(deadline))
                record = replace(self._records.get(job, _Record()))
                fatal = self._fatal
            if on_progress is not None and record.progress is not None and record.progress is not shown:
                shown = record.progress
                on_progress(shown)
            if record.error is not None:
                raise record.error
            if record.state in FINAL_STATES:
                return [self.fetch_layer(job, i, info) for i, info in enumerate(record.layers)]
            if fatal is not None:
                raise fatal
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"the job is still {record.state}")

    def _news(self, job: str, shown: Optional[JobProgress], on_progress: Optional[OnProgress]) -> bool:
        record = self._records.get(job, _Record())
        moved = on_progress is not None and record.progress is not shown
        return moved or record.error is not None or record.state in FINAL_STATES or self._fatal is not None

    # ── submitting ───────────────────────────────────────────────────────────────────────────────────────

    def _pictures(self, generate: GenerateRequest) -> Dict[str, Tuple[Canvas, bytes]]:
        pictures = {}
        for role, ref in generate.pictures.items():
            if isinstance(ref, CanvasRef):
                with self._changed:
                    canvas = self._canvases.get(ref.canvas)
                if canvas is None:
                    raise UnknownCanvas("This picture is not open any more. Take it again, and try again.")
                pictures[role] = (canvas, canvas.pixels_of(ref))
        return pictures

    def _submit(self, job: str, connection: Optional[Connection]) -> None:
        """Sends an unaccepted job and the pictures it needs. Only under the upload lock."""
        with self._changed:
            unaccepted = self._unaccepted.get(job)
            self._again.discard(job)
        if unaccepted is None or connection is None:
            return
        try:
            refs = {
                role: canvas.send(connection, picture)
                for role, (canvas, picture) in unaccepted.pictures.items()
            }
            generate = unaccepted.request.with_pictures(refs)
            connection.send(Submit(job, generate, unaccepted.urgency))
        except ServerUnreachable:
            return  # the keeper submits it again
        except ImpastoError as error:
            self._refused(job, error)

    def _refused(self, job: str, error: ImpastoError) -> None:
        with self._changed:
            self._unaccepted.pop(job, None)
            record = self._records.setdefault(job, _Record())
            record.state, record.error = "failed", error
            self._changed.notify_all()

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────

    def _ask(
        self,
        question: Callable[[int], ClientMessage],
        timeout_s: float,
        target: Optional[memoryview] = None,
    ) -> ServerMessage:
        """The answer to a question; asked again on the next connection when this one breaks."""
        deadline = time.monotonic() + timeout_s
        while True:
            connection = self._connected(max(0.0, deadline - time.monotonic()))
            left_s = max(0.0, deadline - time.monotonic())
            answer = self._questions.ask(connection, question, left_s, target)
            if answer is not None:
                return answer
            self._lost(connection)

    def _ask_rows(
        self,
        question: Callable[[int, int, int], ClientMessage],
        kind: type,
        height: int,
        row_bytes: int,
        timeout_s: float,
        into: Optional[memoryview] = None,
    ) -> bytes:
        """All rows of a raster, in bands. `question(y, rows, number)` is answered by a message of `kind`."""
        pieces = []
        for y, rows in bands(0, height, row_bytes):
            target = None if into is None else into[y * row_bytes : (y + rows) * row_bytes]
            reply = self._ask(partial(question, y, rows), timeout_s, target)
            piece = _pixels(reply, kind, rows * row_bytes)
            if target is None:
                pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Waits for a change after which `condition` holds. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout_s):
                raise TimeoutError("the server did not answer in time")

    # ── what comes ───────────────────────────────────────────────────────────────────────────────────────

    def _heard(self, message: ServerMessage) -> None:
        """On the connection's thread."""
        request = getattr(message, "request", None)
        if request is not None:
            answer = from_code(message.code, message.sentence) if isinstance(message, Problem) else message
            self._questions.answer(request, answer)
            return
        with self._changed:
            if isinstance(message, (JobChanged, JobProgress)):
                self._heard_of_job(message)
            elif isinstance(message, Problem):
                self._heard_problem(message)
            elif isinstance(message, (CanvasAck, CanvasStale)):
                canvas = self._canvases.get(message.canvas)
                if canvas is not None and isinstance(message, CanvasAck):
                    canvas.heard_ack(message.sequence)
                elif canvas is not None:
                    canvas.heard_stale()
            self._changed.notify_all()
        if self._listener is not None and isinstance(message, (JobChanged, JobProgress)):
            self._listener(message)

    def _heard_of_job(self, message: Union[JobChanged, JobProgress]) -> None:
        record = self._records.setdefault(message.job, _Record())
        self._unaccepted.pop(message.job, None)
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
            self._cancelled.discard(message.job)

    def _heard_problem(self, problem: Problem) -> None:
        error = from_code(problem.code, problem.sentence)
        if problem.job is not None:
            self._heard_refusal(problem.job, error)
        elif problem.canvas is not None and problem.canvas in self._canvases:
            self._canvases[problem.canvas].heard_problem(error)
        elif isinstance(error, _HOPELESS):
            self._fatal = error
            self._work.notify_all()

    def _heard_refusal(self, job: str, error: ImpastoError) -> None:
        unaccepted = self._unaccepted.get(job)
        if unaccepted is not None and error.code in ("stale_canvas", "unknown_canvas"):
            unaccepted.attempts += 1
            if unaccepted.attempts <= _RESUBMITS:
                for canvas, _ in unaccepted.pictures.values():
                    canvas.heard_stale()
                self._again.add(job)  # by the keeper: this thread must not send pictures
                self._work.notify_all()
                return
        self._cancelled.discard(job)
        if unaccepted is not None or isinstance(error, UnknownJob):
            self._refused(job, error)

    def _learn(self, summary: JobSummary) -> None:
        with self._changed:
            record = self._records.setdefault(summary.job, _Record())
            if record.state not in FINAL_STATES:
                record.state, record.layers = summary.state, summary.layers
                if summary.error is not None:
                    record.error = from_code(summary.error.code, summary.error.sentence)
                self._changed.notify_all()

    # ── staying connected ────────────────────────────────────────────────────────────────────────────────

    def _connect(self) -> None:
        hello = Hello(PROTOCOL_VERSION, self.client, self.name, self.last_event, self._shared_memory)
        connection = Connection.open(self._find(), hello, self._heard, self._lost, self._questions.land)
        try:
            with self._uploads:
                self._restore(connection)
                with self._changed:
                    self._connection = connection
                    closed = self._closed
                    self._changed.notify_all()
        except ServerUnreachable:
            connection.close()
            raise
        if connection.ended:  # before it had its place here
            self._lost(connection)
        if closed:
            connection.close()

    def _restore(self, connection: Connection) -> None:
        """Gives a new connection what the last one had: unaccepted jobs, cancels, then the canvases as they
        are.
        """
        with self._changed:
            unaccepted, cancelled = list(self._unaccepted), list(self._cancelled)
            canvases = list(self._canvases.values())
        for job in unaccepted:
            self._submit(job, connection)
        for job in cancelled:
            connection.post(Cancel(job))
        for canvas in canvases:
            canvas.restore(connection)

    def _lost(self, connection: Connection, _reason: Optional[ImpastoError] = None) -> None:
        with self._changed:
            if self._connection is connection:
                self._connection = None
                self._changed.notify_all()
                self._work.notify_all()
        self._questions.connection_ended(connection)

    def _connected(self, timeout_s: float) -> Connection:
        """The connection, waited for. Raises `ServerUnreachable`, or why there can be none."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._connection is not None or self._fatal is not None or self._closed, timeout_s
            )
            if self._connection is not None:
                return self._connection
            if self._fatal is not None:
                raise self._fatal
        raise ServerUnreachable("There is no connection to the server. Start it with “impasto serve”.")

    def _keep_connected(self) -> None:
        """The session's own thread: connects again, submits again."""
        pause_s, since = _FIRST_PAUSE_S, time.monotonic()
        while True:
            with self._changed:
                self._work.wait_for(lambda: self._closed or self._connection is None or bool(self._again))
                connection, again = self._connection, list(self._again)
                if self._closed or self._fatal is not None:
                    return
                if connection is None and time.monotonic() - since < _LONGEST_PAUSE_S:  # it failed at once
                    self._work.wait_for(lambda: self._closed, pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                elif connection is None:
                    pause_s = _FIRST_PAUSE_S
            if connection is not None:
                self._submit_all(again)
                continue
            since = time.monotonic()
            try:
                self._connect()
            except _HOPELESS as error:
                with self._changed:
                    self._fatal = error
                    self._changed.notify_all()
            except ImpastoError:
                continue  # not there yet

    def _submit_all(self, jobs: List[str]) -> None:
        with self._uploads:
            for job in jobs:
                self._submit(job, self._connection)


def _client_id(home: Path) -> str:
    try:
        return client_id(home)
    except OSError as error:
        raise BadValue(f"The folder {home} cannot be written. Set IMPASTO_HOME to one that can.") from error


def _left(deadline: Optional[float]) -> Optional[float]:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _pixels(reply: ServerMessage, kind: type, size: int) -> bytes:
    """The bytes of a reply with pixels, which must be as many as were asked for."""
    if not isinstance(reply, kind):
        raise _unexpected(reply)
    data = cast(LayerPixels, reply).pixels.data
    if data is None or len(data) != size:
        raise MalformedFrame("The server sent a picture of the wrong size. Bring both sides up to date.")
    return data


def _unexpected(reply: ServerMessage) -> MalformedFrame:
    return MalformedFrame(f"The server answered with {reply.type}. Bring both sides up to date.")
