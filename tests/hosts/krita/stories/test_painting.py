"""Painting in the real Krita, with the built archive, against a real server with Pocket.

Each test is something an artist does, judged by the pixels of what she sees.
"""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from tests.hosts.krita.stories.artist import (
    SIDE,
    Artist,
    Pixels,
    bounding,
    of_boxes,
    red,
    takes_or_failure,
)
from tests.hosts.server import Server


@pytest.mark.parametrize(
    "boxes",
    [[(64, 64, 128, 128)], [(16, 16, 96, 96), (144, 128, 96, 112)]],
    ids=["rectangle", "islands"],
)
def test_a_selection_is_filled_and_nothing_else_changes(
    artist: Artist, boxes: list[tuple[int, int, int, int]]
) -> None:
    artist.open()
    before, facts = artist.seen, artist.facts
    artist.do("select_boxes", boxes=boxes)
    view = artist.paint(mode="fill", prompt="a red square", takes=3, seed=3)
    assert len(view["takes"]) == 3
    assert not view["applied"]
    assert artist.facts["layers"] == facts["layers"], "a preview is no layer"
    assert np.array_equal(artist.seen, before)
    artist.apply()
    inside = of_boxes(*boxes)
    after = artist.seen
    assert red(after)[inside].mean() > 0.3
    assert not red(before)[inside].any()
    assert np.array_equal(after[~inside], before[~inside]), "outside the selection"
    layers = artist.facts["layers"]
    assert [layer["name"] for layer in layers] == ["Background", "picture", "a red square"][-len(layers) :]
    x, y, width, height = layers[-1]["box"]
    bounds = of_boxes((x, y, width, height))
    assert (bounds & ~bounding(inside)).sum() == 0, "the layer is no larger than the selection"
    assert artist.facts["depth"] == facts["depth"]
    artist.do("trigger", action="edit_undo")
    assert artist.facts["layers"] == facts["layers"], "one undo step"
    assert np.array_equal(artist.seen, before)
    artist.do("trigger", action="edit_redo")
    assert np.array_equal(artist.seen, after)


def test_a_soft_selection_stays_soft(artist: Artist) -> None:
    artist.open()
    before = artist.seen
    data = artist.do("select_ellipse", x=48, y=40, width=160, height=176, softness=0.5)
    mask = np.zeros((SIDE, SIDE), dtype=int)
    mask[40:216, 48:208] = np.frombuffer(base64.b64decode(data), np.uint8).reshape(176, 160)
    artist.paint(mode="fill", prompt="a red circle", seed=1)
    artist.apply()
    after = artist.seen
    assert np.array_equal(after[mask == 0], before[mask == 0])
    changed = np.abs(after.astype(int) - before.astype(int)).max(axis=2)
    assert changed[mask == 255].mean() > 60
    faint = (mask > 0) & (mask < 40)
    assert changed[faint].max() <= 45, "a faintly selected pixel changes faintly"


def test_refining_keeps_the_picture_and_stays_in_the_selection(artist: Artist) -> None:
    artist.open()
    before = artist.seen
    artist.do("select_boxes", boxes=[(32, 32, 192, 128)])
    artist.paint(mode="refine", prompt="a red square", refine_strength=0.2, seed=2)
    artist.apply()
    gently, inside = artist.seen, of_boxes((32, 32, 192, 128))
    assert np.array_equal(gently[~inside], before[~inside])
    artist.do("trigger", action="edit_undo")
    artist.paint(mode="refine", prompt="a red square", refine_strength=1.0, seed=2)
    artist.apply()
    strongly = artist.seen

    def change(after: Pixels) -> float:
        return float(np.abs(after[inside].astype(int) - before[inside].astype(int)).mean())

    assert 0 < change(gently) < change(strongly)


def test_generating_without_a_selection_paints_the_whole_canvas(artist: Artist) -> None:
    artist.open()
    artist.do("deselect")
    artist.paint(mode="generate", prompt="a red circle on a green background", seed=5)
    artist.apply()
    layer = artist.facts["layers"][-1]
    assert layer["box"] == [0, 0, SIDE, SIDE]
    assert layer["name"] == "a red circle on a green background"
    after = artist.seen.astype(int)
    assert red(artist.seen).mean() > 0.03
    corner = after[:24, :24].reshape(-1, 4).mean(axis=0)
    assert corner[1] > corner[0]
    assert corner[1] > corner[2]


