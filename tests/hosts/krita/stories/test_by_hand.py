"""As a painter does it: the selection tool, the prompt, the button, the arrow keys, Ctrl+Z."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.hosts.krita import harness
from tests.hosts.krita.stories.artist import Artist, red, takes_or_failure
from tests.hosts.krita.stories.hand import Hand
from tests.hosts.server import Server

NEEDED = [program for program in ("openbox", "xdotool") if shutil.which(program) is None]
pytestmark = pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {', '.join(NEEDED)}")


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
def hand(artist: Artist) -> Hand:
    artist.open(512, 384)
    artist.krita.call("hands.lay_out", width=1500, docker_width=360)
    artist.krita.call("hands.centre")
    return Hand(artist.krita)


def select_the_middle(artist: Artist, hand: Hand) -> None:
    artist.krita.call("hands.select_tool", action="KisToolSelectRectangular")
    left, top, width, height = artist.krita.call("hands.canvas")
    middle = left + width // 2, top + height // 2
    hand.drag((middle[0] - 150, middle[1] - 130), (middle[0] + 150, middle[1] + 130))
    artist.do("tell", command="poll")


def test_select_type_start_compare_apply_undo(artist: Artist, hand: Hand) -> None:
    before, layers = artist.seen, artist.facts["layers"]
    select_the_middle(artist, hand)
    assert artist.until(lambda view: view["selection"], timeout_s=5)["selection"][2] > 50
    hand.click(artist.krita.call("hands.button", text="Fill"))
    hand.click(artist.krita.call("hands.prompt"))
    hand.type("a red square")
    assert artist.krita.call("hands.typed") == "a red square"
    hand.press("shift+Return")
    view = artist.until(lambda view: takes_or_failure(view) and all(t["thumbnail"] for t in view["takes"]))
    assert view["shown"] == 0
    assert not view["applied"]
    hand.click(artist.krita.call("hands.button", text="Apply"))
    artist.until(lambda view: view["applied"])
    assert artist.facts["layers"][-1]["name"] == "a red square"
    assert red(artist.seen).mean() > 0.02
    left, top, width, height = artist.krita.call("hands.canvas")
    hand.point([left + width // 2, top + height // 2])
    hand.press("ctrl+z")
    artist.until(lambda _view: artist.facts["layers"] == layers, timeout_s=10)
    assert np.array_equal(artist.seen, before)


def test_the_prompt_keeps_its_keys(artist: Artist, hand: Hand) -> None:
    """Ctrl+Backspace deletes a word there; in Krita it would fill the layer."""
    before = artist.seen
    hand.click(artist.krita.call("hands.prompt"))
    hand.press("ctrl+a")
    hand.type("a red big square")
    hand.press("ctrl+BackSpace")
    assert artist.krita.call("hands.typed").rstrip() == "a red big"
    hand.press("BackSpace", "ctrl+Up")
    assert "big:1.1" in artist.krita.call("hands.typed")
    hand.press("ctrl+z", "ctrl+z", "Delete", "b", "e")
    assert np.array_equal(artist.seen, before)


def test_a_bar_at_the_selection_does_it_all_while_the_docker_is_folded(artist: Artist, hand: Hand) -> None:
    layers = artist.facts["layers"]
    assert artist.krita.call("hands.fold", on=True)
    assert artist.krita.call("hands.bar") is None, "nothing is selected"
    select_the_middle(artist, hand)
    selection = artist.until(lambda view: view["selection"], timeout_s=5)["selection"]
    artist.do("change", mode="fill", takes=2, steps=4)
    bar = artist.krita.call("hands.bar")
    left, top, width, height = artist.krita.call("hands.canvas")
    x, y, wide, high = bar["box"]
    assert left <= x
    assert x + wide <= left + width
    assert top <= y
    assert y + high <= top + height
    assert y >= top + height // 2 + selection[3] // 2 - 2, "below the selection"
    hand.click(bar["fields"][0])
    hand.press("ctrl+a")
    hand.type("a red square")
    assert artist.until(lambda view: view["intent"]["prompt"] == "a red square", timeout_s=5)
    hand.press("shift+Return")
    artist.until(takes_or_failure)
    artist.until(lambda _view: "Apply" in (artist.krita.call("hands.bar") or {"buttons": ()})["buttons"])
    hand.click(artist.krita.call("hands.bar")["buttons"]["Next take"])
    artist.until(lambda view: view["shown"] == 1, timeout_s=5)
    hand.click(artist.krita.call("hands.bar")["buttons"]["Apply"])
    artist.until(lambda view: view["applied"])
    assert artist.facts["layers"][-1]["name"] == "a red square"
    hand.press("ctrl+z")
    artist.until(lambda _view: artist.facts["layers"] == layers, timeout_s=10)
    artist.krita.call("hands.fold", on=False)
    assert artist.krita.call("hands.bar") is None


def test_the_bar_can_cancel_while_the_first_take_is_compared(artist: Artist, hand: Hand) -> None:
    assert artist.krita.call("hands.fold", on=True)
    select_the_middle(artist, hand)
    artist.until(lambda view: view["selection"], timeout_s=5)
    artist.do("change", mode="fill", prompt="a red square", takes=3, steps=50)
    artist.until(lambda view: view["can_start"])
    artist.tell("start")
    view = artist.until(lambda view: view["takes"])
    assert [job["state"] for job in view["jobs"]] == ["running"]
    artist.until(lambda _view: "Apply" in (artist.krita.call("hands.bar") or {"buttons": ()})["buttons"])
    hand.click(artist.krita.call("hands.bar")["buttons"]["Cancel"])
    view = artist.until(lambda view: not view["jobs"], timeout_s=20)
    assert len(view["takes"]) in (1, 2)
    buttons = artist.krita.call("hands.bar")["buttons"]
    assert "Cancel" not in buttons
    hand.click(buttons["Apply"])
    artist.until(lambda view: view["applied"])
    artist.krita.call("hands.fold", on=False)
