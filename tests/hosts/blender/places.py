"""Where things lie, for the tests in the real Blender."""

from __future__ import annotations

from pathlib import Path

__all__ = ["HERE", "INSIDE", "PROBE", "ROOT"]

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
INSIDE = HERE / "inside"
PROBE = HERE / "probe.py"
