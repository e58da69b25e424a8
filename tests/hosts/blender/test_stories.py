"""The built add-on in the real Blender, beside a real server with Pocket: what artists do all day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.blender.artist import Artist, painted, settled
from tests.hosts.server import Server

pytestmark = [pytest.mark.model, pytest.mark.every_blender]


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
def artist(session: Artist) -> Iterator[Artist]:
    session.begin()
    yield session
    for side in ("render", "texture", "image"):
        session.tell(side=side, command="cancel_all")
        session.until(lambda view: not view["jobs"], side)
        session.tell(side=side, command="dismiss_notice")


def test_a_render_is_painted_over_with_its_depth(artist: Artist) -> None:
    artist.edit(side="render", controls=[["depth", "depth"]])
    before = artist.images()
    artist.keep_state(name="before")
    artist.press_when_ready("render", "generate")
    view = artist.until(lambda view: view["takes"] and settled(view), "render")
    assert artist.changes_since(name="before") == []
    assert view["takes"][0]["thumbnail"] is None or view["takes"][0]["thumbnail"]["pixels"] > 0
    artist.press(operator="apply_take", side="render")
    artist.until(lambda view: view["applied"], "render")
    after = artist.images()
    (name,) = set(after) - set(before)
    picture = artist.picture(name=name)
    assert max(picture["size"]) == 128
    assert picture["spread"] > 0.02
    artist.press(operator="put_takes_away", side="render")


def test_suzanne_and_a_cube_are_textured_and_one_undo_takes_it_back(artist: Artist) -> None:
    artist.add(kind="monkey", name="Suzanne", location=[3, 0, 0])
    artist.select(names=["Suzanne", "Cube"])
    artist.change(statement="bpy.ops.ed.undo_push(message='before')")
    artist.until(lambda view: len(view["objects"]) == 2)
    slots = {name: artist.slots(name=name) for name in ("Suzanne", "Cube")}
    artist.press_when_ready("texture", "texture")
    artist.until(painted)
    for name in ("Suzanne", "Cube"):
        texture = artist.texture_of(name=name)
        assert texture is not None
        assert texture["size"] == [128, 128]
        assert texture["spread"] > 0.02, "it is not one flat colour"
        assert set(slots[name]) <= set(texture["kept"]), "the mesh keeps the old material in its slot"
    artist.undo()
    assert {name: artist.slots(name=name) for name in ("Suzanne", "Cube")} == slots


def test_a_cancelled_job_leaves_the_scene_as_it_was(artist: Artist) -> None:
    artist.select(names=["Cube"])
    artist.edit(side="texture", steps=60)
    artist.keep_state(name="before")
    artist.press_when_ready("texture", "texture")
    artist.running("texture")
    artist.press(operator="cancel_all")
    artist.until(lambda view: not view["jobs"], timeout_s=20)
    assert artist.texture_of(name="Cube") is None
    assert artist.changes_since(name="before") == []


def test_a_part_of_an_image_is_repainted_and_the_rest_stays(artist: Artist) -> None:
    artist.make_image(name="Wall", width=128, height=128)
    artist.show_image(name="Wall")
    artist.options(side="image", selection="box", box=[32, 32, 64, 64], seamless=False, result="into")
    before = artist.corner_and_middle(name="Wall")
    artist.press_when_ready("image", "paint_image")
    artist.until(lambda view: view["takes"] and settled(view), "image")
    artist.press(operator="apply_take", side="image")
    artist.until(lambda view: view["applied"], "image")
    after = artist.corner_and_middle(name="Wall")
    assert after["outside"] == before["outside"], "the same bytes"
    assert after["middle"] != before["middle"]
    artist.press(operator="put_takes_away", side="image")


def test_a_server_killed_in_mid_job_finishes_it(able: str, zipped: Path, tmp_path: Path) -> None:
    server = Server(tmp_path / "server")
    server.start()
    artist = Artist(able, tmp_path / "blender", zipped, server)
    try:
        artist.begin()
        artist.select(names=["Cube"])
        artist.edit(side="texture", steps=12)
        artist.press_when_ready("texture", "texture")
        artist.running("texture")
        server.kill()
        artist.until(lambda view: view["link"]["state"] != "ready", timeout_s=20)
        server.start()
        artist.until(painted)
        assert artist.texture_of(name="Cube")["spread"] > 0.02
        assert artist.blender.quit() == 0, artist.blender.output[-4000:]
    finally:
        artist.blender.kill()
        server.stop()


def test_every_panel_draws_only_what_this_blender_can(artist: Artist) -> None:
    """In the states that the stories above have left: takes, results, a history."""
    artist.select(names=["Cube"])
    artist.make_image(name="Wall", width=128, height=128)
    artist.show_image(name="Wall")
    artist.edit(side="texture", source="cameras", steps=40)
    view = artist.view(side="texture")
    artist.edit(side="texture", cameras=[view["cameras"][0]["layer"]])
    artist.press_when_ready("texture", "texture")
    artist.running("texture")
    in_view = artist.blender.call("paper.draw_all", space="VIEW_3D")
    assert {"IMPASTO_PT_render", "IMPASTO_PT_texture", "IMPASTO_PT_live"} <= set(in_view)
    assert in_view["IMPASTO_PT_texture"] > 20
    in_editor = artist.blender.call("paper.draw_all", space="IMAGE_EDITOR")
    assert {"IMPASTO_PT_image", "IMPASTO_PT_image_maps"} <= set(in_editor)


def test_an_image_gets_a_control_map(artist: Artist) -> None:
    artist.make_image(name="Wall", width=128, height=128)
    artist.show_image(name="Wall")
    artist.until(lambda view: view["document"] and view["map_kinds"], "image")
    before = artist.images()
    artist.press(operator="make_map", side="image", kind="edges")
    artist.until(settled, "image")
    artist.until(lambda view: len(artist.images()) > len(before), "image")
    (name,) = set(artist.images()) - set(before)
    assert artist.images()[name] == [128, 128]


def test_an_animation_is_painted_frame_by_frame_and_goes_on_where_it_stopped(
    artist: Artist, tmp_path: Path
) -> None:
    artist.change(statement="C.scene.frame_end = 3; C.scene.frame_set(2)")
    artist.save_file(path=str(tmp_path / "film.blend"))
    artist.until(lambda view: view["can_start"], "render")
    artist.press(operator="paint_animation")
    artist.until(lambda view: len(artist.film()["files"]) >= 1, "render")
    artist.press(operator="cancel_all")
    artist.until(lambda view: not artist.film()["running"], "render")
    before = artist.film()["files"]
    artist.press(operator="paint_animation")
    artist.until(lambda view: not artist.film()["running"], "render")
    film = artist.film()
    assert film["sentence"] == ""
    assert len(film["files"]) == film["done"] == 3
    assert set(before) <= set(film["files"]), "in the same folder"
    assert artist.frame() == 2, "the timeline stands where it was"


def test_frames_of_a_file_that_was_never_saved_have_no_place(artist: Artist) -> None:
    artist.until(lambda view: view["can_start"], "render")
    assert "ave" in artist.complaint(operator="paint_animation")
