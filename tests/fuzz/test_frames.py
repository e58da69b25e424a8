"""Twenty thousand malformed frames: the server neither falls nor grows, and the next good job works.

A third are random bytes, a third real messages with a few bytes changed, cut, doubled or swapped for hostile
lengths, and a third well-formed messages with wild values in them.
The server runs in its own process, so that its memory is its own.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgpack
import psutil
import pytest
from impasto_protocol import codec
from impasto_protocol.messages import (
    Camera,
    Cancel,
    CanvasAck,
    CanvasRef,
    CanvasRows,
    CanvasTiles,
    CloseCanvas,
    FetchInput,
    FetchLayer,
    Forget,
    Hello,
    InputRef,
    JobChanged,
    ListJobs,
    ListModels,
    LiveControl,
    LiveInput,
    LiveRequest,
    LiveSeen,
    OpenCanvas,
    Pixels,
    Problem,
    ReadCanvas,
    Release,
    SharedBytes,
    StartLive,
    StopLive,
    Submit,
    TextureRequest,
    TextureTarget,
    TextureView,
)
from impasto_protocol.rasters import PixelFormat

from tests.front.harness import Client, raster, submit

RGB8 = PixelFormat.RGB8
CLIENT = "c" * 32
GROWTH_MIB = 16
MARKED = 2**40
MARK = codec.encode(ReadCanvas(MARKED, "none", 0, 1))
HOSTILE = [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\x7f\xff\xff\xff"]
WILD = [
    *(
        0,
        1,
        -1,
        63,
        64,
        65,
        2**31,
        2**63 - 1,
        -(2**63),
        2**64 - 1,
        True,
        None,
        0.0,
        -0.5,
        1e308,
        float("nan"),
    ),
    *(
        "",
        "c",
        "rgb8",
        "gray16",
        "zlib",
        "0" * 32,
        "1-0123456789abcdef",
        "../../server.json",
        "x" * 5000,
        "\0",
    ),
    *(b"", b"\0" * 192, b"\0" * 12288, zlib.compress(bytes(12288)), zlib.compress(bytes(1 << 26))),
    *(
        [],
        [0],
        [0, 0],
        [2**40],
        [-1],
        list(range(5000)),
        {},
        {"type": "canvas"},
        {"name": "1", "size": 1 << 60},
    ),
]
CAMERA = Camera(
    (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, -4.0, 0.0, 0.0, 0.0, 1.0),
    (2.5, 0.0, 0.0, 0.0, 0.0, 2.5, 0.0, 0.0, 0.0, 0.0, -1.0, -0.2, 0.0, 0.0, -1.0, 0.0),
    64,
    64,
)
TEXTURE = TextureRequest(
    CanvasRef("c", 1),
    (TextureTarget("cube", 64, 64, InputRef("0" * 64, 64, 64, PixelFormat.RGBA8)),),
    (TextureView(CAMERA, CanvasRef("c", 1), CanvasRef("c", 1), "behind"), TextureView(CAMERA)),
)
SEEDS = [
    codec.encode(message)
    for message in (
        Hello(1, CLIENT, "fuzz", 3, True),
        OpenCanvas("c", 64, 64, RGB8),
        CanvasRows("c", 1, 0, Pixels(64, 2, RGB8, bytes(384))),
        CanvasRows("c", 1, 0, Pixels(64, 64, RGB8, shared=SharedBytes("impasto-1", 12288))),
        CanvasTiles("c", 2, (0,), "raw", bytes(12288)),
        CanvasTiles("c", 2, (0, 1, 2), "zlib", b"x\x9c\x03\x00\x00\x00\x00\x01"),
        CloseCanvas("c"),
        ReadCanvas(1, "c", 0, 64),
        submit(1, image=CanvasRef("c", 1), mask=InputRef("0" * 64, 4, 4, PixelFormat.GRAY8)),
        submit(2, width=512, height=512, strength=0.5, takes=3),
        submit(3, texture=TEXTURE),
        Cancel("0" * 32),
        Forget("0" * 32),
        FetchLayer(1, "0" * 32, 0, 0, 4),
        FetchInput(1, "0" * 64, 0, 4),
        StartLive("l", LiveRequest("c", "a fox", "m", (LiveControl("edges", "c"),), longest_px=64)),
        StartLive("k", LiveRequest("c", "a hen")),
        LiveInput("l", 1),
        LiveInput("k", 1),
        LiveSeen("k", 1),
        StopLive("l"),
        ListJobs(1),
        ListModels(1),
        Release("impasto-1"),
    )
]


def wild(draw: random.Random) -> bytes:
    message = msgpack.unpackb(draw.choice(SEEDS[1:]))
    part = draw.choice(list(_parts(message)))
    part[draw.choice(list(part))] = draw.choice(WILD)
    return bytes(msgpack.packb(message))


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """The maps of a message, however deep."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(inner)


