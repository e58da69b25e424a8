"""Depth maps: exact, above the background, and the same in every view."""

from __future__ import annotations

import numpy as np
import pytest
from impasto_server.texturing.depth import FARTHEST, range_of
from impasto_server.texturing.mesh import Mesh

from tests.texturing import shapes
from tests.texturing.stage import MESHES, Stage, look_at


@pytest.mark.parametrize("name", ["cube", "Suzanne", "torus", "sheet", "one atlas"])
def test_depth_is_exact_stands_off_the_background_and_means_the_same_in_every_view(name: str) -> None:
    stage = Stage(MESHES[name](), side=32)
    points = stage.atelier.points
    limits = [range_of(stage.views[number], points) for number in stage.around(8, 256)]
    assert np.allclose(limits, limits[0], rtol=1e-4)
    nearest, farthest = limits[0]
    corners = stage.meshes[0].corners.astype(np.float64)
    for number, view in enumerate(stage.views):
        made = stage.atelier.depth(number)
        shown = made > 0
        if name == "sheet" and not shown.any():
            continue  # from its edge
        assert np.array_equal(shown, stage.atelier.silhouette(number))
        assert made[shown].min() >= 8.0 / 255.0
        assert made.max() <= 1.0
        # Of the nearest plane of any triangle that a pixel's ray passes, worked out by hand.
        rows, columns = np.nonzero(shown)
        some = np.random.default_rng(number).permutation(len(rows))[:60]
        origins, ways = (part.reshape(256, 256, 3)[rows[some], columns[some]] for part in view.rays())
        distance = first_hits(origins.astype(np.float64), ways.astype(np.float64), corners)
        exact = FARTHEST + (1 - FARTHEST) * (1 / distance - 1 / farthest) / (1 / nearest - 1 / farthest)
        assert np.abs(made[rows[some], columns[some]] - exact).max() <= 1.0 / 1023.0


def first_hits(origins: np.ndarray, ways: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(N,) distances, in lengths of `ways`, of the first of all triangles."""
    found = np.full(len(origins), np.inf)
    for a, b, c in corners:
        matrix = np.stack([np.broadcast_to(b - a, ways.shape), np.broadcast_to(c - a, ways.shape), -ways], 2)
        good = np.abs(np.linalg.det(matrix)) > 1e-14
        matrix[~good] = np.eye(3)
        u, v, t = np.linalg.solve(matrix, (origins - a)[:, :, None])[:, :, 0].T
        hit = good & (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (t > 0)
        found[hit] = np.minimum(found[hit], t[hit])
    return found


def test_the_far_end_of_what_points_away_stands_off_the_background() -> None:
    box = shapes.cube()
    width = np.where(box.positions[:, 1:2] > 0, 0.1, 0.01)  # wide at its far end, so that one sees it
    rod = Mesh(
        (box.positions * np.hstack([width, np.ones_like(width), width])).astype(np.float32),
        box.triangles,
        box.uvs,
    )
    stage = Stage(rod, side=16)
    (number,) = stage.add(look_at((0.0, -6.0, 0.0), (0.0, 0.0, 0.0), (512, 512), angle=0.1))
    made = stage.atelier.depth(number)
    assert 8 / 255 <= made[made > 0].min() < 0.075
    assert made.max() > 0.95


def test_one_range_serves_several_targets_and_what_stands_around_does_not_count() -> None:
    far = shapes.moved(shapes.cube(), (40.0, 0.0, 0.0))
    alone, among = Stage(shapes.cube(), side=16), Stage(shapes.cube(), others=[far], side=16)
    for stage in (alone, among):
        stage.around(2, 64)
    assert np.array_equal(alone.atelier.depth(0), among.atelier.depth(0))


def test_what_stands_in_front_is_not_in_the_depth_of_what_is_painted() -> None:
    stage = Stage(shapes.cube(), others=[shapes.cube(0.5, (0.0, -2.5, 0.0))], side=16)
    (number, *_) = stage.around(8, 128)
    free = Stage(shapes.cube(), side=16)
    free.around(8, 128)
    here, there = stage.atelier.depth(number), free.atelier.depth(number)
    covered = (here == 0) & (there > 0)
    assert covered.sum() > 200
    assert np.array_equal(here[~covered], there[~covered])
