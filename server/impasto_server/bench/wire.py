"""`impasto bench wire`: a stroke up, a full preview down, against the forms other programs use.

One round: `Canvas.update` with a picture that has a new stroke on 2 % of it (finding what changed is part of
it), then the whole preview, raw RGB, read from the server's mirror on the same ordered connection: it cannot
come before the stroke is in. Client and servers are processes of their own; all forms take turns within each
round.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from impasto_client.canvas import Canvas
from impasto_client.session import Session
from impasto_protocol.messages import CanvasRows, CanvasTiles, ClientMessage
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_protocol.tiles import changed_tiles, pack_tiles, squeeze_tiles

from impasto_server.bench.numbers import say, summary
from impasto_server.bench.picture import Image, painting, with_stroke
from impasto_server.bench.processes import running
from impasto_server.bench.rivals import Rivals, encode

__all__ = ["STROKE", "measure", "rivals_running", "table"]

STROKE = 0.02  # of the picture
OURS_PER_ROUND = 12
RIVALS = {
    "png": "full PNG, level 1, both ways",
    "part": "rectangle PNG up, raw down",
    "base64_json": "base64 PNG in JSON",
}


@dataclass(frozen=True)
class Size:
    side: int  # px
    rounds: int  # a base64 round takes 13 s at 4096²
    strokes: int  # different pictures held in memory


SIZES = (Size(512, 12, 6), Size(1024, 12, 6), Size(2048, 5, 4), Size(4096, 2, 3))


def measure(quick: bool = False) -> dict[str, Any]:
    """All sizes, the bytes of a small stroke, and the mirror after losses."""
    sizes = SIZES[:2] if quick else SIZES
    results = {f"{size.side}": _measure(Size(size.side, 2, 3) if quick else size) for size in sizes}
    return {"stroke_share": STROKE, "sizes": results, "bytes": _bytes(1024), "losses": lossy_strokes(512)}


def table(numbers: dict[str, Any]) -> str:
    lines = []
    for side, result in numbers["sizes"].items():
        lines.append(f"{side}² px, a stroke on 2 % up, full preview down")
        for name, row in result["forms"].items():
            against = "".join(
                f"   {other} {result['ratios'][other][name]:.0f}×"
                for other in result["ratios"]
                if name in ("tcp", "shared")
            )
            lines.append(f"  {name:<12} p50 {row['p50_ms']:>9.2f} ms   p95 {row['p95_ms']:>9.2f} ms{against}")
    sent, lost = numbers["bytes"], numbers["losses"]
    lines.append(
        f"A 1 % stroke on 1024²: {sent['delta_bytes']:,} bytes, "
        f"1/{sent['ratio_to_png6']:.0f} of a full PNG level 6, "
        f"1/{sent['ratio_to_part_png1']:.1f} of a PNG of its rectangle"
    )
    lines.append(
        f"{lost['strokes']} strokes, {lost['dropped']} updates lost on the way: the mirror is "
        f"{'byte-equal' if lost['equal'] else 'NOT equal'}"
    )
    return "\n".join(lines)


@dataclass
class _Ours:
    """One of our two ways, set up: a painting that is sent, a preview that is read."""

    session: Session
    canvas: Canvas
    preview: Canvas
    shown: memoryview  # where the preview is drawn from, as a program keeps one
    samples: list[float] = field(default_factory=list)

    def round_trip(self, picture: bytes) -> None:
        begin = time.perf_counter()
        self.canvas.update(picture)
        self.preview.read_into(self.shown)
        self.samples.append(time.perf_counter() - begin)


def _measure(size: Size) -> dict[str, Any]:
    say(f"{size.side}² px: {size.rounds} rounds …")
    rng = np.random.default_rng(size.side)
    base = painting(size.side)
    # A stroke, its undo, another stroke: each turn changes what one stroke covers, never two.
    strokes = (with_stroke(base, STROKE, rng) for _ in range(size.strokes // 2))
    pictures = [picture for stroke in strokes for picture in (base, stroke)]
    samples: dict[str, list[float]] = {name: [] for name in RIVALS}
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(running("impasto_server.bench.idle", home))
        tcp = _ours(stack, home, pictures[0], shared=False)
        shared = _ours(stack, home, pictures[0], shared=True)
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        rivals = Rivals(stack.enter_context(rivals_running(size.side)))
        loop.run_until_complete(rivals.open())
        stack.callback(lambda: loop.run_until_complete(rivals.close()))
        _rounds(size, pictures, (tcp, shared), rivals, loop, samples)
        in_memory = shared.session.welcome.shared is not None
    forms = {"tcp": summary(tcp.samples)}
    if in_memory:
        forms["shared"] = summary(shared.samples)
    forms.update({name: summary(times) for name, times in samples.items()})
    return {"forms": forms, "ratios": _ratios(forms)}


def _rounds(
    size: Size,
    pictures: list[Image],
    ours: tuple[_Ours, ...],
    rivals: Rivals,
    loop: asyncio.AbstractEventLoop,
    samples: dict[str, list[float]],
) -> None:
    raw = [picture.tobytes() for picture in pictures]
    for each in ours:  # warm-up
        for picture in (*raw, raw[0]):
            each.round_trip(picture)
        each.samples.clear()
    for number in range(size.rounds):
        for each in ours:
            for turn in range(OURS_PER_ROUND):
                each.round_trip(raw[(number + turn + 1) % len(raw)])
        old, new = pictures[number % len(pictures)], pictures[(number + 1) % len(pictures)]
        for name, times in samples.items():
            begin = time.perf_counter()
            loop.run_until_complete(getattr(rivals, name)(old, new))
            times.append(time.perf_counter() - begin)


def _ours(stack: ExitStack, home: Path, picture: Image, *, shared: bool) -> _Ours:
    session = stack.enter_context(Session.connect(home, name="impasto bench", shared_memory=shared))
    side = picture.shape[0]
    preview = session.canvas(side, side, PixelFormat.RGB8)
    preview.update(np.ascontiguousarray(painting(side, seed=1)[:, :, :3]).tobytes())
    canvas = session.canvas(side, side, PixelFormat.RGBA8)
    canvas.update(picture.tobytes())
    shown = memoryview(bytearray(raster_size(side, side, PixelFormat.RGB8)))
    return _Ours(session, canvas, preview, shown)


@contextmanager
def rivals_running(side: int) -> Iterator[int]:
    """The rivals' server; yields its port."""
    process = subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-m", "impasto_server.bench.rivals", str(side)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


