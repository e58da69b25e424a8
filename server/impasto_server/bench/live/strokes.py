"""Ten strokes at 120 Hz: how soon each is followed by a preview of exactly what the pen left."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from impasto_server.bench.live.artist import PEN_HZ, SIDE, Artist, Came, Pen
from impasto_server.bench.numbers import bar, said, say, summary
from impasto_server.bench.processes import running

__all__ = ["measure", "table"]

STROKES, POINTS, ROUNDS = 10, 60, 3
PAUSE_S = 0.7  # between strokes: long enough for the preview to be refined
PEN_UP_MS = 250.0


def measure(quick: bool = False) -> dict[str, Any]:
    rounds, points = (1, 12) if quick else (ROUNDS, POINTS)
    say(f"{rounds * STROKES} strokes of {points} points …")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with (
            running("impasto_server.cli", home, "serve", "--port", "0", threads=None),
            Artist(home) as artist,
        ):
            pen = Pen()
            artist.begin(pen.pixels)
            artist.draw(pen, points)  # what is slow the first time
            time.sleep(PAUSE_S)
            before = len(artist.came)
            ups: list[tuple[int, Came]] = []
            for _ in range(rounds * STROKES):
                last = artist.draw(pen, points)
                ups.append((last, artist.preview_of(last)))
                time.sleep(0.0 if quick else PAUSE_S)
            refined = [one for one in artist.came[before:] if one.preview.refined]
            frames = artist.frames(before)
    shown = sum(came.preview.input == last for last, came in ups)
    pen_up = summary([artist.took_s(came) for _, came in ups])
    return {
        "side_px": SIDE,
        "strokes": len(ups),
        "points": points,
        "pen_up": pen_up,
        "while_drawing": summary([artist.took_s(one) for one in frames]),
        "previews": len(frames),
        "refined": len(refined),
        "stages_ms": artist.stages_ms([came for _, came in ups]),
        "bars": [
            bar("pen-ups followed by a preview of exactly that canvas", shown, "=", len(ups)),
            bar("stroke → preview, p95", pen_up["p95_ms"], "≤", PEN_UP_MS, " ms"),
        ],
    }


def table(numbers: dict[str, Any]) -> str:
    stages = numbers["stages_ms"]
    return "\n".join(
        [
            f"{numbers['strokes']} strokes of {numbers['points']} points at {PEN_HZ:.0f} Hz on "
            f"{numbers['side_px']}² px",
            f"  last point → preview {said(numbers['pen_up'])}; "
            f"of all {numbers['previews']} frames {said(numbers['while_drawing'])}",
            "  of it, medians: " + ", ".join(f"{name} {value:.1f}" for name, value in stages.items()) + " ms",
            f"  refined at rest: {numbers['refined']}",
        ]
    )
