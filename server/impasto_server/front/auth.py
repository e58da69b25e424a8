"""Who may talk to the server: a token in a private file, and the rules that keep browsers out.

Any page in a browser can make its reader's machine send requests to 127.0.0.1 (cross-site requests, DNS
rebinding, 0.0.0.0-day). So a request must name this server in `Host`, must not come from a page (`Origin`),
and must carry the token, in this order; each rule alone stops the attacks of `docs/security.md`. All of it
happens on the headers, before any body is read. There are no CORS headers.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from impasto_protocol import places

__all__ = [
    "HEADER_BYTES",
    "ServerInfo",
    "make_guard",
    "new_token",
    "private_folder",
    "publish",
    "withdraw",
    "write_private",
]

TOKEN_BYTES = 32
HEADER_BYTES = 4096  # all that is read before authentication

_HARDENING = {
    "Server": "impasto",  # instead of the versions of Python and aiohttp
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class ServerInfo:
    """What `server.json` holds: how a client of the same user finds and enters the server."""

    host: str
    port: int
    pid: int
    version: str
    token: str = field(repr=False)  # so that no log line can show it


def new_token() -> str:
    """256 random bits as 64 hex digits."""
    return secrets.token_hex(TOKEN_BYTES)


def private_folder(folder: Path) -> None:
    """Makes `folder`, and takes it away from everybody but its owner (Windows: by its parent)."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name != "nt" and folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def publish(home: Path, info: ServerInfo) -> None:
    """Writes `server.json`."""
    private_folder(home)
    write_private(places.server_file(home), asdict(info))


def write_private(target: Path, fields: Mapping[str, object]) -> None:
    """Writes JSON whole or not at all, readable by the owner only from its first byte on."""
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(fields, file)
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def withdraw(home: Path, info: ServerInfo) -> None:
    """Removes `server.json` if it is still this server's."""
    target = places.server_file(home)
    try:
        if json.loads(target.read_text("utf-8")).get("token") == info.token:
            target.unlink(missing_ok=True)
    except (OSError, ValueError, AttributeError):
        return


def make_guard(token: str, hosts: Sequence[str]) -> Middleware:
    """Middleware that lets a request through only if it comes from a program of this user.

    `hosts`: what `Host` may say, lower case, with the port. Answers 431, 421, 403 or 401, closing the
    connection.
    """
    allowed = frozenset(hosts)
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = _refusal(request, allowed, expected)
        if refusal is None:
            return await handler(request)
        status, sentence = refusal
        response = web.Response(status=status, text=sentence + "\n")
        if status == web.HTTPUnauthorized.status_code:
            response.headers["WWW-Authenticate"] = "Bearer"
        response.force_close()
        return response

    return guard


async def harden(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """An `on_response_prepare` signal: headers that every answer carries."""
    response.headers.update(_HARDENING)


def _refusal(request: web.Request, hosts: frozenset[str], expected: bytes) -> tuple[int, str] | None:
    if sum(len(name) + len(value) for name, value in request.raw_headers) > HEADER_BYTES:
        return 431, "The headers are too long."
    named = request.headers.getall("Host", [])
    if len(named) != 1 or named[0].lower() not in hosts:
        return 421, "This server answers only to its own address."
    if "Origin" in request.headers:  # it has no pages of its own yet: every origin is foreign
        return 403, "This server does not answer web pages."
    shown = request.headers.getall("Authorization", [])
    if len(shown) != 1 or not hmac.compare_digest(shown[0].encode("utf-8", "surrogateescape"), expected):
        return (
            401,
            "The token is missing or wrong. It is in server.json in Impasto's folder, new at each start.",
        )
    return None
