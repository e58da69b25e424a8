"""One Krita per module of tests, in a throw-away copy of a home that was warmed once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.krita import harness

collect_ignore = ["inside", "probe"]  # run by Krita's Python, not by ours


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    why_not = harness.missing()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.krita)
            if why_not:
                item.add_marker(pytest.mark.skip(reason=f"the real Krita: {why_not}"))


@pytest.fixture(scope="session")
def krita_cache(pytestconfig: pytest.Config) -> Path:
    """Holds the warmed home, from one run of the tests to the next."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("krita")


@pytest.fixture(scope="module")
def krita(krita_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[harness.Krita]:
    """Krita with the host of the source tree, without the rest of the plugin."""
    home = harness.throw_away(krita_cache, tmp_path_factory.mktemp("krita") / "home")
    running = harness.Krita(home, plugin=None)
    try:
        yield running
        assert running.quit() == 0, running.stderr[-2000:]
    finally:
        running.kill()


@pytest.fixture
def closed_afterwards(krita: harness.Krita) -> Iterator[None]:
    """No test sees the documents of another."""
    yield
    if krita.process.poll() is None:
        krita.call("documents.close_all")
