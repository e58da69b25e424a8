"""A stroke up and a whole preview down, without a model: what is left of a live frame when painting costs
nothing.

Through the real server and a worker process whose engine inverts the picture; against the form that other
programs use, a whole PNG both ways to a server that does nothing at all. All forms take turns.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from impasto_server.bench.live.artist import Artist
from impasto_server.bench.live.noted import MODULE
from impasto_server.bench.numbers import said, say, summary
from impasto_server.bench.picture import painting, with_stroke
from impasto_server.bench.processes import running
from impasto_server.bench.rivals import Rivals
from impasto_server.bench.wire import STROKE, rivals_running

__all__ = ["measure", "table"]

SIDE, ROUNDS, EACH = 1024, 15, 8
_ENGINE = "impasto_server.bench.paced:EchoEngine"


def measure(quick: bool = False) -> dict[str, Any]:
    rounds = 2 if quick else ROUNDS
    say(f"{SIDE}² px up and down, {rounds} rounds …")
    base = painting(SIDE)
    pictures = [base, with_stroke(base, STROKE, np.random.default_rng(1))]
    raw = [picture.tobytes() for picture in pictures]
    samples: dict[str, list[float]] = {"tcp": [], "shared": [], "png": []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        stack.enter_context(running(MODULE, home, _ENGINE))
        request: dict[str, Any] = {"model": "paced", "longest_px": SIDE, "refine_steps": -1}
        artists = {
            name: stack.enter_context(Artist(home, side=SIDE, shared=name == "shared", **request))
            for name in ("tcp", "shared")
        }
        for artist in artists.values():
            artist.begin(raw[0])
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        rivals = Rivals(stack.enter_context(rivals_running(SIDE)))
        loop.run_until_complete(rivals.open())
        stack.callback(lambda: loop.run_until_complete(rivals.close()))
        for number in range(rounds + 1):
            for name, artist in artists.items():
                for turn in range(EACH):
                    came = artist.preview_of(artist.show(raw[(turn + 1) % 2]))
                    if number > 0:  # the first round warms up
                        samples[name].append(artist.took_s(came))
            begin = time.perf_counter()
            loop.run_until_complete(rivals.png(pictures[0], pictures[1]))
            samples["png"].append(time.perf_counter() - begin)
        in_memory = artists["shared"].session.welcome.shared is not None
    if not in_memory:
        del samples["shared"]
    return {
        "side_px": SIDE,
        "stroke_share": STROKE,
        "forms": {name: summary(times) for name, times in samples.items()},
        "stages_ms": {name: artists[name].stages_ms(artists[name].frames(EACH)) for name in artists},
        "bars": [],
    }


def table(numbers: dict[str, Any]) -> str:
    forms = numbers["forms"]
    lines = [f"{numbers['side_px']}² px without a model: a stroke on 2 % up, a whole preview down"]
    for name, row in forms.items():
        times = "" if name == "png" else f"   PNG both ways {forms['png']['p50_ms'] / row['p50_ms']:.0f}×"
        lines.append(f"  {name:<8} {said(row)}{times}")
        if stages := numbers["stages_ms"].get(name):
            lines.append(
                "    of it " + ", ".join(f"{stage} {ms:.1f}" for stage, ms in stages.items()) + " ms"
            )
    return "\n".join(lines)
