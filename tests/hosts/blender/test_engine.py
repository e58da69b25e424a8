"""F12 with Impasto as the render engine, in the real Blender beside a real server with Pocket."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.blender.artist import SMALL, Artist
from tests.hosts.blender.harness import BlenderOnScreen
from tests.hosts.blender.test_on_screen import ArtistAtScreen
from tests.hosts.server import Server

pytestmark = [pytest.mark.model, pytest.mark.every_blender]

CLOSE = 2 / 255


@pytest.fixture(scope="module")
def session(
    able: str, zipped: Path, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Artist]:
    artist = Artist(able, tmp_path_factory.mktemp("blender"), zipped, server)
    try:
        yield artist
        assert artist.blender.quit() == 0, artist.blender.output[-4000:]
    finally:
        artist.blender.kill()


@pytest.fixture
def artist(session: Artist, tmp_path: Path) -> Artist:
    session.begin()
    session.until(lambda view: view["can_start"], "render")
    session.blender.call("render_engine.prepare", folder=str(tmp_path))
    return session


def f12(artist: Artist, **words: Any) -> dict[str, Any]:
    result: dict[str, Any] = artist.blender.call("render_engine.render", **words)
    return result


def test_f12_writes_the_picture_that_was_painted(artist: Artist) -> None:
    done = f12(artist)
    assert done["sentence"] == ""
    assert done["sizes"] == [[128, 72]]
    assert done["spread"][0] > 0.02
    assert done["off"][0] <= CLOSE
    assert done["changed"] == []


def test_it_has_the_renders_own_size(artist: Artist, tmp_path: Path) -> None:
    artist.blender.call("render_engine.prepare", folder=str(tmp_path), size=[300, 150])
    artist.change(statement="C.scene.render.resolution_percentage = 50")
    done = f12(artist)
    assert done["sizes"] == [[150, 75]]
    assert done["off"][0] <= CLOSE


@pytest.mark.parametrize("cropped", [True, False])
def test_a_border_is_a_part_of_the_picture(artist: Artist, cropped: bool) -> None:
    artist.change(
        statement=f"r = C.scene.render; r.use_border, r.use_crop_to_border = True, {cropped}; "
        "r.border_min_x, r.border_max_x, r.border_min_y, r.border_max_y = 0.25, 0.7, 0.1, 0.5"
    )
    done = f12(artist)
    assert done["sentence"] == ""
    if cropped:
        assert done["off"][0] <= CLOSE
    else:
        assert done["sizes"] == [[128, 72]]


def test_all_view_layers_show_it(artist: Artist) -> None:
    artist.change(statement="C.scene.view_layers.new('Second')")
    done = f12(artist)
    assert done["sentence"] == ""
    assert done["painted"] == 1
    assert done["off"][0] <= CLOSE


def test_an_animation_has_all_its_frames(artist: Artist) -> None:
    artist.change(statement="C.scene.frame_end = 2")
    done = f12(artist, animation=True)
    assert done["sentence"] == ""
    assert done["painted"] == 2
    assert max(done["off"]) <= CLOSE


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("D.objects.remove(C.scene.camera)", "camera"),
        ("C.scene.render.use_multiview = True", "Stereoscopy"),
    ],
)
def test_one_sentence_says_why_it_cannot(artist: Artist, statement: str, word: str) -> None:
    artist.change(statement=statement)
    done = f12(artist)
    assert word in done["sentence"]
    assert done["painted"] == 0


def test_it_says_what_the_panel_says(artist: Artist) -> None:
    artist.select(names=[])
    artist.options(side="render", region=True)
    assert "selection lies outside" in f12(artist)["sentence"]


def test_it_paints_for_the_camera_and_not_over_itself(artist: Artist) -> None:
    artist.options(side="render", source="view")
    assert "camera" in f12(artist)["sentence"]
    artist.options(side="render", source="camera", picture="render")
    assert "its own picture" in f12(artist)["sentence"]


def test_blenders_panels_can_be_used_with_it_and_forget_it(artist: Artist) -> None:
    known = artist.blender.call("render_engine.panels")
    assert known["count"] > 50
    assert known["materials"]
    for left in artist.blender.call("render_engine.left_over"):
        assert left == {"count": 0, "materials": False, "engine": False}
    assert artist.blender.call("render_engine.panels") == known


def test_a_server_that_goes_or_is_not_there_is_a_sentence(able: str, zipped: Path, tmp_path: Path) -> None:
    server = Server(tmp_path / "server")
    server.start()
    artist = Artist(able, tmp_path / "blender", zipped, server)
    try:
        artist.begin()
        artist.edit(side="render", **{**SMALL["render"], "steps": 60})
        artist.until(lambda view: view["can_start"], "render")
        artist.blender.call("render_engine.prepare", folder=str(tmp_path))
        assert server.process is not None
        words = {"pid": server.process.pid, "signal": int(signal.SIGKILL)}
        assert "server" in artist.blender.call("render_engine.render_while", **words)["sentence"]
        server.kill()
        assert "server" in f12(artist)["sentence"]
        assert artist.blender.quit() == 0, artist.blender.output[-4000:]
    finally:
        artist.blender.kill()
        server.stop()


@pytest.mark.skipif(bool(BlenderOnScreen.missing()), reason=f"with windows: {BlenderOnScreen.missing()}")
def test_f12_paints_in_a_window_and_esc_cancels_it(zipped: Path, server: Server, tmp_path: Path) -> None:
    artist = ArtistAtScreen(tmp_path / "blender", zipped, server)
    try:
        artist.blender.call("screen.prepare")
        artist.blender.open_tab()
        artist.until(lambda view: view["link"]["state"] == "ready", "render")
        artist.edit(side="render", **SMALL["render"])
        artist.options(side="render", source="camera", longest_px=128)
        artist.blender.call("render_engine.prepare", folder=str(tmp_path))
        artist.change(statement="C.preferences.view.render_display_type = 'NONE'")
        artist.until(lambda view: view["can_start"], "render")
        artist.blender.call("render_engine.listen")
        press(artist, "F12")
        ended(artist)
        assert artist.blender.call("render_engine.heard") == 1
        artist.edit(side="render", steps=100)
        artist.until(lambda view: view["can_start"], "render")
        press(artist, "F12")
        time.sleep(1.0)
        assert artist.blender.call("render_engine.rendering")
        artist.blender.press("key", "Escape")
        ended(artist)
        assert artist.blender.call("render_engine.heard") == 1, "it was cancelled"
        assert artist.blender.quit() == 0, artist.blender.output[-4000:]
        assert "Traceback" not in artist.blender.output, artist.blender.output[-4000:]
    finally:
        artist.blender.kill()


def press(artist: ArtistAtScreen, key: str) -> None:
    artist.blender.press("mousemove", "500", "500", "sleep", "0.5", "key", key, "sleep", "0.3")


def ended(artist: ArtistAtScreen) -> None:
    deadline = time.monotonic() + 60.0
    while artist.blender.call("render_engine.rendering"):
        assert time.monotonic() < deadline, "it still renders"
        time.sleep(0.05)
