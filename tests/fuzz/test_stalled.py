"""Two hundred sockets that stall, each in its own way, hold nobody up and are gone within half a minute."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from impasto_protocol import codec
from impasto_protocol.messages import CanvasPixels, Hello, OpenCanvas, ReadCanvas
from impasto_protocol.rasters import PixelFormat

from tests.front.harness import OTHER, Served, served

COUNT = 200
GONE_S = 30.0


def upgrade(server: Served) -> bytes:
    return (
        f"GET /v1 HTTP/1.1\r\nHost: 127.0.0.1:{server.info.port}\r\n"
        f"Authorization: Bearer {server.info.token}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def frame(payload: bytes) -> bytes:
    """A client's frame with the mask zero."""
    length = len(payload)
    head = (
        bytes([0x82, 0x80 | length])
        if length < 126
        else bytes([0x82, 0x80 | 126]) + length.to_bytes(2, "big")
    )
    return head + bytes(4) + payload


def kinds(server: Served) -> list[bytes]:
    hello = frame(codec.encode(Hello(1, OTHER, "stalls")))
    body = (
        f"POST /v1 HTTP/1.1\r\nHost: 127.0.0.1:{server.info.port}\r\nContent-Length: 100000\r\n\r\nonce upon"
    )
    return [
        b"",  # says nothing
        b"GET /v1 HTTP/1.1\r\nHost: 127.0",  # half a header
        body.encode(),  # half a body
        upgrade(server)[:-2],  # all but the last line
        upgrade(server),  # no Hello
        upgrade(server) + hello[:9],  # half a Hello
        upgrade(server) + hello,  # a client that answers no ping
        upgrade(server) + hello + b"\x82\xff" + (64 << 20).to_bytes(8, "big") + bytes(1004),  # half a frame
    ]


async def stall(server: Served, said: bytes) -> float:
    """Seconds until the server hangs up."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(server.info.host, server.info.port, limit=1 << 20)
    try:
        writer.write(said)
        try:
            while await reader.read(1 << 16):
                pass
        except ConnectionError:
            pass
        return time.monotonic() - began
    finally:
        writer.close()


async def paint(server: Served, stop: asyncio.Event) -> list[float]:
    """Round trips of an honest client, in ms."""
    trips = []
    async with server.client() as client:
        await client.send(OpenCanvas("c", 256, 256, PixelFormat.RGB8))
        while not stop.is_set():
            began = time.perf_counter()
            await client.send(ReadCanvas(1, "c", 0, 256))
            await client.expect(CanvasPixels)
            trips.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.02)
    return trips


@pytest.mark.heavy
async def test_stalled_sockets_hold_nobody_up_and_are_gone_in_half_a_minute(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        said = kinds(server)
        stop = asyncio.Event()
        honest = asyncio.ensure_future(paint(server, stop))
        stalled = [asyncio.ensure_future(stall(server, said[i % len(said)])) for i in range(COUNT)]
        await asyncio.sleep(1.0)
        async with server.client() as newcomer:  # others still get in
            await newcomer.send(OpenCanvas("c", 8, 8, PixelFormat.RGB8))
            await newcomer.send(ReadCanvas(1, "c", 0, 8))
            await newcomer.expect(CanvasPixels)
        done, pending = await asyncio.wait(stalled, timeout=GONE_S)
        stop.set()
        trips = sorted(await honest)
        for task in pending:
            task.cancel()
        assert not pending, f"{len(pending)} of {COUNT} were still there after {GONE_S} s"
        longest = max(task.result() for task in done)
        print(
            f"{COUNT} stalled, the last gone after {longest:.1f} s; {len(trips)} honest round trips, "
            f"p50 {trips[len(trips) // 2]:.1f} ms, p99 {trips[int(len(trips) * 0.99)]:.1f} ms"
        )
        assert len(trips) > 100


async def test_a_frame_that_dribbles_does_not_hold_others_up(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        _, writer = await asyncio.open_connection(server.info.host, server.info.port)
        writer.write(upgrade(server) + frame(codec.encode(Hello(1, OTHER, "dribbles"))))
        writer.write(b"\x82\xff" + (64 << 20).to_bytes(8, "big") + bytes(4))
        async with server.client() as client:
            await client.send(OpenCanvas("c", 8, 8, PixelFormat.RGB8))
            for request in range(50):
                writer.write(b"x")
                await client.send(ReadCanvas(request, "c", 0, 8))
                assert (await client.expect(CanvasPixels)).request == request
        writer.close()
