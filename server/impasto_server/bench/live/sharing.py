"""Four painters at once, each at 120 Hz: what is shown is the newest, little is wasted, and all get the same.

"Newest at its start" is read off the server's own notes: when a frame began, no newer input of its session
may have lain in the worker's pipe for longer than `READ_S`, which the worker's reader needs beside torch.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from impasto_server.bench.live.artist import PEN_HZ, Artist, Pen
from impasto_server.bench.live.noted import MODULE, PRODUCT_ENGINE, notes
from impasto_server.bench.numbers import bar, in_ms, said, say, summary
from impasto_server.bench.processes import running

__all__ = ["jain", "measure", "table"]

CLIENTS, SECONDS = 4, 15.0
READ_S = 0.01  # two of Python's switch intervals


def measure(quick: bool = False) -> dict[str, Any]:
    seconds = 1.5 if quick else SECONDS
    say(f"{CLIENTS} clients at {PEN_HZ:.0f} Hz for {seconds:g} s …")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        stack.enter_context(running(MODULE, home, PRODUCT_ENGINE, threads=None))
        artists = [
            stack.enter_context(Artist(home, client=secrets.token_hex(16), refine_steps=-1))
            for _ in range(CLIENTS)
        ]
        pens = [Pen(seed=number) for number in range(CLIENTS)]
        for artist, pen in zip(artists, pens, strict=True):
            artist.begin(pen.pixels)
        before, noted_before = [len(artist.came) for artist in artists], len(notes(home))
        points = round(seconds * PEN_HZ)
        hands = [
            threading.Thread(target=_draw, args=(artist, pen, points), daemon=True)
            for artist, pen in zip(artists, pens, strict=True)
        ]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()
        came = [artist.came[start:] for artist, start in zip(artists, before, strict=True)]
        noted = notes(home)
    device = _device_s(noted, noted_before)
    inputs = CLIENTS * points
    previews = [len(one) for one in came]
    superseded = max(1, inputs - sum(previews))
    wasted = sum(one.preview.wasted_steps for each in came for one in each)
    older = _older_s(noted[noted_before:])
    took = [artist.took_s(one) for artist, each in zip(artists, came, strict=True) for one in each]
    return {
        "clients": CLIENTS,
        "seconds": seconds,
        "inputs": inputs,
        "previews": previews,
        "device_s": [round(value, 3) for value in device],
        "stroke_to_preview": summary(took),
        "newer_input_in_the_pipe": summary(older) if len(older) > 1 else None,
        "wasted_steps": wasted,
        "bars": [
            bar(
                f"previews whose frame began although a newer input had lain there {in_ms(READ_S):g} ms",
                sum(value > READ_S for value in older),
                "=",
                0,
            ),
            bar("wasted steps per superseded input", round(wasted / superseded, 4), "≤", 1.0),
            bar("Jain's index over previews", round(jain(previews), 4), "≥", 0.98),
            bar("Jain's index over device time", round(jain(device), 4), "≥", 0.98),
        ],
    }


def table(numbers: dict[str, Any]) -> str:
    older = numbers["newer_input_in_the_pipe"]
    return "\n".join(
        [
            f"{numbers['clients']} clients at {PEN_HZ:.0f} Hz for {numbers['seconds']:g} s: "
            f"{numbers['inputs']} inputs, previews {numbers['previews']}, "
            f"device seconds {numbers['device_s']}",
            f"  what is shown → its preview {said(numbers['stroke_to_preview'])}",
            f"  wasted steps: {numbers['wasted_steps']}; frames that began while a newer input was on its "
            "way: "
            + ("hardly any" if older is None else f"{older['samples']}, p95 {older['p95_ms']:.1f} ms"),
        ]
    )


def jain(values: Sequence[float]) -> float:
    """(Σx)² / n Σx²: 1 when all have the same, 1/n when one has all."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 0.0


def _draw(artist: Artist, pen: Pen, points: int) -> None:
    artist.preview_of(artist.draw(pen, points))


def _device_s(noted: list[dict[str, Any]], first: int) -> list[float]:
    """Device time of each client from note `first` on."""
    clients = {note["live"]: note["client"] for note in noted if note["what"] == "opened"}
    used = dict.fromkeys(clients.values(), 0.0)
    for note in noted[first:]:
        if note["what"] == "painted":
            used[clients[note["live"]]] += note["device_s"]
    return list(used.values())


def _older_s(noted: list[dict[str, Any]]) -> list[float]:
    """For each frame that began when a newer input of its session was in the worker's pipe already: how long
    that had been there."""
    fed: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for note in noted:
        if note["what"] == "fed":
            fed[note["live"]].append(note)
    found = []
    for note in noted:
        if note["what"] != "painted" or note["refined"]:
            continue
        own = next((one for one in fed[note["live"]] if one["input"] == note["input"]), None)
        if own is None:
            continue
        begun_s = own["came_s"] + note["waited_ms"] / 1000.0
        newer = [one["at_s"] for one in fed[note["live"]] if one["input"] > note["input"]]
        if newer and min(newer) < begun_s:
            found.append(begun_s - min(newer))
    return found
