"""Pixels through shared memory: only for a client that reads there, and nothing stays behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from impasto_protocol import places
from impasto_protocol.messages import (
    CanvasAck,
    CanvasPixels,
    CanvasRows,
    OpenCanvas,
    Pixels,
    Problem,
    ReadCanvas,
    Release,
    SharedBytes,
)
from impasto_protocol.rasters import PixelFormat
from impasto_protocol.shared_memory import SegmentPool, SharedFolder
from impasto_server.front.sharing import sweep_dead

from .harness import Client, raster, served

RGB8 = PixelFormat.RGB8
SIZE = 256 * 256 * 3


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test's own, where others share the machine's."""
    monkeypatch.setattr(places, "shared_folder", lambda home: home / "shm")
    return tmp_path / "shm"


async def read(client: Client, request: int) -> Pixels:
    await client.send(ReadCanvas(request, "c", 0, 256))
    return (await client.expect(CanvasPixels)).pixels


async def test_memory_is_lent_to_a_client_that_has_shown_it_reads_there(tmp_path: Path, folder: Path) -> None:
    async with served(tmp_path) as server, server.client(shared_memory=True) as client:
        assert client.welcome is not None
        assert "shared-memory" in client.welcome.capabilities
        offer = client.welcome.shared
        assert offer is not None
        assert SharedFolder(folder).accepts(offer)
        await client.send(OpenCanvas("c", 256, 256, RGB8))
        assert (await read(client, 1)).data == bytes(SIZE)  # not shown yet
        await client.send(Release(offer.probe))
        first, second = (await read(client, 2)).shared, (await read(client, 3)).shared
        assert first is not None
        assert second is not None
        assert first.name != second.name  # not released yet
        assert SharedFolder(folder).copy_out(first) == bytes(SIZE)
        await client.send(Release(first.name))
        third = (await read(client, 4)).shared
        assert third is not None
        assert third.name == first.name


async def test_a_small_answer_comes_in_its_frame(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client(shared_memory=True) as client:
        assert client.welcome is not None
        assert client.welcome.shared is not None
        await client.send(Release(client.welcome.shared.probe))
        await client.send(OpenCanvas("c", 8, 8, RGB8))
        await client.send(ReadCanvas(1, "c", 0, 8))
        assert (await client.expect(CanvasPixels)).pixels.data == bytes(192)


async def test_a_client_hands_pixels_over_and_gets_its_memory_back(tmp_path: Path, folder: Path) -> None:
    picture = raster(256, 256, RGB8, 7)
    async with served(tmp_path) as server, server.client(shared_memory=True) as client:
        mine = SegmentPool(folder)
        shared = mine.lend(picture)
        assert shared is not None
        await client.send(OpenCanvas("c", 256, 256, RGB8))
        await client.send(CanvasRows("c", 1, 0, Pixels(256, 256, RGB8, shared=shared)))
        assert await client.expect(Release) == Release(shared.name)
        assert await client.expect(CanvasAck) == CanvasAck("c", 1)
        reply = await read(client, 1)
        assert reply.shared is not None  # handing over is proof enough
        assert SharedFolder(folder).copy_out(reply.shared) == picture
        mine.close()


@pytest.mark.parametrize(
    "shared",
    [
        SharedBytes("../server.json", SIZE),
        SharedBytes("1-0123456789abcdef", SIZE),
        SharedBytes("", SIZE),
        SharedBytes("1-0123456789abcdef", SIZE - 1),
        SharedBytes("1-0123456789abcdef", -1),
        SharedBytes("1-0123456789abcdef", 1 << 62),
    ],
)
async def test_memory_that_is_not_there_is_refused(tmp_path: Path, shared: SharedBytes) -> None:
    async with served(tmp_path) as server, server.client(shared_memory=True) as client:
        await client.send(OpenCanvas("c", 256, 256, RGB8))
        await client.send(CanvasRows("c", 1, 0, Pixels(256, 256, RGB8, shared=shared)))
        assert (await client.expect(Problem)).canvas == "c"
        assert (await read(client, 1)).data == bytes(SIZE)


async def test_nothing_is_left_in_memory_when_a_client_goes(tmp_path: Path, folder: Path) -> None:
    async with served(tmp_path) as server, server.client(shared_memory=True) as client:
        assert client.welcome is not None
        assert client.welcome.shared is not None
        await client.send(Release(client.welcome.shared.probe))
        await client.send(OpenCanvas("c", 256, 256, RGB8))
        assert (await read(client, 1)).shared is not None
        assert len(os.listdir(folder)) == 2
    assert os.listdir(folder) == []


async def test_a_client_that_cannot_share_is_offered_nothing(tmp_path: Path, folder: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        assert client.welcome is not None
        assert client.welcome.shared is None
        assert "shm" not in os.listdir(tmp_path)


def test_what_the_dead_left_behind_is_swept(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "3fffffff-0123456789abcdef").write_bytes(b"x")  # beyond any process id
    (folder / f"{os.getpid():x}-0123456789abcdef").write_bytes(b"x")
    assert sweep_dead(folder) == 1
    assert [path.name for path in folder.iterdir()] == [f"{os.getpid():x}-0123456789abcdef"]
