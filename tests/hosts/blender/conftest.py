"""One real Blender per module of tests and version, with the built archive installed as an artist would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hosts.blender.harness import Blender, archive
from tests.hosts.blender.versions import MAIN, VERSIONS, Blenderless, possible, python_of
from tests.hosts.server import Server

collect_ignore = ["inside", "probe.py"]  # run by Blender's Python, not by ours


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every version for what is marked `every_blender`, and for everything when `-m heavy` asks for it."""
    if "version" not in metafunc.fixturenames:
        return
    everywhere = metafunc.definition.get_closest_marker("every_blender") is not None
    asked = "heavy" in (metafunc.config.getoption("markexpr") or "")
    versions = [
        pytest.param(version, marks=() if everywhere or version == MAIN else pytest.mark.heavy)
        for version in VERSIONS
        if version == MAIN or (version in possible() and (everywhere or asked))
    ]
    metafunc.parametrize("version", versions, scope="module")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.blender)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Blenders are installed now, if need be: a test's time limit is not for downloads."""
    if session.config.option.collectonly:
        return
    wanted = {item.callspec.params.get("version") for item in session.items if hasattr(item, "callspec")}
    for version in sorted(wanted & set(VERSIONS)):
        with suppress(Blenderless):  # the tests say so, see `able`
            python_of(version)


@pytest.fixture(scope="session")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tmp_path_factory.mktemp("addon"))


@pytest.fixture(scope="module")
def able(version: str) -> str:
    """The version, when it can be run here."""
    try:
        python_of(version)
    except Blenderless as why:
        pytest.skip(f"the real Blender {version}: {why}")
    return version


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with Pocket, for all tests that do not kill it."""
    server = Server(tmp_path_factory.mktemp("server") / "home")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def blender(able: str, zipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blender]:
    """Without a server."""
    running = Blender(able, tmp_path_factory.mktemp("blender"), zipped)
    try:
        yield running
        assert running.quit() == 0, running.output[-4000:]
    finally:
        running.kill()
