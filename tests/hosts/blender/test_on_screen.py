"""The panels in a Blender with windows: drawn in every state without an error, and Esc cancels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.blender.artist import SMALL, Artist, settled
from tests.hosts.blender.harness import BlenderOnScreen
from tests.hosts.server import Server

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        bool(BlenderOnScreen.missing()), reason=f"a Blender with windows: {BlenderOnScreen.missing()}"
    ),
]


class ArtistAtScreen(Artist):
    blender: BlenderOnScreen

    def __init__(self, folder: Path, zipped: Path, server: Server) -> None:
        self.blender = BlenderOnScreen(folder, zipped, server.environment)
        self.server = server


@pytest.fixture(scope="module")
def artist(
    zipped: Path, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ArtistAtScreen]:
    artist = ArtistAtScreen(tmp_path_factory.mktemp("screen"), zipped, server)
    try:
        artist.blender.call("screen.prepare")
        yield artist
        assert artist.blender.quit() == 0, artist.blender.output[-4000:]
        assert "Traceback" not in artist.blender.output, artist.blender.output[-4000:]
    finally:
        artist.blender.kill()


def test_it_begins_when_its_tab_is_opened(artist: ArtistAtScreen) -> None:
    assert not artist.blender.call("session.facts")["running"]
    artist.blender.open_tab()
    assert artist.blender.call("session.facts")["running"]
    artist.until(lambda view: view["link"]["state"] == "ready")


def test_esc_cancels_a_job(artist: ArtistAtScreen) -> None:
    artist.blender.open_tab()
    artist.edit(side="texture", **{**SMALL["texture"], "steps": 60})
    artist.press_when_ready("texture", "texture")
    artist.running("texture")
    artist.blender.press("mousemove", "500", "500", "sleep", "0.3", "key", "Escape")
    artist.until(lambda view: not view["jobs"], timeout_s=20)
    assert artist.texture_of(name="Cube") is None


def test_every_panel_is_drawn_in_every_state(artist: ArtistAtScreen) -> None:
    """What goes wrong in a panel's drawing is printed, and looked for at the end."""
    artist.blender.open_tab()
    for side, fields in SMALL.items():
        artist.edit(side=side, **fields)
    artist.options(side="render", longest_px=128)
    for source in ("around", "cameras", "view"):
        artist.edit(side="texture", source=source)
        artist.blender.call("screen.frames", count=3)
    artist.edit(side="texture", **{**SMALL["texture"], "separately": True})
    artist.press_when_ready("texture", "texture")
    artist.running("texture")
    artist.blender.call("screen.frames", count=3)
    artist.until(lambda view: settled(view) and view["results"])
    artist.press_when_ready("render", "generate")
    artist.until(lambda view: view["takes"] and settled(view), "render")
    artist.blender.call("screen.unfold")
    artist.blender.call("screen.frames", count=3)
    artist.blender.call("screen.show_editor", kind="IMAGE_EDITOR")
    for mode in ("fill", "refine", "upscale"):
        artist.edit(side="image", mode=mode)
        artist.blender.call("screen.frames", count=3)
    assert "Traceback" not in artist.blender.output, artist.blender.output[-4000:]


def test_it_speaks_blenders_language(artist: ArtistAtScreen) -> None:
    german = artist.blender.call("session.speak", language="de_DE")
    assert german == ["Rundum", "Prompt je Objekt"]
    assert artist.blender.call("session.speak", language="en_US") == ["Around", "Prompt per Object"]
