"""What a client sees of its live sessions, and what their worker is given."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import cv2
import msgpack
import numpy as np
import pytest
from impasto_protocol import codec
from impasto_protocol.messages import (
    CanvasAck,
    CanvasRows,
    CanvasStale,
    CanvasTiles,
    ClientMessage,
    CloseCanvas,
    JobList,
    ListJobs,
    LiveControl,
    LiveInput,
    LivePreview,
    LiveRequest,
    LiveSeen,
    LiveStatus,
    LiveTiles,
    Lora,
    OpenCanvas,
    Pixels,
    Problem,
    Release,
    StartLive,
    StopLive,
)
from impasto_protocol.rasters import PixelFormat
from impasto_protocol.shared_memory import copy_out
from impasto_protocol.tiles import apply_tiles
from impasto_server.config import DEFAULT_LIMITS
from impasto_server.front import live_pictures
from impasto_server.front.outbox import Outbox, Outgoing
from impasto_server.front.sending import Sender
from impasto_server.pool.channel import CloseLive, FeedLive, LiveFailed, LivePainted, LiveWaits, OpenLive

from tests.fakes.pool import FakePool

from .harness import OTHER, PAINTER, Client, Served, raster, served

RGB8, RGBA8, GRAY8 = PixelFormat.RGB8, PixelFormat.RGBA8, PixelFormat.GRAY8
SIDE = 64
REQUEST = LiveRequest("c", "a fox")


async def until(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


async def canvas(
    client: Client,
    name: str = "c",
    value: int | bytes = 9,
    size: tuple[int, int] = (SIDE, SIDE),
    format: PixelFormat = RGB8,
) -> None:
    """Opens a canvas and fills it: with one value, or with these bytes."""
    data = value if isinstance(value, bytes) else raster(*size, format, value)
    await client.send(OpenCanvas(name, *size, format))
    await client.send(CanvasRows(name, 1, 0, Pixels(*size, format, data)))
    assert await client.expect(CanvasAck) == CanvasAck(name, 1)


@asynccontextmanager
async def drawing(
    home: Path, request: LiveRequest = REQUEST, **settings: object
) -> AsyncIterator[tuple[Served, Client, FakePool]]:
    """A client with a canvas and a session "l", whose worker is ready."""
    async with served(home, **settings) as server:
        await server.pool.come_up()
        async with server.client() as client:
            await canvas(client)
            await client.send(StartLive("l", request))
            yield server, client, server.pool


async def show(client: Client, pool: FakePool, number: int) -> FeedLive:
    """Asks for the canvases to be painted; what the worker gets."""
    before = len(pool.fed())
    await client.send(LiveInput("l", number))
    await until(lambda: len(pool.fed()) > before)
    return pool.fed()[-1]


def painted(value: int = 1, side: int = SIDE) -> Pixels:
    return Pixels(side, side, RGB8, bytes([value]) * (3 * side * side))


async def quiet(client: Client) -> None:
    """All that was to come has come: nothing but what was expected."""
    await client.send(ListJobs(99))
    assert await client.receive() == JobList(99, ())


# ── inputs ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_input_is_the_canvases_as_they_stand(tmp_path: Path) -> None:
    request = LiveRequest(
        "c", "a fox", "m", (LiveControl("scribble", "c"), LiveControl("depth", "d", 0.5)), (Lora("ink"),)
    )
    async with drawing(tmp_path, request) as (_, client, pool):
        await canvas(client, "m", 255, format=GRAY8)
        await canvas(client, "d", 1, format=PixelFormat.DEPTH32F)
        before_s = time.monotonic()
        fed = await show(client, pool, 3)
        assert pool.lives[0] == (0, OpenLive(fed.live, PAINTER, request))
        assert (fed.input, fed.sequence) == (3, 1)
        assert fed.image == Pixels(SIDE, SIDE, RGB8, raster(SIDE, SIDE, RGB8, 9))
        assert fed.mask == Pixels(SIDE, SIDE, GRAY8, raster(SIDE, SIDE, GRAY8, 255))
        depth = Pixels(SIDE, SIDE, PixelFormat.DEPTH32F, raster(SIDE, SIDE, PixelFormat.DEPTH32F, 1))
        assert fed.controls == (fed.image, depth)
        assert before_s <= fed.at_s <= time.monotonic()
        await client.send(CanvasTiles("c", 2, (0,), "raw", b"\x01" * (SIDE * SIDE * 3)))
        newer = await show(client, pool, 4)
        assert (newer.sequence, newer.image.data) == (2, raster(SIDE, SIDE, RGB8, 8))
        assert fed.image.data == raster(SIDE, SIDE, RGB8, 9), "what was handed over does not change"


async def test_an_input_with_a_canvas_that_got_lost_waits_for_one_after_it_came_back(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (_, client, pool):
        await client.send(CanvasTiles("c", 7, (0,), "raw", bytes(SIDE * SIDE * 3)))
        await client.send(LiveInput("l", 1))
        assert await client.receive() == CanvasStale("c", 1)
        await quiet(client)
        assert pool.fed() == []
        await canvas(client, value=5)
        assert (await show(client, pool, 2)).image.data == raster(SIDE, SIDE, RGB8, 5)


async def test_a_changed_request_is_painted_without_another_input(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (_, client, pool):
        fed = await show(client, pool, 1)
        other = LiveRequest("c", "a hen", "m")
        await canvas(client, "m", format=GRAY8)
        await client.send(StartLive("l", other))
        await until(lambda: len(pool.lives) == 4)
        assert pool.lives[2][1] == OpenLive(fed.live, PAINTER, other)
        again = pool.fed()[-1]
        assert (again.live, again.input, again.image) == (fed.live, 1, fed.image)
        assert again.mask is not None
        await client.send(StartLive("l", other))
        await quiet(client)
        assert len(pool.lives) == 4, "what is known is no change"


async def test_pictures_much_larger_than_the_previews_are_reduced_alike(tmp_path: Path) -> None:
    request = LiveRequest("big", "a fox", "m", (LiveControl("depth", "d"),), longest_px=64)
    async with drawing(tmp_path, request) as (_, client, pool):
        size = (330, 200)  # 5 times 64 fits
        colours = np.zeros((200, 330, 4), np.uint8)
        colours[:, :, :3] = 200
        colours[:, 10:, :3] = np.random.default_rng(1).integers(0, 255, (200, 320, 3))
        colours[:, 10:, 3] = np.where(np.arange(320) % 2, 255, 0)
        colours[:, :10, 3] = 255
        colours[:, 11::2, 0] = 100
        await canvas(client, "big", colours.tobytes(), size, RGBA8)
        await canvas(client, "m", 255, size, GRAY8)
        depth = np.full((200, 330), 2.5, "<f4")
        await canvas(client, "d", depth.tobytes(), size, PixelFormat.DEPTH32F)
        fed = await show(client, pool, 1)
        assert fed.mask == Pixels(66, 40, GRAY8, bytes([255]) * (66 * 40))
        assert fed.controls == (
            Pixels(66, 40, PixelFormat.DEPTH32F, np.full((40, 66), 2.5, "<f4").tobytes()),
        )
        small = np.frombuffer(fed.image.data or b"", np.uint8).reshape(40, 66, 4)
        assert (small[:, 0] == (200, 200, 200, 255)).all()
        assert abs(int(small[:, 3:, 0].max()) - 100) <= 2, "the colour of what nobody sees does not bleed in"


async def test_while_one_picture_is_reduced_the_newest_waits_and_is_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = live_pictures.ready

    def ready(pixels: Pixels, factor: int) -> Pixels:
        time.sleep(0.15)
        return slow(pixels, factor)

    monkeypatch.setattr(live_pictures, "ready", ready)
    async with drawing(tmp_path, LiveRequest("big", "a fox", longest_px=64)) as (_, client, pool):
        await canvas(client, "big", 1, (256, 256))
        await client.send(LiveInput("l", 1))
        await asyncio.sleep(0.05)
        tiles = tuple(range(16))
        for number in range(2, 6):
            await client.send(CanvasTiles("big", number, tiles, "raw", b"\x02" * (256 * 256 * 3)))
            await client.send(LiveInput("l", number))
        await until(lambda: len(pool.fed()) == 2)
        await asyncio.sleep(0.3)
        assert [(fed.input, fed.sequence) for fed in pool.fed()] == [(1, 1), (5, 5)]
        assert (pool.fed()[1].image.data or b"")[:1] == b"\x01", "an even number of changes"


async def test_pictures_reduced_for_a_request_that_has_changed_meanwhile_are_not_painted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = live_pictures.ready

    def ready(pixels: Pixels, factor: int) -> Pixels:
        time.sleep(0.1)
        return slow(pixels, factor)

    monkeypatch.setattr(live_pictures, "ready", ready)
    request = LiveRequest("big", "a fox", longest_px=64)
    async with drawing(tmp_path, request) as (_, client, pool):
        await canvas(client, "big", 1, (256, 256))
        await client.send(LiveInput("l", 1))
        await canvas(client, "m", 1, (256, 256), GRAY8)
        await client.send(StartLive("l", dataclasses.replace(request, mask="m")))
        await until(lambda: pool.fed())
        assert [fed.mask is not None for fed in pool.fed()] == [True]


async def test_no_input_is_longer_than_the_channel_takes(tmp_path: Path) -> None:
    async with drawing(tmp_path, LiveRequest("big", "a fox", longest_px=2048)) as (_, client, pool):
        await canvas(client, "big", 7, (2500, 2000), RGBA8)
        fed = await show(client, pool, 1)
        assert (fed.image.width, fed.image.height) == (1250, 1000)


# ── previews ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_preview_says_what_it_shows(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (_, client, pool):
        fed = await show(client, pool, 5)
        await pool.tell(LiveWaits(fed.live, "loading"))
        await pool.tell(LiveWaits(fed.live, "ready"))
        stages = {"waited": 1.5, "sampling": 20.0}
        now_s = time.monotonic()
        await pool.paint_live(painted(), stages=stages, wasted_steps=2, refined=True, at_s=now_s)
        assert [await client.receive() for _ in range(2)] == [
            LiveStatus("l", "loading"),
            LiveStatus("l", "ready"),
        ]
        preview = await client.expect(LivePreview)
        assert preview.stages.pop("returned") >= 0
        assert preview == LivePreview(
            "l", 1, 5, 1, SIDE, SIDE, True, stages, wasted_steps=2, pixels=painted()
        )


async def test_one_preview_is_unseen_at_a_time_and_the_newest_is_next(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (_, client, pool):
        for number in range(1, 6):
            await show(client, pool, number)
            await pool.paint_live(painted(number), wasted_steps=1)
        assert (await client.expect(LivePreview)).input == 1
        await quiet(client)
        await client.send(LiveSeen("l", 7))  # not the one that is out
        await quiet(client)
        await client.send(LiveSeen("l", 1))
        newest = await client.expect(LivePreview)
        assert (newest.number, newest.input, newest.wasted_steps) == (2, 5, 4)
        assert newest.pixels == painted(5)
        await client.send(LiveSeen("l", 1))
        await client.send(LiveSeen("l", 2))
        await quiet(client)


async def test_a_client_that_takes_nothing_makes_the_server_hold_two_previews_at_most(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (server, client, pool):
        await show(client, pool, 1)
        for value in range(500):
            await pool.paint_live(painted(value % 256, 512))
        (connection,) = _connections(server)
        assert connection._outbox.waiting_bytes <= 3 * 512 * 512 + 1024


def _connections(server: Served) -> list[object]:
    import gc

    from impasto_server.front.connection import Connection

    return [
        one
        for one in gc.get_objects()
        if type(one) is Connection and one._live is not None and one._live._sessions
    ]


async def test_few_changes_come_as_tiles_against_what_was_seen_and_many_as_a_whole(tmp_path: Path) -> None:
    def picture(*values: int) -> Pixels:
        whole = np.zeros((128, 128, 3), np.uint8)
        for tile, value in enumerate(values):
            whole[64 * (tile // 2) :, 64 * (tile % 2) :][:64, :64] = value
        return Pixels(128, 128, RGB8, whole.tobytes())

    async with drawing(tmp_path) as (_, client, pool):
        await show(client, pool, 1)
        shown = bytearray()
        for number, (preview, sent) in enumerate(
            [
                (picture(1, 2, 3, 4), None),
                (picture(1, 2, 9, 4), (2,)),
                (picture(1, 2, 9, 4), ()),
                (picture(7, 7, 7, 4), None),
                (painted(3), None),
            ],
            1,
        ):
            await pool.paint_live(preview)
            got = await client.expect(LivePreview)
            assert (got.pixels is None, got.jpeg) == (sent is not None, None)
            if isinstance(got.tiles, LiveTiles):
                assert (got.tiles.base, got.tiles.tiles, got.tiles.encoding) == (number - 1, sent, "raw")
                apply_tiles(shown, got.tiles.tiles, got.tiles.data, got.width, got.height, RGB8)
            else:
                assert got.pixels is not None
                shown = bytearray(got.pixels.data or b"")
            assert shown == preview.data
            await client.send(LiveSeen("l", number))
            await quiet(client)


async def test_jpeg_is_for_who_asks_and_shares_no_memory(tmp_path: Path) -> None:
    async with drawing(tmp_path, dataclasses.replace(REQUEST, lossy=True)) as (_, client, pool):
        await show(client, pool, 1)
        colours = np.full((SIDE, SIDE, 3), (200, 100, 50), np.uint8)
        await pool.paint_live(Pixels(SIDE, SIDE, RGB8, colours.tobytes()))
        preview = await client.expect(LivePreview)
        assert (preview.pixels, preview.tiles) == (None, None)
        bgr = cv2.imdecode(np.frombuffer(preview.jpeg or b"", np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(bgr[:, :, ::-1].astype(int) - colours).max() <= 3


@pytest.mark.parametrize("lossy", [False, True])
async def test_where_memory_is_shared_previews_go_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lossy: bool
) -> None:
    monkeypatch.setattr("impasto_protocol.places.shared_folder", lambda home: home / "shm")
    async with served(tmp_path) as server, server.client(shared_memory=True) as client:
        await server.pool.come_up()
        assert client.welcome is not None
        assert client.welcome.shared is not None
        await client.send(Release(client.welcome.shared.probe))
        await canvas(client)
        await client.send(StartLive("l", dataclasses.replace(REQUEST, lossy=lossy)))
        for number in range(1, 4):
            await show(client, server.pool, number)
            await server.pool.paint_live(painted(number, 256))
            preview = await client.expect(LivePreview)
            assert preview.pixels is not None
            assert preview.pixels.shared is not None
            assert copy_out(tmp_path / "shm", preview.pixels.shared) == painted(number, 256).data
            await client.send(Release(preview.pixels.shared.name))
            await client.send(LiveSeen("l", number))
        assert len(list((tmp_path / "shm").iterdir())) <= 2, "one segment is enough, and the probe"


def test_a_preview_in_a_frame_is_sent_as_it_was_painted() -> None:
    sent: list[Outgoing] = []

    class Later(Outbox):
        def __init__(self) -> None: ...

        def put(self, frame: Outgoing) -> None:
            sent.append(frame)

    passing = bytearray(painted(7).data or b"")
    pixels = Pixels(SIDE, SIDE, RGB8, memoryview(passing))  # type: ignore[arg-type]
    preview = LivePreview("l", 1, 1, 1, SIDE, SIDE, pixels=pixels)
    Sender(Later(), DEFAULT_LIMITS).send_preview(preview)
    passing[:] = bytes(len(passing))
    decoded = codec.decode_server(b"".join(sent[0].parts))
    assert isinstance(decoded, LivePreview)
    assert decoded.pixels == painted(7)


async def test_two_clients_never_see_each_others_previews(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (server, client, pool), server.client(OTHER) as other:
        await canvas(other, value=3)
        await other.send(StartLive("l", REQUEST))
        mine = await show(client, pool, 1)
        theirs = await show(other, pool, 2)
        assert mine.live != theirs.live
        assert (mine.image.data, theirs.image.data) == (raster(64, 64, RGB8, 9), raster(64, 64, RGB8, 3))
        await pool.tell(LivePainted(theirs.live, 2, painted(2), 0.1))
        assert (await other.expect(LivePreview)).pixels == painted(2)
        await quiet(client)
        await pool.tell(LivePainted(mine.live, 1, painted(1), 0.1))
        assert (await client.expect(LivePreview)).pixels == painted(1)
        await quiet(other)


# ── endings ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stopped_session_is_over_at_once(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (_, client, pool):
        fed = await show(client, pool, 1)
        await client.send(StopLive("l"))
        await client.send(StopLive("l"))
        await client.send(LiveInput("l", 2))
        await client.send(LiveSeen("l", 1))
        await quiet(client)
        await until(lambda: pool.lives[-1] == (0, CloseLive(fed.live)))
        await pool.paint_live(painted())
        await quiet(client)
        await client.send(StartLive("l", REQUEST))
        assert (await show(client, pool, 1)).live != fed.live


async def test_a_connection_that_drops_takes_its_sessions_with_it(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (server, _, pool):
        async with server.client(OTHER) as other:
            await canvas(other)
            for name in "ab":
                await other.send(StartLive(name, REQUEST))
            await until(lambda: len(pool.lives) == 3)
        await until(lambda: len(pool.lives) == 5)
        opened = [command.live for _, command in pool.lives[1:3]]
        assert sorted(command.live for _, command in pool.lives[3:]) == opened
        assert {type(command) for _, command in pool.lives[3:]} == {CloseLive}


async def test_an_error_of_the_engine_reaches_the_artist_and_ends_the_session(tmp_path: Path) -> None:
    from impasto_protocol.messages import ErrorInfo

    async with drawing(tmp_path) as (_, client, pool):
        fed = await show(client, pool, 1)
        await pool.tell(LiveFailed(fed.live, ErrorInfo("bad_model", "The model is broken. Choose another.")))
        assert await client.expect(Problem) == Problem(
            "bad_model", "The model is broken. Choose another.", live="l"
        )
        await client.send(LiveInput("l", 2))
        await quiet(client)
        assert len(pool.fed()) == 1


async def test_when_its_worker_dies_a_session_waits_and_goes_on(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (_, client, pool):
        fed = await show(client, pool, 1)
        await pool.die()
        assert await client.expect(LiveStatus) == LiveStatus("l", "loading")
        await pool.come_up()
        again = pool.fed()[-1]
        assert (len(pool.fed()), again.live, again.input, again.image) == (2, fed.live, 1, fed.image)
        await pool.paint_live(painted())
        assert (await client.expect(LivePreview)).input == 1


async def test_its_next_worker_is_given_the_canvases_as_they_stand_then(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (_, client, pool):
        await show(client, pool, 1)
        await pool.die()
        await client.expect(LiveStatus)
        await client.send(CanvasTiles("c", 2, (0,), "raw", b"\x01" * (SIDE * SIDE * 3)))
        await client.expect(CanvasAck)
        await pool.come_up()
        again = pool.fed()[-1]
        assert (again.input, again.sequence, again.image.data) == (1, 2, raster(SIDE, SIDE, RGB8, 8))


async def test_a_session_whose_canvas_is_gone_ends_with_its_worker(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (_, client, pool):
        fed = await show(client, pool, 1)
        await client.send(CloseCanvas("c"))
        await quiet(client)
        await pool.die()
        await client.expect(LiveStatus)
        await pool.come_up()
        problem = await client.expect(Problem)
        assert (problem.code, problem.live) == ("unknown_canvas", "l")
        await until(lambda: pool.lives[-1] == (0, CloseLive(fed.live)))
        assert len(pool.fed()) == 1


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────

NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"prompt": "x" * 20_001}, "bad_value"),
        ({"negative": "x" * 20_001}, "bad_value"),
        ({"strength": 1.5}, "bad_value"),
        ({"strength": NAN}, "bad_value"),
        ({"guidance": NAN}, "bad_value"),
        ({"guidance": 101.0}, "bad_value"),
        ({"steps": -1}, "bad_value"),
        ({"steps": 151}, "bad_value"),
        ({"refine_steps": 151}, "bad_value"),
        ({"refine_steps": -2}, "bad_value"),
        ({"seed": -1}, "bad_value"),
        ({"longest_px": 15}, "bad_value"),
        ({"longest_px": 2049}, "bad_value"),
        ({"controls": (LiveControl("depth", "c"),) * 9}, "bad_value"),
        ({"controls": (LiveControl("depth", "c", 2.5),)}, "bad_value"),
        ({"controls": (LiveControl("depth", "c", start=0.5, end=0.5),)}, "bad_value"),
        ({"controls": (LiveControl("smell", "c"),)}, "unknown_model"),
        ({"loras": (Lora("ink", 5.0),)}, "bad_value"),
        ({"loras": (Lora("pen"),)}, "unknown_model"),
        ({"model": "dall-e"}, "unknown_model"),
    ],
)
async def test_what_cannot_be_painted_is_refused_with_a_sentence(
    tmp_path: Path, change: dict[str, object], code: str
) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await server.pool.come_up()
        await client.send(StartLive("l", dataclasses.replace(REQUEST, **change)))  # type: ignore[arg-type]
        problem = await client.expect(Problem)
        assert problem == Problem(code, problem.sentence, live="l")
        assert problem.sentence.endswith(".")
        await client.send(LiveInput("l", 1))
        await quiet(client)
        assert server.pool.lives == []


@pytest.mark.parametrize(
    ("request_", "canvases", "code"),
    [
        (REQUEST, [OpenCanvas("c", 64, 64, GRAY8)], "bad_image"),
        (REQUEST, [OpenCanvas("c", 64, 15, RGB8)], "bad_image"),
        (REQUEST, [CloseCanvas("c")], "unknown_canvas"),
        (LiveRequest("c", "x", "m"), [], "unknown_canvas"),
        (LiveRequest("c", "x", "m"), [OpenCanvas("m", 64, 64, RGB8)], "bad_image"),
        (LiveRequest("c", "x", "m"), [OpenCanvas("m", 64, 63, GRAY8)], "size_mismatch"),
        (
            LiveRequest("c", "x", controls=(LiveControl("depth", "d"),)),
            [OpenCanvas("d", 32, 32, GRAY8)],
            "size_mismatch",
        ),
    ],
)
async def test_canvases_that_do_not_fit_end_the_session_with_a_sentence(
    tmp_path: Path, request_: LiveRequest, canvases: list[ClientMessage], code: str
) -> None:
    async with drawing(tmp_path, request_) as (_, client, pool):
        for message in canvases:
            await client.send(message)
        await client.send(LiveInput("l", 1))
        problem = await client.expect(Problem)
        assert problem == Problem(code, problem.sentence, live="l")
        await until(lambda: isinstance(pool.lives[-1][1], CloseLive))
        await canvas(client)
        await client.send(StartLive("l", REQUEST))
        await show(client, pool, 1)


async def test_a_model_that_is_too_slow_for_it_says_so(tmp_path: Path) -> None:
    from impasto_server.pool.channel import Ready

    from tests.fakes.engine import MODEL

    slow = dataclasses.replace(MODEL, model="slow", title="Slow", capabilities=("text",))
    async with served(tmp_path) as server, server.client() as client:
        assert server.pool.listener is not None
        await server.pool.listener.worker_event(0, Ready("cpu", [MODEL, slow]))
        await client.send(StartLive("l", dataclasses.replace(REQUEST, model="slow")))
        problem = await client.expect(Problem)
        assert problem.sentence == "“Slow” cannot paint live previews. Choose one that can: Fake."


async def test_numbers_that_do_not_rise_are_an_error_of_the_program(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (_, client, pool):
        await show(client, pool, 3)
        await client.send(LiveInput("l", 3))
        assert (await client.expect(Problem)).code == "bad_value"


async def test_a_change_that_is_refused_ends_the_session(tmp_path: Path) -> None:
    async with drawing(tmp_path) as (_, client, pool):
        await show(client, pool, 3)
        await client.send(StartLive("l", dataclasses.replace(REQUEST, strength=7.0)))
        assert (await client.expect(Problem)).live == "l"
        await until(lambda: isinstance(pool.lives[-1][1], CloseLive))


async def test_no_more_sessions_than_the_limit_and_a_place_is_free_again(tmp_path: Path) -> None:
    limits = dataclasses.replace(DEFAULT_LIMITS, live=2)
    async with drawing(tmp_path, limits=limits) as (_, client, pool):
        for name in "ab":
            await client.send(StartLive(name, REQUEST))
        problem = await client.expect(Problem)
        assert (problem.code, problem.live) == ("queue_full", "b")
        await client.send(StopLive("a"))
        await client.send(StartLive("b", REQUEST))
        await quiet(client)
        assert sum(isinstance(command, OpenLive) for _, command in pool.lives) == 3


@pytest.mark.parametrize("name", ["", "x" * 65])
async def test_a_session_has_a_short_name(tmp_path: Path, name: str) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await client.send(StartLive(name, REQUEST))
        assert (await client.expect(Problem)).code == "bad_value"


async def test_what_a_newer_client_wants_of_a_session_is_refused_in_its_name(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await client.socket.send_bytes(msgpack.packb({"type": "live-brush", "live": "l"}))
        problem = await client.expect(Problem)
        assert (problem.code, problem.live) == ("unknown_message", "l")
