"""Previews that follow the pen, in the real Krita with Pocket: every stroke is seen, whatever happens."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.krita import harness
from tests.hosts.krita.stories.artist import Artist
from tests.hosts.krita.stories.hand import Hand
from tests.hosts.server import Server

NEEDED = [program for program in ("openbox", "xdotool") if shutil.which(program) is None]
pytestmark = pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {', '.join(NEEDED)}")
STROKES = 10
PROMPT = "a red house on a green hill"


@pytest.fixture(scope="module")
def session(
    plugin: Path, server: Server, krita_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Artist]:
    home = harness.throw_away(krita_cache, tmp_path_factory.mktemp("krita") / "home")
    artist = Artist(home, plugin, server, window_manager=True)
    try:
        yield artist
        assert artist.krita.quit() == 0, artist.krita.stderr[-2000:]
    finally:
        artist.krita.kill()


@pytest.fixture
def hand(artist: Artist) -> Iterator[Hand]:
    """Live is on in a document of white paper, and the first preview is there."""
    artist.do("blank_document", width=256, height=256)
    artist.krita.call("hands.lay_out", width=1500, docker_width=360)
    artist.krita.call("hands.centre")
    artist.krita.call("hands.select_tool", action="KritaShape/KisToolBrush")
    artist.until(lambda view: view["link"]["state"] == "ready" and view["document"])
    artist.do("change", prompt=PROMPT, live_on_canvas=False)
    artist.tell("set_live", True)
    following(artist)
    yield Hand(artist.krita)
    artist.tell("set_live", False)


def following(artist: Artist) -> dict[str, Any]:
    """The preview is of what is in front now."""
    return artist.until(lambda view: view["live"]["state"] == "following" and view["live"]["current"])


def strokes(artist: Artist, hand: Hand, count: int) -> list[dict[str, Any]]:
    """One below the other, at the pen rate; what came of each."""
    left, top, width, height = artist.krita.call("hands.canvas")
    x, y = left + width // 2 - 90, top + height // 2 - 100
    found = []
    for number in range(count):
        hand.stroke([(x + 3 * step, y + 20 * number + step % 7) for step in range(60)])
        found.append(artist.krita.call("following.lifted", count=number + 1))
    return found


def test_every_stroke_is_followed_by_a_preview_of_exactly_what_it_left(artist: Artist, hand: Hand) -> None:
    artist.krita.call("following.begin")
    found = strokes(artist, hand, STROKES)
    gap_ms = artist.krita.call("following.end")
    for one in found:
        assert one["same"], "the preview shows the document's own pixels after the stroke"
        assert one["input"] >= one["number"]
    numbers = [one["number"] for one in found]
    assert numbers == sorted(set(numbers)), "each stroke is a picture of its own"
    assert found[-1]["previews"] >= STROKES
    whole = sorted(one["stages"]["whole"] for one in found)
    print(
        f"stroke → preview: {whole[len(whole) // 2]:.0f} ms, longest {whole[-1]:.0f} ms; gap {gap_ms:.0f} ms"
    )


def test_nothing_is_sent_while_nothing_changes_and_then_the_preview_is_refined(
    artist: Artist, hand: Hand
) -> None:
    artist.krita.call("following.begin")
    strokes(artist, hand, 1)
    view = artist.until(lambda view: view["live"]["refined"] and view["live"]["current"], timeout_s=20)
    rest = artist.krita.call("following.rest", seconds=1.5)
    artist.krita.call("following.end")
    assert rest["told"] == 0
    assert artist.view["live"] == view["live"]


def test_undo_and_a_hidden_layer_are_changes_like_any_other(artist: Artist, hand: Hand) -> None:
    artist.krita.call("following.begin")
    strokes(artist, hand, 1)
    drawn = following(artist)["live"]["version"]
    artist.do("trigger", action="edit_undo")
    undone = artist.until(lambda view: view["live"]["version"] > drawn)["live"]["version"]
    artist.do("select_nothing_and_hide", name="Background")
    artist.until(lambda view: view["live"]["version"] > undone)
    following(artist)
    artist.krita.call("following.end")


def test_pinning_is_one_click_and_one_undo_step(artist: Artist, hand: Hand) -> None:
    before, layers = artist.seen, artist.facts["layers"]
    hand.click(artist.krita.call("hands.button", text="Pin to a layer"))
    artist.until(lambda _view: len(artist.facts["layers"]) == len(layers) + 1)
    pinned = artist.facts["layers"][-1]
    assert (pinned["name"], pinned["box"]) == (PROMPT, [0, 0, 256, 256])
    assert artist.view["remembered"]
    artist.do("trigger", action="edit_undo")
    assert artist.facts["layers"] == layers
    assert np.array_equal(artist.seen, before)


def test_a_pin_in_a_selection_changes_nothing_outside_of_it(artist: Artist, hand: Hand) -> None:
    before = artist.seen
    artist.do("select_boxes", boxes=[[40, 60, 80, 70]])
    artist.until(lambda view: view["selection"])
    artist.until(lambda view: view["live"]["current"] and view["can_start"])
    time.sleep(0.5)
    following(artist)
    layers = len(artist.facts["layers"])
    artist.tell("pin_live")
    artist.until(lambda _view: len(artist.facts["layers"]) == layers + 1)
    artist.do("deselect")
    changed = (artist.seen != before).any(-1)
    assert changed[60:130, 40:120].mean() > 0.5
    changed[60:130, 40:120] = False
    assert not changed.any()


def test_a_recording_becomes_an_animation_and_the_artist_stays_where_she_is(
    artist: Artist, hand: Hand
) -> None:
    front = artist.facts["size"]
    hand.click(artist.krita.call("hands.button", text="Record the previews as an animation"))
    artist.krita.call("following.begin")
    strokes(artist, hand, 3)
    artist.krita.call("following.end")
    view = artist.until(lambda view: view["live"]["frames"] >= 3)
    artist.tell("record_live", False)
    view = artist.until(lambda view: "recording is in a document" in view["notice"])
    made = artist.krita.call("anims.info")
    assert made["animated"]
    assert (made["size"], made["file"], made["in front"]) == ([256, 256], "", False)
    frames = made["last"] + 1
    assert frames >= 3
    assert made["keyframes"] == [True] * frames + [False]
    assert f"{frames} frames" in view["notice"]
    assert artist.facts["size"] == front
    artist.krita.call("anims.close")


def test_a_killed_server_comes_back_and_live_goes_on_by_itself(
    artist: Artist, hand: Hand, server: Server
) -> None:
    server.kill()
    view = artist.until(lambda view: view["live"]["state"] == "stopped")
    assert view["live"]["picture"], "the last preview stays in sight"
    assert view["live"]["sentence"]
    version = view["live"]["version"]
    server.start()
    artist.until(lambda view: view["live"]["version"] > version and view["live"]["current"])


def test_it_goes_on_in_another_document_and_none_is_needed_to_go_on(artist: Artist, hand: Hand) -> None:
    artist.do("blank_document", width=384, height=128)
    view = following(artist)
    assert view["live"]["size"] == [440, 144]
    artist.do("close_document")
    assert following(artist)["live"]["size"] == [256, 256]


@pytest.mark.parametrize(("model", "depth"), [("RGBA", "U16"), ("CMYKA", "U8"), ("GRAYA", "F32")])
def test_documents_of_any_depth_and_colour_model(artist: Artist, hand: Hand, model: str, depth: str) -> None:
    artist.do("new_document", width=256, height=256, model=model, depth=depth)
    assert following(artist)["live"]["size"] == [256, 256]
    artist.tell("pin_live")
    artist.until(lambda _view: artist.facts["layers"][-1]["name"] == PROMPT)
    artist.do("close_document")


def test_over_the_canvas_it_is_marked_and_out_of_the_document(artist: Artist, hand: Hand) -> None:
    before = artist.seen
    artist.do("change", live_on_canvas=True)
    artist.until(lambda _view: artist.krita.call("canvases.panes") == [1, True])
    version = following(artist)["live"]["version"]
    assert np.array_equal(artist.seen, before)
    time.sleep(1.0)
    assert artist.view["live"]["version"] == version, "it does not follow itself"
    assert "Undo" in artist.krita.call("documents.undo_text")
    left, top, width, height = artist.krita.call("hands.canvas")
    middle = (left + width // 2, top + height // 2)
    assert artist.krita.call("canvases.faded") == [False]
    hand.press_pen(middle)
    assert artist.krita.call("canvases.faded") == [True], "the stroke below can be seen"
    hand.lift_pen((middle[0] + 40, middle[1]))
    time.sleep(1.0)
    assert artist.krita.call("canvases.faded") == [False]
    assert following(artist)["live"]["version"] > version
    artist.do("change", live_on_canvas=False)
    artist.until(lambda _view: artist.krita.call("canvases.panes") == [0, True])
