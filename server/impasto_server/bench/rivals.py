"""The forms in which other programs send pictures, served honestly: `python -m impasto_server.bench.rivals
SIDE`.

Each takes the canvas with a new stroke (RGBA), makes pixels of it as it must, and answers with a full preview
(RGB):

* PNG both ways, level 1, binary frames on a WebSocket: ComfyUI's and krita-ai-diffusion's form.
* PNG in base64 in JSON over HTTP, level 6 (Pillow's default, which it leaves in place): A1111's form.
* PNG, level 1, of the changed rectangle up, raw pixels down, on a WebSocket: the best one can do with PNG.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import sys
from typing import Any

import aiohttp
import cv2
import numpy as np
from aiohttp import web
from PIL import Image

from impasto_server.bench.picture import Image as Pixels
from impasto_server.bench.picture import painting

__all__ = ["LARGEST_BYTES", "Rivals", "decode", "encode", "rectangle"]

LARGEST_BYTES = 512 << 20
_CORNER = struct.Struct("<II")  # x, y of the rectangle, px


def encode(pixels: Pixels, level: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=level)
    return buffer.getvalue()


def decode(png: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(png)))


def rectangle(old: Pixels, new: Pixels) -> tuple[int, int, int, int]:
    """(x, y, right, bottom) of what differs. A whole pixel is compared as one number, which is the fastest
    way."""
    differs = (old.view(np.uint32)[:, :, 0] != new.view(np.uint32)[:, :, 0]).view(np.uint8)
    x, y, width, height = cv2.boundingRect(differs)
    return x, y, x + width, y + height


class Rivals:
    """The client's side. Each method is one round trip: picture up, preview down, both as pixels."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._http: aiohttp.ClientSession
        self._png: aiohttp.ClientWebSocketResponse
        self._part: aiohttp.ClientWebSocketResponse

    async def open(self) -> None:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        for name in ("png", "part"):
            socket = await self._http.ws_connect(
                f"{self._url}/{name}", max_msg_size=LARGEST_BYTES, compress=0
            )
            setattr(self, f"_{name}", socket)

    async def close(self) -> None:
        await self._png.close()
        await self._part.close()
        await self._http.close()

    async def png(self, _old: Pixels, new: Pixels) -> Pixels:
        await self._png.send_bytes(encode(new, 1))
        return decode(await self._png.receive_bytes())

    async def base64_json(self, _old: Pixels, new: Pixels) -> Pixels:
        body = json.dumps({"init_images": [base64.b64encode(encode(new, 6)).decode()]})
        async with self._http.post(f"{self._url}/json", data=body) as answer:
            return decode(base64.b64decode(json.loads(await answer.text())["images"][0]))

    async def part(self, old: Pixels, new: Pixels) -> Pixels:
        x, y, right, bottom = rectangle(old, new)
        part = np.ascontiguousarray(new[y:bottom, x:right])
        await self._part.send_bytes(_CORNER.pack(x, y) + encode(part, 1))
        side = new.shape[0]
        return np.frombuffer(await self._part.receive_bytes(), np.uint8).reshape(side, side, 3)


class _Server:
    def __init__(self, side: int) -> None:
        self._preview: Pixels = np.ascontiguousarray(painting(side, seed=1)[:, :, :3])
        self._mirror: Pixels = np.zeros((side, side, 4), np.uint8)

    async def png(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=LARGEST_BYTES, compress=False)
        await socket.prepare(request)
        async for message in socket:
            self._mirror = decode(message.data)
            await socket.send_bytes(encode(self._preview, 1))
        return socket

    async def part(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=LARGEST_BYTES, compress=False)
        await socket.prepare(request)
        async for message in socket:
            x, y = _CORNER.unpack_from(message.data)
            part = decode(message.data[_CORNER.size :])
            mirror = self._mirror.copy() if not self._mirror.flags.writeable else self._mirror
            mirror[y : y + part.shape[0], x : x + part.shape[1]] = part
            self._mirror = mirror
            await socket.send_bytes(self._preview.tobytes())
        return socket

    async def json(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = json.loads(await request.text())
        self._mirror = decode(base64.b64decode(body["init_images"][0]))
        image = base64.b64encode(encode(self._preview, 6)).decode()
        return web.Response(text=json.dumps({"images": [image]}), content_type="application/json")


def _main(side: int) -> None:
    server = _Server(side)
    app = web.Application(client_max_size=LARGEST_BYTES)
    app.router.add_get("/png", server.png)
    app.router.add_get("/part", server.part)
    app.router.add_post("/json", server.json)

    async def started(runner: web.AppRunner) -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()  # until the bench ends this process

    asyncio.run(started(web.AppRunner(app, access_log=None)))


if __name__ == "__main__":
    import asyncio

    _main(int(sys.argv[1]))
