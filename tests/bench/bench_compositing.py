"""Time of each compositing stage without inference, on one thread; prints a table.

python tests/bench/bench_compositing.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from impasto_server.compositing import alpha_over, finish_inpaint, plan_inpaint
from impasto_server.compositing.colour import membrane
from impasto_server.compositing.context import crop, paste
from impasto_server.compositing.fill import prefill
from impasto_server.compositing.geometry import mask_bounds
from impasto_server.compositing.masks import composite_alpha, working_masks

REPEATS = 7


def document(side: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A grainy RGB picture and a round selection of 40 % of its side in diameter."""
    random = np.random.default_rng(1)
    smooth = cv2.GaussianBlur(random.standard_normal((side, side, 3)).astype(np.float32), (0, 0), 12.0)
    picture = 0.5 + 0.15 * smooth / smooth.std() + random.normal(0.0, 0.01, smooth.shape)
    mask = np.zeros((side, side), dtype=np.uint8)
    cv2.circle(mask, (side // 2, side // 2), side // 5, 255, -1)
    return (np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8), mask


def best_ms(call: Callable[[], object]) -> float:
    # The best and not the median: other programs only ever add time.
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def stages(side: int, native: int) -> dict[str, float]:
    """Best milliseconds of each stage for a canvas of ``side``² and a model of ``native``²."""
    image, mask = document(side)
    plan = plan_inpaint(image, mask, native=native)
    geometry, base = plan.crop, plan.base
    soft, touched = working_masks(mask[geometry.context.slices], geometry.content)
    # The content is unpadded here: both sides of every benchmark canvas lie on the grid.
    generated = np.clip(cv2.GaussianBlur(base.image, (0, 0), 0.7) * np.float32(1.03) + np.float32(0.02), 0, 1)
    result = finish_inpaint(plan, generated, seed=1)
    part = image[result.box.slices]
    plain = {"seed": 1, "match_colour": False, "match_grain": False}
    times = {
        "mask bounds": best_ms(lambda: mask_bounds(mask)),
        "crop": best_ms(lambda: crop(image, geometry.context, geometry.content, geometry.working, 1.0)),
        "working masks": best_ms(lambda: working_masks(mask[geometry.context.slices], geometry.content)),
        "fill border": best_ms(lambda: prefill(base.image, soft, touched, "border")),
        "PLAN": best_ms(lambda: plan_inpaint(image, mask, native=native)),
        "membrane": best_ms(lambda: membrane(generated, base.image, touched)),
        "paste": best_ms(lambda: paste(generated, geometry.context, geometry.content, geometry.bounds)),
        "composite alpha": best_ms(lambda: composite_alpha(mask[geometry.bounds.slices])),
        "alpha over": best_ms(lambda: alpha_over(part, result.layer)),
        "FINISH plain": best_ms(lambda: finish_inpaint(plan, generated, **plain)),
        "FINISH + grain": best_ms(lambda: finish_inpaint(plan, generated, seed=1, match_colour=False)),
        "FINISH": best_ms(lambda: finish_inpaint(plan, generated, seed=1)),
    }
    times["ROUND TRIP plain"] = times["PLAN"] - times["fill border"] + times["FINISH plain"]
    times["ROUND TRIP"] = times["PLAN"] + times["FINISH"]
    return times


def main() -> None:
    cv2.setNumThreads(1)
    cases = [(512, 512), (1024, 512), (1024, 1024), (2048, 1024), (4096, 1024)]
    columns = [stages(side, native) for side, native in cases]
    print(f"{Path(__file__).stem}: best of {REPEATS}, ms, one OpenCV thread")
    print("canvas² / native".ljust(20) + "".join(f"{side}/{native}".rjust(12) for side, native in cases))
    for stage in columns[0]:
        print(stage.ljust(20) + "".join(f"{column[stage]:12.1f}" for column in columns))


if __name__ == "__main__":
    main()
