"""The built archive in the real Krita, beside a real server with Pocket."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from impasto_server.plugins.archive import build_krita

from tests.hosts.krita import harness
from tests.hosts.krita.stories.artist import Artist
from tests.hosts.server import Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.model)
            item.add_marker(pytest.mark.heavy)


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built archive, unpacked."""
    folder = tmp_path_factory.mktemp("plugin")
    build_krita(harness.ROOT, harness.ROOT / "build" / "vendored").write(folder / "impasto-krita.zip")
    with zipfile.ZipFile(folder / "impasto-krita.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server") / "home")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def session(
    plugin: Path, server: Server, krita_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Artist]:
    """One Krita for a module of stories."""
    home = harness.throw_away(krita_cache, tmp_path_factory.mktemp("krita") / "home")
    artist = Artist(home, plugin, server)
    try:
        yield artist
        assert artist.krita.quit() == 0, artist.krita.stderr[-2000:]
    finally:
        artist.krita.kill()


@pytest.fixture
def artist(session: Artist) -> Iterator[Artist]:
    yield session
    session.close()
