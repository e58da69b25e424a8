"""What a live frame costs besides its model, and whether anything grows in ten thousand of them.

In one process and by turns: a live frame through the whole server; the forwards of its modules with nothing
around them; the stock pipeline called as its users call it; and the forwards of the modules that it uses. The
model is tiny and takes one step, so nothing hides behind it.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
from impasto_protocol import places

from impasto_server.bench.live.artist import SIDE, Artist
from impasto_server.bench.live.noted import ENGINES, MODULE
from impasto_server.bench.numbers import bar, said, say, summary
from impasto_server.bench.overhead import MODEL, build_model
from impasto_server.bench.picture import painting, with_stroke
from impasto_server.bench.processes import running

__all__ = ["measure", "table"]

TURNS, WARM_TURNS = 300, 5
FRAMES, LOOK_EVERY = 10_000, 250
FRAMES_SIDE = 64  # px: so that ten thousand frames take a minute or two
STEPS, STRENGTH = 1, 0.5  # of the model as little as can be: the less there is of it, the less it varies
OVERHEAD_MS, SHARE = 1.0, 0.2
GROWTH_MIB, GROWTH_BLOCKS = (
    4.0,
    1_000.0,
)  # over 9,000 frames: less than half a kilobyte, a ninth of a block each
_TURNS = {
    "client": "a live frame, as the client sees it",
    "server": "of it, inside the server",
    "bare": "the forwards of its modules alone",
    "stock": "stock pipe(), PIL in, PIL out",
    "stock bare": "the forwards of its modules alone",
}
_MIB = 1 << 20


def measure(quick: bool = False) -> dict[str, Any]:
    turns, frames = (10, 400) if quick else (TURNS, FRAMES)
    say(f"{turns} turns of a live frame, its bare modules and the stock pipeline …")
    with _painting(f"{ENGINES}:Taking", SIDE) as (_, artist):
        taken = _by_turns(artist, turns)
    say(f"{frames} frames …")
    with _painting(f"{ENGINES}:Counting", FRAMES_SIDE) as (front, artist):
        memory = _many(artist, front, frames)
    mine, theirs = _over(taken, "server", "bare"), _over(taken, "stock", "stock bare")
    return {
        "side_px": SIDE,
        "turns": {name: summary([one / 1000.0 for one in samples]) for name, samples in taken.items()},
        "overhead_ms": round(mine, 3),
        "client_overhead_ms": round(_over(taken, "client", "bare"), 3),
        "stock_overhead_ms": round(theirs, 3),
        "memory": memory,
        "bars": [
            bar("the server's overhead of a frame", round(mine, 3), "≤", OVERHEAD_MS, " ms"),
            bar("the same, over the stock pipeline's overhead", round(mine / theirs, 4), "≤", SHARE),
            bar("the front's memory grows by", memory["front_growth_mib"], "≤", GROWTH_MIB, " MiB"),
            bar("the worker's memory grows by", memory["worker_growth_mib"], "≤", GROWTH_MIB, " MiB"),
            bar("the worker's allocated blocks grow by", memory["blocks_growth"], "≤", GROWTH_BLOCKS),
        ],
    }


def table(numbers: dict[str, Any]) -> str:
    memory = numbers["memory"]
    return "\n".join(
        [
            f"A live frame of a tiny model at {numbers['side_px']}² px, in turns with the stock pipeline",
            *(f"  {_TURNS[name]:<44} {said(one)}" for name, one in numbers["turns"].items()),
            f"  overhead: server {numbers['overhead_ms']:.2f} ms, with client and wire "
            f"{numbers['client_overhead_ms']:.2f} ms, stock pipe() {numbers['stock_overhead_ms']:.2f} ms",
            f"{memory['frames']} frames in {memory['seconds']:.0f} s: front {memory['front_mib']} MiB, "
            f"worker {memory['worker_mib']} MiB, blocks {memory['blocks']}",
        ]
    )


@contextmanager
def _painting(engine: str, side: int) -> Iterator[tuple[psutil.Process, Artist]]:
    """The process of a server with a tiny model, and an artist who uses it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        build_model(home, places.model_folder(home) / MODEL)
        request: dict[str, Any] = {"model": MODEL, "steps": STEPS, "strength": STRENGTH, "refine_steps": -1}
        with (
            running(MODULE, home, engine) as process,
            Artist(home, side=side, prompt="a red house", longest_px=side, **request) as artist,
        ):
            yield psutil.Process(process.pid), artist


def _pictures(side: int) -> list[bytes]:
    base = painting(side)
    return [base.tobytes(), with_stroke(base, 0.02, np.random.default_rng(1)).tobytes()]


def _by_turns(artist: Artist, turns: int) -> dict[str, list[float]]:
    """Milliseconds by what was measured: `client`, a live frame as the client sees it; `server`, the same
    from input to preview inside the server; and the turns that `engines.Taking` takes in between."""
    pictures = _pictures(SIDE)
    artist.begin(pictures[0])
    taken: dict[str, list[float]] = defaultdict(list)
    for number in range(4 * (turns + WARM_TURNS)):
        came = artist.preview_of(artist.show(pictures[number % 2]))
        stages = came.preview.stages
        if number < 4 * WARM_TURNS:
            continue
        other = [name for name in _TURNS if name in stages]
        if other:
            taken[other[0]].append(stages[other[0]])
        else:
            taken["client"].append(1000.0 * artist.took_s(came))
            taken["server"].append(sum(stages.values()))
    return taken


def _over(taken: dict[str, list[float]], whole: str, part: str) -> float:
    """Median of what a turn took beyond the part that was measured a moment later."""
    return median(one - other for one, other in zip(taken[whole], taken[part], strict=True))


def _many(artist: Artist, front: psutil.Process, frames: int) -> dict[str, Any]:
    """Paints frames one after another, and looks at the server's memory now and then."""
    pictures = _pictures(FRAMES_SIDE)
    begin = artist.begin(pictures[0]).at_s
    (worker,) = front.children()
    warm_up = frames // 4  # Python's own reserves of small objects are full after some 2,000 frames
    looks: list[tuple[float, float, float]] = []
    for number in range(frames):
        came = artist.preview_of(artist.show(pictures[number % 2]))
        artist.came.clear()
        artist.sent.clear()
        if number >= warm_up and (number - warm_up) % LOOK_EVERY == 0:
            mib = [process.memory_info().rss / _MIB for process in (front, worker)]
            looks.append((*mib, came.preview.stages["blocks"]))
    columns = list(zip(*looks, strict=True))
    growth = [_growth(column) for column in columns]
    ends = [[round(column[0], 1), round(column[-1], 1)] for column in columns]
    return {
        "frames": frames,
        "seconds": round(came.at_s - begin, 1),
        "front_mib": ends[0],
        "worker_mib": ends[1],
        "blocks": ends[2],
        "front_growth_mib": round(growth[0], 2),
        "worker_growth_mib": round(growth[1], 2),
        "blocks_growth": round(growth[2], 0),
    }


def _growth(column: tuple[float, ...]) -> float:
    """From the first quarter of the looks to the last: medians, so that one look counts for little."""
    quarter = max(1, len(column) // 4)
    return median(column[-quarter:]) - median(column[:quarter])
