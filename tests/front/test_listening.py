"""The socket: loopback only, one server per home and port, and no patience with those who stall."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest
from aiohttp import web
from impasto_protocol.errors import AlreadyRunning, PortTaken
from impasto_server.config import Config
from impasto_server.front.gate import Gate
from impasto_server.front.listening import bind
from impasto_server.front.lock import only_server

from .harness import served


async def test_only_the_loopback_is_bound(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "localhost"):
        with bind(Config(home=tmp_path, host=host, port=0)) as listener:
            assert listener.getsockname()[0] == "127.0.0.1"


async def test_a_taken_port_is_said_with_its_number(tmp_path: Path) -> None:
    with bind(Config(home=tmp_path, port=0)) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            bind(Config(home=tmp_path, port=port))


def test_a_second_server_in_one_home_is_told_who_runs(tmp_path: Path) -> None:
    with only_server(tmp_path):
        with pytest.raises(AlreadyRunning, match="already runs"), only_server(tmp_path):
            pass
        (tmp_path / "server.json").write_text(json.dumps({"pid": 4711, "port": 8641}))
        with pytest.raises(AlreadyRunning, match="process 4711, port 8641"), only_server(tmp_path):
            pass
    with only_server(tmp_path):  # the lock ends with its holder
        pass


async def test_health_says_who_answers_and_on_what_it_paints(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for device in ("cpu", None):
            server.desk.device = device
            async with server.session.get(server.url + "/health", headers=server.bearer) as answer:
                assert await answer.json() == {"version": server.info.version, "device": device}


async def test_clients_find_the_server_while_it_listens_and_not_after(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        found = json.loads((tmp_path / "server.json").read_text())
        assert (found["port"], found["token"]) == (server.info.port, server.info.token)
    assert not (tmp_path / "server.json").exists()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(server.info.host, server.info.port)


class Stranger:
    """A raw TCP connection to a gate."""

    @classmethod
    async def to(cls, port: int, said: bytes = b"") -> Stranger:
        self = cls()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.writer.write(said)
        return self

    async def ended(self) -> bool:
        try:
            await asyncio.wait_for(self.reader.read(), 10)
        except ConnectionError:
            pass
        except asyncio.TimeoutError:
            return False
        self.writer.close()
        return True

    @property
    def open(self) -> bool:
        return not self.reader.at_eof() and self.reader.exception() is None


async def gated(gate: Gate) -> tuple[asyncio.AbstractServer, int]:
    server = await asyncio.get_running_loop().create_server(gate, "127.0.0.1", 0, backlog=256)
    return server, server.sockets[0].getsockname()[1]


async def answer(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="hello")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /v1 HTTP/1.1\r\nHost: loc",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf a bo",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",  # answered, and kept open
    ],
)
async def test_whoever_does_not_become_a_client_in_time_is_cut(said: bytes) -> None:
    server, port = await gated(Gate(web.Server(answer), admission_s=0.05))
    async with server:
        assert await (await Stranger.to(port, said)).ended()


async def test_a_client_that_was_let_in_stays() -> None:
    gate: Gate

    async def let_in(request: web.BaseRequest) -> web.StreamResponse:
        assert gate.admit(request.protocol) is not None
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(0.3)
        await response.write(b"still here")
        return response

    gate = Gate(web.Server(let_in), admission_s=0.05)
    server, port = await gated(gate)
    async with server:
        stranger = await Stranger.to(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"still here" in await asyncio.wait_for(stranger.reader.readuntil(b"here"), 10)
        stranger.writer.close()


async def test_a_full_waiting_room_loses_its_oldest(tmp_path: Path) -> None:
    server, port = await gated(Gate(web.Server(answer), admission_s=60, waiting=3))
    async with server:
        strangers = []
        for _ in range(5):
            strangers.append(await Stranger.to(port))
            await asyncio.sleep(0.02)
        assert [await one.ended() for one in strangers[:2]] == [True, True]
        assert [one.open for one in strangers[2:]] == [True, True, True]
        for one in strangers[2:]:
            one.writer.close()


async def test_a_burst_of_strangers_is_cut_to_the_last(tmp_path: Path) -> None:
    """Connections that are pushed out before asyncio has set them up must not escape the clock."""
    server, port = await gated(Gate(web.Server(answer), admission_s=0.2, waiting=2))
    async with server:
        sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
        for one in sockets:
            one.setblocking(False)
            try:
                assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(one, 1), 10) == b""
            except ConnectionError:
                pass
            one.close()


async def test_no_more_clients_than_there_are_places(tmp_path: Path) -> None:
    left = []

    async def let_in(request: web.BaseRequest) -> web.StreamResponse:
        done = gate.admit(request.protocol)
        left.append(done)
        return web.Response(status=503 if done is None else 200)

    gate = Gate(web.Server(let_in), admitted=1)
    server, port = await gated(gate)
    async with server:
        for expected in (b"200", b"503"):
            stranger = await Stranger.to(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert expected in await asyncio.wait_for(stranger.reader.readline(), 10)
            stranger.writer.close()
        left[0]()
        stranger = await Stranger.to(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in await asyncio.wait_for(stranger.reader.readline(), 10)
        stranger.writer.close()
