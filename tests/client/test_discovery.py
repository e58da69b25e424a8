"""A client finds the server that runs, and only that; and keeps its own name."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from impasto_client.discovery import client_id, find_server, process_alive, start_server
from impasto_protocol.errors import BadValue, ServerUnreachable
from impasto_protocol.places import client_id_file, launch_file, log_folder, server_file


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def write(home: Path, **fields: Any) -> None:
    info = {"host": "127.0.0.1", "port": 1, "token": "ab" * 32, "pid": os.getpid(), "version": "0.1.0"}
    server_file(home).write_text(json.dumps({**info, **fields}))


def test_a_running_server_is_found(tmp_path: Path, port: int) -> None:
    write(tmp_path, port=port)
    address = find_server(tmp_path)
    assert (address.host, address.port, address.token) == ("127.0.0.1", port, "ab" * 32)
    assert address.same_machine


def test_a_server_bound_to_all_addresses_is_reached_on_loopback(tmp_path: Path, port: int) -> None:
    write(tmp_path, port=port, host="0.0.0.0")
    assert find_server(tmp_path).host == "127.0.0.1"


def test_the_token_is_not_in_what_a_log_would_show(tmp_path: Path, port: int) -> None:
    write(tmp_path, port=port)
    assert "abab" not in repr(find_server(tmp_path))


def test_without_a_file_there_is_no_server(tmp_path: Path) -> None:
    with pytest.raises(ServerUnreachable, match="impasto serve"):
        find_server(tmp_path)


def test_the_file_of_a_dead_server_is_not_believed(tmp_path: Path, port: int, dead_pid: int) -> None:
    write(tmp_path, port=port, pid=dead_pid)
    with pytest.raises(ServerUnreachable, match="impasto serve"):
        find_server(tmp_path)


def test_a_server_that_does_not_listen_is_not_believed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    write(tmp_path, port=port)
    with pytest.raises(ServerUnreachable, match="does not answer"):
        find_server(tmp_path)


@pytest.mark.parametrize(
    "fields", [{"port": "8641"}, {"port": 0}, {"port": 70000}, {"pid": -1}, {"token": 5}, {"host": None}]
)
def test_a_file_of_nonsense_is_no_server(tmp_path: Path, fields: dict[str, Any]) -> None:
    write(tmp_path, **fields)
    with pytest.raises(ServerUnreachable):
        find_server(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_broken_file_is_no_server(tmp_path: Path, text: str) -> None:
    server_file(tmp_path).write_text(text)
    with pytest.raises(ServerUnreachable):
        find_server(tmp_path)


def test_only_living_processes_are_alive(dead_pid: int) -> None:
    assert process_alive(os.getpid())
    assert not process_alive(dead_pid)


def test_a_client_id_is_made_once(tmp_path: Path) -> None:
    made = client_id(tmp_path / "home")
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert client_id(tmp_path / "home") == made


def test_a_damaged_client_id_is_replaced(tmp_path: Path) -> None:
    client_id_file(tmp_path).write_text("damaged")
    made = client_id(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert client_id(tmp_path) == made


def test_programs_that_start_at_once_agree_on_the_id(tmp_path: Path) -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(client_id(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["client-id"]


def test_each_program_of_a_home_has_an_id_of_its_own(tmp_path: Path) -> None:
    made = {program: client_id(tmp_path, program) for program in ("", "krita", "blender")}
    assert len(set(made.values())) == 3
    assert {program: client_id(tmp_path, program) for program in made} == made
    assert {path.name for path in tmp_path.iterdir()} == {"client-id", "client-id-krita", "client-id-blender"}


@pytest.mark.parametrize("program", ["../krita", "Krita", "a" * 33])
def test_a_program_with_another_kind_of_name_is_refused(tmp_path: Path, program: str) -> None:
    with pytest.raises(BadValue, match="letters"):
        client_id(tmp_path, program)


# ── starting ─────────────────────────────────────────────────────────────────────────────────────────────


def launches(home: Path, *command: str) -> None:
    launch_file(home).write_text(json.dumps({"command": command}))
    launch_file(home).chmod(0o600)
    home.chmod(0o700)


def said(home: Path, words: int) -> list[str]:
    """What stands in server.log as soon as it is so many words."""
    deadline = time.monotonic() + 20
    log = log_folder(home) / "server.log"
    while time.monotonic() < deadline:
        found = log.read_text().split() if log.exists() else []
        if len(found) >= words:
            return found
        time.sleep(0.02)
    raise AssertionError(f"it said only {found}")


def test_a_server_is_started_as_it_was_last_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a session of its own, in this home, without what a host sets for its own Python and libraries."""
    program = (
        "import os, sys; print(os.environ['IMPASTO_HOME'], os.getcwd(), sys.argv[1], "
        "'PYTHONHOME' in os.environ, os.environ['LD_LIBRARY_PATH'], "
        "os.name != 'posix' or os.getsid(0) == os.getpid())"
    )
    launches(tmp_path, sys.executable, "-c", program, "--port")
    monkeypatch.setenv("PYTHONHOME", "/a/host/of/its/own")
    monkeypatch.setenv("APPDIR", "/tmp/.mount_krita")
    monkeypatch.setenv("LD_LIBRARY_PATH", os.pathsep.join(["/tmp/.mount_krita/lib", "/hers"]))
    start_server(tmp_path)
    assert said(tmp_path, 6) == [str(tmp_path), str(tmp_path), "--port", "False", "/hers", "True"]
    assert log_folder(tmp_path).joinpath("server.log").stat().st_mode & 0o077 == 0


