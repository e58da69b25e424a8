"""What plugins and the command line use: canvases, jobs and results that outlive any connection.

A session connects again by itself, with growing pauses, and then makes the server whole: it says which event
it saw last, and submits again, canvases included, what was not yet accepted. Submitting is idempotent, so
nothing is painted twice; what was accepted is in the server's journal, so nothing is lost.

Threads. All methods may be called from any thread and block it at most for `timeout_s`; none may be called
from `listener`, except `Job.cancel` and reading attributes. `listener` is called on the connection's thread
with every JobChanged and JobProgress: hand these to the host's own thread and return. The callbacks of a live
session are called there too, and the same holds for them. Reconnecting has a thread of its own.
"""

import contextlib
import secrets
import threading
import time
from functools import partial
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple, Union

from impasto_protocol import places
from impasto_protocol.errors import (
    BadValue,
    ImpastoError,
    ServerUnreachable,
    UnknownCanvas,
    UnknownJob,
    from_code,
)
from impasto_protocol.messages import (
    FINAL_STATES,
    PROTOCOL_VERSION,
    Annotate,
    Cancel,
    CanvasAck,
    CanvasPixels,
    CanvasRef,
    CanvasStale,
    ClientMessage,
    FetchInput,
    FetchLayer,
    FetchThumbnail,
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
    LivePreview,
    LiveStatus,
    ModelInfo,
    ModelList,
    Problem,
    ReadCanvas,
    ServerMessage,
    Submit,
    ThumbnailPixels,
    Welcome,
)
from impasto_protocol.rasters import PixelFormat, raster_size, row_size

from impasto_client.canvas import Canvas
from impasto_client.connection import Connection
from impasto_client.discovery import ServerAddress, client_id, find_server
from impasto_client.jobs import Job, JobBook, Layer, OnProgress, Record, Unaccepted
from impasto_client.link import HOPELESS, Link
from impasto_client.live import Live, OnPreview, OnProblem, OnStatus
from impasto_client.questions import Questions, pixels_of

__all__ = ["Canvas", "Job", "Layer", "Live", "Session"]

WAIT_S = 30.0  # for an answer, reconnecting included

