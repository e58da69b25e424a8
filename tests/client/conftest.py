from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from impasto_client.session import Session

from tests.client.scripted import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def sharing_server(tmp_path: Path) -> Iterator[ScriptedServer]:
    folder = tmp_path / "shm"
    folder.mkdir(mode=0o700)
    scripted = ScriptedServer(shared_folder=folder)
    yield scripted
    scripted.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Session]]:
    """Makes sessions that are closed at the end of the test."""
    sessions = []

    def make(server: ScriptedServer, **options: object) -> Session:
        session = Session.connect(client_id="c" * 32, name="tests", address=server.address, **options)  # type: ignore[arg-type]
        sessions.append(session)
        return session

    yield make
    for session in sessions:
        session.close()
