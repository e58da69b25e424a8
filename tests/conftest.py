"""Set before anything imports torch: the tests' own torch shares its cores with the servers they start."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see impasto_server/pool/local.py
