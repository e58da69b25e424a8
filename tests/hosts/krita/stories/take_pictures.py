"""Photographs Krita with Impasto at work: `python -m tests.hosts.krita.stories.take_pictures docs/images`.

Every mode, in a light and a dark theme, at single and double scale. To look at, and for the documentation.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from impasto_server.plugins.archive import build_krita
from PIL import Image

from tests.hosts.krita import harness
from tests.hosts.krita.stories.artist import Artist, takes_or_failure
from tests.hosts.server import Server

DEMO = harness.ROOT / "server" / "impasto_server" / "demo"
THEMES = {"dark": "Krita dark", "light": "Krita bright"}
WIDTH, HEIGHT = 1280, 824


def main(out: Path) -> None:
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
                    photograph(artist, out, "" if scale == 1 else "-2x", scale)
                finally:
                    artist.krita.kill()
        finally:
            server.stop()


def photograph(artist: Artist, out: Path, suffix: str, scale: int) -> None:
    artist.do("open_file", path=str(DEMO / "photograph.jpg"))
    artist.krita.call("hands.lay_out", width=WIDTH, docker_width=330)
    artist.until(lambda view: view["link"]["state"] == "ready")
    artist.krita.call("hands.centre")

    def snap(name: str) -> None:
        path = artist.krita.screenshot(out / f"krita-{name}{suffix}.png")
        picture = Image.open(path).convert("RGB").crop((0, 0, WIDTH * scale, HEIGHT * scale))
        few = picture.quantize(255, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
        few.save(path, optimize=True)

    def shoot(name: str) -> None:
        for theme, scheme in THEMES.items():
            if not artist.krita.call("hands.theme", name=scheme):
                raise LookupError(f"Krita has no theme {scheme!r}")
            time.sleep(1.0)
            snap(f"{name}-{theme}")

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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
