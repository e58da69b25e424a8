"""What was painted is there again: to compare, to use, to throw away."""

from __future__ import annotations

import time

import numpy as np

from tests.hosts.krita.stories.artist import SIDE, Artist, of_boxes, red, takes_or_failure
from tests.hosts.server import Server


def test_takes_are_compared_put_away_and_applied_from_the_history(artist: Artist) -> None:
    artist.open()
    before = artist.facts["layers"]
    artist.do("select_boxes", boxes=[(64, 64, 128, 128)])
    view = artist.paint(mode="fill", prompt="a red circle", takes=3, steps=4, seed=5)
    job = view["takes"][0]["job"]
    assert [take["seed"] for take in view["takes"]] == [5, 6, 7]
    artist.tell("step", 1)
    assert artist.until(lambda view: view["shown"] == 1)
    artist.tell("step", -2)
    assert artist.until(lambda view: view["shown"] == 2)
    artist.tell("put_away")
    view = artist.until(lambda view: not view["takes"])
    assert len(view["history"]) == 3
    assert artist.facts["layers"] == before
    artist.tell("favourite", job, 1, True)
    view = artist.until(lambda view: any(take["favourite"] for take in view["history"]))
    artist.tell("compare", job, 1)
    artist.until(lambda view: view["shown"] == 1)
    artist.apply()
    assert artist.until(lambda view: sum(take["applied"] for take in view["history"]) == 1)
    artist.do("change", prompt="something else", steps=20)
    artist.tell("reuse", job, 1)
    intent = artist.until(lambda view: view["intent"]["prompt"] == "a red circle")["intent"]
    assert (intent["seed"], intent["steps"], intent["mode"]) == (6, 4, "fill")
    artist.tell("put_away")
    artist.tell("discard", job)
    artist.until(lambda view: not view["history"])


def test_the_first_take_is_shown_while_the_job_runs_and_a_cancel_keeps_it(artist: Artist) -> None:
    artist.open()
    before, layers = artist.seen, artist.facts["layers"]
    artist.do("select_boxes", boxes=[(64, 64, 128, 128)])
    artist.do("change", mode="fill", prompt="a red square", takes=3, steps=50, seed=3)
    artist.until(lambda view: view["can_start"])
    artist.tell("start")
    view = artist.until(lambda view: view["takes"])
    assert [job["state"] for job in view["jobs"]] == ["running"]
    assert (len(view["takes"]), view["shown"], view["applied"]) == (1, 0, False)
    artist.tell("cancel_all")
    view = artist.until(lambda view: not view["jobs"], timeout_s=20)
    assert len(view["takes"]) in (1, 2)
    assert (view["shown"], view["applied"]) == (0, False)
    assert artist.facts["layers"] == layers
    artist.apply()
    inside = of_boxes((64, 64, 128, 128))
    assert red(artist.seen)[inside].mean() > 0.3
    assert np.array_equal(artist.seen[~inside], before[~inside])
    artist.do("forget_and_connect_again")
    view = artist.until(lambda view: view["history"], timeout_s=20)
    assert view["jobs"] == []
    assert view["history"][0]["applied"]
    assert len(view["history"]) in (1, 2)


def test_a_layer_is_painted_again_from_its_recipe(artist: Artist) -> None:
    artist.open()
    artist.do("select_boxes", boxes=[(64, 64, 128, 128)])
    artist.paint(mode="fill", prompt="a red circle", steps=4, seed=5)
    artist.apply()
    artist.tell("put_away")
    artist.do("deselect")
    artist.do("change", prompt="a blue sea", mode="generate")
    artist.do("activate", name="a red circle")
    artist.until(lambda view: view["remembered"])
    artist.tell("paint_again")
    artist.until(lambda view: view["jobs"])
    view = artist.until(takes_or_failure)
    assert {take["prompt"] for take in view["takes"]} == {"a red circle"}
    assert view["takes"][0]["seed"] != 5
    assert view["takes"][0]["box"] == [64, 64, 128, 128]


def test_a_control_map_is_made_from_the_canvas_and_followed(artist: Artist) -> None:
    artist.open()
    artist.do("draw_disc", name="disc", x=128, y=120, radius=60)
    kinds = artist.until(lambda view: view["map_kinds"])["map_kinds"]
    assert "scribble" in kinds
    artist.do("deselect")
    artist.do("follow", kind="scribble", layer="", strength=1.0)
    artist.tell("make_map", 0)
    artist.until(lambda _view: len(artist.facts["layers"]) == 4)
    name = artist.facts["layers"][-1]["name"]
    assert "scribble" in name.lower()
    view = artist.until(lambda view: view["intent"]["controls"][0]["layer"])
    row = view["intent"]["controls"][0]["layer"]
    assert next(entry["name"] for entry in view["layers"] if entry["layer"] == row) == name
    artist.do("select_nothing_and_hide", name=name)
    artist.paint(mode="generate", prompt="a red circle on a white background", seed=4)
    artist.apply()
    rows = [(y - 120) ** 2 for y in range(SIDE)]
    disc = [[rows[y] + (x - 128) ** 2 < 60**2 for x in range(SIDE)] for y in range(SIDE)]
    painted = red(artist.seen)
    assert (painted & disc).sum() / (painted | disc).sum() > 0.5


def test_two_hundred_takes_are_there_at_once(artist: Artist, server: Server) -> None:
    artist.open(64, 64)
    artist.do("deselect")
    for seed in range(25):
        artist.do("change", mode="generate", prompt="a red circle", takes=8, steps=1, seed=8 * seed)
        artist.tell("start")
    artist.until(lambda view: not view["jobs"] and len(view["history"]) == 200, timeout_s=220)
    started = time.monotonic()
    artist.do("forget_and_connect_again")
    artist.until(lambda view: len(view["history"]) == 200, timeout_s=20)
    print(f"200 takes again after {time.monotonic() - started:.2f} s")


def test_the_docker_starts_a_server_that_ran_before(artist: Artist, server: Server) -> None:
    artist.open()
    server.stop()
    artist.until(lambda view: view["link"]["can_start"], timeout_s=20)
    artist.tell("start_server")
    artist.until(lambda view: view["link"]["state"] == "ready", timeout_s=60)
    server.adopt()