Listener = Callable[[Union[JobChanged, JobProgress]], None]


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
        self._find = find
        self._listener = listener
        self._shared_memory = shared_memory
        self._uploads = threading.RLock()  # held while canvases and submits are sent: they stay in order
        lock = threading.RLock()  # guards all below
        self._changed = threading.Condition(lock)  # notified at each change
        self._link = Link(lock, self._changed, self._connect, self._is_behind, self._catch_up)
        self._book = JobBook(last_event)
        self._unaccepted = self._book.unaccepted
        self._questions = Questions(self._link)
        self._canvases: Dict[str, Canvas] = {}
        self._lives: Dict[str, Live] = {}

    @classmethod
    def connect(
        cls,
        home: Optional[Path] = None,
        name: str = "impasto cli",
        client_id: Optional[str] = None,
        *,
        program: str = "",
        address: Optional[ServerAddress] = None,
        last_event: int = 0,
        listener: Optional[Listener] = None,
        shared_memory: bool = True,
    ) -> "Session":
        """Connects to the server of `home` (default: `places.home()`), or to `address`.

        `client_id`: 32 hex digits, to which jobs belong; None takes what this home keeps for `program`
        ("krita"; empty: the command line). Raises `ServerUnreachable`, `Unauthorized`, `VersionUnsupported`.
        """
        folder = places.home() if home is None else home
        find = partial(find_server, folder) if address is None else (lambda: address)
        client = client_id if client_id is not None else _client_id(folder, program)
        session = cls(find, client, name, last_event, listener, shared_memory)
        session._link.connect()
        return session

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and the threads. Jobs go on. Idempotent."""
        self._link.close()

    @property
    def connected(self) -> bool:
        return self._link.connection is not None

    @property
    def last_event(self) -> int:
        """Newest JobChanged.event seen; keep it to resume in another process."""
        return self._book.last_event

    @property
    def welcome(self) -> Welcome:
        """What the server said of itself: version, limits, capabilities. Raises `ServerUnreachable`."""
        return self._link.connected(WAIT_S).welcome

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
        return self._questions.rows(question, CanvasPixels, canvas.height, row, timeout_s, into)

    @contextlib.contextmanager
    def uploading(self) -> Iterator[Optional[Connection]]:
        """The right to send canvases and submits, in order; None without a connection."""
        with self._uploads:
            yield self._link.connection

    # ── live previews ────────────────────────────────────────────────────────────────────────────────────

    def live(self, on_preview: OnPreview, on_status: OnStatus, on_problem: OnProblem) -> Live:
        """A live session; it begins with `Live.change`. See there for who calls what."""
        live = Live(self, secrets.token_hex(8), on_preview, on_status, on_problem)
        with self._changed:
            self._lives[live.name] = live
        return live

    def drop_live(self, live: Live) -> None:
        with self._changed:
            self._lives.pop(live.name, None)

    # ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────

    def submit(
        self,
        generate: GenerateRequest,
        urgency: str = "interactive",
        job: Optional[str] = None,
        note: str = "",
    ) -> Job:
        """Asks for a job; returns at once. Its pictures are references of `Canvas.update`, or of the
        journal. `note` (64 KiB at most) is kept with the job; `JobSummary.note` has it.

        What the server says against it is raised by `Job.wait`. Without a connection the job is submitted as
        soon as there is one. Raises `StaleCanvas` or `UnknownCanvas` for a reference that is not to be had
        any more.
        """
        pictures = self._pictures(generate)
        name = job if job is not None else secrets.token_hex(16)
        with self._uploads:
            with self._changed:
                self._book.submitted(name, Unaccepted(generate, urgency, note, pictures))
            self._submit(name, self._link.connection)
        return Job(self, name)

    def job(self, job: str) -> Job:
        """A job of this client that was submitted earlier, perhaps by another process."""
        return Job(self, job)

    def jobs(self, timeout_s: float = WAIT_S) -> List[JobSummary]:
        """The client's jobs the server still keeps, oldest first."""
        reply = self._questions.ask(ListJobs, JobList, timeout_s)
        with self._changed:
            for summary in reply.jobs:
                self._book.learn(summary)
            self._changed.notify_all()
        return list(reply.jobs)

    def annotate(self, job: str, note: str, timeout_s: float = WAIT_S) -> None:
        """Replaces the note of a job; on the server's disk when it returns. Raises `UnknownJob`, `BadValue`
        and, without a connection after `timeout_s`, `ServerUnreachable`."""
        with self._uploads:  # a submit that is just being sent has gone, and is followed by this
            unaccepted = self._unaccepted.get(job)
            if unaccepted is not None:
                unaccepted.note = note
        try:
            self._questions.ask(lambda number: Annotate(number, job, note), JobList, timeout_s)
        except UnknownJob:
            if job not in self._unaccepted:  # else it is about to be submitted again, with this note
                raise

    def models(self, timeout_s: float = WAIT_S) -> List[ModelInfo]:
        """The models the server can paint with."""
        return list(self._questions.ask(ListModels, ModelList, timeout_s).models)

    def fetch_layer(
        self, job: Union[Job, str], index: int, info: Optional[LayerInfo] = None, timeout_s: float = WAIT_S
    ) -> Layer:
        """A finished layer of a job. `info` saves a question when the job is not known here."""
        name = job.id if isinstance(job, Job) else job
        if info is None:
            if index >= len(self.record(name).layers):
                self.jobs(timeout_s)
            layers = self.record(name).layers
            if not 0 <= index < len(layers):
                raise UnknownJob("The server keeps no such result any more. Generate it again.")
            info = layers[index]

        def question(y: int, height: int, number: int) -> ClientMessage:
            return FetchLayer(number, name, index, y, height)

        row = row_size(info.width, info.format)
        return Layer(info, self._questions.rows(question, LayerPixels, info.height, row, timeout_s))

    def thumbnail(
        self, job: str, index: int, longest_px: int, timeout_s: float = WAIT_S
    ) -> Tuple[int, int, PixelFormat, bytes]:
        """A small copy of a result layer: width, height, RGBA8 and the pixels, straight alpha. `longest_px`
        from 16 to 512. Raises `UnknownJob`, `BadValue`, `NoSuchInput`."""

        def question(number: int) -> ClientMessage:
            return FetchThumbnail(number, job, index, longest_px)

        reply = self._questions.ask(question, ThumbnailPixels, timeout_s)
        pixels = reply.pixels
        size = raster_size(pixels.width, pixels.height, pixels.format)
        return pixels.width, pixels.height, pixels.format, pixels_of(reply, size)

    def fetch_input(self, ref: InputRef, timeout_s: float = WAIT_S) -> bytes:
        """The pixels of an image or mask a job of this client used. Raises `NoSuchInput`."""

        def question(y: int, height: int, number: int) -> ClientMessage:
            return FetchInput(number, ref.digest, y, height)

        row = row_size(ref.width, ref.format)
        return self._questions.rows(question, InputPixels, ref.height, row, timeout_s)

    def record(self, job: str) -> Record:
        """A copy of what is known of a job."""
        with self._changed:
            return self._book.record(job)

    def cancel(self, job: str) -> None:
        with self._changed:
            if not self._book.wants_cancel(job):
                return
            connection = self._link.connection
        if connection is not None:
            with contextlib.suppress(ServerUnreachable):  # said again after reconnecting
                connection.post(Cancel(job))

    def forget(self, job: str) -> None:
        self._link.connected(WAIT_S).send(Forget(job))
        with self._changed:
            self._book.records.pop(job, None)

    def wait_for(
        self, job: str, timeout_s: Optional[float], on_progress: Optional[OnProgress]
    ) -> List[Layer]:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        shown: Optional[JobProgress] = None
        while True:
            with self._changed:
                self._changed.wait_for(partial(self._news, job, shown, on_progress), _left(deadline))
                record, fatal = self._book.record(job), self._link.fatal
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
        record = self._book.record(job)
        moved = on_progress is not None and record.progress is not shown
        over = record.error is not None or record.state in FINAL_STATES
        return moved or over or self._link.fatal is not None

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
            self._book.again.discard(job)
        if unaccepted is None or connection is None:
            return
        try:
            refs = {
                role: canvas.send(connection, picture)
                for role, (canvas, picture) in unaccepted.pictures.items()
            }
            generate = unaccepted.request.with_pictures(refs)
            connection.send(Submit(job, generate, unaccepted.urgency, unaccepted.note))
        except ServerUnreachable:
            return  # the keeper submits it again
        except ImpastoError as error:
            with self._changed:
                self._book.refuse(job, error)
                self._changed.notify_all()

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
        if isinstance(message, (LiveStatus, LivePreview, Problem)) and message.live is not None:
            live = self._lives.get(message.live)
            if live is not None:  # else it has been closed
                live.heard(message)
            return
        with self._changed:
            if isinstance(message, (JobChanged, JobProgress)):
                self._book.heard(message)
            elif isinstance(message, Problem):
                self._heard_problem(message)
            elif isinstance(message, (CanvasAck, CanvasStale)):
                canvas = self._canvases.get(message.canvas)
                if canvas is not None and isinstance(message, CanvasAck):
                    canvas.heard_ack(message.sequence)
                elif canvas is not None:
                    canvas.heard_stale()
                    for live in self._lives.values():
                        live.lost_canvas(canvas.name)
                    self._link.has_errands()
            self._changed.notify_all()
        if self._listener is not None and isinstance(message, (JobChanged, JobProgress)):
            self._listener(message)

    def _heard_problem(self, problem: Problem) -> None:
        error = from_code(problem.code, problem.sentence)
        if problem.job is not None:
            if self._book.heard_refusal(problem.job, error):
                self._link.has_errands()  # this thread must not send pictures
        elif problem.canvas is not None and problem.canvas in self._canvases:
            self._canvases[problem.canvas].heard_problem(error)
        elif isinstance(error, HOPELESS):
            self._link.give_up(error)

    # ── staying connected ────────────────────────────────────────────────────────────────────────────────

    def _connect(self) -> None:
        hello = Hello(PROTOCOL_VERSION, self.client, self.name, self.last_event, self._shared_memory)
        connection = Connection.open(self._find(), hello, self._heard, self._lost, self._questions.land)
        try:
            with self._uploads:
                self._restore(connection)
                closed = self._link.established(connection)
        except ServerUnreachable:
            connection.close()
            raise
        if connection.ended:  # before it had its place here
            self._lost(connection)
        if closed:
            connection.close()

    def _restore(self, connection: Connection) -> None:
        """Gives a new connection what the last one had: unaccepted jobs, cancels, then the canvases as they
        are and the live sessions on them.
        """
        with self._changed:
            unaccepted, cancelled = list(self._unaccepted), list(self._book.cancelled)
            canvases, lives = list(self._canvases.values()), list(self._lives.values())
        for job in unaccepted:
            self._submit(job, connection)
        for job in cancelled:
            connection.post(Cancel(job))
        for canvas in canvases:
            canvas.restore(connection)
        for live in lives:
            live.restore(connection)

    def _lost(self, connection: Connection, _reason: Optional[ImpastoError] = None) -> None:
        self._link.lost(connection)
        self._questions.connection_ended(connection)

    def _is_behind(self) -> bool:
        """Whether jobs are to be submitted again, or live sessions lack a canvas. Under the lock."""
        return bool(self._book.again) or any(live.behind for live in self._lives.values())

    def _catch_up(self) -> None:
        with self._changed:
            again, canvases = list(self._book.again), list(self._canvases.values())
            behind = [live for live in self._lives.values() if live.behind]
        with self.uploading() as connection:
            for job in again:
                self._submit(job, connection)
            if behind and connection is not None:
                with contextlib.suppress(ServerUnreachable):  # sent after reconnecting
                    for canvas in canvases:
                        canvas.restore(connection)
            for live in behind:
                live.catch_up()


def _client_id(home: Path, program: str) -> str:
    try:
        return client_id(home, program)
    except OSError as error:
        raise BadValue(f"The folder {home} cannot be written. Set IMPASTO_HOME to one that can.") from error


def _left(deadline: Optional[float]) -> Optional[float]:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
