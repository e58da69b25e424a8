"""How the tests share two cores, as installers/test.sh runs them: one process has the first host program's
tests, the other the second's, since these wait more than they compute; all else is shared file by file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

# Set before anything imports torch: the tests' own torch shares its cores with the servers they start.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see impasto_server/pool/local.py

HOSTS = Path(__file__).parent / "hosts"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The hosts come first: they take longest."""
    items.sort(key=lambda item: HOSTS not in item.path.parents)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What a module sets up is set up once, and a host program runs once at a time. (xdist's own groups are
    lost with pytest 9.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByHost(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "/".join(file.split("/")[:3]) if file.startswith("tests/hosts/") else file

    return ByHost(config, log)
