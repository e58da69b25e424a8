"""Every message of the Impasto protocol, one dataclass each.

A frame on the WebSocket is one msgpack map: the fields of one message below, plus `"type"`, the tag under
which `CLIENT_MESSAGES` or `SERVER_MESSAGES` lists it. A part that has a `type` (`CanvasRef`, `InputRef`) is
written with it too: that is how a field that may hold either is read. Unknown fields are ignored; a missing
field takes its default. So a field may be added if it has a default, and never renamed, removed or given
another meaning.

Lifetimes. A *canvas* and a *live session* live as long as their connection. A *job* lives in the server's
journal from its acknowledgement until the client forgets it, whatever happens to connection, server or
worker.

Queries carry a client-made number, `request`; the reply, or the `Problem` that stands for it, repeats it.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Dict, Mapping, Optional, Tuple, Type, Union

from .rasters import PixelFormat

PROTOCOL_VERSION = 1
TILE_PX = 64  # side of a canvas tile
NOTE_BYTES = 64 << 10  # longest note of a job, in UTF-8
THUMBNAIL_PX = (16, 512)  # smallest and largest `FetchThumbnail.longest_px`
LARGEST_SCALE = 8  # how many times as large upscaling makes a picture at most


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class SharedBytes:
    """Bytes that lie in a shared-memory segment instead of in the frame; see `shared_memory.py`.

    The receiver copies them out and answers `Release(name)`; only then may the owner write there again.
    """

    name: str
    size: int  # bytes


@dataclass(frozen=True)
class Pixels:
    """A raster, its bytes either in the frame (`data`) or in shared memory (`shared`); exactly one is set."""

    width: int
    height: int
    format: PixelFormat
    data: Optional[bytes] = None
    shared: Optional[SharedBytes] = None


@dataclass(frozen=True)
class CanvasRef:
    """A canvas as it stood after update number `sequence`.

    Carries its tag on the wire, as a message does, because it shares a field with `InputRef`.
    """

    type: ClassVar[str] = "canvas"
    canvas: str
    sequence: int


@dataclass(frozen=True)
class InputRef:
    """Pixels the server still keeps in its journal, named by the SHA-256 of their bytes. Used to replay."""

    type: ClassVar[str] = "input"
    digest: str
    width: int
    height: int
    format: PixelFormat


@dataclass(frozen=True)
class Control:
    """A control image: what a ControlNet of one kind holds the picture to. It has the picture's size.

    Lines (`scribble`, `edges`) are white on black; dark lines on light or transparent ground are recognised
    and inverted. `depth` is gray, near white and far black, or depth32f, whose distances are inverted and
    scaled so that the nearest is white and the farthest black. Transparent parts are black.
    """

    kind: str  # one of the model's `ModelInfo.controls`
    image: Optional[Union[CanvasRef, InputRef]] = None  # never None in a request that is accepted
    strength: float = 1.0  # 0 … 2: how strictly the picture follows; 0 is as if the control were not there
    start: float = 0.0  # 0 … 1: share of a pass' steps after which the control sets in …
    end: float = 1.0  # … and after which it lets go


@dataclass(frozen=True)
class Lora:
    """A LoRA, worn by the model for this picture."""

    name: str  # one of the model's `ModelInfo.loras`
    strength: float = 1.0  # -4 … 4; 0 is as if it were not there


@dataclass(frozen=True)
class Camera:
    """Where a view of a scene is seen from, as OpenGL and Blender have it: along −Z, with +Y up.

    Both matrices have 16 numbers, row by row, and act on column vectors. The picture's rows go from top to
    bottom; pixel centres lie at halves.
    """

    world_to_camera: Tuple[float, ...]  # rigid, in the units of the geometry
    projection: Tuple[float, ...]  # to clip space −1 … 1: perspective or orthographic, with shift
    width: int  # px
    height: int


@dataclass(frozen=True)
class TextureView:
    """One view of a texture job, and its picture where there is one already.

    With `image`, that is what the view shows, and it is laid onto the objects as it is. Without, the model
    paints it; where the objects have textures already it starts from these, `strength` of the request being
    the share of the schedule that is run. `mask`, of the camera's size, is where the view may change the
    textures: 0 nowhere … 255 wholly.
    """

    camera: Camera
    image: Optional[Union[CanvasRef, InputRef]] = None  # rgb8 or rgba8 of the camera's size
    mask: Optional[Union[CanvasRef, InputRef]] = None  # gray8
    prompt: str = ""  # comes after the request's: "from behind"


@dataclass(frozen=True)
class TextureTarget:
    """A texture that is to be painted. Several objects may share one; see `geometry.Part.texture`."""

    name: str
    width: int  # texels
    height: int
    base: Optional[Union[CanvasRef, InputRef]] = None  # rgba8, its texels as they are; alpha 0: not painted


@dataclass(frozen=True)
class TextureRequest:
    """Objects are painted from several views, or pictures of them are laid onto them.

    A job of this kind ends with one rgb8 layer for each view, in their order, named "view 1", …, then one
    rgba8 layer for each texture, named as its target. Alpha of a texture: 255 where a view has painted it (or
    its base was painted), 1 where it was filled from its surroundings on the surface, 0 beside the UV layout.
    `LayerInfo.metrics` of a texture: `covered`, the share of its texels on the surface that views have
    painted.

    With `inspect` nothing is painted: the layers are the textures alone, as maps. "coverage": how well the
    best view sees each texel, from red over yellow to green, magenta where none does. "views": the mixture
    of one colour per view, as much as each would count.
    """

    geometry: Optional[Union[CanvasRef, InputRef]] = None  # gray8; its bytes are what `geometry.pack` makes
    targets: Tuple[TextureTarget, ...] = ()
    views: Tuple[TextureView, ...] = ()  # none: `around` of them are placed around the targets' objects
    around: int = 8
    view_px: int = 0  # side of the pictures of those; 0: the model's native size
    order: str = "together"  # one of TEXTURE_ORDERS
    depth: float = 1.0  # 0 … 2: strength of the depth ControlNet, if the model has one
    inspect: str = ""  # one of TEXTURE_MAPS; empty: paint


@dataclass(frozen=True)
class GenerateRequest:
    """All that decides a picture. Pure data, comparable; two equal requests on one machine paint equal bytes.

    Text to image without `image`; img2img with `image`; upscaling with `image`, no `mask` and another size;
    inpainting with `image` and `mask`; `controls` and `loras` with each of them, upscaling excepted. A zero,
    a negative number or None in a field that says so leaves the choice to the model; the recipe that comes
    back has the number that was used.

    Upscaling makes the picture 1 to 8 times as large, in its own proportions, then repaints it in tiles at
    `strength`; 0 only resamples.

    With `make_map` nothing is painted: the result's only layer is the control map of that kind, made from
    `image` at its size. Of the other fields only `image` counts then.

    With `texture` the job paints textures of objects instead of a picture; see there. `width`, `height`,
    `image`, `mask`, `fill`, `controls` and `make_map` do not count then, and `takes` is 1.
    """

    prompt: str
    negative: str = ""
    model: str = "pocket"
    width: int = 0  # px; 0: the image's, else the control images', else the model's native size
    height: int = 0
    steps: int = 0  # 0: the model's default
    guidance: float = -1.0  # classifier-free guidance scale; negative: the model's default
    seed: int = -1  # 0 … 2**63-1; negative: the server draws one
    strength: float = 1.0  # 0 … 1: share of the noise schedule that is run over `image`
    image: Optional[Union[CanvasRef, InputRef]] = None
    mask: Optional[Union[CanvasRef, InputRef]] = None  # gray8 of the image's size: 0 keep … 255 repaint
    fill: str = ""  # what stands under the mask when sampling starts: one of FILL_MODES; empty: by strength
    takes: int = 1  # pictures of one request: seed, seed+1, …
    controls: Tuple[Control, ...] = ()
    loras: Tuple[Lora, ...] = ()
    make_map: str = ""  # one of `Welcome.maps`; empty: paint
    texture: Optional[TextureRequest] = None

    @property
    def pictures(self) -> Dict[str, Union[CanvasRef, InputRef]]:
        """What the request refers to, by role: "image", "mask", "control 1", …; of a texture job "geometry",
        "base 1", …, "view 1", …, "view mask 1", …"""
        roles = {"image": self.image, "mask": self.mask}
        roles.update((f"control {n}", control.image) for n, control in enumerate(self.controls, 1))
        if self.texture is not None:
            roles["geometry"] = self.texture.geometry
            roles.update((f"base {n}", target.base) for n, target in enumerate(self.texture.targets, 1))
            for n, view in enumerate(self.texture.views, 1):
                roles[f"view {n}"], roles[f"view mask {n}"] = view.image, view.mask
        return {role: ref for role, ref in roles.items() if ref is not None}

    def with_pictures(self, pictures: Mapping[str, Union[CanvasRef, InputRef]]) -> "GenerateRequest":
        """The same request with other references, by role as in `pictures`; roles left out stay."""
        controls = tuple(
            replace(control, image=pictures.get(f"control {n}", control.image))
            for n, control in enumerate(self.controls, 1)
        )
        image, mask = pictures.get("image", self.image), pictures.get("mask", self.mask)
        texture = self.texture
        if texture is not None:
            targets = tuple(
                replace(target, base=pictures.get(f"base {n}", target.base))
                for n, target in enumerate(texture.targets, 1)
            )
            views = tuple(
                replace(
                    view,
                    image=pictures.get(f"view {n}", view.image),
                    mask=pictures.get(f"view mask {n}", view.mask),
                )
                for n, view in enumerate(texture.views, 1)
            )
            geometry = pictures.get("geometry", texture.geometry)
            texture = replace(texture, geometry=geometry, targets=targets, views=views)
        return replace(self, image=image, mask=mask, controls=controls, texture=texture)

    @property
    def needs_model(self) -> bool:
        """Whether anything is painted. Control maps are not, nor maps of textures, nor views that have their
        pictures."""
        texture = self.texture
        if texture is None:
            return not self.make_map
        return not texture.inspect and not (texture.views and all(view.image for view in texture.views))

    @property
    def layers(self) -> int:
        """How many layers a job of this request ends with."""
        texture = self.texture
        if texture is None:
            return self.takes
        views = 0 if texture.inspect else len(texture.views) or texture.around
        return views + len(texture.targets)


@dataclass(frozen=True)
class LiveControl:
    """A control image of a live session: a canvas that is followed, or the picture's own once more."""

    kind: str  # as in `Control`
    canvas: str  # name of an open canvas, of the picture's size
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True)
class LiveRequest:
    """All that decides a live preview but the pixels: these are the canvases as they stand at each
    `LiveInput`. The seed stays the same from frame to frame: only what the artist changes, changes.
    """

    canvas: str  # the picture: rgb8 or rgba8, shown to the model over white
    prompt: str
    mask: str = ""  # canvas, gray8 of the picture's size: 0 keep … 255 repaint; empty: all of it
    controls: Tuple[LiveControl, ...] = ()
    loras: Tuple[Lora, ...] = ()
    negative: str = ""
    model: str = "pocket"
    longest_px: int = 0  # of the previews' longer side; 0: the picture's, up to the model's native size
    steps: int = 0  # of the whole schedule, of which `strength` runs a part; 0: as few as the model bears
    guidance: float = -1.0  # negative: the model's choice for few steps
    seed: int = 0
    strength: float = 0.6  # 0 … 1: share of the noise schedule that is run over the picture
    refine_steps: int = 0  # of the better preview once the canvas rests; 0: the model's; negative: none
    lossy: bool = False  # JPEG is welcome; the server sends it only where no memory is shared


