"""Photographs the panels for the handbook: `python -m tests.hosts.blender.take_pictures [FOLDER] [NAME …]`.

A Blender with windows, the built add-on, a real server with Pocket. Look at every picture before it goes into
docs/images/.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.hosts.blender.artist import Artist, painted, settled
from tests.hosts.blender.harness import ROOT, BlenderOnScreen, archive
from tests.hosts.server import Server

SIZE = (1280, 860)
COLOURS = 200  # of a picture: under 250 kB


class Photographer(Artist):
    blender: BlenderOnScreen

    def __init__(self, folder: Path, server: Server, pictures: Path) -> None:
        self.blender = BlenderOnScreen(folder, archive(folder), server.environment, SIZE)
        self.server = server
        self._pictures = pictures
        self.blender.call("screen.prepare")

    def shoot(self, name: str) -> None:
        self.blender.call("screen.frames", count=4)
        path = self.blender.screenshot(self._pictures / f"blender-{name}.png")
        subprocess.run(
            ["convert", str(path), "-dither", "None", "-colors", str(COLOURS), f"png8:{path}"], check=True
        )
        print(f"{path} {path.stat().st_size >> 10} KiB")

    def stage(self) -> None:
        """Suzanne, seen as an artist would stand."""
        self.blender.call("screen.stage")


def no_server(artist: Photographer) -> None:
    artist.stage()
    artist.blender.open_tab()
    artist.until(lambda view: view["link"]["state"] == "absent", "render")
    artist.shoot("no-server")
    artist.server.start()
    artist.until(lambda view: view["link"]["state"] == "ready" and view["objects"])


def texture(artist: Photographer) -> None:
    artist.edit(side="texture", prompt="brick", around=6, texture_px=1024, seed=3)
    artist.blender.call("screen.only", panel="texture")
    artist.until(lambda view: view["can_start"])
    artist.press(operator="texture", side="texture")
    artist.until(lambda view: any(job["preview"] and job["done"] > 0.2 for job in view["jobs"]))
    artist.shoot("texture-working")
    artist.until(painted)
    time.sleep(1)
    artist.shoot("texture")
    artist.tell(side="texture", command="inspect", words=["coverage"])
    artist.until(lambda view: view["inspecting"] == "coverage" and settled(view))
    artist.shoot("coverage")
    artist.tell(side="texture", command="inspect", words=[""])


def render(artist: Photographer) -> None:
    artist.blender.call("screen.only", panel="render")
    artist.options(side="render", source="view", longest_px=512)
    artist.edit(
        side="render",
        prompt="a red ball on grass",
        seed=5,
        takes=3,
        refine_strength=0.7,
        controls=[["depth", "depth"]],
    )
    artist.until(lambda view: view["can_start"], "render")
    artist.press(operator="generate", side="render")
    artist.until(
        lambda view: any(
            job["state"] == "running" and job["preview"] and job["done"] > 0.1 for job in view["jobs"]
        ),
        "render",
    )
    artist.shoot("render-working")
    artist.until(lambda view: len(view["takes"]) == 3 and settled(view), "render")
    artist.until(lambda view: all(take["thumbnail"] for take in view["takes"]), "render")
    artist.shoot("render")


def live(artist: Photographer) -> None:
    artist.press(operator="put_takes_away", side="render")
    artist.blender.call("screen.only", panel="live")
    artist.tell(side="render", command="set_live", words=[True])
    artist.until(lambda view: view["live"]["state"] == "following" and view["live"]["refined"], "render")
    artist.shoot("live")
    artist.tell(side="render", command="set_live", words=[False])
    artist.edit(side="render", mode="refine")


def light(artist: Photographer) -> None:
    artist.blender.call("screen.only", panel="texture")
    artist.blender.call("screen.theme", name="Blender_Light")
    artist.shoot("texture-light")
    artist.blender.call("screen.theme", name="Blender_Dark")


def image(artist: Photographer) -> None:
    artist.blender.call("screen.only", panel="image")
    artist.blender.call("screen.show_editor", kind="IMAGE_EDITOR")
    artist.blender.call("screen.show_texture")
    artist.blender.open_tab(4)
    artist.options(side="image", selection="box", box=[300, 300, 300, 300])
    artist.edit(side="image", mode="fill", prompt="grass", takes=2, seed=4)
    artist.until(lambda view: view["can_start"], "image")
    artist.press(operator="paint_image", side="image")
    artist.until(lambda view: len(view["takes"]) == 2 and settled(view), "image")
    artist.until(lambda view: all(take["thumbnail"] for take in view["takes"]), "image")
    artist.shoot("image")


STORIES: tuple[Callable[[Photographer], None], ...] = (no_server, texture, render, live, light, image)


def main(words: list[str]) -> None:
    pictures = Path(words[0]) if words else ROOT / "docs" / "images"
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "server")
        artist = Photographer(Path(folder) / "blender", server, pictures)
        try:
            for story in STORIES:
                if story is no_server or not words[1:] or story.__name__ in words[1:]:
                    story(artist)
        finally:
            print(artist.blender.output[-3000:])
            artist.blender.kill()
            server.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
