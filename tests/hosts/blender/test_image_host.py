"""The Image Editor panel's host, in every Blender: what is not new keeps its bytes."""

import pytest

from tests.hosts.blender.harness import Blender

pytestmark = pytest.mark.every_blender


def test_pixels_are_read_as_they_are(blender: Blender) -> None:
    found = blender.call("image_panel.reads_exactly")
    assert found["changed"] == []
    assert found["name"] == "BlenderImages"
    assert found["format"] == "rgba16"
    assert all(found[what] for what in ("bytes", "file", "data", "float", "id stays")), found


def test_only_what_is_new_changes(blender: Blender) -> None:
    found = blender.call("image_panel.inserts_into")
    for kind in ("bytes", "float"):
        assert found[kind]["same image"]
        assert found[kind]["box"] == [20, 13, 30, 20]
        assert found[kind]["float"] == (kind == "float")
    assert found["bytes"]["inside"] == [200, 10, 30, 255]
    assert found["float"]["inside"] == [147, 1, 3, 255]  # linear


def test_each_take_is_one_undo_step(blender: Blender) -> None:
    found = blender.call("image_panel.undo_and_redo")
    for kind in ("generated", "packed"):
        assert found[kind] == [[1], [0], [1], [2], [1], [True]]
    assert found["handlers"] == 0


def test_what_is_painted_on_the_mask_is_selected(blender: Blender) -> None:
    assert blender.call("image_panel.masks") == {
        "none": True,
        "shown": "wood mask",
        "still the same document": True,
        "nothing painted": True,
        "painted": [10, 8, 5, 6],
        "mask": [30, 255],
        "after it": True,
        "own": [6, 5, 14, 4],
        "box": [40, 20, 8, 5],
    }


def test_a_tile_has_no_seam(blender: Blender) -> None:
    found = blender.call("image_panel.seamless")
    assert found["canvas"] == [64, 48]
    assert found["wrapped"]
    assert found["unchanged"]
    assert found["step at the seam"] == 3  # as between any two columns of what was painted
    assert found["step below"] == 4


def test_what_is_larger_or_drawn_is_a_new_image(blender: Blender) -> None:
    found = blender.call("image_panel.new_images")
    assert found["upscaled"] == ["wood 96 × 64", 96, 64]
    assert found["map"] == ["wood Edges", 7, "rgba8"]
    assert found["beside"] == ["Impasto red", [200, 10, 30, 255]]
    assert found["untouched"]


def test_each_bad_day_has_a_sentence(blender: Blender) -> None:
    found = blender.call("image_panel.bad_days")
    assert found["no editor"]
    assert found["no image"]
    for what, sentence in {
        "render": "shows what is made elsewhere",
        "missing": "has no pixels",
        "tiled": "several tiles",
        "sequence": "a movie or a sequence",
        "linked": "linked from another file",
        "no mask": "Nothing is painted on the mask",
        "gone": "The image this was painted for is gone",
    }.items():
        assert sentence in found[what]
    assert found["linked id"] == 32


def test_painting_is_followed(blender: Blender) -> None:
    assert blender.call("image_panel.follows") == {"counts": [1, 1, 2], "size": [24, 16]}
