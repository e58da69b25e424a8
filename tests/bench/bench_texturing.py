"""Time of texturing without inference, from geometry to finished textures; prints a table.

python tests/bench/bench_texturing.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from impasto_server.texturing.atelier import Atelier, Target
from impasto_server.texturing.rig import interleaved

from tests.texturing import shapes

REPEATS = 5
STAGES = ("layout", "one view", "finish", "ALL", "depth", "in turn", "agree first", "agree")


def timed(side: int, view_px: int) -> dict[str, float]:
    """Seconds of each stage for Suzanne with textures of `side`² and 8 views of `view_px`².

    layout: the texel table. one view: its picture laid on the texels, the median of 8. ALL: layout, 8 views,
    finish. depth: a depth map, when nothing of the view is known. in turn: what a view costs that keeps what
    the others have painted. agree: one step of 8 views' latents, of an eighth of their size.
    """
    rng = np.random.default_rng(0)
    mesh = shapes.suzanne()
    fresh = type(mesh)(mesh.positions.copy(), mesh.triangles.copy(), mesh.uvs.copy())
    pictures = [shapes.picture(view_px, view_px, seed) for seed in range(8)]
    times = {}
    start = time.perf_counter()
    atelier = Atelier([Target(fresh, side, side)])
    times["layout"] = time.perf_counter() - start
    views = interleaved(atelier.points, 8, (view_px, view_px))
    each = []
    for view, picture in zip(views, pictures, strict=True):
        before = time.perf_counter()
        atelier.give(atelier.add_view(view), picture)
        each.append(time.perf_counter() - before)
    times["one view"] = median(each)
    before = time.perf_counter()
    atelier.finish()
    times["finish"] = time.perf_counter() - before
    times["ALL"] = time.perf_counter() - start
    before = time.perf_counter()
    atelier.depth(0)
    times["depth"] = time.perf_counter() - before
    before = time.perf_counter()
    atelier.trimap(1)
    atelier.shown(1)
    atelier.give(1, pictures[1], keep=True)
    times["in turn"] = time.perf_counter() - before
    latents = [rng.normal(size=(view_px // 8, view_px // 8, 4)).astype(np.float32) for _ in range(8)]
    for name in ("agree first", "agree"):
        before = time.perf_counter()
        atelier.agree(latents, 3.0)
        times[name] = time.perf_counter() - before
    return times


def main() -> None:
    cases = [(1024, 512), (1024, 1024), (2048, 1024)]
    runs: dict[tuple[int, int], list[dict[str, float]]] = {case: [] for case in cases}
    for _ in range(REPEATS):
        for case in cases:  # in turns, so that whatever else the machine does meets all alike
            runs[case].append(timed(*case))
    print(f"{Path(__file__).stem}: Suzanne, 8 views, median (best) of {REPEATS}, ms")
    print("texels² / view²".ljust(16) + "".join(f"{side}/{px}".rjust(20) for side, px in cases))
    for stage in STAGES:
        values = [[run[stage] * 1e3 for run in runs[case]] for case in cases]
        print(stage.ljust(16) + "".join(f"{median(v):11.0f} ({min(v):6.0f})" for v in values))


if __name__ == "__main__":
    main()
