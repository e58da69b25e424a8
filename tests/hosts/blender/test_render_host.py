"""The Render panel's host, in every Blender: nothing but the result is in the file afterwards."""

import pytest

from tests.hosts.blender.harness import Blender

pytestmark = pytest.mark.every_blender


def test_everything_is_captured_and_nothing_changes(blender: Blender) -> None:
    found = blender.call("render_panel.captured")
    assert found["changed"] == []
    assert found["size"] == [256, 144]
    assert found["formats"][:4] == ["rgba8", "gray8", "depth32f", "gray8"]
    assert found["sizes"] == 1
    assert found["own picture"]
    assert found["colours"] > 50
    assert found["nearest"] > 5
    assert found["box holds the mask"]
    assert found["same document"]


def test_a_take_becomes_an_image_and_one_undo_takes_it_back(blender: Blender) -> None:
    found = blender.call("render_panel.inserted")
    assert found["name"] == "Impasto a red house"
    assert round(found["value"]) == 100
    assert found["packed"]
    assert found["size"]
    assert found["saved"]
    assert found["after undo"] == []
    assert found["after redo"]


def test_a_part_comes_onto_what_it_was_painted_on(blender: Blender) -> None:
    assert blender.call("render_panel.part_inserted") == {"box": [30, 20, 46, 28], "red": [200, 0, 0, 255]}


def test_a_camera_gets_its_picture(blender: Blender) -> None:
    assert blender.call("render_panel.background") == {"images": ["own", "Impasto second"], "shown": True}


def test_live_looks_only_when_something_changes(blender: Blender) -> None:
    found = blender.call("render_panel.follows")
    assert found["counts"] == [1, 1, 2, 3, 4, 4]
    assert found["changed"] == []
    assert found["handlers"] == 0
    assert not found["same"]


def test_each_bad_day_has_a_sentence(blender: Blender) -> None:
    found = blender.call("render_panel.bad_days")
    assert found["nothing selected"].startswith("Nothing of the selected objects can be seen")
    assert found["nothing rendered"].startswith("Nothing has been rendered yet")
    assert found["empty"]
    assert found["panorama"].startswith("“Camera” is a panoramic camera")
    assert found["no camera"].startswith("The scene has no camera")
    assert found["but a size"] == [64, 64]
    assert found["another file"].startswith("Another file was opened")
    assert found["another id"]


def test_a_recording_plays(blender: Blender) -> None:
    found = blender.call("render_panel.plays_recordings")
    assert found == {"name": "Impasto a ride", "frames": ["0001.png", "0002.png", "0003.png"]}


def test_settings_and_memory_are_kept(blender: Blender) -> None:
    found = blender.call("render_panel.settings_are_kept")
    assert found["setting"] == "text ✓"
    assert found["nothing"] == ""
    assert found["after undo"] == found["opened again"] == [0, 1, 255]
    assert found["another document"] == found["new file"] == []
    assert found["document"]


def test_a_capture_that_is_given_up_leaves_nothing_behind(blender: Blender) -> None:
    found = blender.call("render_panel.given_up")
    assert found["changed"] == []
    assert found["moved"] > 0
    assert found["told"] == 0
    assert found["frame"] == 5


def test_frames_are_captured_and_the_timeline_stays(blender: Blender) -> None:
    found = blender.call("render_panel.frames")
    assert found["different"] == 3
    assert found["again"]
    assert found["changed"] == []
    assert found["unsaved"].startswith("Save the file first")
    assert found["folder"] == "impasto/a ride_2 abc"
    assert found["failed"].startswith("The scene has no camera")
    assert found["frame"] == 7


def test_what_is_drawn_lies_where_the_rays_say(blender: Blender) -> None:
    found = blender.call("render_panel.drawn")
    if found is None:
        pytest.skip("There is no GPU, nor a software one.")
    assert found["changed"] == []
    assert found["agree"] > 0.97
    assert found["render changed"] == []
    assert found["render"] <= 1