def test_starting_returns_at_once(tmp_path: Path) -> None:
    """The program it starts ends only when this test has read what it said."""
    go = tmp_path / "go"
    program = (
        "import pathlib, sys, time\nprint('up', flush=True)\n"
        "while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)"
    )
    launches(tmp_path, sys.executable, "-c", program, str(go))
    start_server(tmp_path)
    assert said(tmp_path, 1) == ["up"]
    go.touch()


def test_where_impasto_never_ran_nothing_can_be_started(tmp_path: Path) -> None:
    with pytest.raises(ServerUnreachable, match="has not run here yet"):
        start_server(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"command": []}', '{"command": "sh"}', '{"command": [1]}', "\xff"]
)
def test_a_launch_file_of_nonsense_starts_nothing(tmp_path: Path, text: str) -> None:
    launch_file(tmp_path).write_bytes(text.encode("latin-1"))
    launch_file(tmp_path).chmod(0o600)
    tmp_path.chmod(0o700)
    with pytest.raises(ServerUnreachable, match="has not run here yet"):
        start_server(tmp_path)


def test_a_program_that_is_gone_or_cannot_be_run_is_named(tmp_path: Path) -> None:
    plain = tmp_path / "python"
    plain.write_text("")
    for program in (str(tmp_path / "gone"), str(plain), "python3"):
        launches(tmp_path, program, "serve")
        with pytest.raises(ServerUnreachable, match="not where it was.*" + re.escape(program)):
            start_server(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")
@pytest.mark.parametrize("what", ["file", "folder", "link", "owner"])
def test_a_command_that_others_may_have_written_is_not_run(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches(tmp_path, sys.executable, "-c", "print('run')")
    if what == "file":
        launch_file(tmp_path).chmod(0o620)
    elif what == "folder":
        tmp_path.chmod(0o777)
    elif what == "link":
        launch_file(tmp_path).rename(tmp_path / "elsewhere.json")
        launch_file(tmp_path).symlink_to(tmp_path / "elsewhere.json")
    else:
        uid = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    with pytest.raises(ServerUnreachable, match="written by others"):
        start_server(tmp_path)
    assert not log_folder(tmp_path).exists()
