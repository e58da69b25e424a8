"""What the front and a worker say to each other, and how.

The channel is the worker's stdin (commands) and its private copy of stdout (events): a 4-byte little-endian
length, then one tagged msgpack struct. Pixels of jobs' inputs and results never pass through it: they lie in
the blob store, and the channel names them. Live pictures, which nobody keeps, lie in shared memory where they
are large and there is any (`memory.py`). Only small pictures travel inline.

The front decides *what* runs; the worker obeys. A `Run` that arrives while another job runs pre-empts it: the
running job waits in its step gate until the newer one has ended. The front sends one only if it is more
urgent. Live input pre-empts every job in the same way; which live session is next, and whether a newer input
is worth giving a frame up for, is settled in the worker, because it has to be known between two steps.
"""

from __future__ import annotations

import msgspec
from impasto_protocol.messages import ErrorInfo, GenerateRequest, LayerInfo, LiveRequest, ModelInfo, Pixels

from impasto_server.blobs import BlobRef
from impasto_server.records import StoredLayerInfo, StoredRequest

MAX_FRAME_BYTES = 16 << 20
LENGTH_BYTES = 4


class Command(msgspec.Struct, frozen=True, tag_field="type"):
    """Front → worker."""


class Run(Command, frozen=True, tag="run"):
    """Run a job now. `pictures`: the pixels behind the request's references, by role as in
    `GenerateRequest.pictures`."""

    job: str
    generate: GenerateRequest
    pictures: dict[str, BlobRef] = {}


class CancelRun(Command, frozen=True, tag="cancel"):
    """Stop within one step. Unknown and ended jobs are ignored."""

    job: str


class OpenLive(Command, frozen=True, tag="open-live"):
    """A live session begins on this worker, or goes on with another request; then an input that still waits
    is dropped, because it was made for the request before.
    """

    live: int  # unique in the server's life
    client: str  # clients share the device's time
    request: LiveRequest


class FeedLive(Command, frozen=True, tag="feed-live"):
    """Paint these pixels; takes the place of an input of the same session that waits. All of one size."""

    live: int
    input: int
    image: Pixels
    mask: Pixels | None = None
    controls: tuple[Pixels, ...] = ()  # in the order of the request's
    sequence: int = 0  # at which the picture's canvas stood; comes back with the preview
    at_s: float = 0.0  # time.monotonic() when it came to the front


class CloseLive(Command, frozen=True, tag="close-live"):
    """Unknown sessions are ignored."""

    live: int


class PreviewRead(Command, frozen=True, tag="preview-read"):
    """The front is done with a segment of the worker's."""

    segment: str


class Stop(Command, frozen=True, tag="stop"):
    """End after the running jobs have been dropped. The channel's end means the same."""


class Event(msgspec.Struct, frozen=True, tag_field="type"):
    """Worker → front."""


class Ready(Event, frozen=True, tag="ready"):
    """The engine is loaded (not yet its models)."""

    device: str  # "cpu", "cuda:0 NVIDIA …"
    models: list[ModelInfo]


class Progress(Event, frozen=True, tag="progress"):
    """See `JobProgress`."""

    job: str
    stage: str
    step: int = 0
    steps: int = 0
    remaining_s: float = -1.0
    preview: Pixels | None = None


class StoredLayer(msgspec.Struct, frozen=True):
    """A result layer whose pixels are already durable in the blob store."""

    info: LayerInfo
    pixels: BlobRef


class Painted(Event, frozen=True, tag="painted"):
    """Some of a job's layers are finished, the job is not. `layers`: all so far."""

    job: str
    layers: list[StoredLayer]


class Ended(Event, frozen=True, tag="ended"):
    """The last word on a job: `done` with all layers, or `cancelled` or `failed`, with an error, with those
    that were finished.

    `device_s` is the time it held the device, without the time it waited for more urgent jobs.
    """

    job: str
    state: str
    device_s: float
    layers: list[StoredLayer] = []
    error: ErrorInfo | None = None