@dataclass(frozen=True)
class Recipe:
    """A request with every choice made, and what it ran on: enough to paint the same bytes again."""

    request: GenerateRequest  # no zeros left; pictures as InputRef; takes = 1
    sampler: str  # class name of the diffusers scheduler; empty for a control map
    model_digest: str  # SHA-256 over the model folder's files; empty for a control map
    software: Dict[str, str] = field(default_factory=dict)  # impasto, torch, diffusers: versions; device
    adapters: Dict[str, str] = field(default_factory=dict)  # SHA-256 of each "control KIND", "lora NAME" used


@dataclass(frozen=True)
class LayerInfo:
    """One layer of a result. Its pixels are fetched with `FetchLayer`."""

    name: str
    x: int  # px, offset of the layer's top left corner in the image's coordinates
    y: int
    width: int
    height: int
    format: PixelFormat
    recipe: Recipe
    metrics: Dict[str, float] = field(default_factory=dict)  # see impasto_server.compositing.metrics


@dataclass(frozen=True)
class ErrorInfo:
    """Why a job failed: `errors.py` has the codes; the sentence is for the artist."""

    code: str
    sentence: str


@dataclass(frozen=True)
class JobSummary:
    job: str
    state: str
    prompt: str
    created_s: float  # Unix time
    layers: Tuple[LayerInfo, ...] = ()  # those that are finished, see `JobChanged`
    error: Optional[ErrorInfo] = None
    controls: Tuple[str, ...] = ()  # kinds
    loras: Tuple[str, ...] = ()  # names
    note: str = ""  # see `Submit.note`
    urgency: str = "interactive"


