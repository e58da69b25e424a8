"""How the tests share two cores: one process for the host programs, which wait more than they compute, and
one for everything else, as installers/test.sh says.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Set before anything imports torch: the tests' own torch shares its cores with the servers they start.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see impasto_server/pool/local.py

HOSTS = Path(__file__).parent / "hosts"


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this very hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A group stays on one process, in its order, so that what a module sets up is set up once. The hosts
    come first: they take longest.
    """
    for item in items:
        of_host = HOSTS in item.path.parents
        group = item.path.relative_to(HOSTS).parts[0] if of_host else item.path.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: HOSTS not in item.path.parents)