def test_expanding_makes_the_document_larger_and_keeps_what_was_there(artist: Artist) -> None:
    artist.open(192, 160)
    before = artist.seen
    artist.do("deselect")
    artist.paint(mode="fill", action="expand", prompt="a blue background", margins=[32, 0, 64, 16], seed=1)
    artist.apply()
    artist.until(lambda _view: artist.facts["size"] == [192 + 32 + 64, 160 + 16])
    after = artist.seen
    assert (after[:, :, 3] == 255).all(), "no transparent part is left"
    kept = after[:160, 32 : 32 + 192].astype(int) - before.astype(int)
    assert not kept[:112, 32:160].any(), "beyond the ramp into the kept part nothing changes"


def test_a_scribble_layer_is_followed(artist: Artist) -> None:
    artist.open()
    artist.do("deselect")
    artist.do("draw_ring", name="sketch", x=96, y=96, radius=64)
    artist.do("follow", kind="scribble", layer="sketch", strength=1.0)
    artist.paint(mode="generate", prompt="a red circle on a white background", seed=4)
    artist.apply()
    rows, columns = np.mgrid[:SIDE, :SIDE]
    drawn = np.hypot(columns + 0.5 - 96, rows + 0.5 - 96) < 64
    painted = red(artist.seen)
    overlap = (drawn & painted).sum() / (drawn | painted).sum()
    assert overlap > 0.6


def test_cancelling_leaves_the_document_alone(artist: Artist) -> None:
    artist.open()
    before, layers = artist.seen, artist.facts["layers"]
    artist.do("select_boxes", boxes=[(64, 64, 128, 128)])
    artist.do("change", mode="fill", prompt="a red circle", takes=8, steps=50)
    artist.until(lambda view: view["can_start"])
    artist.tell("start")
    artist.until(lambda view: any(job["state"] == "running" for job in view["jobs"]))
    artist.tell("cancel_all")
    artist.until(lambda view: not view["jobs"], timeout_s=20)
    assert artist.facts["layers"] == layers
    assert np.array_equal(artist.seen, before)
    artist.paint(mode="fill", prompt="a red circle", takes=1, steps=4)  # and the server works on


def test_a_server_killed_in_mid_job_loses_nothing(artist: Artist, server: Server) -> None:
    artist.open()
    artist.do("select_boxes", boxes=[(64, 64, 128, 128)])
    artist.do("change", mode="fill", prompt="a red circle", takes=2, steps=50, seed=11)
    artist.until(lambda view: view["can_start"])
    artist.tell("start")
    artist.until(lambda view: any(job["state"] == "running" for job in view["jobs"]))
    server.kill()
    lost = artist.until(lambda view: view["link"]["state"] != "ready", timeout_s=20)
    assert lost["jobs"], "the job is still on the list"
    assert lost["link"]["sentence"]
    server.start()
    view = artist.until(takes_or_failure)
    assert len(view["takes"]) == 2
    artist.apply()
    assert red(artist.seen)[64:192, 64:192].mean() > 0.1


def test_krita_killed_and_opened_again_has_its_history_and_its_running_job(
    artist: Artist, tmp_path: Path
) -> None:
    artist.open()
    artist.do("select_boxes", boxes=[(64, 64, 128, 128)])
    artist.paint(mode="fill", prompt="a red circle", seed=21, takes=2)
    artist.apply()
    path = tmp_path / "painting.kra"
    assert artist.do("save", path=str(path))
    artist.do("change", prompt="a green circle", takes=1, steps=50)
    artist.until(lambda view: view["can_start"])
    artist.tell("start")
    artist.until(lambda view: any(job["state"] == "running" for job in view["jobs"]))
    artist.crash_and_come_back()
    artist.do("open_file", path=str(path))
    view = artist.until(lambda view: len(view["history"]) == 3)
    prompts = [take["prompt"] for take in view["history"]]
    assert sorted(prompts) == ["a green circle", "a red circle", "a red circle"]
    assert sum(take["applied"] for take in view["history"]) == 1
    artist.do("activate", name="a red circle")
    assert artist.until(lambda view: view["remembered"], timeout_s=5), "the layer knows its recipe"
    before = len(artist.facts["layers"])
    green = next(take for take in view["history"] if take["prompt"] == "a green circle")
    artist.tell("compare", green["job"], green["index"])
    artist.apply()
    assert len(artist.facts["layers"]) == before + 1
    artist.tell("paint_again")
    artist.until(lambda view: view["jobs"] or view["notice"])