@dataclass(frozen=True)
class ModelInfo:
    """A model the worker can load, and what the plugins may offer for it."""

    model: str
    title: str
    family: str
    native_px: int  # side of the square the model was trained at
    default_steps: int
    default_guidance: float
    capabilities: Tuple[str, ...]  # of: text, image, mask, control, lora, upscale, live, texture
    controls: Tuple[str, ...] = ()  # kinds of control image there is a ControlNet for
    loras: Tuple[str, ...] = ()  # names of the LoRAs that fit


@dataclass(frozen=True)
class Limits:
    """What this server accepts. Asking for more gets a typed error; sending more closes the connection."""

    frame_bytes: int
    canvas_px: int  # longest side of a canvas
    canvases: int  # open at once, per connection
    canvas_bytes: int  # of all open canvases, per connection
    jobs: int  # unfinished, per client
    takes: int
    steps: int
    controls: int = 8  # per request
    loras: int = 8  # per request
    live: int = 4  # live sessions at once, per connection
    views: int = 64  # per texture job
    textures: int = 64  # per texture job


@dataclass(frozen=True)
class SharedOffer:
    """Where the server would share memory. A client that can read `probe` there and finds
    `nonce` in it, is on the same host and may use `SharedBytes` in both directions. It says so with
    `Release(probe)`; the server sends none before."""

    folder: str
    probe: str
    nonce: bytes


