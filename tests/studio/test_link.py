"""The state line tells what is the case, and the server is found again whatever happened to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from impasto_client import discovery
from impasto_protocol import places
from impasto_protocol.errors import BadValue, ServerUnreachable, Unauthorized, VersionUnsupported
from impasto_protocol.messages import ModelInfo
from impasto_studio.link import START_S, _program
from impasto_studio.settings import Settings, save_settings
from impasto_studio.state import SETTINGS

from tests.studio.easel import Easel
from tests.studio.fakes import DOCUMENT, MODEL, Atelier, Server, Session


@pytest.fixture
def atelier(tmp_path: Path) -> Atelier:
    return Atelier(tmp_path)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    homes: list[Path] = []
    monkeypatch.setattr(discovery, "start_server", homes.append)
    return homes


def can_be_started(home: Path) -> None:
    places.launch_file(home).write_text("{}")


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Path]:
    """A home whose token file names this process and a port that answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        write_server_file(tmp_path, os.getpid(), listener.getsockname()[1])
        yield tmp_path


def write_server_file(home: Path, pid: int, port: int) -> None:
    fields = {"host": "127.0.0.1", "port": port, "token": "a" * 64, "pid": pid}
    places.server_file(home).write_text(json.dumps(fields))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_before_the_first_answer_it_searches(atelier: Atelier) -> None:
    atelier.studio.open()
    atelier.easel.turn()
    assert (atelier.view.link.state, atelier.view.can_start) == ("searching", False)
    assert atelier.view.why_not == atelier.view.link.sentence


def test_a_connected_server_is_ready(atelier: Atelier) -> None:
    view = atelier.open()
    assert (view.link.state, view.link.sentence) == ("ready", "Connected to Impasto 0.1.0")
    assert (view.models, view.model, view.map_kinds) == ((MODEL,), MODEL, ("edges", "scribble"))
    assert atelier.server.connects[0]["program"] == "easel"


def test_a_server_without_models_is_getting_ready(atelier: Atelier) -> None:
    atelier.server.models = ()
    assert atelier.open().link.state == "connecting"
    atelier.server.models = (MODEL,)
    assert atelier.tick().link.state == "ready"
    assert len(atelier.server.connects) == 1


def test_models_that_came_later_are_offered(atelier: Atelier) -> None:
    atelier.open()
    atelier.server.models = (MODEL, MODEL)
    assert len(atelier.tick(1.0).models) == 1
    assert len(atelier.tick(10.0).models) == 2


def test_no_server_and_no_way_to_start_one(atelier: Atelier) -> None:
    atelier.server.up = False
    view = atelier.open()
    assert (view.link.state, view.link.can_start) == ("absent", False)
    assert "impasto serve" in view.link.sentence
    atelier.server.up = True
    assert atelier.tick(0.5).link.state == "absent"
    assert atelier.tick(0.5).link.state == "ready"


def test_a_server_can_be_started(atelier: Atelier, tmp_path: Path, starts: list[Path]) -> None:
    can_be_started(tmp_path)
    atelier.server.up = False
    view = atelier.open()
    assert (view.link.state, view.link.can_start) == ("absent", True)
    atelier.studio.start_server()
    assert atelier.settle().link.state == "starting"
    assert starts == [tmp_path]
    assert atelier.tick().link.state == "starting"
    atelier.server.up = True
    assert atelier.tick().link.state == "ready"


def test_a_server_that_does_not_start_is_trouble(
    atelier: Atelier, tmp_path: Path, starts: list[Path]
) -> None:
    can_be_started(tmp_path)
    atelier.server.up = False
    atelier.open()
    atelier.studio.start_server()
    atelier.settle()
    view = atelier.tick(START_S)
    assert (view.link.state, view.link.can_start) == ("trouble", True)
    assert "server.log" in view.link.sentence


