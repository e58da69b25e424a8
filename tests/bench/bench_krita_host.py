"""How long the Krita host takes, and how long it keeps Krita's UI thread, in the real Krita.

    python -m tests.bench.bench_krita_host

Per operation, over a few repetitions: `took` from the call to its answer; `stall` the longest time between
two beats of a 1 ms timer on the UI thread, Krita's own painting included; `own` the longest slice of ours
alone. Median and worst."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.hosts.krita import harness
from tests.hosts.krita.pictures import Easel, colourful

SIZES_PX = (1024, 2048)
SPACES = (("RGBA", "U8"), ("RGBA", "U16"), ("RGBA", "F32"), ("CMYKA", "U8"))
TIMES = 7
KEYS = ("took_ms", "stall_ms", "own_ms")


def report(what: str, answers: list[dict[str, Any]]) -> None:
    columns = []
    for key in KEYS:
        values = [answer[key] for answer in answers]
        columns.append(f"{key[:-3]} {statistics.median(values):7.1f} (worst {max(values):7.1f})")
    print(f"{what:34s} {'   '.join(columns)} ms", flush=True)


def measure(easel: Easel, space: str, size_px: int) -> None:
    box = (0, 0, size_px, size_px)
    easel.krita.call("documents.select", boxes=[[8, 8, size_px - 16, size_px - 16]])
    layer = easel.tree()[1][2]
    for what, more in (
        ("capture", {}),
        ("capture + mask", {"mask": True}),
        ("capture a layer", {"image": False, "controls": [layer]}),
    ):
        report(f"{space} {size_px}² {what}", [easel.capture(box, **more) for _ in range(TIMES)])
    easel.krita.call("documents.deselect")
    picture = colourful(size_px, size_px)
    picture[: size_px // 2, : size_px // 2, 3] = 100
    for insert in ("layer", "group", "mask", "replace"):
        answers = []
        for _ in range(TIMES):
            answers.append(easel.insert(picture, insert=insert))
            easel.krita.call("documents.undo")
            if insert == "replace":
                easel.krita.call("documents.undo")
        report(f"{space} {size_px}² insert as {insert}", answers)


def scenes(krita: harness.Krita, folder: Path) -> None:
    """A poll of the scene, with few layers and with many."""
    easel = Easel(krita, folder, width=512, height=512)
    print(f"scene, 1 layer: {krita.call('under_test.scene_cost'):.3f} ms")
    for index in range(100):
        easel.insert(np.full((4, 4, 4), 255, np.uint8), index, index, name=f"layer {index}")
    print(f"scene, 101 layers: {krita.call('under_test.scene_cost'):.3f} ms")
    krita.call("documents.close")


def main() -> None:
    assert not harness.missing(), harness.missing()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        home = harness.throw_away(folder / "cache", folder / "home")
        krita = harness.Krita(home, plugin=None)
        try:
            scenes(krita, folder)
            for model, depth in SPACES:
                for size_px in SIZES_PX:
                    easel = Easel(krita, folder, model=model, depth=depth, width=size_px, height=size_px)
                    easel.insert(colourful(size_px, size_px, seed=7))  # pixels to be read
                    # The first mask opens the scratch document.
                    easel.insert(np.full((1, 1, 4), 255, np.uint8), insert="mask")
                    measure(easel, f"{model} {depth}", size_px)
                    krita.call("documents.close")
            krita.quit()
        finally:
            krita.kill()


if __name__ == "__main__":
    main()
