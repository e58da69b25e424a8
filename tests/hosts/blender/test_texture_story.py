"""Working on a texture: its views are looked at, painted on, painted anew and laid on, beside a real server
with Pocket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.blender.artist import Artist, View
from tests.hosts.server import Server

pytestmark = [pytest.mark.model, pytest.mark.every_blender]


@pytest.fixture(scope="module")
def artist(
    able: str, zipped: Path, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Artist]:
    artist = Artist(able, tmp_path_factory.mktemp("blender"), zipped, server)
    try:
        yield artist
        assert artist.blender.quit() == 0, artist.blender.output[-4000:]
    finally:
        artist.blender.kill()


def put_on(artist: Artist, count: int) -> View:
    """Until there are so many results, and the newest is on."""
    return artist.until(
        lambda view: len(view["results"]) == count and view["results"][0]["applied"] and not view["jobs"]
    )


def test_a_texture_is_worked_on(artist: Artist) -> None:
    call = artist.blender.call
    artist.begin()
    artist.select(names=["Cube"])
    call("texture_story.watch")
    artist.press_when_ready("texture", "texture")
    first = put_on(artist, 1)["results"][0]
    assert (first["views"], first["objects"]) == (2, "Cube")
    assert 0.2 < first["covered"] <= 1.0

    artist.keep_state(name="painted")
    artist.tell(side="texture", command="inspect", words=["coverage"])
    artist.until(lambda view: view["inspecting"] == "coverage" and not view["jobs"])
    artist.tell(side="texture", command="inspect", words=[""])
    assert artist.changes_since(name="painted") == []

    call("texture_story.keep", name="Cube")
    artist.tell(side="texture", command="repaint_view", words=[first["job"], 0])
    put_on(artist, 2)
    assert call("texture_story.changed", name="Cube")["changed"] > 0.05

    artist.tell(side="texture", command="show_views", words=[first["job"]])
    names = {f"Impasto {first['job'][:6]} view {number}" for number in (1, 2)}
    artist.until(lambda view: names <= set(view["pictures"]))
    for name in names:
        call("texture_story.draw_on", image=name, colour=[0.0, 1.0, 0.0])
    artist.tell(side="texture", command="reproject", words=[first["job"]])
    put_on(artist, 3)
    red, green, blue = call("texture_story.mean", name="Cube")
    assert max(red, blue) < 0.05
    assert green > 0.95

    call("texture_story.keep", name="Cube")
    artist.tell(side="texture", command="apply", words=[first["job"]])
    artist.until(
        lambda view: not view["jobs"] and call("texture_story.changed", name="Cube")["changed"] > 0.5
    )
    times = call("texture_story.turns")
    print(f"main thread: {times}")
    assert times["max"] < 1000.0  # the bar is measured on a quiet machine


def test_a_local_edit_leaves_the_rest_as_it_is(artist: Artist) -> None:
    call = artist.blender.call
    artist.begin()
    artist.select(names=["Cube"])
    artist.press_when_ready("texture", "texture")
    put_on(artist, 1)
    call("texture_story.keep", name="Cube")
    call("texture_story.mask", name="Mask", side=64, left=0.5)
    artist.until(lambda view: "Mask" in view["pictures"])
    artist.edit(side="texture", strength=0.9)
    artist.tell(side="texture", command="edit", words=["Mask"])
    put_on(artist, 2)
    changed = call("texture_story.changed", name="Cube")["changed"]
    assert 0.001 < changed < 0.45  # the left half of what can be seen: three faces of six at most