# ── client → server ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Hello:
    """First frame of a connection. `client` is made once and kept by the program: jobs belong to it."""

    type: ClassVar[str] = "hello"
    protocol: int
    client: str  # 32 hex digits
    name: str  # "Krita 5.2.2", for people who read logs
    last_event: int = 0  # newest JobChanged.event seen: later ones are sent again
    shared_memory: bool = False  # able to use it


@dataclass(frozen=True)
class OpenCanvas:
    """Opens or resets a canvas: all bytes zero, sequence 0."""

    type: ClassVar[str] = "open-canvas"
    canvas: str  # client-made, unique in the connection
    width: int
    height: int
    format: PixelFormat


@dataclass(frozen=True)
class CanvasRows:
    """Whole rows of a canvas, replaced. A first upload is a run of these, top to bottom."""

    type: ClassVar[str] = "canvas-rows"
    canvas: str
    sequence: int  # previous accepted sequence + 1
    y: int  # px, first row
    pixels: Pixels  # as wide as the canvas


@dataclass(frozen=True)
class CanvasTiles:
    """Changed tiles of a canvas, as XOR against the pixels of the previous sequence."""

    type: ClassVar[str] = "canvas-tiles"
    canvas: str
    sequence: int  # previous accepted sequence + 1; a gap makes the server answer CanvasStale
    tiles: Tuple[int, ...]  # rising tile numbers, row-major over ceil(width/64) columns
    encoding: str  # "zlib" or "raw"
    data: bytes  # the tiles' XOR bytes one after another, each cropped to the canvas, rows top to bottom


