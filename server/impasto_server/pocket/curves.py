"""Loss curves as a small SVG: one panel for each stage of a training, losses over minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["drawing"]

WIDTH, HEIGHT = 250, 140
"""Of a panel, px."""
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 26, 24
COLUMNS = 3


def drawing(stages: Sequence[Mapping[str, Any]]) -> str:
    """The panels in a grid. A stage has `stage`, `seconds` and `loss` (lists of one length), `samples`."""
    rows = -(-len(stages) // COLUMNS)
    panels = [
        f'<g transform="translate({index % COLUMNS * WIDTH},{index // COLUMNS * HEIGHT})">{_panel(stage)}</g>'
        for index, stage in enumerate(stages)
    ]
    columns = min(COLUMNS, len(stages))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns * WIDTH}" height="{rows * HEIGHT}" '
            'font-family="sans-serif" font-size="10">',
            '<rect width="100%" height="100%" fill="white"/>',
            *panels,
            "</svg>\n",
        ]
    )


def _panel(stage: Mapping[str, Any]) -> str:
    losses, minutes = list(stage["loss"]), [second / 60 for second in stage["seconds"]]
    low, high, end = min(losses), max(losses), max(minutes) or 1.0
    span = (high - low) or 1.0
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    points = " ".join(
        f"{LEFT + across * minute / end:.1f},{TOP + down * (high - loss) / span:.1f}"
        for minute, loss in zip(minutes, losses, strict=True)
    )
    foot, samples = TOP + down, int(stage.get("samples", 0))
    seen = f", {samples:,} samples" if samples else ""
    return (
        f'<text x="{LEFT}" y="{TOP - 10}" font-weight="bold">{escape(str(stage["stage"]))}</text>'
        f'<path d="M{LEFT} {TOP}V{foot}H{WIDTH - RIGHT}" fill="none" stroke="#999"/>'
        f'<polyline points="{points}" fill="none" stroke="#2458a6" stroke-width="1.5"/>'
        f'<text x="{LEFT - 4}" y="{TOP + 4}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{LEFT - 4}" y="{foot}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{foot + 14}" text-anchor="end">{end:.0f} min{seen}</text>'
    )
