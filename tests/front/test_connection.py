"""What a client hears for each thing it says."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from pathlib import Path
from typing import Any

import msgpack
import pytest
from impasto_protocol import codec
from impasto_protocol.errors import DiskFull, QueueFull
from impasto_protocol.messages import (
    Annotate,
    Cancel,
    CanvasAck,
    CanvasPixels,
    CanvasRef,
    CanvasRows,
    CanvasStale,
    CanvasTiles,
    ClientMessage,
    CloseCanvas,
    Control,
    FetchInput,
    FetchLayer,
    FetchThumbnail,
    Forget,
    Hello,
    JobChanged,
    JobList,
    JobProgress,
    LayerPixels,
    ListJobs,
    ListModels,
    ModelList,
    OpenCanvas,
    Pixels,
    Problem,
    ReadCanvas,
    Release,
    SharedBytes,
    ThumbnailPixels,
    Welcome,
)
from impasto_protocol.rasters import PixelFormat
from impasto_server.config import DEFAULT_LIMITS
from impasto_server.front import connection as module
from impasto_server.front.pace import Pace

from .harness import MODEL, OTHER, PAINTER, Client, FakeDesk, raster, served, submit

RGB8 = PixelFormat.RGB8
JOB = f"{1:032x}"


async def with_canvas(client: Client, width: int = 64, height: int = 64, value: int = 9) -> None:
    await client.send(OpenCanvas("c", width, height, RGB8))
    await client.send(CanvasRows("c", 1, 0, Pixels(width, height, RGB8, raster(width, height, RGB8, value))))
    assert await client.expect(CanvasAck) == CanvasAck("c", 1)


# ── Hello ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_client_is_welcomed_with_what_the_server_accepts(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        assert client.welcome is not None
        assert client.welcome.limits == server.config.limits
        assert client.welcome.protocol == 1
        assert client.welcome.server == server.info.version
        assert client.welcome.shared is None
        able = ("generate", "image", "mask", "control", "lora", "upscale", "live", "texture")
        assert client.welcome.capabilities == able


async def test_a_newer_client_is_spoken_to_in_the_older_version(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.socket() as client:
        await client.send(Hello(7, PAINTER, "from the future"))
        assert (await client.expect(Welcome)).protocol == 1


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (codec.encode(Hello(0, PAINTER, "old")), "version_unsupported"),
        (codec.encode(Hello(1, "A" * 32, "x")), "bad_value"),
        (codec.encode(Hello(1, "../../x", "x")), "bad_value"),
        (codec.encode(Hello(1, PAINTER, "x" * 5000)), "frame_too_large"),
        (codec.encode(ListJobs(1)), "malformed_frame"),
        (b"\x00", "malformed_frame"),
    ],
)
async def test_who_introduces_itself_badly_hears_why_and_is_let_go(
    tmp_path: Path, frame: bytes, code: str
) -> None:
    async with served(tmp_path) as server, server.socket() as client:
        await client.socket.send_bytes(frame)
        problem = await client.expect(Problem)
        assert (problem.code, problem.request, problem.job, problem.canvas) == (code, None, None, None)
        assert await client.receive() is None
        assert server.desk.subscriptions == []


async def test_who_says_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELLO_S", 0.05)
    async with served(tmp_path) as server, server.socket() as client:
        assert (await client.expect(Problem)).code == "malformed_frame"
        assert await client.receive() is None


async def test_text_is_not_spoken_here(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await client.socket.send_str("hello?")
        assert (await client.expect(Problem)).code == "malformed_frame"
        assert await client.receive() is None


async def test_a_second_introduction_is_an_error_of_the_program(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await client.send(Hello(1, PAINTER, "again"))
        assert (await client.expect(Problem)).code == "malformed_frame"


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_frame_beyond_the_limit_is_never_read(tmp_path: Path) -> None:
    limits = dataclasses.replace(DEFAULT_LIMITS, frame_bytes=2 << 20)
    async with served(tmp_path, limits=limits) as server, server.client() as client:
        await client.send(CanvasRows("c", 1, 0, Pixels(1, 1, RGB8, bytes(3 << 20))))
        while (message := await client.receive()) is not None:
            assert isinstance(message, Problem)
        assert client.socket.close_code == 1009


async def test_a_long_message_without_pixels_ends_the_connection(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await client.send(Cancel("x" * (1 << 20)))
        assert (await client.expect(Problem)).code == "frame_too_large"
        assert await client.receive() is None


async def test_a_client_that_talks_too_fast_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Pace", lambda: Pace(per_s=1.0, burst=20))
    async with served(tmp_path) as server, server.client() as client:
        for _ in range(30):
            await client.send(Release("nothing"))
        assert (await client.expect(Problem)).code == "too_fast"


def test_the_bucket_fills_with_time() -> None:
    pace = Pace(per_s=10, burst=5)
    for _ in range(5):
        pace.step(100.0)
    with pytest.raises(Exception, match="10 messages a second"):
        pace.step(100.0)
    pace.step(101.0)


async def test_a_message_of_a_newer_version_is_refused_without_a_break(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await client.socket.send_bytes(msgpack.packb({"type": "paint-mesh", "request": 5}))
        assert (await client.expect(Problem)).request == 5
        await client.send(ListJobs(6))
        assert await client.expect(JobList) == JobList(6, ())


async def test_a_client_that_answers_no_ping_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WATCH_S", 0.02)
    monkeypatch.setattr(module, "PING_AFTER_S", 0.05)
    monkeypatch.setattr(module, "SILENCE_S", 0.3)
    async with served(tmp_path) as server:
        async with server.client() as lively:
            reading = asyncio.ensure_future(lively.receive())  # aiohttp answers pings while it reads
            silent = await server.session.ws_connect(server.url, headers=server.bearer, autoping=False)
            await silent.send_bytes(codec.encode(Hello(1, OTHER, "silent")))
            ended = False
            for _ in range(500):
                message = await silent.receive(10)
                if message.type.name in ("CLOSED", "ERROR", "CLOSE"):
                    ended = True
                    break
            assert ended
            assert not reading.done()
            reading.cancel()
        await silent.close()


# ── canvases ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_mirror_can_be_read_back(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await with_canvas(client, 100, 70)
        await client.send(CanvasTiles("c", 2, (0,), "raw", b"\x01" * (64 * 64 * 3)))
        assert await client.expect(CanvasAck) == CanvasAck("c", 2)
        await client.send(ReadCanvas(4, "c", 63, 2))
        reply = await client.expect(CanvasPixels)
        assert (reply.request, reply.sequence, reply.y) == (4, 2, 63)
        assert reply.pixels.data == b"\x08" * 192 + b"\x09" * 108 + b"\x09" * 300


async def test_a_gap_is_answered_once(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await with_canvas(client)
        for sequence in (3, 4):
            await client.send(CanvasTiles("c", sequence, (0,), "raw", bytes(64 * 64 * 3)))
        await client.send(ReadCanvas(1, "c", 0, 1))
        assert await client.receive() == CanvasStale("c", 1)
        problem = await client.receive()
        assert isinstance(problem, Problem)
        assert (problem.code, problem.request) == ("stale_canvas", 1)


@pytest.mark.parametrize(
    ("message", "code", "target"),
    [
        (ReadCanvas(3, "x", 0, 1), "unknown_canvas", {"request": 3}),
        (ReadCanvas(3, "c", 60, 9), "bad_value", {"request": 3}),
        (OpenCanvas("d", 0, 1, RGB8), "bad_value", {"canvas": "d"}),
        (OpenCanvas("d", 99_999, 1, RGB8), "image_too_large", {"canvas": "d"}),
        (CanvasRows("c", 2, 0, Pixels(64, 1, RGB8, b"")), "bad_image", {"canvas": "c"}),
        (CanvasRows("c", 2, 0, Pixels(64, 1, RGB8)), "bad_image", {"canvas": "c"}),
        (
            CanvasRows("c", 2, 0, Pixels(64, 1, RGB8, None, SharedBytes("x", 192))),
            "bad_image",
            {"canvas": "c"},
        ),
        (CanvasTiles("c", 2, (9,), "raw", b""), "malformed_frame", {"canvas": "c"}),
        (CanvasTiles("x", 2, (9,), "raw", b""), "unknown_canvas", {"canvas": "x"}),
        (submit(image=CanvasRef("x", 1)), "unknown_canvas", {"job": JOB}),
        (submit(image=CanvasRef("c", 2)), "stale_canvas", {"job": JOB}),
        (Cancel(JOB), "unknown_job", {"job": JOB}),
        (FetchLayer(5, JOB, 0, 0, 1), "unknown_job", {"request": 5}),
        (FetchInput(5, "0" * 64, 0, 1), "no_such_input", {"request": 5}),
    ],
)
async def test_an_error_names_what_it_answers_and_the_connection_goes_on(
    tmp_path: Path, message: ClientMessage, code: str, target: dict[str, Any]
) -> None:
    async with served(tmp_path) as server, server.client() as client:
        await with_canvas(client)
        await client.send(message)
        problem = await client.expect(Problem)
        assert problem == Problem(code, problem.sentence, **target)
        await client.send(CloseCanvas("c"))
        await client.send(ListJobs(6))
        assert await client.expect(JobList) == JobList(6, ())


async def test_canvases_belong_to_their_connection(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as one, server.client() as other:
        await with_canvas(one)
        await other.send(ReadCanvas(1, "c", 0, 1))
        assert (await other.expect(Problem)).code == "unknown_canvas"


# ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_job_sees_the_canvases_as_they_stood_when_it_was_asked_for(tmp_path: Path) -> None:
    desk = FakeDesk(store_s=0.1)
    async with served(tmp_path, desk) as server, server.client() as client:
        await with_canvas(client)
        await client.send(OpenCanvas("m", 64, 64, PixelFormat.GRAY8))
        request = submit(
            image=CanvasRef("c", 1), mask=CanvasRef("m", 0), controls=(Control("edges", CanvasRef("c", 1)),)
        )
        await client.send(request)
        await client.send(CanvasTiles("c", 2, (0,), "raw", b"\xff" * (64 * 64 * 3)))
        assert await client.receive() == CanvasAck("c", 2)  # painting goes on while the picture is stored
        assert (await client.expect(JobChanged)).state == "queued"
        canvas = b"\x09" * 12288
        pictures = {"image": canvas, "mask": bytes(4096), "control 1": canvas}
        assert desk.submitted == [(PAINTER, request, pictures)]


async def test_a_refused_job_is_answered_by_its_name(tmp_path: Path) -> None:
    desk = FakeDesk(failure=QueueFull("Too many jobs wait. Cancel one."))
    async with served(tmp_path, desk) as server, server.client() as client:
        await client.send(submit())
        problem = Problem("queue_full", "Too many jobs wait. Cancel one.", job=JOB)
        assert await client.expect(Problem) == problem
        desk.failure = DiskFull("The disk is full.")
        await client.send(submit(2))
        assert (await client.expect(Problem)).job == f"{2:032x}"


async def test_a_defect_of_ours_shows_a_sentence_and_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = FakeDesk(failure=ZeroDivisionError("secret"))
    async with served(tmp_path, desk) as server, server.client() as client:
        await client.send(submit())
        problem = await client.expect(Problem)
        assert (problem.code, problem.job) == ("internal", JOB)
        assert "secret" not in problem.sentence
        assert "secret" in caplog.text
        await client.send(ListJobs(1))
        await client.expect(JobList)


async def test_a_cancel_never_comes_before_its_job(tmp_path: Path) -> None:
    desk = FakeDesk(store_s=0.05)
    async with served(tmp_path, desk) as server, server.client() as client:
        await client.send(submit())
        await client.send(Cancel(JOB))
        assert [(await client.expect(JobChanged)).state for _ in range(2)] == ["queued", "cancelled"]


async def test_a_cancel_overtakes_other_jobs(tmp_path: Path) -> None:
    desk = FakeDesk()
    async with served(tmp_path, desk) as server, server.client() as client:
        await client.send(submit(1))
        await client.expect(JobChanged)
        desk.store_s = 1.0
        await client.send(submit(2))
        await client.send(Cancel(JOB))
        assert await client.expect(JobChanged) == JobChanged(2, JOB, "cancelled")


async def test_jobs_are_handed_in_in_the_order_they_were_asked_for(tmp_path: Path) -> None:
    desk = FakeDesk(store_s=0.001)
    async with served(tmp_path, desk) as server, server.client() as client:
        for job in range(20):
            await client.send(submit(job))
        await client.send(ListJobs(1))
        listed = await client.expect(JobList)
        assert [job.job for job in listed.jobs] == [f"{job:032x}" for job in range(20)]
        await client.send(Forget(f"{3:032x}"))
        await client.send(ListJobs(2))
        assert len((await client.expect(JobList)).jobs) == 19


async def test_a_job_asked_for_again_after_a_reconnect_needs_no_canvas(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        async with server.client() as client:
            await with_canvas(client)
            await client.send(submit(image=CanvasRef("c", 1)))
            await client.expect(JobChanged)
        async with server.client(last_event=1) as client:
            await client.send(submit(image=CanvasRef("c", 1)))
            assert await client.expect(JobChanged) == JobChanged(1, JOB, "queued")
        assert len(server.desk.submitted) == 1


async def test_a_job_is_kept_although_its_client_left_before_the_answer(tmp_path: Path) -> None:
    desk = FakeDesk(store_s=0.2)
    async with served(tmp_path, desk) as server:
        async with server.client() as client:
            await client.send(submit())
            await asyncio.sleep(0.1)
        for _ in range(200):
            if desk.submitted:
                break
            await asyncio.sleep(0.01)
        assert [one[1].job for one in desk.submitted] == [JOB]


async def test_who_comes_back_hears_what_it_missed_and_only_that(tmp_path: Path) -> None:
    desk = FakeDesk()
    desk.change(PAINTER, f"{1:032x}", "queued")
    desk.change(PAINTER, f"{2:032x}", "queued")
    desk.change(OTHER, f"{3:032x}", "queued")
    desk.change(PAINTER, f"{2:032x}", "running")
    async with served(tmp_path, desk) as server, server.client(last_event=1) as client:
        assert client.welcome is not None
        assert client.welcome.last_event == 4
        assert await client.receive() == JobChanged(4, f"{2:032x}", "running")
        await client.send(ListModels(1))
        desk.workers.set()
        assert await client.receive() == ModelList(1, (MODEL,))


async def test_events_reach_every_connection_of_the_client_and_no_other(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as server,
        server.client() as one,
        server.client() as two,
        server.client(OTHER) as other,
    ):
        await one.send(submit())
        for client in (one, two):
            assert (await client.expect(JobChanged)).job == JOB
        await other.send(ListJobs(1))
        assert await other.receive() == JobList(1, ())


async def test_previews_reach_the_client(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        preview = Pixels(2, 2, RGB8, b"abcdefghijkl")
        server.desk.tell(PAINTER, JobProgress(JOB, "sampling", 3, 8, preview=preview))
        assert await client.receive() == JobProgress(JOB, "sampling", 3, 8, preview=preview)


async def test_waiting_for_a_worker_holds_nothing_else_up(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        for request in range(100):
            await client.send(ListModels(request))
            if request >= 40:
                break
        await client.send(submit())
        server.desk.workers.set()
        await client.expect(JobChanged)


async def test_rows_of_a_layer_come_as_asked_for(tmp_path: Path) -> None:
    desk = FakeDesk()
    picture = bytes(range(48)) * 40
    desk.layers[PAINTER, JOB, 0] = Pixels(12, 40, PixelFormat.RGBA8, picture)
    async with served(tmp_path, desk) as server, server.client() as client:
        await client.send(FetchLayer(1, JOB, 0, 10, 3))
        reply = await client.expect(LayerPixels)
        assert reply == LayerPixels(1, 10, Pixels(12, 3, PixelFormat.RGBA8, picture[480:624]))


async def test_an_answer_longer_than_a_frame_is_refused(tmp_path: Path) -> None:
    limits = dataclasses.replace(DEFAULT_LIMITS, frame_bytes=1 << 20)
    async with served(tmp_path, limits=limits) as server, server.client() as client:
        await client.send(OpenCanvas("c", 1024, 1024, RGB8))
        await client.send(ReadCanvas(1, "c", 0, 1024))
        problem = await client.expect(Problem)
        assert (problem.code, problem.request) == ("bad_value", 1)
        await client.send(ReadCanvas(2, "c", 0, 300))
        assert len((await client.expect(CanvasPixels)).pixels.data or b"") == 300 * 3072


async def test_a_slow_reader_gets_each_picture_as_it_was(tmp_path: Path) -> None:
    """Pixels are sent from the mirror itself; later strokes must not show in what was asked for before."""
    async with served(tmp_path) as server, server.client() as client:
        await with_canvas(client, 2048, 1024, value=0)
        full = tuple(range(32 * 16))
        change = b"\x01" * (2048 * 1024 * 3)
        for request in range(4):
            await client.send(ReadCanvas(request, "c", 0, 1024))
            await client.send(CanvasTiles("c", 2 + request, full, "raw", change))
        for request in range(4):
            reply = await client.expect(CanvasPixels)
            value = request % 2
            assert (reply.request, reply.sequence) == (request, 1 + request)
            assert reply.pixels.data == bytes([value]) * (2048 * 1024 * 3)


# ── endings ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_connection_leaves_nothing_behind(tmp_path: Path) -> None:
    others = connections()  # of tests that ended in the middle of something
    async with served(tmp_path) as server:
        async with server.client():
            pass
        for _ in range(3):
            before = len(asyncio.all_tasks())
            async with server.client() as client:
                await with_canvas(client)
                await client.send(ListModels(1))
                await client.send(submit(image=CanvasRef("c", 1)))
                await client.expect(JobChanged)
            for _ in range(200):
                if len(asyncio.all_tasks()) <= before:
                    break
                await asyncio.sleep(0.01)
            assert len(asyncio.all_tasks()) <= before
        assert not [one for one in server.desk.subscriptions if one.live]
        assert connections() <= others


def connections() -> int:
    gc.collect()
    return sum(type(one) is module.Connection for one in gc.get_objects())


async def test_clients_are_told_that_the_server_stops(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        client = await server.session.ws_connect(server.url, headers=server.bearer)
        await client.send_bytes(codec.encode(Hello(1, PAINTER, "x")))
        await client.receive(10)
        reading = asyncio.ensure_future(client.receive(10))
    message = await reading
    assert message.type.name in ("CLOSE", "CLOSING", "CLOSED")
    assert client.close_code == 1001


async def test_an_annotation_is_answered_with_the_job_as_it_is_now(tmp_path: Path) -> None:
    async with served(tmp_path) as front, front.client() as client:
        await client.send(submit(1))
        await client.send(Annotate(7, JOB, "a favourite"))  # at once: it waits for its job
        reply = await client.expect(JobList)
        assert (reply.request, [job.note for job in reply.jobs]) == (7, ["a favourite"])
        assert front.desk.notes == {(PAINTER, JOB): "a favourite"}
        async with front.client(OTHER) as other:
            await other.send(Annotate(8, JOB, "mine"))
            problem = await other.expect(Problem)
            assert (problem.code, problem.request) == ("unknown_job", 8)


async def test_a_thumbnail_is_answered_with_its_pixels(tmp_path: Path) -> None:
    async with served(tmp_path) as front, front.client() as client:
        front.desk.layers[PAINTER, JOB, 1] = Pixels(4, 40, PixelFormat.RGBA8, bytes(range(160)) * 4)
        await client.send(FetchThumbnail(9, JOB, 1, 16))
        reply = await client.expect(ThumbnailPixels)
        assert reply == ThumbnailPixels(9, Pixels(4, 16, PixelFormat.RGBA8, (bytes(range(160)) * 4)[:256]))
