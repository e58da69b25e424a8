"""Textures onto objects: one step, exact, and everything else as it was."""

from __future__ import annotations

import pytest

from tests.hosts.blender.harness import Blender

pytestmark = pytest.mark.every_blender


def test_reading_leaves_no_trace(blender: Blender) -> None:
    found = blender.call("texture_put.read")
    assert found["seen"] == found["refused"] == found["cancelled"] == []
    assert (found["view"], found["mask"]) == ([64, 64, "rgba8", 16384], [64, 64, "gray8", 4096])


def test_one_undo_step(blender: Blender) -> None:
    found = blender.call("texture_put.one_step")
    assert found["changed"]
    assert found["undone"] == found["redone"] == []
    assert (found["worn"], found["worn_undone"]) == (["a" * 32], [])
    assert found["textured"]
    assert found["again"]


def test_what_is_worn(blender: Blender) -> None:
    assert blender.call("texture_put.what_is_worn") == {
        "same": True,
        "packed": True,
        "space": "sRGB",
        "uv": "UVMap",
        "colour": True,
        "link": "OBJECT",
        "solid": [0.58, 0.0, 0.0, 1.0],  # 200 of 255, linear
        "kept": ["Red"],
        "job": True,
    }


def test_old_materials_are_taken_back(blender: Blender) -> None:
    found = blender.call("texture_put.taken_back")
    assert (found["dressed"], found["ours"]) == (["OBJECT"] * 3, True)
    assert found["kept"] == ["Red", "Green", "Own"]
    assert [name for _, name in found["back"]] == [name for _, name in found["before"]]
    assert found["indices"] == [0, 1, 2, 0, 1, 2]


def test_textured_once_more(blender: Blender) -> None:
    found = blender.call("texture_put.once_more")
    assert (found["roughness"], found["worn"], found["jobs"]) == (0.125, "ddd", ["Red", "ccc"])
    assert found["base"] == [64, 200, 1]


def test_a_shared_mesh(blender: Blender) -> None:
    assert blender.call("texture_put.shared_mesh") == {"first": "OBJECT", "second": [["DATA", "Red"]]}


def test_all_or_nothing(blender: Blender) -> None:
    found = blender.call("texture_put.failing")
    assert (found["raised"], found["calls"], found["broken"]) == (True, 2, [])
    assert "Object Mode" in found["editing"]
    assert found["some"]
    assert "gone" in found["gone"]
    assert "Another file" in found["elsewhere"]


def test_what_cannot_be_painted_is_said(blender: Blender) -> None:
    found = blender.call("texture_put.refused")
    assert "linked" in found["listed"]["Suzanne"]
    assert found["listed"]["Built away"] == ""
    for name, words in (
        ("Suzanne", "linked from another file"),
        ("Own", "mesh is linked"),
        ("Empty mesh", "no faces"),
        ("Built away", "modifiers"),
        ("Text", "no mesh"),
        ("hidden", "hidden"),
    ):
        assert words in found["sentences"][name]
    assert found["nothing"]


def test_ids(blender: Blender) -> None:
    found = blender.call("texture_put.ids")
    assert found.pop("opened") == "Renamed"
    assert all(found.values()), found


def test_maps_touch_no_material(blender: Blender) -> None:
    found = blender.call("texture_put.maps")
    assert found["others"] == found["listed"] == found["after"] == []


def test_pictures_are_shown(blender: Blender) -> None:
    assert blender.call("texture_put.pictures") == {
        "names": ["Impasto view 1"],
        "texel": [20, 0, 255, 255],
    }


def test_pictures_are_resampled_in_place(blender: Blender) -> None:
    found = blender.call("texture_put.resampled")
    assert all(max(errors) <= 1.0 for errors in found["ramp"].values())
    assert found["light"] == [127, 0, 255, 255]


def test_a_texture_that_is_not_unpacked_is_read_from_its_file(blender: Blender) -> None:
    assert blender.call("texture_put.unloaded") == {
        "loaded": [False, False],
        "same": True,
        "first": [200, 0, 3, 255],
        "last": [9, 8, 7, 1],
        "painted": [255, 255, 255, 255],
    }


def test_a_file_that_was_never_saved(blender: Blender) -> None:
    found = blender.call("texture_put.unsaved")
    assert found == {"document": True, "worn": ["a" * 32], "textured": True, "texel": [200, 0, 3, 255]}


def test_maps_are_drawn_over_the_surface(blender: Blender) -> None:
    found = blender.call("texture_put.maps_on_gpu")
    red, green, blue = [255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]
    assert (found["upper"], found["lower"], found["beside"]) == (red, green, blue)
    assert (found["changed"], found["shown"]) == ([], False)


def test_filled_texels_show_their_colour(blender: Blender) -> None:
    for seen in blender.call("texture_put.rendered").values():
        assert all(abs(one - wanted) <= 2 for one, wanted in zip(seen, (200, 100, 50), strict=True))
