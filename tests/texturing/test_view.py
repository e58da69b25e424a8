"""Cameras: rays and projection agree, whatever the lens."""

from __future__ import annotations

import numpy as np
import pytest
from impasto_server.texturing.rig import interleaved
from impasto_server.texturing.sight import box_of
from impasto_server.texturing.view import View, look_at

from tests.texturing import shapes

EYE = ((2.4, -3.1, 1.9), (0.0, 0.0, 0.0))


def shifted(view: View) -> View:
    """With the lens shifted, as Blender's shift_x and shift_y do."""
    projection = view.projection.copy()
    column = 3 if view.orthographic else 2
    projection[0, column] += 0.3
    projection[1, column] -= 0.2
    return View(view.world_to_camera, projection, view.width, view.height)


VIEWS = {
    "perspective": look_at(*EYE, (61, 47)),
    "orthographic": look_at(*EYE, (61, 47), extent=3.8),
    "shifted": shifted(look_at(*EYE, (61, 47))),
    "shifted, orthographic": shifted(look_at(*EYE, (61, 47), extent=3.8)),
    "from above": look_at((0.0, 0.0, 9.0), (0.0, 0.0, 0.0), (61, 47)),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_rays_and_projection_are_each_others_inverse(view: View) -> None:
    origins, directions = view.rays()
    pixels, depth = view.project(origins + 3.7 * directions)
    rows, columns = np.divmod(np.arange(61 * 47), 61)
    assert np.allclose(depth, 3.7, atol=1e-4)
    assert np.allclose(pixels, np.stack([columns, rows], 1) + 0.5, atol=2e-3)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_pixels_are_those_of_the_matrices(view: View) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3)).astype(np.float32)
    clip = np.column_stack([points, np.ones(500)]) @ (view.projection @ view.world_to_camera).T
    unit = clip[:, :2] / clip[:, 3:]
    wanted = np.stack([(unit[:, 0] + 1) * 61 / 2, (1 - unit[:, 1]) * 47 / 2], 1)
    assert np.allclose(view.project(points)[0], wanted, atol=1e-3)


def test_far_from_the_origin_pixels_are_as_exact_as_the_points() -> None:
    away = np.array([1000.0, -2000.0, 500.0])
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3)).astype(np.float32)
    near, far = look_at(*EYE, (1024, 1024)), look_at(EYE[0] + away, away, (1024, 1024))
    moved = (points.astype(np.float64) + away).astype(np.float32)
    truth = (moved.astype(np.float64) - away).astype(np.float32)
    assert np.abs(far.project(moved)[0] - near.project(truth)[0]).max() < 0.1


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_box_of_pixels_has_the_same_rays_as_the_picture(view: View) -> None:
    whole = [part.reshape(47, 61, 3)[5:30, 11:40].reshape(-1, 3) for part in view.rays()]
    for one, other in zip(view.rays((11, 5, 40, 30)), whole, strict=True):
        assert np.array_equal(one, other)


def test_what_may_be_seen_lies_in_the_box_and_all_of_the_picture_does_from_inside() -> None:
    mesh = shapes.torus()
    view = look_at((6.0, -8.0, 3.0), (1.0, 0.0, 0.0), (128, 96))
    left, top, right, bottom = box_of(view, mesh.positions)
    pixels, _ = view.project(mesh.positions)
    assert (pixels >= (left, top)).all()
    assert (pixels < (right, bottom)).all()
    assert (right - left) * (bottom - top) < 128 * 96 / 2
    assert box_of(look_at((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (128, 96)), mesh.positions) == (0, 0, 128, 96)


def test_views_around_show_all_of_an_object_and_stand_above_and_below_by_turns() -> None:
    mesh = shapes.moved(shapes.torus(), (5.0, -3.0, 2.0), 0.3)
    views = interleaved(mesh.positions, 8, (256, 256))
    heights = [view.position[2] > 2.0 for view in views]
    assert heights == [True, False] * 4
    assert np.allclose(views[0].position[0], 5.0, atol=1e-6)  # the first is in front
    assert views[0].position[1] < -3.0
    for view in views:
        pixels, _ = view.project(mesh.positions)
        assert pixels.min() > 0
        assert pixels.max() < 256
        assert np.ptp(pixels, axis=0).max() > 180
