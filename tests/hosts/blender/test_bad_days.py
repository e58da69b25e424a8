"""What goes wrong on a bad day: a sentence for the artist, nothing lost, no crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.blender.artist import Artist, painted, settled
from tests.hosts.server import Server

pytestmark = pytest.mark.model
FLAT = "C.object.data.clear_geometry(); C.object.data.from_pydata([(0, 0, 0)] * 3, [], [(0, 1, 2)])"


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
def artist(session: Artist) -> Artist:
    session.begin()
    return session


def sentence(text: str) -> bool:
    return text.lstrip("“")[:1].isupper() and text.rstrip("”")[-1:] in ".…"


def test_without_a_server_a_sentence_says_what_to_do_and_its_start_is_noticed(
    able: str, zipped: Path, tmp_path: Path
) -> None:
    server = Server(tmp_path / "server")
    artist = Artist(able, tmp_path / "blender", zipped, server)
    try:
        artist.begin(ready=False)
        for side in ("render", "texture", "image"):
            view = artist.until(lambda view: view["link"]["state"] == "absent", side, timeout_s=15)
            assert sentence(view["link"]["sentence"])
            assert not view["can_start"]
            assert sentence(view["why_not"])
        server.start()
        artist.until(lambda view: view["link"]["state"] == "ready" and view["can_start"], timeout_s=20)
    finally:
        artist.blender.kill()
        server.stop()


def test_without_a_camera_the_panel_says_so(artist: Artist) -> None:
    artist.remove(name="Camera")
    artist.press(operator="generate", side="render")
    view = artist.until(
        lambda view: view["why_not"] or view["notice"] or any(job["error"] for job in view["jobs"]), "render"
    )
    said = [view["why_not"], view["notice"], *(job["error"] for job in view["jobs"])]
    assert any("camera" in text.lower() and sentence(text) for text in said), said
    for job in view["jobs"]:
        artist.press(operator="dismiss", side="render", job=job["job"])


@pytest.mark.parametrize("selected", [[], ["Light"], ["Camera"]])
def test_without_a_mesh_the_panel_says_what_to_select(artist: Artist, selected: list[str]) -> None:
    artist.select(names=selected)
    view = artist.until(lambda view: not view["objects"] and view["why_not"])
    assert not view["can_start"]
    assert "elect" in view["why_not"]
    assert sentence(view["why_not"])


def test_a_hidden_object_is_not_painted(artist: Artist) -> None:
    artist.add(kind="monkey", name="Suzanne", location=[3, 0, 0])
    artist.select(names=["Cube", "Suzanne"])
    artist.until(lambda view: len(view["objects"]) == 2)
    artist.change(statement="D.objects['Suzanne'].hide_set(True)")
    artist.until(lambda view: [one["name"] for one in view["objects"] if not one["trouble"]] == ["Cube"])


def test_a_surface_without_an_area_gets_a_sentence(artist: Artist) -> None:
    artist.select(names=["Cube"])
    artist.change(statement=FLAT)
    artist.press(operator="texture", side="texture")
    view = artist.until(
        lambda view: view["why_not"] or view["notice"] or any(job["error"] for job in view["jobs"])
    )
    said = [view["why_not"], view["notice"], *(job["error"] for job in view["jobs"])]
    assert any(sentence(text) for text in said), said
    assert artist.texture_of(name="Cube") is None
    for job in view["jobs"]:
        artist.press(operator="dismiss", side="texture", job=job["job"])


def test_an_object_from_another_file_is_left_alone(artist: Artist, tmp_path: Path) -> None:
    artist.change(statement="D.objects['Cube'].name = 'Guest'")
    artist.save_file(path=str(tmp_path / "library.blend"))
    artist.begin()
    link = f"bpy.ops.wm.link(directory={str(tmp_path / 'library.blend/Object')!r} + '/', filename='Guest')"
    artist.change(statement=link)
    artist.select(names=["Guest"])
    view = artist.until(lambda view: view["objects"] and view["why_not"])
    assert view["objects"][0]["name"] == "Guest"
    assert sentence(view["objects"][0]["trouble"])
    assert not view["can_start"]


def test_a_file_that_was_never_saved_is_painted_all_the_same(artist: Artist) -> None:
    artist.select(names=["Cube"])
    artist.press_when_ready("texture", "texture")
    artist.until(painted)
    assert artist.texture_of(name="Cube")["spread"] > 0.02


def test_a_result_that_came_while_blender_was_closed_waits_for_its_file(
    able: str, zipped: Path, server: Server, tmp_path: Path
) -> None:
    path = str(tmp_path / "scene.blend")
    artist = Artist(able, tmp_path / "blender", zipped, server)
    try:
        artist.begin()
        artist.save_file(path=path)
        artist.select(names=["Cube"])
        artist.edit(side="texture", steps=12)
        artist.press_when_ready("texture", "texture")
        artist.running("texture")
        artist.save_file(path=path)
        artist.crash_and_come_back()
        artist.open_file(path=path)
        artist.until(lambda view: settled(view) and view["results"])
        (result,) = artist.view(side="texture")["results"]
        if not result["applied"]:
            artist.press(operator="apply_textures", job=result["job"])
        artist.until(painted)
        assert artist.texture_of(name="Cube")["spread"] > 0.02
    finally:
        artist.blender.kill()


def test_another_file_is_opened_in_mid_job_and_stays_as_it_is(artist: Artist, tmp_path: Path) -> None:
    artist.save_file(path=str(tmp_path / "first.blend"))
    artist.select(names=["Cube"])
    artist.edit(side="texture", steps=12)
    artist.press_when_ready("texture", "texture")
    artist.running("texture")
    artist.save_file(path=str(tmp_path / "first.blend"))
    artist.begin()
    artist.until(lambda view: not view["jobs"])
    assert artist.texture_of(name="Cube") is None
    artist.open_file(path=str(tmp_path / "first.blend"))
    view = artist.until(lambda view: view["results"])
    if not view["results"][0]["applied"]:
        artist.press(operator="apply_textures", job=view["results"][0]["job"])
    artist.until(painted)
    assert artist.texture_of(name="Cube")["spread"] > 0.02


def test_the_object_is_deleted_in_mid_job(artist: Artist) -> None:
    artist.select(names=["Cube"])
    artist.edit(side="texture", steps=12)
    artist.press_when_ready("texture", "texture")
    artist.running("texture")
    artist.remove(name="Cube")
    view = artist.until(lambda view: not view["jobs"] and view["notice"])
    assert sentence(view["notice"])
