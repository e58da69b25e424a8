"""Frames reach the other side whole, and what was lent for them is kept until they have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, web
from impasto_server.front.wire import WebSocketWire, frame_head


class Open:
    """As much of a WebSocket as the wire asks about."""

    closed = False


@asynccontextmanager
async def stalled_peer() -> AsyncIterator[tuple[WebSocketWire, asyncio.StreamReader]]:
    """A wire, and its other end, which reads nothing by itself."""
    ends: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    ends = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda *end: ends.set_result(end), "127.0.0.1", 0, limit=1024)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        reader, back = await ends
        transport: Any = writer.transport
        yield WebSocketWire(Open(), transport, writer), reader  # type: ignore[arg-type]
        transport.abort()
        back.transport.abort()


async def test_pixels_are_not_given_back_while_any_of_them_is_unsent() -> None:
    async with stalled_peer() as (wire, reader):
        while wire.write((b"head", memoryview(bytes(4096)))):
            pass  # until the kernel takes no more
        left = wire.unsent()
        assert 0 < left < 8192
        flushed = asyncio.ensure_future(wire.flushed())
        await asyncio.sleep(0.05)
        assert not flushed.done()
        while not flushed.done():
            await asyncio.wait_for(reader.read(1 << 16), 10)
            await asyncio.sleep(0)
        assert wire.unsent() == 0


async def test_nothing_is_written_to_a_closed_connection() -> None:
    async with stalled_peer() as (wire, _):
        wire.abort()
        with pytest.raises(ConnectionResetError):
            wire.write((b"x",))


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 1 << 20])
async def test_frames_of_every_length_are_read_by_a_websocket(length: int) -> None:
    picture = bytes(range(256)) * (length // 256 + 1)

    async def speak(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        writer = await ws.prepare(request)
        assert writer is not None
        assert request.transport is not None
        wire = WebSocketWire(ws, request.transport, writer)
        for parts in ((picture[:length],), (b"", memoryview(picture)[:length]), (b"x" * 20_000, b"y")):
            if not wire.write(parts):
                await wire.flushed()
        await ws.close()
        return ws

    app = web.Application()
    app.router.add_get("/", speak)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with (
        ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{port}/", max_msg_size=0) as ws,
    ):
        for expected in (picture[:length], picture[:length], b"x" * 20_000 + b"y"):
            message = await ws.receive(10)
            assert message.type is WSMsgType.BINARY
            assert message.data == expected
    await runner.cleanup()


def test_a_head_says_how_long_its_frame_is() -> None:
    assert frame_head(5) == b"\x82\x05"
    assert frame_head(300) == b"\x82\x7e\x01\x2c"
    assert frame_head(70_000) == b"\x82\x7f" + (70_000).to_bytes(8, "big")