def test_a_start_that_fails_at_once_says_why(
    atelier: Atelier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(home: Path) -> None:
        raise ServerUnreachable("Impasto is not where it was.")

    monkeypatch.setattr(discovery, "start_server", fail)
    can_be_started(tmp_path)
    atelier.server.up = False
    atelier.open()
    atelier.studio.start_server()
    view = atelier.settle()
    assert (view.link.state, view.link.sentence) == ("trouble", "Impasto is not where it was.")
    assert view.link.can_start


@pytest.mark.parametrize("wanted", [True, False])
def test_a_server_is_started_by_itself_if_that_is_set(
    tmp_path: Path, starts: list[Path], wanted: bool
) -> None:
    can_be_started(tmp_path)
    easel = Easel()
    easel.settings[SETTINGS] = save_settings(Settings(start_server=wanted))
    atelier = Atelier(tmp_path, Server(up=False), easel)
    atelier.open()
    for _ in range(3):
        atelier.tick(START_S)
    assert starts == ([tmp_path] if wanted else [])


@pytest.mark.parametrize(
    "error", [Unauthorized("Another token."), VersionUnsupported("Update."), BadValue("No.")]
)
def test_what_the_artist_must_put_right_is_trouble(atelier: Atelier, error: Exception) -> None:
    atelier.server.refusal = error  # type: ignore[assignment]
    view = atelier.open()
    assert (view.link.state, view.link.sentence) == ("trouble", str(error))
    atelier.server.refusal = None
    assert atelier.tick(1.0).link.state == "trouble"
    assert atelier.tick(4.0).link.state == "ready"


def test_a_session_that_is_refused_later_is_replaced(atelier: Atelier) -> None:
    atelier.open()
    first = atelier.server.sessions[0]
    first.fatal = Unauthorized("Another token.")
    assert atelier.tick().link.state == "trouble"
    assert first.closed
    assert atelier.tick(5.0).link.state == "ready"
    assert len(atelier.server.sessions) == 2


def test_a_lost_connection_is_seen_at_once_and_comes_back(atelier: Atelier) -> None:
    atelier.open()
    atelier.server.up = False
    atelier.studio.poll()
    atelier.easel.turn()
    assert (atelier.view.link.state, atelier.view.can_start) == ("connecting", False)
    assert atelier.settle().link.state == "absent"
    atelier.server.up = True
    assert atelier.tick().link.state == "ready"
    assert len(atelier.server.sessions) == 1


def test_a_lost_connection_is_not_waited_for(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the artist would be told late that the server is gone, and how to start it."""
    waits: list[float] = []
    asked = Session.models

    def models(session: Session, timeout_s: float) -> list[ModelInfo]:
        waits.append(timeout_s)
        return asked(session, timeout_s)

    monkeypatch.setattr(Session, "models", models)
    atelier.open()
    atelier.server.up = False
    atelier.tick()
    assert waits[0] > 5.0
    assert waits[1] < 1.0


def test_a_server_that_answers_will_be_connected(listening: Path) -> None:
    atelier = Atelier(listening, Server(up=False))
    can_be_started(listening)
    view = atelier.open()
    assert (view.link.state, view.link.can_start) == ("connecting", False)


def test_a_server_that_runs_but_does_not_answer_is_not_started_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    write_server_file(tmp_path, os.getpid(), port)
    can_be_started(tmp_path)
    view = Atelier(tmp_path, Server(up=False)).open()
    assert (view.link.state, view.link.can_start) == ("absent", False)
    assert "does not answer" in view.link.sentence


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"pid": "x"}'])
def test_a_broken_token_file_is_no_server(tmp_path: Path, content: str) -> None:
    places.server_file(tmp_path).write_text(content)
    can_be_started(tmp_path)
    assert Atelier(tmp_path, Server(up=False)).open().link.can_start


def test_a_dead_server_can_be_started(tmp_path: Path) -> None:
    write_server_file(tmp_path, dead_pid(), 1)
    can_be_started(tmp_path)
    assert Atelier(tmp_path, Server(up=False)).open().link.can_start


def test_a_server_that_is_silent_is_asked_again(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("tests.studio.fakes.Session.models", silent)
    assert atelier.open().link.state == "absent"
    assert atelier.server.sessions[0].closed
    monkeypatch.undo()
    assert atelier.tick().link.state == "ready"


def test_a_defect_is_not_a_standstill(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a slip of ours")

    monkeypatch.setattr("tests.studio.fakes.Session.models", broken)
    view = atelier.open()
    assert (view.link.state, "slip" in view.link.sentence) == ("trouble", False)
    monkeypatch.undo()
    assert atelier.tick(5.0).link.state == "ready"


def test_a_connection_that_comes_after_the_end_is_closed(atelier: Atelier) -> None:
    atelier.studio.open()
    atelier.studio.close()
    atelier.settle()
    assert [session.closed for session in atelier.server.sessions] == [True]


def test_the_programs_name_has_no_version() -> None:
    assert [_program(name) for name in ("Krita 5.2.2", "krita", "Kríta-X", "", "X" * 40)] == [
        "krita",
        "krita",
        "krtax",
        "",
        "x" * 32,
    ]


def test_the_document_is_known_before_the_server(atelier: Atelier) -> None:
    atelier.server.up = False
    atelier.easel.open(DOCUMENT, 64, 64)
    assert atelier.open().document
