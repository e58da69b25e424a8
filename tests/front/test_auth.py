"""Only a program of this user gets in: not a web page, not a rebound name, not a guess."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import stat
from pathlib import Path

import pytest
from impasto_server.front.auth import ServerInfo, new_token, private_folder, publish, withdraw

from .harness import Served, served

INFO = ServerInfo("127.0.0.1", 8641, 7, "0.1.0", "s" * 64)
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def ask(server: Served, request: str) -> int:
    """The status of the answer to a request whose body, if it announces one, is never sent."""
    reader, writer = await asyncio.open_connection(server.info.host, server.info.port)
    try:
        writer.write(request.encode("latin-1"))
        line = await asyncio.wait_for(reader.readline(), 10)
        return int(line.split()[1])
    finally:
        writer.close()


def request(
    server: Served,
    host: str | None = "127.0.0.1:{port}",
    origin: str | None = None,
    authorization: str | None = "Bearer {token}",
    more: str = "",
    line: str = "GET /v1/health HTTP/1.1",
) -> str:
    named = {"Host": host, "Origin": origin, "Authorization": authorization}
    headers = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value is not None)
    filled = headers.format(port=server.info.port, token=server.info.token)
    return f"{line}\r\n{filled}{more}\r\n"


def test_the_token_is_256_bits_and_never_the_same() -> None:
    tokens = {new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(bytes.fromhex(token)) == 32 for token in tokens)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_token_lies_in_a_private_file_in_a_private_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    old = os.umask(0)
    try:
        publish(home, INFO)
    finally:
        os.umask(old)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "server.json").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["server.json"]
    assert json.loads((home / "server.json").read_text()) == {
        "host": "127.0.0.1",
        "port": 8641,
        "pid": 7,
        "version": "0.1.0",
        "token": "s" * 64,
    }


def test_a_server_takes_away_its_own_file_only(tmp_path: Path) -> None:
    private_folder(tmp_path)
    later = ServerInfo("127.0.0.1", 8642, 8, "0.1.0", "t" * 64)
    publish(tmp_path, later)
    withdraw(tmp_path, INFO)
    assert (tmp_path / "server.json").exists()
    withdraw(tmp_path, later)
    assert not (tmp_path / "server.json").exists()
    withdraw(tmp_path, later)


def test_no_log_line_can_show_the_token() -> None:
    assert INFO.token not in f"{INFO} {INFO!r}"


async def test_who_has_the_token_and_comes_from_no_page_gets_in(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for host in ("127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}"):
            assert await ask(server, request(server, host)) == 200
        line = "GET /v1 HTTP/1.1"
        assert await ask(server, request(server, line=line, more=UPGRADE)) == 101


HOSTS = ("127.0.0.1:{port}", "evil.example:{port}", "127.0.0.1", "0.0.0.0:{port}", None)
ORIGINS = (None, "https://evil.example", "null", "http://127.0.0.1:{port}")
AUTHORIZATIONS = ("Bearer {token}", "Bearer " + "0" * 64, "bearer {token}", "Basic {token}", "Bearer ", None)
REFUSED = [
    case
    for case in itertools.product(HOSTS, ORIGINS, AUTHORIZATIONS)
    if case != ("127.0.0.1:{port}", None, "Bearer {token}")
]


async def test_every_other_case_is_refused_before_its_body_is_read(tmp_path: Path) -> None:
    """119 cases of Host × Origin × token, each for both addresses; the megabyte they announce never comes."""
    body = "Content-Length: 1000000\r\n"
    async with served(tmp_path) as server:
        for host, origin, authorization in REFUSED:
            expected = 421 if host != HOSTS[0] else 403 if origin is not None else 401
            for line, more in (("POST /v1/health HTTP/1.1", body), ("GET /v1 HTTP/1.1", UPGRADE)):
                status = await ask(server, request(server, host, origin, authorization, more, line))
                # aiohttp itself refuses a request that names no host
                assert status == expected or (host is None and status == 400), (host, origin, authorization)
        assert server.desk.subscriptions == []


async def test_a_header_said_twice_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        twice = f"Authorization: Bearer {server.info.token}\r\n"
        assert await ask(server, request(server, more=twice)) in (400, 401)
        assert await ask(server, request(server, more=f"Host: 127.0.0.1:{server.info.port}\r\n")) in (
            400,
            421,
        )


async def test_headers_are_bounded_before_authentication(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        many = "".join(f"X-{i}: {'x' * 900}\r\n" for i in range(6))
        assert await ask(server, request(server, authorization=None, more=many)) == 431
        for more in ("X: " + "x" * 5000 + "\r\n", "".join(f"X-{i}: x\r\n" for i in range(100))):
            assert await ask(server, request(server, more=more)) == 400


async def test_there_is_nothing_else_to_find(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for line, status in (
            ("GET / HTTP/1.1", 404),
            ("GET /v1/../../etc/passwd HTTP/1.1", 404),
            ("GET /v1/%2e%2e/x HTTP/1.1", 404),
            ("POST /v1/health HTTP/1.1", 405),
            ("OPTIONS /v1 HTTP/1.1", 405),
        ):
            assert await ask(server, request(server, line=line)) == status
            assert await ask(server, request(server, line=line, authorization=None)) == 401


async def test_answers_let_no_page_read_them(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for headers in (server.bearer, {}, {"Origin": "https://evil.example"}):
            async with server.session.get(server.url + "/health", headers=headers) as answer:
                assert not [name for name in answer.headers if name.lower().startswith("access-control")]
                assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Server"] == "impasto"
                assert server.info.token not in await answer.text()


async def test_the_token_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with served(tmp_path) as server:
        async with server.client():
            pass
        await ask(server, request(server, authorization="Bearer wrong{token}"))
        assert server.info.token not in caplog.text
