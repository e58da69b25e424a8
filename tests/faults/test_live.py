"""Live previews with real workers: whatever dies or waits, the last stroke is shown, and no job is harmed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from impasto_protocol.messages import (
    CanvasRows,
    FetchLayer,
    GenerateRequest,
    JobChanged,
    JobProgress,
    LayerPixels,
    LiveInput,
    LivePreview,
    LiveRequest,
    LiveSeen,
    LiveStatus,
    OpenCanvas,
    Pixels,
    Problem,
    ServerMessage,
    StartLive,
    Submit,
)
from impasto_protocol.rasters import PixelFormat
from impasto_server.config import Config
from impasto_server.front.app import ServerInfo, serve

from tests.fakes.engine import live_pixels, painted
from tests.fakes.serve import make_pool
from tests.front.harness import OTHER, PAINTER, Client, Served

pytestmark = [pytest.mark.faults, pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")]

SIDE = 64
JOB = f"{1:032x}"


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[Served]:
    """A whole server with one worker process and the fake engine."""
    ready: asyncio.Future[ServerInfo] = asyncio.get_running_loop().create_future()
    config = Config(home=home, port=0)
    server = asyncio.ensure_future(serve(config, make_pool(home), on_ready=ready.set_result))
    async with aiohttp.ClientSession() as session:
        yield Served(await ready, None, config, session)
    server.cancel()
    await asyncio.wait({server})


class Pen:
    """Draws on a canvas of its own: every stroke another colour, and a live input."""

    def __init__(self, client: Client, request: LiveRequest) -> None:
        self.client = client
        self.request = request
        self.stroke = 0
        self.drawn: dict[int, np.ndarray] = {}  # by input
        self.shown: list[LivePreview] = []

    async def start(self) -> Pen:
        await self.client.send(OpenCanvas("c", SIDE, SIDE, PixelFormat.RGB8))
        await self.client.send(StartLive("l", self.request))
        return self

    async def draw(self) -> int:
        self.stroke += 1
        picture = np.full((SIDE, SIDE, 3), self.stroke % 256, np.uint8)
        self.drawn[self.stroke] = picture
        pixels = Pixels(SIDE, SIDE, PixelFormat.RGB8, picture.tobytes())
        await self.client.send(CanvasRows("c", self.stroke, 0, pixels))
        await self.client.send(LiveInput("l", self.stroke))
        return self.stroke

    async def preview(self) -> LivePreview:
        """The next one. It shows the canvas at the sequence it names, and nothing older than the last."""
        preview = await self.client.expect(LivePreview, 60.0)
        await self.take(preview)
        return preview

    async def take(self, preview: LivePreview) -> None:
        assert preview.input == preview.sequence
        assert preview.pixels is not None
        expected = live_pixels(self.request, self.drawn[preview.input], refined=preview.refined)
        assert preview.pixels.data == expected.tobytes()
        if self.shown:
            assert preview.input >= self.shown[-1].input
        self.shown.append(preview)
        await self.client.send(LiveSeen("l", preview.number))

    async def until_shown(self, stroke: int) -> None:
        while not self.shown or self.shown[-1].input < stroke:
            await self.preview()


def live(prompt: str = "a fox", **more: int) -> LiveRequest:
    return LiveRequest("c", prompt, **{"refine_steps": -1, **more})


async def test_the_last_of_many_strokes_is_shown_and_every_preview_is_that_of_its_stroke(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server, server.client() as client:
        pen = await Pen(client, live(refine_steps=0)).start()
        for _ in range(5):
            for _ in range(20):
                last = await pen.draw()
                await asyncio.sleep(0.002)
            await pen.until_shown(last)
        refined = await pen.preview()
        assert (refined.input, refined.refined) == (last, True), "the canvas came to rest"
        assert [preview.number for preview in pen.shown] == list(range(1, len(pen.shown) + 1))
        assert len(pen.shown) < 100, "strokes were left out: the newest counts"


async def test_a_worker_killed_in_the_middle_of_a_frame_costs_time_and_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, server.client() as client:
        pen = await Pen(client, live("die once")).start()
        await pen.draw()
        await pen.until_shown(1)
        assert (tmp_path / "died-once").exists()
        await pen.until_shown(await pen.draw())


async def test_a_session_that_kills_worker_after_worker_is_ended_and_the_next_one_works(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server, server.client() as client:
        await (await Pen(client, live("die")).start()).draw()
        problem = await client.expect(Problem, 60.0)
        assert (problem.code, problem.live) == ("worker_crashed", "l")
        pen = await Pen(client, live()).start()
        await pen.until_shown(await pen.draw())


async def test_an_error_ends_its_session_and_leaves_that_of_another_client(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, server.client() as one, server.client(OTHER) as other:
        pen = await Pen(other, live()).start()
        await pen.until_shown(await pen.draw())
        for prompt, code in (("exhaust", "out_of_memory"), ("break", "internal")):
            await (await Pen(one, live(prompt)).start()).draw()
            problem = await one.expect(Problem)
            assert (problem.code, problem.live) == (code, "l")
            assert "secret" not in problem.sentence
        await pen.until_shown(await pen.draw())


async def test_live_goes_first_and_the_job_behind_it_ends_with_the_bytes_of_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPASTO_FAKE_STEP_S", "0.02")
    async with serving(tmp_path) as server, server.client() as client, server.client(OTHER) as other:
        pen = await Pen(other, live()).start()
        await pen.until_shown(await pen.draw())
        request = GenerateRequest("a hen", seed=4, steps=40)
        await client.send(Submit(JOB, request, "batch"))
        done = asyncio.ensure_future(_job_done(client))
        steps: list[int] = []
        while not done.done():
            await pen.until_shown(await pen.draw())
            steps.append(client.step)  # type: ignore[attr-defined]
        layer = await done
        assert layer == painted(request)
        assert len([step for step in steps if 0 < step < 40]) >= 10, "previews came while the job ran"


async def _job_done(client: Client) -> bytes:
    """The bytes of the job's layer, once it has ended. `client.step` tells how far it is."""
    client.step = 0  # type: ignore[attr-defined]
    message: ServerMessage | None = None
    while not (isinstance(message, JobChanged) and message.state == "done"):
        message = await client.receive(60.0)
        assert message is not None
        if isinstance(message, JobProgress):
            client.step = message.step  # type: ignore[attr-defined]
    layer = message.layers[0]
    await client.send(FetchLayer(1, JOB, 0, 0, layer.height))
    pixels = (await client.expect(LayerPixels)).pixels
    assert isinstance(pixels.data, bytes)
    return pixels.data


