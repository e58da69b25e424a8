"""How the tests share two cores: one process for the host programs, which wait more than they compute, and
one for everything else (`pytest -n 2 --dist loadgroup`, as installers/test.sh says).
"""

from __future__ import annotations

import os

import pytest

# Set before anything imports torch: the tests' own torch shares its cores with the servers they start.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see impasto_server/pool/local.py

HOSTS = ("krita", "blender")


@pytest.hookimpl(trylast=True)  # the hosts' own conftest marks their tests first
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A group stays on one process, in its order, so that what a module sets up is set up once. The hosts
    come first: they take longest.
    """
    for item in items:
        host = next((name for name in HOSTS if item.get_closest_marker(name)), None)
        item.add_marker(pytest.mark.xdist_group(host or item.path.as_posix()))
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in HOSTS))
