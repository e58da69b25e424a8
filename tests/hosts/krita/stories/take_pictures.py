"""Photographs Krita with Impasto at work: `python -m tests.hosts.krita.stories.take_pictures docs/images`.

Every mode, in a light and a dark theme, at single and double scale. To look at, and for the documentation.
With "jobs" or "live" behind the folder: only these.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from impasto_server.plugins.archive import build_krita
from PIL import Image

from tests.hosts.krita import harness
from tests.hosts.krita.stories.artist import Artist, takes_or_failure
from tests.hosts.server import Server

DEMO = harness.ROOT / "server" / "impasto_server" / "demo"
THEMES = {"dark": "Krita dark", "light": "Krita bright"}
WIDTH, HEIGHT = 1280, 824
SKETCHED = 5  # steps of the sketch


def main(out: Path, wanted: tuple[str, ...]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_krita(harness.ROOT, harness.ROOT / "build" / "vendored").write(folder / "plugin.zip")
        with zipfile.ZipFile(folder / "plugin.zip") as archive:
            archive.extractall(folder / "plugin")
        server = Server(folder / "server")
        server.start()
        try:
            for scale in (1, 2):
                home = harness.throw_away(folder / "cache", folder / f"home{scale}")
                artist = Artist(home, folder / "plugin", server, window_manager=True, scale=scale)
                try:
                    for name in wanted:
                        SERIES[name](artist, out, "" if scale == 1 else "-2x", scale)
                finally:
                    artist.krita.kill()
        finally:
            server.stop()


class Camera:
    """Takes pictures of the window, with few colours: they are kept in the repository."""

    def __init__(self, artist: Artist, out: Path, suffix: str, scale: int) -> None:
        self._artist, self._out, self._suffix, self._scale = artist, out, suffix, scale

    def snap(self, name: str) -> None:
        path = self._artist.krita.screenshot(self._out / f"krita-{name}{self._suffix}.png")
        picture = Image.open(path).convert("RGB").crop((0, 0, WIDTH * self._scale, HEIGHT * self._scale))
        few = picture.quantize(255, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
        few.save(path, optimize=True)

    def theme(self, scheme: str) -> None:
        if not self._artist.krita.call("hands.theme", name=scheme):
            raise LookupError(f"Krita has no theme {scheme!r}")
        time.sleep(1.0)

    def shoot(self, name: str) -> None:
        for theme, scheme in THEMES.items():
            self.theme(scheme)
            self.snap(f"{name}-{theme}")


def live(artist: Artist, out: Path, suffix: str, scale: int) -> None:
    """A sketch that grows, with its previews; then over the canvas; then pinned."""
    camera = Camera(artist, out, suffix, scale)
    artist.do("blank_document", width=512, height=512)
    artist.krita.call("hands.lay_out", width=WIDTH, docker_width=330)
    artist.until(lambda view: view["link"]["state"] == "ready" and view["document"])
    artist.krita.call("hands.centre")
    camera.theme(THEMES["dark"])
    artist.do("change", mode="live", prompt="a red house", live_strength=0.4)
    if not suffix:
        camera.snap("live-off-dark")
    artist.tell("set_live", True)
    for step in range(1, SKETCHED + 1):
        artist.do("sketch", step=step)
        artist.until(lambda view: view["live"]["current"])
        artist.until(lambda view: view["live"]["refined"])
        if not suffix:
            camera.snap(f"live-{step}")
    camera.shoot("live")
    camera.theme(THEMES["dark"])
    artist.do("change", live_on_canvas=True)
    time.sleep(1.0)
    camera.snap("live-on-canvas-dark")
    artist.do("change", live_on_canvas=False)
    artist.tell("pin_live")
    artist.until(lambda _view: len(artist.facts["layers"]) == 3)
    time.sleep(1.5)
    camera.snap("live-pinned-dark")
    artist.tell("set_live", False)
    artist.close()


def photograph(artist: Artist, out: Path, suffix: str, scale: int) -> None:
    artist.do("open_file", path=str(DEMO / "photograph.jpg"))
    artist.krita.call("hands.lay_out", width=WIDTH, docker_width=330)
    artist.until(lambda view: view["link"]["state"] == "ready")
    artist.krita.call("hands.centre")
    camera = Camera(artist, out, suffix, scale)
    snap, shoot = camera.snap, camera.shoot
    scene = json.loads((DEMO / "scene.json").read_text())
    (x, y), (across, down) = scene["mask"]["centre"], scene["mask"]["radii"]
    artist.do("select_ellipse", x=x - across, y=y - down, width=2 * across, height=2 * down, softness=0.05)
    artist.do("change", mode="fill", prompt=scene["prompt"], takes=3, seed=scene["seed"])
    artist.until(lambda view: view["can_start"])
    artist.tell("start")
    artist.until(lambda view: any(job["preview"] and job["done"] > 0.5 for job in view["jobs"]))
    snap("working-dark")
    artist.until(lambda view: takes_or_failure(view) and all(take["thumbnail"] for take in view["takes"]))
    shoot("fill")
    artist.apply()
    artist.tell("put_away")
    artist.do("change", mode="refine", prompt="a painting of a table", refine_strength=0.4)
    shoot("refine")
    artist.do("deselect")
    artist.do("change", mode="generate", prompt="a red house on a green hill at sunset")
    shoot("generate")
    artist.do("change", mode="upscale", prompt="")
    shoot("upscale")


SERIES: dict[str, Callable[[Artist, Path, str, int], None]] = {"live": live, "jobs": photograph}


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(sys.argv[2:]) or tuple(SERIES))
