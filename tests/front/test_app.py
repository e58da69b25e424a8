"""A whole server, all but its workers: it starts once, paints, stops when told, and goes on where it was."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from impasto_protocol import places
from impasto_protocol.errors import AlreadyRunning, PortTaken
from impasto_protocol.messages import (
    CanvasAck,
    CanvasRef,
    CanvasRows,
    FetchInput,
    FetchLayer,
    InputPixels,
    InputRef,
    JobChanged,
    LayerPixels,
    ListModels,
    ModelList,
    OpenCanvas,
    Pixels,
)
from impasto_protocol.rasters import PixelFormat
from impasto_server.blobs import BlobStore
from impasto_server.config import Config
from impasto_server.front.app import serve
from impasto_server.front.auth import ServerInfo

from tests.fakes.engine import MODEL
from tests.fakes.pool import FakePool

from .harness import Client, Served, raster, submit

RGB8 = PixelFormat.RGB8


def pool_for(home: Path) -> FakePool:
    return FakePool(BlobStore(places.blob_folder(home)))


async def started(home: Path, pool: FakePool, port: int = 0) -> tuple[asyncio.Task[None], ServerInfo]:
    """A running `serve`. Raises what it raises if it does not get that far."""
    ready: asyncio.Future[ServerInfo] = asyncio.get_running_loop().create_future()
    server = asyncio.ensure_future(serve(Config(home=home, port=port), pool, on_ready=ready.set_result))
    await asyncio.wait({server, ready}, return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        await server
    return server, ready.result()


@asynccontextmanager
async def running(home: Path, pool: FakePool) -> AsyncIterator[Served]:
    server, info = await started(home, pool)
    async with aiohttp.ClientSession() as session:
        yield Served(info, None, Config(home=home, port=0), session)
        server.cancel()
        await asyncio.wait({server})


async def test_a_picture_goes_in_and_a_layer_comes_out(tmp_path: Path) -> None:
    pool = pool_for(tmp_path)
    picture = raster(64, 64, RGB8, 5)
    async with running(tmp_path, pool) as server, server.client() as client:
        await pool.come_up()
        await client.send(ListModels(1))
        assert await client.expect(ModelList) == ModelList(1, (MODEL,))
        await client.send(OpenCanvas("c", 64, 64, RGB8))
        await client.send(CanvasRows("c", 1, 0, Pixels(64, 64, RGB8, picture)))
        await client.expect(CanvasAck)
        job = submit(1, model=MODEL.model, image=CanvasRef("c", 1))
        await client.send(job)
        assert (await client.expect(JobChanged)).state == "queued"
        assert (await client.expect(JobChanged)).state == "running"
        await pool.end()
        done = await client.expect(JobChanged)
        assert done.state == "done"
        layer = done.layers[0]
        await client.send(FetchLayer(2, job.job, 0, 0, layer.height))
        pixels = (await client.expect(LayerPixels)).pixels
        assert (pixels.width, pixels.height, pixels.format) == (layer.width, layer.height, layer.format)
        ref = pool.runs[0][1].pictures["image"]
        assert isinstance(ref, InputRef)
        await client.send(FetchInput(3, ref.digest, 0, 64))
        assert (await client.expect(InputPixels)).pixels.data == picture


async def test_one_home_has_one_server(tmp_path: Path) -> None:
    async with running(tmp_path, pool_for(tmp_path)) as server:
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}, port {server.info.port}"):
            await started(tmp_path, pool_for(tmp_path))


async def test_a_taken_port_stops_the_start_before_anything_is_touched(tmp_path: Path) -> None:
    async with running(tmp_path / "one", pool_for(tmp_path / "one")) as server:
        with pytest.raises(PortTaken):
            await started(tmp_path / "two", pool_for(tmp_path / "two"), server.info.port)
        assert not places.journal_file(tmp_path / "two").exists()


async def to_the_end(client: Client) -> None:
    while await client.receive() is not None:
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_and_the_next_one_goes_on(tmp_path: Path, number: int) -> None:
    before = signal.getsignal(number)
    first = pool_for(tmp_path)
    server, info = await started(tmp_path, first)
    async with (
        aiohttp.ClientSession() as session,
        Served(info, None, Config(home=tmp_path), session).client() as client,
    ):
        await first.come_up()
        await client.send(submit(1, model=MODEL.model, width=64, height=64))
        await client.expect(JobChanged)
        reading = asyncio.ensure_future(to_the_end(client))
        os.kill(os.getpid(), number)
        await asyncio.wait_for(server, 20)
        await reading
        assert client.socket.close_code == 1001
    assert not places.server_file(tmp_path).exists()
    assert signal.getsignal(number) == before
    second = pool_for(tmp_path)
    async with running(tmp_path, second) as again, again.client() as client:
        assert again.info.token != info.token
        await second.come_up()
        while (await client.expect(JobChanged)).state != "running":
            pass
        assert [command.generate.prompt for _, command in second.runs] == ["a fox"]
        await second.end()
        assert (await client.expect(JobChanged)).state == "done"
