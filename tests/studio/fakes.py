"""A server and sessions in memory, and workers whose errands a test runs: nothing here happens by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from impasto_client.live import Preview
from impasto_client.session import Layer
from impasto_protocol.errors import ImpastoError, ServerUnreachable
from impasto_protocol.messages import (
    CanvasRef,
    ErrorInfo,
    GenerateRequest,
    InputRef,
    JobChanged,
    JobProgress,
    JobSummary,
    LayerInfo,
    Limits,
    LiveRequest,
    ModelInfo,
    Pixels,
    Recipe,
    Welcome,
)
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_studio.studio import Studio
from impasto_studio.view import View
from impasto_studio.workers import outcome

from tests.studio.easel import Easel

LIMITS = Limits(
    frame_bytes=1 << 20, canvas_px=16_384, canvases=8, canvas_bytes=1 << 30, jobs=8, takes=4, steps=150
)
MODEL = ModelInfo(
    "pocket",
    "Pocket",
    "sd15",
    256,
    20,
    3.0,
    ("text", "image", "mask", "control", "lora", "upscale", "live"),
    ("scribble", "depth"),
    ("pencil",),
)
MAPS = ("edges", "scribble")
DOCUMENT, OTHER = "d" * 32, "e" * 32


@dataclass
class ServedJob:
    generate: GenerateRequest
    note: str
    created_s: float
    pixels: dict[str, bytes]
    state: str = "queued"
    layers: tuple[LayerInfo, ...] = ()
    error: ErrorInfo | None = None


@dataclass
class Server:
    """What the journal of a server keeps, and what it tells the sessions that are connected."""

    models: tuple[ModelInfo, ...] = (MODEL,)
    limits: Limits = LIMITS
    up: bool = True
    refusal: ImpastoError | None = None  # of a connection
    jobs: dict[str, ServedJob] = field(default_factory=dict)
    refused: dict[str, ImpastoError] = field(default_factory=dict)
    refuse: ImpastoError | None = None  # the next job
    sessions: list[Session] = field(default_factory=list)
    thumbnails: list[tuple[str, int]] = field(default_factory=list)
    fetched: list[tuple[str, int]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    connects: list[dict[str, Any]] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)  # jobs whose pixels are gone
    live: bool = True  # it can paint previews
    sittings: list[Live] = field(default_factory=list)
    time_s: float = 1000.0

    def connect(self, home: Path | None, name: str, **options: Any) -> Session:
        self.connects.append({"home": home, "name": name, "program": options["program"]})
        if self.refusal is not None:
            raise self.refusal
        if not self.up:
            raise ServerUnreachable("Nobody is there.")
        session = Session(self, options["listener"])
        self.sessions.append(session)
        return session

    def tell(self, job: str, state: str, **fields: Any) -> None:
        served = self.jobs[job]
        served.state = state
        served.layers = fields.get("layers", served.layers)
        served.error = fields.get("error", served.error)
        for session in self.sessions:
            if session.connected:
                session.listener(JobChanged(1, job, state, served.layers, served.error))

    def progress(self, job: str, **fields: Any) -> None:
        for session in self.sessions:
            session.listener(JobProgress(job, **{"stage": "sampling", **fields}))

    def finish(self, job: str, format: PixelFormat = PixelFormat.RGBA8) -> None:
        """One layer per take, of the picture's size."""
        self.tell(job, "done", layers=self._layers(job, self.jobs[job].generate.takes, format))

    def paint(self, job: str, count: int, state: str = "running", **fields: Any) -> None:
        """The first takes of a job are finished."""
        self.tell(job, state, layers=self._layers(job, count, PixelFormat.RGBA8), **fields)

    def _layers(self, job: str, count: int, format: PixelFormat) -> tuple[LayerInfo, ...]:
        request = self.jobs[job].generate
        image = request.image
        assert not isinstance(image, CanvasRef)
        width = request.width or (image.width if image else 64)
        height = request.height or (image.height if image else 64)
        return tuple(
            LayerInfo(
                f"take {take}",
                0,
                0,
                width,
                height,
                format,
                Recipe(replace(request, seed=request.seed + take, takes=1), "Fake", "0" * 64),
            )
            for take in range(count)
        )


class Canvas:
    def __init__(self, session: Session, name: str, width: int, height: int, format: PixelFormat) -> None:
        self.name = name
        self.width, self.height, self.format = width, height, format
        self.pixels = b""
        self.sequence = 0
        self._session = session

    def update(self, pixels: bytes) -> CanvasRef:
        assert len(pixels) == raster_size(self.width, self.height, self.format)
        if self._session.on_update is not None:
            self._session.on_update()
        self.pixels = pixels
        self.sequence += 1
        return CanvasRef(self.name, self.sequence)

    def close(self) -> None:
        del self._session.canvases[self.name]