@dataclass(frozen=True)
class CloseCanvas:
    type: ClassVar[str] = "close-canvas"
    canvas: str


@dataclass(frozen=True)
class ReadCanvas:
    """Asks for the server's mirror of some rows: to check it, or to show what a job will see."""

    type: ClassVar[str] = "read-canvas"
    request: int
    canvas: str
    y: int
    height: int


@dataclass(frozen=True)
class Submit:
    """Asks for a job. The client makes the id: submitting it twice is one job."""

    type: ClassVar[str] = "submit"
    job: str  # 32 hex digits
    generate: GenerateRequest
    urgency: str = "interactive"  # interactive | batch
    note: str = ""  # the program's own, kept with the job and never looked into; see NOTE_BYTES


@dataclass(frozen=True)
class Annotate:
    """Replaces the note of a job of this client. The answer is a JobList of that job alone, as it is now."""

    type: ClassVar[str] = "annotate"
    request: int
    job: str
    note: str


@dataclass(frozen=True)
class Cancel:
    """Idempotent. A finished job stays finished, and so do the finished layers of one that is not; a job of
    another client is unknown."""

    type: ClassVar[str] = "cancel"
    job: str


@dataclass(frozen=True)
class Forget:
    """The client has put the result where it belongs; the journal may drop it."""

    type: ClassVar[str] = "forget"
    job: str


@dataclass(frozen=True)
class FetchLayer:
    type: ClassVar[str] = "fetch-layer"
    request: int
    job: str
    layer: int
    y: int  # px, first row wanted
    height: int


@dataclass(frozen=True)
class FetchThumbnail:
    """A small copy of a result layer, for a list of results."""

    type: ClassVar[str] = "fetch-thumbnail"
    request: int
    job: str
    layer: int
    longest_px: int  # 16 … 512: the longer side of the copy; a layer that is smaller keeps its size


@dataclass(frozen=True)
class FetchInput:
    """Rows of an image, a mask or a control image that a job of this client used."""

    type: ClassVar[str] = "fetch-input"
    request: int
    digest: str
    y: int
    height: int


@dataclass(frozen=True)
class StartLive:
    """Starts a live session, or changes the one of that name: then its newest input is painted again as the
    canvases stand now. It ends with `StopLive`, with the connection, or with a `Problem` that names it.
    """

    type: ClassVar[str] = "start-live"
    live: str  # client-made, unique in the connection
    request: LiveRequest


@dataclass(frozen=True)
class LiveInput:
    """Paint the session's canvases as they stand now. A newer input takes the place of one that waits; one
    that is being painted is dropped for it if less than half of it is done. The newest is always painted.
    While one of the canvases is stale nothing happens: the client sends that again, and then another input.
    """

    type: ClassVar[str] = "live-input"
    live: str
    number: int  # rising


@dataclass(frozen=True)
class LiveSeen:
    """The preview has been taken. The server sends the next one only then, and always the newest."""

    type: ClassVar[str] = "live-seen"
    live: str
    number: int  # `LivePreview.number`


