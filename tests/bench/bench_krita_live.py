"""How soon a preview follows a stroke in the real Krita:

    python -m tests.bench.bench_krita_live [strokes [side]]

A hand draws strokes of 0.6 s at 120 Hz on 256² px (or `side`²) of white paper with Pocket live on. Of each:
from the pen's lifting to the preview of exactly what it left, painted in the docker; with the stages. And for
how long Krita's own loop did not turn meanwhile, and what live costs when nothing happens.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from impasto_server.plugins.archive import build_krita

from tests.hosts.krita import harness
from tests.hosts.krita.stories.artist import Artist
from tests.hosts.krita.stories.hand import Hand
from tests.hosts.server import Server

STROKES = 20
SIDE_PX = 256
IDLE_S = 5.0
POINTS = 72  # of a stroke


def main(count: int, side_px: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_krita(harness.ROOT, harness.ROOT / "build" / "vendored").write(folder / "plugin.zip")
        with zipfile.ZipFile(folder / "plugin.zip") as archive:
            archive.extractall(folder / "plugin")
        server = Server(folder / "server")
        server.start()
        try:
            home = harness.throw_away(folder / "cache", folder / "home")
            artist = Artist(home, folder / "plugin", server, window_manager=True)
            try:
                report(*measured(artist, count, side_px))
                artist.krita.quit()
            finally:
                artist.krita.kill()
        finally:
            server.stop()


def measured(artist: Artist, count: int, side_px: int) -> tuple[list[dict[str, Any]], float, float]:
    """What came of each stroke; the longest gap of the UI thread, ms; seconds to the first preview."""
    krita, hand = artist.krita, Hand(artist.krita)
    artist.do("blank_document", width=side_px, height=side_px)
    krita.call("hands.lay_out", width=1500, docker_width=360)
    artist.until(lambda view: view["link"]["state"] == "ready" and view["document"])
    krita.call("hands.centre")
    krita.call("hands.select_tool", action="KritaShape/KisToolBrush")
    artist.do("change", prompt="a red house on a green hill")
    begun = time.monotonic()
    artist.tell("set_live", True)
    artist.until(lambda view: view["live"]["current"])
    first_s = time.monotonic() - begun
    krita.call("following.begin")
    left, top, width, height = krita.call("hands.canvas")
    x, y = left + width // 2 - 100, top + height // 2 - 100
    time.sleep(2.0)
    krita.call("following.forget_gaps")
    found = []
    for number in range(count):
        down = 200 * number // count
        hand.stroke([(x + 200 * step // POINTS, y + down + step % 9) for step in range(POINTS)])
        found.append(krita.call("following.lifted", count=number + 1))
        time.sleep(0.3)
    artist.until(lambda view: view["live"]["refined"] and view["live"]["current"])
    idle = krita.call("following.rest", seconds=IDLE_S)
    print(f"idle: {idle['told']} pictures, {100 * idle['share']:.1f} % of a core for the whole of Krita")
    return found, krita.call("following.end"), first_s


def report(found: list[dict[str, Any]], gap_ms: float, first_s: float) -> None:
    exact = sum(one["same"] and one["input"] >= one["number"] for one in found)
    print(f"{exact} of {len(found)} strokes were followed by a preview of exactly what they left")
    print(f"{'stroke → preview, ms':<28}{'p50':>8}{'p95':>8}{'longest':>9}")
    rows: dict[str, list[float]] = {}
    for one in found:
        stages = dict(one["stages"])
        whole, wire = stages.pop("whole"), stages.pop("server and wire")
        shown = stages.pop("shown")
        rows.setdefault("whole", []).append(whole)
        for name, value in stages.items():
            rows.setdefault(name, []).append(value)
        for name, value in one["server"].items():
            rows.setdefault(f"  server: {name}", []).append(value)
        rows.setdefault("  wire and client", []).append(wire - sum(one["server"].values()))
        rows.setdefault("shown in the docker", []).append(shown)
    for name, values in rows.items():
        values = sorted(values)
        p95 = values[min(len(values) - 1, round(0.95 * (len(values) - 1)))]
        print(f"{name:<28}{statistics.median(values):>8.1f}{p95:>8.1f}{values[-1]:>9.1f}")
    print(f"{found[-1]['pictures']} pictures seen, {found[-1]['previews']} previews")
    print(f"longest gap of the UI thread {gap_ms:.1f} ms; first preview after {first_s:.1f} s")


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*numbers, *(STROKES, SIDE_PX)[len(numbers) :])
