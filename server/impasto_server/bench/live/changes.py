"""What it costs to change a live session's prompt, seed, strength or LoRA weight, and to begin one.

To begin: from `StartLive` to the first preview, on a server that has run for some seconds and whose worker
has not loaded the model; against `from_pretrained` of the same folder and the first call of the stock
pipeline, in a fresh process that has imported torch and diffusers. (What diffusers imports only when it is
used counts there; our worker imports it while nobody paints.)
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from impasto_protocol.errors import InternalError
from impasto_protocol.messages import LiveRequest, Lora

import impasto_server
from impasto_server.bench.live.artist import SIDE, Artist, Pen
from impasto_server.bench.live.noted import ENGINES, MODULE
from impasto_server.bench.numbers import bar, in_ms, say
from impasto_server.bench.processes import environment, running
from impasto_server.pool.local import COMPUTING

__all__ = ["measure", "table"]

ROUNDS, STARTS = 8, 5
RUNNING_S = 6.0  # how long a server has run before somebody paints live
STEPS, STRENGTH = 4, 0.5
LORA = "pencil"
POCKET = Path(impasto_server.__file__).parent / "pocket" / "weights"

Change = Callable[[LiveRequest, int], LiveRequest]
CHANGES: dict[str, Change] = {
    "prompt": lambda request, turn: replace(request, prompt=f"a blue boat, number {turn}"),
    "seed": lambda request, turn: replace(request, seed=turn),
    "strength": lambda request, turn: replace(request, strength=0.4 + 0.02 * (turn % 10)),
    "LoRA weight": lambda request, turn: replace(request, loras=(Lora(LORA, 0.5 + 0.05 * (turn % 10)),)),
}


def measure(quick: bool = False) -> dict[str, Any]:
    rounds, starts = (2, 1) if quick else (ROUNDS, STARTS)
    say(f"{rounds} changes of each kind …")
    took, passes, plain = _changes(rounds)
    say(f"{starts} first previews, ours and stock …")
    ours, stock, imports = [], [], []
    for _ in range(starts):
        ours.append(_first_preview_s())
        alone, imported = _stock_s()
        stock.append(alone)
        imports.append(imported)
    most = max(max(counts) for counts in passes.values())
    first, theirs = median(ours), median(stock)
    return {
        "side_px": SIDE,
        "frame_ms": in_ms(median(plain)),
        "changes": {
            name: {"first_frame_ms": in_ms(median(took[name])), "encoder_passes": max(passes[name])}
            for name in CHANGES
        },
        "first_preview_ms": in_ms(first),
        "stock_first_call_ms": in_ms(theirs),
        "stock_import_ms": in_ms(median(imports)),
        "bars": [
            bar("text-encoder passes after a change, at most", most, "≤", 1),
            bar("first preview, over stock load and first call", round(first / theirs, 3), "≤", 0.333),
        ],
    }


def table(numbers: dict[str, Any]) -> str:
    return "\n".join(
        [
            f"First frame after a change at {numbers['side_px']}² px (without: {numbers['frame_ms']:.0f} ms)",
            *(
                f"  {name:<12} {one['first_frame_ms']:>6.0f} ms, {one['encoder_passes']} passes of the text "
                "encoder at most"
                for name, one in numbers["changes"].items()
            ),
            f"StartLive → first preview, model not loaded: {numbers['first_preview_ms']:.0f} ms; stock "
            f"from_pretrained and first call {numbers['stock_first_call_ms']:.0f} ms "
            f"(after {numbers['stock_import_ms']:.0f} ms of imports)",
        ]
    )


def _changes(rounds: int) -> tuple[dict[str, list[float]], dict[str, list[int]], list[float]]:
    """Of each kind of change: seconds to its first frame, passes of the text encoder; and seconds of frames
    without one."""
    took: dict[str, list[float]] = defaultdict(list)
    passes: dict[str, list[int]] = defaultdict(list)
    plain = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with (
            running(MODULE, home, f"{ENGINES}:Counting", threads=None),
            Artist(home, steps=STEPS, strength=STRENGTH, refine_steps=-1) as artist,
        ):
            pen = Pen()
            artist.begin(pen.pixels)
            # The LoRA is worn from the start: putting it on for the first time reads a file.
            came = artist.change(replace(artist.request, loras=(Lora(LORA, 0.5),)))
            for turn in range(1, rounds + 1):
                for name, change in CHANGES.items():
                    before = came.preview.stages["passes"]
                    came = artist.change(change(artist.request, turn))
                    took[name].append(artist.took_s(came))
                    passes[name].append(round(came.preview.stages["passes"] - before))
                    came = artist.preview_of(artist.draw(pen, 1))
                    plain.append(artist.took_s(came))
    return took, passes, plain


def _first_preview_s() -> float:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with (
            running("impasto_server.cli", home, "serve", "--port", "0", threads=None),
            Artist(home, steps=STEPS, strength=STRENGTH, refine_steps=-1) as artist,
        ):
            artist.session.models(60.0)  # answered when the worker is up
            time.sleep(RUNNING_S)
            return artist.took_s(artist.begin(Pen().pixels))


def _stock_s() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        words = [str(POCKET), str(SIDE), str(STEPS), str(STRENGTH)]
        done = subprocess.run(  # noqa: S603  our own module
            [sys.executable, "-m", "impasto_server.bench.live.stock", *words],
            env={**COMPUTING, **environment(Path(folder), threads=None)},  # no worse off than our worker
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        raise InternalError(f"The stock pipeline of the bench did not run. It said: {done.stderr[-2000:]}")
    alone, imported = (float(word) for word in done.stdout.split())
    return alone, imported
