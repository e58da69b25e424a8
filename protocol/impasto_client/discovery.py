"""Finds the server that runs in a home, and says who this program is."""

import json
import os
import re
import secrets
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from impasto_protocol.errors import ServerUnreachable
from impasto_protocol.places import client_id_file, server_file

__all__ = ["ServerAddress", "answers", "client_id", "find_server", "process_alive"]

_ANSWER_S = 1.0
_ID = re.compile(r"[0-9a-f]{32}")
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  a server bound to all is reached on loopback
_NO_SERVER = "No Impasto server is running. Start it with “impasto serve”."


@dataclass(frozen=True)
class ServerAddress:
    """What `server.json` says."""

    host: str
    port: int
    token: str = field(repr=False)
    pid: int = 0  # 0: unknown, or on another machine
    version: str = ""

    @property
    def same_machine(self) -> bool:
        return self.pid != 0


def find_server(home: Path) -> ServerAddress:
    """The running server of this home. Raises `ServerUnreachable` when none is alive and answers."""
    try:
        fields = json.loads(server_file(home).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ServerUnreachable(_NO_SERVER) from error
    address = _address(fields)
    if address is None or not process_alive(address.pid):
        raise ServerUnreachable(_NO_SERVER)
    if not answers(address):
        raise ServerUnreachable("The Impasto server is running but does not answer. Wait, or start it again.")
    return address


def _address(fields: Any) -> Optional[ServerAddress]:
    if not isinstance(fields, dict):
        return None
    host, port, token, pid = (fields.get(name) for name in ("host", "port", "token", "pid"))
    if not (isinstance(host, str) and isinstance(token, str)):
        return None
    if not (isinstance(port, int) and isinstance(pid, int) and 0 < port < 65536 and pid > 0):
        return None
    return ServerAddress(_EVERYWHERE.get(host, host), port, token, pid, str(fields.get("version", "")))


def answers(address: ServerAddress) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection((address.host, address.port), _ANSWER_S).close()
    except OSError:
        return False
    return True


def process_alive(pid: int) -> bool:
    """Whether a process of this number runs, whoever it belongs to."""
    if sys.platform == "win32":
        return _windows_process_alive(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _windows_process_alive(pid: int) -> bool:
    """`os.kill(pid, 0)` would end the process there, so the handle is asked. Constants: winnt.h."""
    import ctypes

    synchronize, still_running = 0x00100000, 0x102
    kernel: Any = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    handle = kernel.OpenProcess(synchronize, False, pid)
    if not handle:
        return False
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == still_running)
    finally:
        kernel.CloseHandle(handle)


def client_id(home: Path) -> str:
    """32 hex digits that name this home's command line in the journal; made once."""
    path = client_id_file(home)
    try:
        made = path.read_text("ascii").strip()
        if _ID.fullmatch(made):
            return made
    except (OSError, ValueError):
        pass  # not there yet, or not ours: made below
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = secrets.token_hex(16)
    part = path.with_name(f"{path.name}.{new[:8]}.part")
    part.write_text(new + "\n", "ascii")
    try:
        os.link(str(part), str(path))  # fails if another process was first: then its id counts
    except FileExistsError:
        existing = path.read_text("ascii").strip()
        if _ID.fullmatch(existing):
            part.unlink()
            return existing
        os.replace(str(part), str(path))
        return new
    except OSError:  # a file system without links
        os.replace(str(part), str(path))
        return new
    part.unlink()
    return new
