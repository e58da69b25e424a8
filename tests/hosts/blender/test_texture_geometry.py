"""What goes to the server is what Blender shows."""

from __future__ import annotations

import pytest

from tests.hosts.blender.harness import Blender

pytestmark = pytest.mark.every_blender
EXACT = 1e-5  # units, of objects a few units large and away; and of UVs


def exact(found: dict[str, float]) -> bool:
    return max(found["far"], found["astray"], found["tilted"]) < EXACT and found["inside_out"] == 0


def test_modifiers(blender: Blender) -> None:
    found = blender.call("texture_geometry.modifiers")
    assert found["triangles"] == 2 * 4 * 968 + 128  # mirrored, then each quad in four
    assert exact(found)


def test_negative_scales_and_mirrored_parents(blender: Blender) -> None:
    assert all(map(exact, blender.call("texture_geometry.mirrored_scale")))


def test_instances(blender: Blender) -> None:
    found = blender.call("texture_geometry.instances")
    assert [len(target) for target in found["targets"]] == [2]
    assert found["textures"] == [0, 0, 0]
    assert found["centres"] == [[0, 0, 0], [0, 7, 0], [5, 0, 0]]
    assert exact(found["instance"])


def test_what_stands_in_the_way(blender: Blender) -> None:
    found = blender.call("texture_geometry.others")
    assert (found["textures"], found["alone"]) == ([0, -1, -1], [0])
    assert found["triangles"][:2] == [968, 12]
    assert exact(found["wall"])


def test_objects_in_one_atlas(blender: Blender) -> None:
    found = blender.call("texture_geometry.atlas")
    assert (found["overlapping"], found["beside"]) == ([1, 1], [2])
    assert (found["size"], found["base"], found["textures"]) == ([64, 32], True, [0, 0])


def test_zero_area_faces(blender: Blender) -> None:
    assert blender.call("texture_geometry.degenerate") == {"triangles": 6, "finite": True}


def test_a_mesh_without_uvs(blender: Blender) -> None:
    found = blender.call("texture_geometry.without_uvs")
    assert (found["usable"], found["layer"], found["inside"], found["same"]) == (False, "Impasto", True, True)
    assert found["layers"] == [["UVMap", True, True], ["Impasto", False, False]]
    assert (found["new"], found["again"]) == ("Impasto", True)


def test_edit_mode(blender: Blender) -> None:
    found = blender.call("texture_geometry.edit_mode")
    assert (found["lowest"], found["mode"]) == (9.0, "EDIT_MESH")
    assert "Edit Mode" in found["refused"]
    assert "Leave" in found["busy"]


@pytest.mark.parametrize("what", ["suzanne", "wavy"])
def test_the_main_thread_is_never_held_for_long(blender: Blender, what: str) -> None:
    found = blender.call("texture_geometry.turns", what=what)
    print(f"{what}: {found}")
    assert found["triangles"] == {"suzanne": 968, "wavy": 100_352}[what]
    assert max(found["max_ms"], found["put_max_ms"]) < 1000.0  # the bars are measured on a quiet machine


def test_geometry_nodes(blender: Blender) -> None:
    found = blender.call("texture_geometry.geometry_nodes")
    assert found["alone"] == [[0, 968]]
    assert found["others"] == [[-1, 12]] * 6 + [[0, 968]]
    assert exact(found["exact"])
