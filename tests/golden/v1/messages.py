"""What the frames of protocol version 1 say. Every message once with all its fields set, by file name."""

from __future__ import annotations

from dataclasses import replace

from impasto_protocol.messages import (
    Annotate,
    Camera,
    Cancel,
    CanvasAck,
    CanvasPixels,
    CanvasRef,
    CanvasRows,
    CanvasStale,
    CanvasTiles,
    CloseCanvas,
    Control,
    ErrorInfo,
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
    Limits,
    ListJobs,
    ListModels,
    LiveControl,
    LiveInput,
    LivePreview,
    LiveRequest,
    LiveSeen,
    LiveStatus,
    LiveTiles,
    Lora,
    Message,
    ModelInfo,
    ModelList,
    OpenCanvas,
    Pixels,
    Problem,
    ReadCanvas,
    Recipe,
    Release,
    SharedBytes,
    SharedOffer,
    StartLive,
    StopLive,
    Submit,
    TextureRequest,
    TextureTarget,
    TextureView,
    ThumbnailPixels,
    Welcome,
)
from impasto_protocol.rasters import PixelFormat

JOB = "0123456789abcdef" * 2
DIGEST = "ab" * 32
INLINE = Pixels(2, 1, PixelFormat.RGB8, data=b"\x00\x7f\xff\x01\x02\x03")
SHARED = Pixels(2, 1, PixelFormat.RGBA16, shared=SharedBytes("1f-0123456789abcdef", 16))
REQUEST = GenerateRequest(
    prompt="Ein Boot bei Nacht, 夜の舟",
    negative="text",
    model="pocket",
    width=512,
    height=768,
    steps=20,
    guidance=3.5,
    seed=2**63 - 1,
    strength=0.75,
    image=CanvasRef("c1", 7),
    mask=InputRef(DIGEST, 512, 768, PixelFormat.GRAY8),
    fill="border",
    takes=3,
)
CONTROLLED = GenerateRequest(
    "a house by the sea",
    controls=(
        Control("scribble", CanvasRef("c2", 3), 0.75, 0.25, 0.5),
        Control("depth", InputRef(DIGEST, 512, 768, PixelFormat.DEPTH32F)),
    ),
    loras=(Lora("ink", -1.5),),
)
LAYER = LayerInfo(
    "take 1",
    -4,
    12,
    2,
    1,
    PixelFormat.RGBA8,
    Recipe(REQUEST, "DDIMScheduler", DIGEST, {"impasto": "0.1.0", "device": "cpu"}),
    {"seam": 0.25},
)
CONTROLLED_LAYER = replace(
    LAYER,
    recipe=Recipe(
        CONTROLLED, "DDIMScheduler", DIGEST, {"device": "cpu"}, {"control depth": DIGEST, "lora ink": DIGEST}
    ),
)
MODEL_WITH_ADAPTERS = ModelInfo(
    "pocket", "Pocket", "sd15", 256, 20, 3.0, ("text", "control"), ("scribble", "depth"), ("ink",)
)
ERROR = ErrorInfo("out_of_memory", "The picture is too large for this card. Choose a smaller size.")
LIMITS = Limits(128 << 20, 16384, 16, 1 << 30, 100, 16, 150)

CAMERA = Camera(
    (1.0, 0.0, 0.0, 0.5, 0.0, 0.0, 1.0, -1.0, 0.0, -1.0, 0.0, -4.0, 0.0, 0.0, 0.0, 1.0),
    (2.5, 0.0, 0.25, 0.0, 0.0, 2.5, 0.0, 0.0, 0.0, 0.0, -1.5, -0.5, 0.0, 0.0, -1.0, 0.0),
    640,
    480,
)
TEXTURED = GenerateRequest(
    "a mossy stone",
    texture=TextureRequest(
        CanvasRef("g1", 4),
        (
            TextureTarget("Suzanne", 1024, 512, InputRef(DIGEST, 1024, 512, PixelFormat.RGBA8)),
            TextureTarget("Würfel", 64, 64),
        ),
        (
            TextureView(CAMERA, CanvasRef("v1", 1), InputRef(DIGEST, 640, 480, PixelFormat.GRAY8), "behind"),
            TextureView(CAMERA),
        ),
        6,
        768,
        "in turn",
        0.75,
        "coverage",
    ),
)

LIVE = LiveRequest(
    "c1",
    "a house by the sea",
    "c2",
    (LiveControl("scribble", "c1", 0.75, 0.25, 0.5),),
    (Lora("ink", -1.5),),
    "text",
    "pocket",
    256,
    2,
    1.5,
    2**63 - 1,
    0.75,
    -1,
    True,
)
PREVIEW = LivePreview("l1", 3, 17, 9, 2, 1, True, {"waited": 0.25, "sampling": 12.5}, 2)

