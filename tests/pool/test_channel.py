"""Front and worker understand each other, and refuse what neither would say."""

from __future__ import annotations

import msgspec
import pytest
from impasto_protocol.messages import (
    Camera,
    CanvasRef,
    Control,
    ErrorInfo,
    GenerateRequest,
    InputRef,
    LayerInfo,
    LiveControl,
    LiveRequest,
    Lora,
    ModelInfo,
    Pixels,
    Recipe,
    TextureRequest,
    TextureTarget,
    TextureView,
)
from impasto_protocol.rasters import PixelFormat
from impasto_server.pool import channel
from impasto_server.pool.channel import (
    CancelRun,
    CloseLive,
    Ended,
    FeedLive,
    LiveFailed,
    LivePainted,
    LiveWaits,
    ModelsChanged,
    OpenLive,
    Painted,
    Progress,
    Ready,
    Run,
    Stop,
    StoredLayer,
)
from impasto_server.records import pack, unpack_request

REF = InputRef("a" * 64, 4, 4, PixelFormat.RGB8)
MASK = InputRef("b" * 64, 4, 4, PixelFormat.GRAY8)
REQUEST = GenerateRequest("a fox", image=REF, mask=MASK, seed=2**63 - 1, strength=0.25)
CONTROLLED = GenerateRequest(
    "a fox",
    controls=(Control("depth", REF, 0.5), Control("edges", MASK, end=0.5)),
    loras=(Lora("ink", -1.0),),
)
CAMERA = Camera(tuple(float(one) for one in range(16)), (0.5,) * 16, 4, 4)
TEXTURED = GenerateRequest(
    "a fox",
    texture=TextureRequest(
        MASK,
        (TextureTarget("fox", 4, 4, REF), TextureTarget("hen", 8, 4)),
        (TextureView(CAMERA, REF, MASK, "behind"), TextureView(CAMERA)),
        order="in turn",
    ),
)
LAYER = StoredLayer(
    LayerInfo("fox", -3, 5, 4, 4, PixelFormat.RGBA8, Recipe(REQUEST, "Euler", "0", {"a": "1"}), {"x": 0.5}),
    InputRef("c" * 64, 4, 4, PixelFormat.RGBA8),
)
LIVE = LiveRequest("c", "a fox", "m", (LiveControl("edges", "c", end=0.5),), (Lora("ink", -1.0),))
PIXELS = Pixels(1, 1, PixelFormat.RGB8, b"abc")
MODEL = ModelInfo("pocket", "Pocket", "sd15", 256, 20, 5.0, ("text",))


@pytest.mark.parametrize(
    "command",
    [
        Run("1", REQUEST, {"image": REF, "mask": MASK}),
        Run("1", GenerateRequest("x")),
        Run("1", CONTROLLED, {"control 1": REF, "control 2": MASK}),
        Run("1", TEXTURED, {"geometry": MASK, "base 1": REF, "view 1": REF, "view mask 1": MASK}),
        CancelRun("1"),
        OpenLive(3, "a", LIVE),
        FeedLive(3, 9, PIXELS, PIXELS, (PIXELS, PIXELS), 4, 0.25),
        CloseLive(3),
        Stop(),
    ],
)
def test_commands_arrive_as_they_were_sent(command: channel.WorkerCommand) -> None:
    arrived = channel.decode_command(channel.frame(command)[channel.LENGTH_BYTES :])
    assert arrived == command
    if isinstance(arrived, Run):
        assert type(arrived.generate) is GenerateRequest
        assert {type(control) for control in arrived.generate.controls} <= {Control}
        texture = arrived.generate.texture
        if texture is not None:
            assert type(texture) is TextureRequest
            assert {type(target) for target in texture.targets} == {TextureTarget}
            assert {type(view) for view in texture.views} == {TextureView}


@pytest.mark.parametrize(
    "event",
    [
        Ready("cpu", [MODEL]),
        Progress("1", "sampling", 2, 9, 0.5, Pixels(1, 1, PixelFormat.RGB8, b"abc")),
        Painted("1", [LAYER]),
        Ended("1", "done", 2.5, [LAYER]),
        Ended("1", "failed", 0.0, error=ErrorInfo("out_of_memory", "Too large.")),
        LiveWaits(3, "loading"),
        LivePainted(3, 9, PIXELS, 0.5, True, 2, {"sampling": 1.5}, 4, 0.25),
        LiveFailed(3, ErrorInfo("out_of_memory", "Too large.")),
        ModelsChanged([]),
    ],
)
def test_events_arrive_as_they_were_sent(event: channel.WorkerEvent) -> None:
    assert channel.decode_event(channel.frame(event)[channel.LENGTH_BYTES :]) == event


def test_layers_in_the_journal_are_the_protocols_own_classes() -> None:
    (layer,) = channel.decode_layers(channel.encode([LAYER]))
    assert layer == LAYER
    assert type(layer.info) is LayerInfo
    assert type(layer.info.recipe.request) is GenerateRequest


def test_a_record_of_an_older_impasto_lacks_what_came_later() -> None:
    old = msgspec.msgpack.encode({"prompt": "a fox", "seed": 3, "image": {"type": "input", **_fields(REF)}})
    assert unpack_request(old) == GenerateRequest("a fox", seed=3, image=REF)
    assert unpack_request(pack(TEXTURED)) == TEXTURED


def _fields(ref: InputRef) -> dict[str, object]:
    return {"digest": ref.digest, "width": ref.width, "height": ref.height, "format": ref.format.value}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"type": "format-disk"}),
        msgspec.msgpack.encode({"type": "run", "job": 7, "generate": {"prompt": "x"}}),
        channel.encode(Run("1", GenerateRequest("x", image=CanvasRef("never stored", 1)))),
        channel.encode(Run("1", GenerateRequest("x", texture=TextureRequest(CanvasRef("never stored", 1))))),
    ],
)
def test_what_is_no_command_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        channel.decode_command(body)


def test_a_frame_nobody_would_accept_is_not_even_made() -> None:
    with pytest.raises(ValueError, match="over"):
        channel.frame(Run("1", GenerateRequest("x" * (channel.MAX_FRAME_BYTES + 1))))