class LiveWaits(Event, frozen=True, tag="live-waits"):
    """See `LiveStatus`."""

    live: int
    stage: str


class LivePainted(Event, frozen=True, tag="live-painted"):
    """A preview. See `LivePreview`."""

    live: int
    input: int
    pixels: Pixels  # rgb8
    device_s: float  # since the last one, frames that were given up included
    refined: bool = False
    wasted_steps: int = 0
    stages: dict[str, float] = {}
    sequence: int = 0  # `FeedLive.sequence`
    at_s: float = 0.0  # time.monotonic() when it was painted


class InputRead(Event, frozen=True, tag="input-read"):
    """The worker is done with segments of the front's."""

    segments: tuple[str, ...]


class LiveFailed(Event, frozen=True, tag="live-failed"):
    """The session is over."""

    live: int
    error: ErrorInfo


class ModelsChanged(Event, frozen=True, tag="models"):
    """The worker found other models in the model folders."""

    models: list[ModelInfo]


LiveCommand = OpenLive | FeedLive | CloseLive
LiveEvent = LiveWaits | LivePainted | LiveFailed
WorkerCommand = Run | CancelRun | LiveCommand | PreviewRead | Stop
WorkerEvent = Ready | Progress | Painted | Ended | LiveEvent | InputRead | ModelsChanged


class _RunRecord(Run, frozen=True, tag="run"):
    """`Run` as it is read: see `records.py`."""

    generate: StoredRequest

    def plain(self) -> Run:
        return Run(self.job, self.generate.plain(), self.pictures)


class _LayerRecord(StoredLayer, frozen=True):
    info: StoredLayerInfo

    def plain(self) -> StoredLayer:
        return StoredLayer(self.info.plain(), self.pixels)


class _PaintedRecord(Painted, frozen=True, tag="painted"):
    layers: list[_LayerRecord]  # type: ignore[assignment]  # read only, and turned into `Painted` at once

    def plain(self) -> Painted:
        return Painted(self.job, [layer.plain() for layer in self.layers])


class _EndedRecord(Ended, frozen=True, tag="ended"):
    layers: list[_LayerRecord] = []  # type: ignore[assignment]  # read only, and turned into `Ended` at once

    def plain(self) -> Ended:
        return Ended(
            self.job, self.state, self.device_s, [layer.plain() for layer in self.layers], self.error
        )


_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
_decode_command = msgspec.msgpack.Decoder(_RunRecord | CancelRun | LiveCommand | PreviewRead | Stop).decode
_decode_event = msgspec.msgpack.Decoder(
    Ready | Progress | _PaintedRecord | _EndedRecord | LiveEvent | InputRead | ModelsChanged
).decode
_decode_layers = msgspec.msgpack.Decoder(list[_LayerRecord]).decode


def decode_command(body: bytes | bytearray) -> WorkerCommand:
    """Raises msgspec.ValidationError or DecodeError for anything else."""
    command = _decode_command(body)
    return command.plain() if isinstance(command, _RunRecord) else command


def decode_event(body: bytes | bytearray) -> WorkerEvent:
    """Raises msgspec.ValidationError or DecodeError for anything else."""
    event = _decode_event(body)
    return event.plain() if isinstance(event, (_PaintedRecord, _EndedRecord)) else event


def decode_layers(record: bytes) -> list[StoredLayer]:
    """The finished layers of a job as the journal keeps them: `encode(ended.layers)`."""
    return [layer.plain() for layer in _decode_layers(record)]


def frame(message: Command | Event) -> bytearray:
    """One length-prefixed frame. ValueError if it is longer than the other side would accept."""
    whole = bytearray(LENGTH_BYTES)
    _encoder.encode_into(message, whole, LENGTH_BYTES)  # pixels are copied here, and nowhere else
    size = len(whole) - LENGTH_BYTES
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"a channel frame of {size} bytes is over {MAX_FRAME_BYTES}")
    whole[:LENGTH_BYTES] = size.to_bytes(LENGTH_BYTES, "little")
    return whole