@dataclass(frozen=True)
class StopLive:
    """Idempotent."""

    type: ClassVar[str] = "stop-live"
    live: str


@dataclass(frozen=True)
class ListJobs:
    type: ClassVar[str] = "list-jobs"
    request: int


@dataclass(frozen=True)
class ListModels:
    type: ClassVar[str] = "list-models"
    request: int


@dataclass(frozen=True)
class Release:
    """Either direction: the segment's bytes have been copied out, its owner may use it again."""

    type: ClassVar[str] = "release"
    name: str


# ── server → client ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Welcome:
    type: ClassVar[str] = "welcome"
    protocol: int  # the version spoken from here on: the smaller of both
    server: str  # version of impasto
    limits: Limits
    # of: generate, image, mask, control, lora, upscale, live, texture, shared-memory
    capabilities: Tuple[str, ...]
    last_event: int  # newest event of this client; what it missed follows as JobChanged
    shared: Optional[SharedOffer] = None
    maps: Tuple[str, ...] = ()  # kinds of control map the server can make of a picture


@dataclass(frozen=True)
class CanvasAck:
    """All updates up to `sequence` are in the mirror."""

    type: ClassVar[str] = "canvas-ack"
    canvas: str
    sequence: int

    @property
    def replaces(self) -> str:
        return f"canvas-ack/{self.canvas}"


@dataclass(frozen=True)
class CanvasStale:
    """The update did not follow `sequence`, the last one held. The client opens the canvas again and sends
    all of it. Later updates are dropped without a word until it does."""

    type: ClassVar[str] = "canvas-stale"
    canvas: str
    sequence: int


@dataclass(frozen=True)
class CanvasPixels:
    """Reply to ReadCanvas."""

    type: ClassVar[str] = "canvas-pixels"
    request: int
    canvas: str
    sequence: int
    y: int
    pixels: Pixels


@dataclass(frozen=True)
class JobChanged:
    """A job has a new state, or one more finished layer. In the journal before it is sent; after a reconnect
    the newest is sent again.

    A job of several takes tells each one as it is finished: `layers` has all that are, whatever the state;
    they can be fetched, and stay when the job is cancelled or fails, until it is forgotten.
    """

    type: ClassVar[str] = "job-changed"
    event: int  # rising, per client
    job: str
    state: str  # queued | running | done | failed | cancelled
    layers: Tuple[LayerInfo, ...] = ()  # those that are finished; all of them when done
    error: Optional[ErrorInfo] = None  # when failed


@dataclass(frozen=True)
class JobProgress:
    """How far a job is. Never journaled, dropped first when the client is slow."""

    type: ClassVar[str] = "job-progress"
    job: str
    stage: str  # waiting | loading | encoding | sampling | decoding | compositing | saving memory
    step: int = 0  # of `steps`, while sampling
    steps: int = 0
    position: int = 0  # jobs ahead, while waiting
    remaining_s: float = -1.0  # negative: unknown
    preview: Optional[Pixels] = None  # small rgb8 picture of the estimate so far

    @property
    def replaces(self) -> str:
        """Unsent progress of one job collapses into the newest."""
        return f"job-progress/{self.job}"


@dataclass(frozen=True)
class LiveStatus:
    """What a live session waits for: `loading` a model or an adapter, then `ready`."""

    type: ClassVar[str] = "live-status"
    live: str
    stage: str  # loading | ready


@dataclass(frozen=True)
class LiveTiles:
    """A preview as changed tiles, like `CanvasTiles`: XOR against preview number `base`."""

    base: int  # the last one seen
    tiles: Tuple[int, ...]
    encoding: str  # "zlib" or "raw"
    data: bytes