def malformed(draw: random.Random) -> bytes:
    kind = draw.randrange(3)
    if kind == 0:
        return draw.randbytes(draw.choice([0, 1, 2, 8, 64, 512]))
    if kind == 1:
        return wild(draw)
    frame = bytearray(draw.choice(SEEDS))
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(frame) or 1)
        match draw.randrange(5):
            case 0 if frame:
                frame[at] = draw.randrange(256)
            case 1:
                del frame[at:]
            case 2:
                frame[at:at] = frame[at : at + draw.randrange(1, 40)]
            case 3:
                frame[at : at + 1] = draw.choice(HOSTILE)
            case _:
                frame[at:at] = draw.randbytes(draw.randrange(1, 9))
    return bytes(frame)


class Victim:
    """A served front with the fake desk, in a process of its own."""

    def __init__(self, home: Path) -> None:
        root = Path(__file__).resolve().parents[2]
        paths = [str(root), str(root / "protocol"), str(root / "server"), os.environ.get("PYTHONPATH", "")]
        self._log = home / "log.txt"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.victim", str(home)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=root,
            )
        assert self._process.stdout is not None
        self.port, self.token = self._process.stdout.readline().split()

    @property
    def memory_mib(self) -> float:
        return float(psutil.Process(self._process.pid).memory_info().rss / 2**20)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        if self._process.stdout is not None:
            self._process.stdout.close()

    @asynccontextmanager
    async def socket(self, session: aiohttp.ClientSession) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        url = f"http://127.0.0.1:{self.port}/v1"
        async with session.ws_connect(url, headers={"Authorization": f"Bearer {self.token}"}) as socket:
            yield socket


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    one = Victim(tmp_path)
    yield one
    one.stop()


async def good_job(victim: Victim, session: aiohttp.ClientSession, job: Submit) -> None:
    async with victim.socket(session) as socket:
        client = Client(socket)
        await client.send(Hello(1, CLIENT, "honest"))
        await client.send(OpenCanvas("c", 64, 64, RGB8))
        await client.send(CanvasRows("c", 1, 0, Pixels(64, 64, RGB8, raster(64, 64, RGB8, 3))))
        await client.expect(CanvasAck)
        await client.send(job)
        assert (await client.expect(JobChanged)).job == job.job


async def throw(victim: Victim, session: aiohttp.ClientSession, frames: list[bytes], greeted: bool) -> int:
    """Throws frames at the server and waits until it has dealt with each. Returns how many ended a
    connection.

    `greeted`: after a Hello and with a canvas open, so that frames get past the door.
    """
    left = list(reversed(frames))
    ended = 0
    while left:
        async with victim.socket(session) as socket:
            if greeted:
                await socket.send_bytes(SEEDS[0])
                await socket.send_bytes(SEEDS[1])
            while left:
                await socket.send_bytes(left.pop())
                if not await dealt_with(socket):
                    ended += 1
                    break
    return ended


async def dealt_with(socket: aiohttp.ClientWebSocketResponse) -> bool:
    """Asks for a canvas that is not there, behind a frame. True when the refusal comes, False when the server
    hangs up instead.
    """
    try:
        await socket.send_bytes(MARK)
        while True:
            message = await socket.receive(20)
            if message.type is not aiohttp.WSMsgType.BINARY:
                return False
            answer = codec.decode_server(message.data)
            if isinstance(answer, Problem) and answer.request == MARKED:
                return True
    except ConnectionError:
        return False


async def bombard(victim: Victim, count: int, seed: int) -> None:
    draw = random.Random(seed)
    async with aiohttp.ClientSession() as session:
        await good_job(victim, session, submit(1000, image=CanvasRef("c", 1)))
        lanes = 8
        # the first thousand let Python fill its caches and arenas
        for warm, share in ((True, min(1000, count // 4)), (False, count)):
            frames = [malformed(draw) for _ in range(share)]
            ended = await asyncio.gather(
                *[throw(victim, session, frames[i::lanes], greeted=i % 4 != 0) for i in range(lanes)]
            )
            assert victim.alive
            if warm:
                before_mib = victim.memory_mib
        await good_job(victim, session, submit(1001, image=CanvasRef("c", 1)))
        await asyncio.sleep(0.5)
        growth_mib = victim.memory_mib - before_mib
    print(f"{count} frames: {before_mib:.1f} MiB, grown by {growth_mib:.1f} MiB; {sum(ended)} hung up on")
    assert growth_mib < GROWTH_MIB
    assert "Traceback" not in victim.log, victim.log[-3000:]


async def test_a_thousand_malformed_frames_do_no_harm(victim: Victim) -> None:
    await bombard(victim, 1000, seed=1)


@pytest.mark.heavy
async def test_twenty_thousand_malformed_frames_do_no_harm(victim: Victim) -> None:
    await bombard(victim, 20_000, seed=2)
