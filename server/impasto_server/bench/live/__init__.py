"""`impasto bench live`: what a painter feels of live previews, against the bars this project has set itself.

Real servers and the embedded model; where the server's own part is measured, a tiny model that hides nothing.
Each part is a module here, with `measure` and `table`; its bars say what was wanted, and whether it is met.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from impasto_server.bench.live import background, changes, overhead, sharing, strokes, wire

__all__ = [
    "PARTS",
    "background",
    "changes",
    "measure",
    "overhead",
    "sharing",
    "strokes",
    "table",
    "wire",
]

PARTS = {
    "strokes": strokes,
    "background": background,
    "sharing": sharing,
    "overhead": overhead,
    "changes": changes,
    "wire": wire,
}


def measure(quick: bool = False, parts: Sequence[str] = ()) -> dict[str, Any]:
    return {name: PARTS[name].measure(quick) for name in parts or PARTS}


def table(numbers: dict[str, Any]) -> str:
    lines = []
    for name, part in numbers.items():
        lines.append(PARTS[name].table(part))
        for bar in part["bars"]:
            wanted = f"wanted: {bar['sign']} {bar['wanted']:g}{bar['unit']}"
            met = "met" if bar["met"] else "NOT met"
            lines.append(f"  {bar['what']}: {bar['measured']:.4g}{bar['unit']} ({wanted}) {met}")
    return "\n".join(lines)