@dataclass(frozen=True)
class LivePreview:
    """One frame of a live session, rgb8: as `pixels`, as `tiles` or as `jpeg`; exactly one is set."""

    type: ClassVar[str] = "live-preview"
    live: str
    number: int  # rising; to be answered with LiveSeen
    input: int  # the `LiveInput` it shows …
    sequence: int  # … at which the picture's canvas stood there
    width: int
    height: int
    refined: bool = False  # painted in more steps, after the canvas had come to rest
    stages: Dict[str, float] = field(default_factory=dict)  # ms: waited, those of the engine, other, returned
    wasted_steps: int = 0  # of frames given up for newer input since the preview before
    tiles: Optional[LiveTiles] = None
    jpeg: Optional[bytes] = None
    pixels: Optional[Pixels] = None


@dataclass(frozen=True)
class LayerPixels:
    """Reply to FetchLayer."""

    type: ClassVar[str] = "layer-pixels"
    request: int
    y: int
    pixels: Pixels


@dataclass(frozen=True)
class ThumbnailPixels:
    """Reply to FetchThumbnail: rgba8 with straight alpha, the layer's proportions."""

    type: ClassVar[str] = "thumbnail-pixels"
    request: int
    pixels: Pixels


@dataclass(frozen=True)
class InputPixels:
    """Reply to FetchInput."""

    type: ClassVar[str] = "input-pixels"
    request: int
    y: int
    pixels: Pixels


@dataclass(frozen=True)
class JobList:
    """Reply to ListJobs: the client's own jobs, oldest first. Reply to Annotate: the one job."""

    type: ClassVar[str] = "job-list"
    request: int
    jobs: Tuple[JobSummary, ...]


@dataclass(frozen=True)
class ModelList:
    """Reply to ListModels."""

    type: ClassVar[str] = "model-list"
    request: int
    models: Tuple[ModelInfo, ...]


@dataclass(frozen=True)
class Problem:
    """A typed error. With `request`, `job`, `canvas` or `live` set it answers that; without, it is about the
    connection, which the server closes after it."""

    type: ClassVar[str] = "problem"
    code: str
    sentence: str
    request: Optional[int] = None
    job: Optional[str] = None
    canvas: Optional[str] = None
    live: Optional[str] = None  # that session is over


ClientMessage = Union[
    Hello,
    OpenCanvas,
    CanvasRows,
    CanvasTiles,
    CloseCanvas,
    ReadCanvas,
    Submit,
    Annotate,
    Cancel,
    Forget,
    FetchLayer,
    FetchThumbnail,
    FetchInput,
    StartLive,
    LiveInput,
    LiveSeen,
    StopLive,
    ListJobs,
    ListModels,
    Release,
]
ServerMessage = Union[
    Welcome,
    CanvasAck,
    CanvasStale,
    CanvasPixels,
    JobChanged,
    JobProgress,
    LiveStatus,
    LivePreview,
    LayerPixels,
    ThumbnailPixels,
    InputPixels,
    JobList,
    ModelList,
    Problem,
    Release,
]
Message = Union[ClientMessage, ServerMessage]


def _by_tag(union: object) -> Mapping[str, Type[Message]]:
    members: Tuple[Type[Message], ...] = union.__args__  # type: ignore[attr-defined]
    return {member.type: member for member in members}


CLIENT_MESSAGES: Mapping[str, Type[Message]] = _by_tag(ClientMessage)
SERVER_MESSAGES: Mapping[str, Type[Message]] = _by_tag(ServerMessage)

JOB_STATES = ("queued", "running", "done", "failed", "cancelled")
FINAL_STATES = ("done", "failed", "cancelled")
FILL_MODES = ("blur", "border", "neutral", "none")
URGENCIES = ("interactive", "batch")
# How the views of a texture job are painted: all at once, agreeing with each other at every step, or one
# after the other, each going on from what those before have painted.
TEXTURE_ORDERS = ("together", "in turn")
TEXTURE_MAPS = ("coverage", "views")
