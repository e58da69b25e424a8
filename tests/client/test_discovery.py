"""A client finds the server that runs, and only that; and keeps its own name."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from impasto_client.discovery import client_id, find_server, process_alive
from impasto_protocol.errors import ServerUnreachable
from impasto_protocol.places import client_id_file, server_file


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
