"""Finds the server that runs in a home, starts it, and says who this program is."""

import json
import os
import re
import secrets
import socket
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional

from impasto_protocol.errors import BadValue, ServerUnreachable
from impasto_protocol.places import client_id_file, launch_file, log_folder, server_file

__all__ = [
    "ServerAddress",
    "answers",
    "client_id",
    "detached",
    "find_server",
    "process_alive",
    "server_log",
    "start_server",
]

_ANSWER_S = 1.0
_ID = re.compile(r"[0-9a-f]{32}")
_PROGRAM = re.compile(r"[a-z0-9-]{0,32}")
_LOG_BYTES = 5 << 20  # of server.log, before it is put aside
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  a server bound to all is reached on loopback
_NO_SERVER = "No Impasto server is running. Start it with “impasto serve”."
_NEVER_RAN = "Impasto has not run here yet. Install it, and start it once with “impasto serve”."
_GONE = "Impasto is not where it was. Install it again, and start it once with “impasto serve”."
_UNTRUSTED = (
    "{} can be written by others, so the server is not started from here. Start it with “impasto serve”."
)


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


def start_server(home: Path) -> None:
    """Starts the server of this home as it was last started, and returns at once; `find_server` finds it
    when it listens. It outlives this program; what it says goes into log/server.log.

    Raises `ServerUnreachable` with a sentence when Impasto never ran here, is gone, or cannot be trusted.
    """
    command = _launch_command(launch_file(home))
    try:
        with server_log(home).open("ab") as output:
            process = subprocess.Popen(  # noqa: S603  a command of this user's own, see `_launch_command`
                command,
                cwd=str(home),  # Python takes modules from there first, so not from where a host stands
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_environment(home),
                **detached(),
            )
    except OSError as error:
        raise ServerUnreachable(f"{_GONE} ({error.strerror}: {command[0]})") from error
    # Asked how it ended as soon as it has: else it would stay in the process list as long as the host runs.
    threading.Thread(target=process.wait, name="impasto-server-ended", daemon=True).start()


def detached() -> Dict[str, Any]:
    """Options of a process that neither Ctrl+C in this terminal nor its closing ends, and that opens no
    window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _launch_command(path: Path) -> List[str]:
    """What launch.json says. A command is run as this user, so nobody else may have written it."""
    try:
        descriptor = os.open(str(path), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError as error:
        raise ServerUnreachable(_NEVER_RAN) from error
    except OSError as error:
        raise ServerUnreachable(_UNTRUSTED.format(path)) from error
    with os.fdopen(descriptor, "rb") as file:
        if os.name == "posix" and not (_own(os.fstat(descriptor)) and _own(os.stat(str(path.parent)))):
            raise ServerUnreachable(_UNTRUSTED.format(path))
        try:
            command = json.loads(file.read().decode("utf-8"))["command"]
        except (ValueError, KeyError, TypeError) as error:
            raise ServerUnreachable(_NEVER_RAN) from error
    if not (isinstance(command, list) and command and all(isinstance(word, str) for word in command)):
        raise ServerUnreachable(_NEVER_RAN)
    if not (os.path.isabs(command[0]) and os.access(command[0], os.X_OK)):
        raise ServerUnreachable(f"{_GONE} ({command[0]})")
    return command


def _own(status: os.stat_result) -> bool:
    """This user's, and nobody else may write it."""
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _environment(home: Path) -> Dict[str, str]:
    """The host's, without what it set for its own Python and its own libraries (Krita's AppImage does)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    bundle = kept.get("APPDIR", "")
    if bundle and "LD_LIBRARY_PATH" in kept:
        folders = kept["LD_LIBRARY_PATH"].split(os.pathsep)
        kept["LD_LIBRARY_PATH"] = os.pathsep.join(one for one in folders if not one.startswith(bundle))
    return {**kept, "IMPASTO_HOME": str(home)}


def server_log(home: Path) -> Path:
    """log/server.log, begun anew when it has grown long."""
    log = log_folder(home) / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        os.replace(str(log), str(log.with_suffix(".log.1")))
    log.touch(mode=0o600)
    return log


def client_id(home: Path, program: str = "") -> str:
    """32 hex digits that name one program of this home in the journal, made once: each program has its own
    jobs. `program`: lower-case letters, digits and hyphens; empty for the command line.
    """
    if not _PROGRAM.fullmatch(program):
        raise BadValue(f"A program's name has lower-case letters, digits and hyphens, unlike {program!r}.")
    path = client_id_file(home, program)
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