class Live:
    """As `impasto_client.live.Live`; a test says when a preview comes."""

    def __init__(
        self,
        session: Session,
        on_preview: Callable[[Preview], None],
        on_status: Callable[[str], None],
        on_problem: Callable[[ImpastoError], None],
    ) -> None:
        self.session = session
        self.on_preview, self.on_status, self.on_problem = on_preview, on_status, on_problem
        self.requests: list[LiveRequest] = []
        self.inputs: list[dict[str, bytes]] = []  # what stood on the canvases, by their names
        self.closed = False
        self.previews = 0
        self.refuse: ImpastoError | None = None  # the next picture

    @property
    def request(self) -> LiveRequest:
        return self.requests[-1]

    def change(self, request: LiveRequest) -> int:
        if self.refuse is not None:
            raise self.refuse
        named = (request.canvas, request.mask, *(one.canvas for one in request.controls))
        for name in filter(None, named):
            assert self.session.canvases[name].sequence, "the server does not know this canvas yet"
        self.requests.append(request)
        return self._input() if self.inputs else 1

    def show(self, pictures: Mapping[Canvas, bytes]) -> int:
        if self.refuse is not None:
            raise self.refuse
        for canvas, pixels in pictures.items():
            canvas.update(pixels)
        return self._input()

    def _input(self) -> int:
        canvas = self.session.canvases[self.request.canvas]
        self.size = canvas.width, canvas.height
        self.inputs.append({name: canvas.pixels for name, canvas in self.session.canvases.items()})
        return len(self.inputs) + 1  # `change` has had the first number

    def close(self) -> None:
        self.closed = True

    @property
    def picture(self) -> bytes:
        """What the picture's canvas held at the newest input."""
        return self.inputs[-1][self.request.canvas]

    def paint(self, shade: int = 1, *, number: int = 0, size: tuple[int, int] = (0, 0), **more: Any) -> None:
        """A preview comes, of the newest input or of another one."""
        width, height = size if all(size) else self.size
        self.previews += 1
        pixels = bytes([shade]) * (3 * width * height)
        shown = number or len(self.inputs) + 1
        self.on_preview(Preview(self.previews, shown, 0, width, height, pixels, **more))


@dataclass
class Record:
    error: ImpastoError | None


class Session:
    """As `impasto_client.session.Session`, but a server that is away answers at once that it is."""

    def __init__(self, server: Server, listener: Callable[[JobChanged | JobProgress], None]) -> None:
        self.server = server
        self.listener = listener
        self.closed = False
        self.fatal: ImpastoError | None = None
        self.canvases: dict[str, Canvas] = {}
        self.opened = 0
        self.on_update: Callable[[], None] | None = None

    @property
    def connected(self) -> bool:
        return self.server.up and not self.closed and self.fatal is None

    @property
    def welcome(self) -> Welcome:
        self._reach()
        capabilities = ("generate", "image", "mask", "control", "lora", "upscale")
        capabilities += ("live",) if self.server.live else ()
        return Welcome(1, "0.1.0", self.server.limits, capabilities, 0, maps=MAPS)

    def close(self) -> None:
        self.closed = True

    def models(self, timeout_s: float = 0.0) -> list[ModelInfo]:
        self._reach()
        return list(self.server.models)

    def canvas(self, width: int, height: int, format: PixelFormat) -> Canvas:
        self.opened += 1
        canvas = Canvas(self, f"canvas-{self.opened}", width, height, format)
        self.canvases[canvas.name] = canvas
        return canvas

    def live(
        self,
        on_preview: Callable[[Preview], None],
        on_status: Callable[[str], None],
        on_problem: Callable[[ImpastoError], None],
    ) -> Live:
        made = Live(self, on_preview, on_status, on_problem)
        self.server.sittings.append(made)
        return made

    def submit(
        self, generate: GenerateRequest, urgency: str = "interactive", job: str = "", note: str = ""
    ) -> None:
        assert job not in self.server.jobs
        if self.server.refuse is not None:
            self.server.refused[job] = self.server.refuse
            return
        pixels, refs = {}, {}
        for role, ref in generate.pictures.items():
            if isinstance(ref, CanvasRef):
                canvas = self.canvases[ref.canvas]
                assert ref.sequence == canvas.sequence
                pixels[role] = canvas.pixels
                refs[role] = InputRef(f"{job} {role}", canvas.width, canvas.height, canvas.format)
        self.server.time_s += 1.0
        kept = generate.with_pictures(refs)
        self.server.jobs[job] = ServedJob(kept, note, self.server.time_s, pixels)
        self.server.tell(job, "queued")

    def cancel(self, job: str) -> None:
        self.server.cancelled.append(job)
        served = self.server.jobs.get(job)
        if served is not None and served.state in ("queued", "running"):
            self.server.tell(job, "cancelled")

    def record(self, job: str) -> Record:
        return Record(self.server.refused.get(job))

    def jobs(self, timeout_s: float = 0.0) -> list[JobSummary]:
        self._reach()
        return [
            JobSummary(
                job, one.state, one.generate.prompt, one.created_s, one.layers, one.error, note=one.note
            )
            for job, one in self.server.jobs.items()
        ]

    def annotate(self, job: str, note: str, timeout_s: float = 0.0) -> None:
        self._reach()
        self.server.jobs[job].note = note

    def forget(self, job: str) -> None:
        self._reach()
        self.server.forgotten.append(job)
        self.server.jobs.pop(job, None)

    def fetch_layer(self, job: str, index: int, info: LayerInfo | None = None) -> Layer:
        self._reach(job)
        self.server.fetched.append((job, index))
        layer = self.server.jobs[job].layers[index]
        size = raster_size(layer.width, layer.height, layer.format)
        return Layer(layer, bytes([index + 1]) * size)

    def thumbnail(self, job: str, index: int, longest_px: int) -> tuple[int, int, PixelFormat, bytes]:
        self._reach(job)
        self.server.thumbnails.append((job, index))
        return 2, 1, PixelFormat.RGBA8, bytes([index + 1]) * 8

    def _reach(self, job: str = "") -> None:
        if self.fatal is not None:
            raise self.fatal
        if not self.connected:
            raise ServerUnreachable("There is no connection.")
        if job in self.server.missing:
            raise ImpastoError("The server keeps no such result any more.")