async def test_each_client_sees_its_own_canvas_and_all_of_them_get_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, server.client() as one, server.client(OTHER) as other:
        pens = [
            await Pen(client, live(f"{number}", seed=number)).start()
            for number, client in enumerate((one, other))
        ]
        for _ in range(30):
            for pen in pens:
                await pen.draw()
            await asyncio.sleep(0.002)
        for pen in pens:
            await pen.until_shown(30)


async def test_who_takes_no_preview_gets_one_and_then_the_newest(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, server.client() as client:
        pen = await Pen(client, live()).start()
        await pen.draw()
        first = await client.expect(LivePreview)
        for _ in range(20):
            await pen.draw()
            await asyncio.sleep(0.03)
        await pen.take(first)
        assert (await pen.preview()).input == 21


async def test_sessions_of_a_client_that_has_gone_take_no_time_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPASTO_FAKE_STEP_S", "0.3")
    async with serving(tmp_path) as server, server.client(PAINTER) as client:
        async with server.client(OTHER) as gone:
            await (await Pen(gone, live(steps=150)).start()).draw()
            await gone.expect(LiveStatus)
            await asyncio.sleep(0.5)  # in the middle of a frame of 45 s
        pen = await Pen(client, live(steps=1)).start()
        await pen.until_shown(await pen.draw())