def _ratios(forms: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """rival → ours → how many times longer the rival takes, at p50."""
    return {
        rival: {
            ours: round(forms[rival]["p50_ms"] / forms[ours]["p50_ms"], 1)
            for ours in ("tcp", "shared")
            if ours in forms
        }
        for rival in RIVALS
    }


def _bytes(side: int) -> dict[str, float]:
    """What a stroke on 1 % costs between two machines, where tiles are compressed; median of 9 strokes."""
    from impasto_server.bench.rivals import rectangle

    rng = np.random.default_rng(9)
    old = painting(side)
    raw = old.tobytes()
    ours, parts, fulls = [], [], []
    for _ in range(9):
        new = with_stroke(old, 0.01, rng)
        tiles = changed_tiles(raw, new.tobytes(), side, side, PixelFormat.RGBA8)
        ours.append(
            len(squeeze_tiles(pack_tiles(raw, new.tobytes(), tiles, side, side, PixelFormat.RGBA8))[1])
        )
        x, y, right, bottom = rectangle(old, new)
        parts.append(len(encode(np.ascontiguousarray(new[y:bottom, x:right]), 1)))
        fulls.append(len(encode(new, 6)))
    delta, part, full = (int(np.median(sizes)) for sizes in (ours, parts, fulls))
    return {
        "delta_bytes": delta,
        "part_png1_bytes": part,
        "png6_bytes": full,
        "ratio_to_png6": round(full / delta, 1),
        "ratio_to_part_png1": round(part / delta, 2),
    }


def lossy_strokes(side: int, strokes: int = 200, share: float = 0.1) -> dict[str, Any]:
    """Strokes of which some updates never arrive; then one more, and the server's mirror is compared."""
    rng, dice = np.random.default_rng(3), random.Random(3)
    picture = painting(side)
    dropped = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        running("impasto_server.bench.idle", Path(folder)),
        Session.connect(Path(folder), name="impasto bench", shared_memory=False) as session,
    ):
        canvas = session.canvas(side, side, PixelFormat.RGBA8)
        canvas.update(picture.tobytes())
        canvas.acknowledged()

        def lossy(send: Callable[[ClientMessage], None]) -> Callable[[ClientMessage], None]:
            def maybe(message: ClientMessage) -> None:
                nonlocal dropped
                if isinstance(message, (CanvasTiles, CanvasRows)) and dice.random() < share:
                    dropped += 1
                else:
                    send(message)

            return maybe

        with session.uploading() as connection:
            assert connection is not None
            faithful = connection.send
            connection.send = lossy(faithful)  # type: ignore[assignment,method-assign]
        for number in range(strokes):
            picture = with_stroke(picture, 0.01, rng)
            canvas.update(picture.tobytes())
            if number % 10 == 9:  # a hand pauses, and what the server says of gaps arrives
                time.sleep(0.01)
        connection.send = faithful  # type: ignore[method-assign]
        picture = with_stroke(picture, 0.01, rng)
        equal = _settles(canvas, picture.tobytes())
    return {"strokes": strokes, "dropped": dropped, "equal": equal}


def _settles(canvas: Canvas, pixels: bytes) -> bool:
    """Whether the mirror is byte-equal after the next update, or after the one that a gap asked for."""
    for _ in range(3):
        canvas.update(pixels)
        try:
            canvas.acknowledged(2.0)
            break
        except TimeoutError:
            continue
    return canvas.read_back() == pixels