class Pumped:
    """A `Worker` whose errands run when `work` is called."""

    def __init__(self, name: str, call_soon: Callable[[Callable[[], None]], None]) -> None:
        self.name = name
        self.errands: list[tuple[Any, Any, Any]] = []
        self._call_soon = call_soon
        self._closed = False

    def do(self, errand: Any, done: Any, failed: Any) -> None:
        self.errands.append((errand, done, failed))

    def close(self) -> None:
        self._closed = True

    def join(self, timeout_s: float) -> None: ...

    def work(self) -> None:
        """The oldest errand."""
        errand, done, failed = self.errands.pop(0)
        result, error = outcome(errand)
        news = (lambda: failed(error)) if error is not None else (lambda: done(result))
        self._call_soon(lambda: None if self._closed else news())


class Atelier:
    """A studio at an easel, with a server in memory. `settle` lets all happen that can."""

    def __init__(self, home: Path, server: Server | None = None, easel: Easel | None = None) -> None:
        self.easel = easel or Easel()
        self.server = server or Server()
        self.workers: dict[str, Pumped] = {}
        self.views: list[View] = []
        self.now_s = 0.0
        self.studio = Studio(
            self.easel,
            home,
            on_view=self.views.append,
            connect=self.server.connect,  # type: ignore[arg-type]
            worker=self._worker,
            clock=lambda: self.now_s,
        )

    def _worker(self, name: str, call_soon: Callable[[Callable[[], None]], None]) -> Pumped:
        made = self.workers[name.rsplit("-", 1)[-1]] = Pumped(name, call_soon)
        return made

    @property
    def view(self) -> View:
        return self.studio.view

    def open(self) -> View:
        self.studio.open()
        return self.settle()

    def settle(self, *without: str) -> View:
        """Turns the host's loop and lets the workers work, but for those named."""
        while True:
            self.easel.turn()
            waiting = [one for name, one in self.workers.items() if one.errands and name not in without]
            if not waiting:
                return self.view
            waiting[0].work()

    def tick(self, seconds: float = 1.0, *without: str) -> View:
        """Time passes and the timer fires."""
        self.now_s += seconds
        self.studio.poll()
        return self.settle(*without)

    def say(self, **fields: Any) -> View:
        """The artist changes fields of the panel."""
        self.easel.turn()
        self.studio.change(replace(self.view.intent, **fields))
        return self.settle()

    def start(self, **fields: Any) -> str:
        """Starts a job and returns its id, as the server knows it."""
        before = set(self.server.jobs)
        self.say(**fields)
        self.studio.start()
        self.settle()
        (job,) = set(self.server.jobs) - before
        return job

    def done(self, **fields: Any) -> str:
        job = self.start(**fields)
        self.server.finish(job)
        self.settle()
        return job


def preview(shade: int) -> Pixels:
    return Pixels(2, 2, PixelFormat.RGB8, bytes([shade]) * 12)


def pixels_of(server: Server, job: str) -> Mapping[str, bytes]:
    return server.jobs[job].pixels
