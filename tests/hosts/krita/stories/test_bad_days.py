"""What goes wrong on a bad day: a sentence for the artist, nothing lost, no crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.hosts.krita import harness
from tests.hosts.krita.stories.artist import SIDE, Artist, of_boxes, red, takes_or_failure
from tests.hosts.server import Server

BOX = (64, 64, 128, 128)


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Server]:
    """A server that nobody has started yet."""
    server = Server(tmp_path / "server")
    yield server
    server.stop()


def newcomer(plugin: Path, server: Server, cache: Path, folder: Path) -> Artist:
    return Artist(harness.throw_away(cache, folder / "krita"), plugin, server)


def test_without_a_server_a_sentence_says_what_to_do_and_its_start_is_noticed(
    plugin: Path, quiet: Server, krita_cache: Path, tmp_path: Path
) -> None:
    artist = newcomer(plugin, quiet, krita_cache, tmp_path)
    try:
        artist.do("new_document", width=SIDE, height=SIDE)
        artist.do("change", prompt="a red circle")
        view = artist.until(lambda view: view["link"]["state"] == "absent", timeout_s=15)
        assert "impasto serve" in view["link"]["sentence"] or view["link"]["can_start"]
        assert not view["can_start"]
        assert view["why_not"]
        quiet.start()
        artist.until(lambda view: view["link"]["state"] == "ready" and view["can_start"], timeout_s=20)
        assert artist.krita.quit() == 0
    finally:
        artist.krita.kill()


def test_a_wrong_token_is_named_and_mended_without_a_restart(
    plugin: Path, quiet: Server, krita_cache: Path, tmp_path: Path
) -> None:
    quiet.start()
    address = quiet.home / "server.json"
    right = address.read_text()
    address.write_text(json.dumps({**json.loads(right), "token": "0" * 64}))
    artist = newcomer(plugin, quiet, krita_cache, tmp_path)
    try:
        artist.do("new_document", width=SIDE, height=SIDE)
        view = artist.until(lambda view: view["link"]["state"] == "trouble", timeout_s=20)
        assert view["link"]["sentence"].endswith(".")
        assert "token" in view["link"]["sentence"]
        address.write_text(right)
        artist.until(lambda view: view["link"]["state"] == "ready", timeout_s=20)
        assert artist.krita.quit() == 0
    finally:
        artist.krita.kill()


def begin(artist: Artist, **intent: object) -> None:
    artist.do("select_boxes", boxes=[BOX])
    artist.do("change", **{"mode": "fill", "prompt": "a red circle", "takes": 1, **intent})
    artist.until(lambda view: view["can_start"])
    artist.tell("start")
    artist.until(lambda view: any(job["state"] == "running" for job in view["jobs"]))


def test_a_document_closed_in_mid_job_finds_its_takes_when_it_is_opened_again(
    artist: Artist, tmp_path: Path
) -> None:
    artist.open()
    path = tmp_path / "painting.kra"
    begin(artist, steps=50)
    assert artist.do("save", path=str(path))
    artist.do("close_document")
    view = artist.until(lambda view: not view["jobs"], timeout_s=60)
    assert not view["document"]
    assert not view["takes"]
    artist.do("open_file", path=str(path))
    view = artist.until(lambda view: len(view["history"]) == 1, timeout_s=10)
    artist.tell("compare", view["history"][0]["job"], 0)
    artist.apply()
    assert red(artist.seen).mean() > 0.03


def test_a_target_layer_deleted_in_mid_job(artist: Artist) -> None:
    artist.open()
    artist.do("add_layer", name="target")
    begin(artist, steps=30)
    artist.do("remove_layer", name="target")
    artist.until(takes_or_failure)
    artist.apply()
    assert [layer["name"] for layer in artist.facts["layers"]] == ["Background", "picture", "a red circle"]


@pytest.mark.parametrize("insert", ["layer", "replace"])
def test_a_locked_layer_keeps_its_pixels(artist: Artist, insert: str) -> None:
    artist.open()
    before = artist.do("layer_pixels", name="picture")
    artist.do("lock", name="picture", on=True)
    begin(artist, insert=insert)
    artist.until(takes_or_failure)
    artist.tell("apply")
    artist.until(lambda view: view["applied"] or view["notice"])
    assert artist.do("layer_pixels", name="picture") == before
    layers = [layer["name"] for layer in artist.facts["layers"]]
    assert "picture" in layers
    if insert == "layer":
        assert layers[-1] == "a red circle"
        assert red(artist.seen).mean() > 0.03


def test_a_frame_of_an_animation_is_painted_and_the_others_stay(artist: Artist) -> None:
    artist.open()
    artist.do("animate", name="picture", frame=5)
    others = artist.do("frame_pixels", frame=0)
    begin(artist)
    artist.until(takes_or_failure)
    artist.apply()
    assert artist.facts["layers"][-1]["name"] == "a red circle"
    artist.do("trigger", action="edit_undo")
    assert artist.do("frame_pixels", frame=0) == others


def test_a_document_of_one_pixel_gets_a_sentence(artist: Artist) -> None:
    artist.open(1, 1)
    artist.do("deselect")
    artist.do("change", mode="generate", prompt="a red circle")
    view = artist.until(lambda view: view["why_not"] or view["can_start"])
    if view["can_start"]:
        artist.tell("start")
        view = artist.until(lambda view: view["takes"] or any(job["error"] for job in view["jobs"]))
        assert not view["takes"]
    assert not view["can_start"]
    assert "16" in view["why_not"], view["why_not"]


def test_twelve_by_fifteen_thousand_pixels(artist: Artist) -> None:
    artist.do("blank_document", width=12_000, height=15_000)
    artist.do("select_boxes", boxes=[(7000, 9000, 300, 260)])
    artist.do("change", mode="fill", prompt="a red circle", takes=1)
    artist.until(lambda view: view["can_start"])
    artist.tell("start")
    artist.until(takes_or_failure)
    artist.tell("apply")
    artist.until(lambda view: view["applied"] or view["notice"])
    x, y, width, height = artist.facts["layers"][-1]["box"]
    assert x >= 7000
    assert y >= 9000
    assert x + width <= 7300
    assert y + height <= 9260
    part = np.array(artist.part(6990, 8990, 320, 280))
    assert red(part).mean() > 0.05
    outside = np.ones(part.shape[:2], dtype=bool)
    outside[10:270, 10:310] = False
    assert (part[outside] == 255).all(), "white paper around it"


@pytest.mark.parametrize(
    ("model", "depth"), [("RGBA", "U16"), ("RGBA", "F32"), ("GRAYA", "U8"), ("CMYKA", "U8")]
)
def test_a_deep_or_printed_document_keeps_its_depth_and_model(artist: Artist, model: str, depth: str) -> None:
    artist.open(model=model, depth=depth)
    before = artist.seen
    begin(artist, seed=3)
    artist.until(takes_or_failure)
    artist.apply()
    assert (artist.facts["model"], artist.facts["depth"]) == (model, depth)
    after, inside = artist.seen, of_boxes(BOX)
    assert np.array_equal(after[~inside], before[~inside])
    assert (after[inside] != before[inside]).any(axis=1).mean() > 0.7
    if model == "RGBA":
        assert red(after)[inside].mean() > 0.2


def test_a_second_window_has_a_docker_of_its_own_and_may_be_closed_in_mid_job(artist: Artist) -> None:
    artist.open()
    assert artist.krita.call("hands.open_window") == 2
    assert len(artist.krita.call("hands.panels")) == 2
    begin(artist, steps=30)
    assert all(artist.krita.call("hands.panels"))
    artist.krita.call("hands.close_newest_window")
    assert len(artist.krita.call("hands.panels")) == 1
    artist.until(takes_or_failure)
    assert all(artist.krita.call("hands.panels"))