CLIENT: dict[str, Message] = {
    "hello": Hello(1, JOB, "Krita 5.2.2", 41, True),
    "open-canvas": OpenCanvas("c1", 2, 1, PixelFormat.DEPTH32F),
    "canvas-rows": CanvasRows("c1", 1, 0, INLINE),
    "canvas-rows-shared": CanvasRows("c1", 1, 0, SHARED),
    "canvas-tiles": CanvasTiles("c1", 2, (0, 300, 70000), "raw", bytes(range(256)) * 2),
    "close-canvas": CloseCanvas("c1"),
    "read-canvas": ReadCanvas(1, "c1", 0, 1),
    "submit": Submit(JOB, REQUEST, "batch"),
    "submit-words": Submit(JOB, GenerateRequest("a red circle")),
    "submit-controlled": Submit(JOB, CONTROLLED),
    "submit-noted": Submit(JOB, GenerateRequest("a red circle"), note='{"layer": "Skizze 夜"}'),
    "submit-map": Submit(JOB, GenerateRequest("", image=CanvasRef("c1", 7), make_map="scribble")),
    "submit-textured": Submit(JOB, TEXTURED),
    "annotate": Annotate(8, JOB, "★"),
    "cancel": Cancel(JOB),
    "forget": Forget(JOB),
    "fetch-layer": FetchLayer(2, JOB, 1, 64, 128),
    "fetch-thumbnail": FetchThumbnail(7, JOB, 1, 256),
    "fetch-input": FetchInput(3, DIGEST, 0, 768),
    "start-live": StartLive("l1", LIVE),
    "live-input": LiveInput("l1", 17),
    "live-seen": LiveSeen("l1", 3),
    "stop-live": StopLive("l1"),
    "list-jobs": ListJobs(4),
    "list-models": ListModels(5),
    "release": Release("1f-0123456789abcdef"),
}
SERVER: dict[str, Message] = {
    "welcome": Welcome(
        1, "0.1.0", LIMITS, ("generate", "mask"), 42, SharedOffer("/shm/impasto", "1f-00", bytes(32))
    ),
    "welcome-controls": Welcome(1, "0.2.0", replace(LIMITS, controls=4, loras=3), ("control", "lora"), 0),
    "welcome-maps": Welcome(1, "0.3.0", LIMITS, ("upscale",), 0, maps=("edges", "scribble")),
    "welcome-live": Welcome(1, "0.4.0", replace(LIMITS, live=2), ("live",), 0),
    "welcome-textures": Welcome(1, "0.5.0", replace(LIMITS, views=16, textures=8), ("texture",), 0),
    "canvas-ack": CanvasAck("c1", 7),
    "canvas-stale": CanvasStale("c1", 5),
    "canvas-pixels": CanvasPixels(1, "c1", 7, 0, INLINE),
    "job-changed-done": JobChanged(43, JOB, "done", (LAYER,)),
    "job-changed-controlled": JobChanged(45, JOB, "done", (CONTROLLED_LAYER,)),
    "job-changed-failed": JobChanged(44, JOB, "failed", error=ERROR),
    "job-progress": JobProgress(JOB, "sampling", 3, 20, 0, 1.5, INLINE),
    "live-status": LiveStatus("l1", "loading"),
    "live-preview": replace(PREVIEW, pixels=INLINE),
    "live-preview-tiles": replace(PREVIEW, tiles=LiveTiles(2, (0, 3), "raw", bytes(range(12)))),
    "live-preview-jpeg": replace(PREVIEW, jpeg=b"\xff\xd8\xff\xd9"),
    "layer-pixels": LayerPixels(2, 64, SHARED),
    "thumbnail-pixels": ThumbnailPixels(7, Pixels(1, 1, PixelFormat.RGBA8, data=b"\x01\x02\x03\x04")),
    "input-pixels": InputPixels(3, 0, INLINE),
    "job-list": JobList(4, (JobSummary(JOB, "done", "a boat", 1.75e9, (LAYER,), ERROR),)),
    "job-list-adapters": JobList(
        5, (JobSummary(JOB, "queued", "a boat", 1.75e9, controls=("scribble", "depth"), loras=("ink",)),)
    ),
    "job-list-notes": JobList(8, (JobSummary(JOB, "queued", "a boat", 1.75e9, note="★", urgency="batch"),)),
    "model-list": ModelList(5, (ModelInfo("pocket", "Pocket", "sd15", 256, 20, 3.0, ("text", "mask")),)),
    "model-list-adapters": ModelList(6, (MODEL_WITH_ADAPTERS,)),
    "problem": Problem("stale_canvas", "Send the picture again.", 6, JOB, "c1"),
    "problem-live": Problem("size_mismatch", "Make them the same size.", live="l1"),
}
MESSAGES = {**CLIENT, **SERVER}
