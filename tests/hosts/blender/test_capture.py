"""What a view shows, against Blender's own projection and rays, in every Blender."""

import pytest

from tests.hosts.blender.harness import Blender

pytestmark = pytest.mark.every_blender

ONE_FLOAT_PX = 2e-4  # of a 1024 px picture: what float32 matrices leave
DEPTH = 1 / 1023


def test_cameras_are_exact(blender: Blender) -> None:
    worst = blender.call("capture_cameras.worst_error_px")
    assert len(worst) == 18
    assert max(worst.values()) < ONE_FLOAT_PX, worst
    assert blender.call("capture_cameras.against_the_view") < 1e-6


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
def test_depth_agrees_with_rays_of_blender(blender: Blender, kind: str) -> None:
    found = blender.call("capture_maps.against_ray_cast", kind=kind)
    assert found["changed"] == 0
    assert found["hit"] > 2000
    assert found["missed"] <= found["rays"] // 1000
    assert found["other objects"] <= found["rays"] // 1000
    assert found["p999"] < DEPTH / 100
    assert found["facets"] < 1e-3
    assert 0.02 < found["selected"] < 0.2


def test_normals_have_the_colours_that_models_learned(blender: Blender) -> None:
    found = blender.call("capture_maps.faces_of_a_cube")
    assert found["depth"] == pytest.approx(7.0, abs=1e-5)
    assert found["background"]
    assert found["selected"]
    assert found["normal"] == [128, 128, 255]
    assert found["world normal"] == [128, 128, 255]
    red, green, blue = found["to the right"]
    assert red < 80  # red is left
    assert green == 128
    assert blue > 220


def test_edges_are_outlines_and_creases(blender: Blender) -> None:
    found = blender.call("capture_maps.edges_of_a_cube")
    assert found["pixels"] == found["around"]
    assert found["left"] == found["top"] == 0
    assert found["of the ball"] > 200
    assert found["inside the ball"] == 0


def test_a_large_mesh_is_read_in_pieces_without_a_trace(blender: Blender) -> None:
    found = blender.call("capture_maps.large_in_pieces")
    assert found["pieces"] > 1
    assert found["holes"] == found["lines"] == 0
    assert found["objects"] == 1
    assert found["up"] > 0.999


def test_work_in_slices_takes_turns(blender: Blender) -> None:
    found = blender.call("capture_loop.turns")
    assert found == {
        "first turn": ["a0", "b0", "a1"],
        "second turn": ["a2", "a3", "a ends", "a"],
        "rests": [[], False],
        "after its rest": ["b1"],
        "its end": ["b ends", "b"],
        "refused": [["failed", "Do this."]],
        "broken": False,
        "given up": ["given up"],
        "stopped": [["c ends"], []],
        "all stopped": [["d ends"], []],
    }
