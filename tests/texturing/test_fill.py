"""Holes are filled from the surface around them."""

from __future__ import annotations

import numpy as np
from impasto_server.texturing.fill import fill_holes
from impasto_server.texturing.mesh import Mesh
from impasto_server.texturing.texels import TexelTable, texel_table

from tests.texturing import shapes


def table_of(mesh: Mesh) -> TexelTable:
    return texel_table(mesh, 256, 256, lambda: None)


def test_holes_take_the_colour_of_their_side_of_a_thin_wall() -> None:
    mesh = shapes.cube(1.0)
    thin = Mesh(mesh.positions * np.float32([1.0, 0.02, 1.0]), mesh.triangles, mesh.uvs)
    table = table_of(thin)
    front, back = table.normals[:, 1] < -0.5, table.normals[:, 1] > 0.5
    colours = np.zeros((len(table), 3), np.float32)
    colours[front], colours[back] = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    inside = np.linalg.norm(table.positions[:, [0, 2]], axis=1) < 0.4
    covered = (front | back) & ~inside
    given = np.where(covered[:, None], colours, 0.0).astype(np.float32)
    filled = fill_holes(table.positions, table.normals, given, covered)
    assert np.abs(filled[front & inside] - [1.0, 0.0, 0.0]).max() < 0.05
    assert np.abs(filled[back & inside] - [0.0, 0.0, 1.0]).max() < 0.05
    assert np.array_equal(filled[covered], given[covered])


def test_a_hole_is_smooth_and_meets_its_rim() -> None:
    table = table_of(shapes.torus())
    truth = shapes.painted(table.positions)
    covered = table.positions[:, 0] < 0.9
    given = np.where(covered[:, None], truth, 0).astype(np.float32)
    filled = fill_holes(table.positions, table.normals, given, covered)
    near = ~covered & (table.positions[:, 0] < 0.94)
    assert np.abs(filled[near] - truth[near]).mean() < 0.08
    assert filled[~covered].min() >= truth.min() - 0.01


def test_holes_do_not_care_how_large_or_where_an_object_is() -> None:
    made = []
    for scale, by in ((1.0, 0.0), (0.001, 0.0), (1000.0, 5000.0)):
        table = table_of(shapes.moved(shapes.torus(), (by, by, by), scale))
        covered = np.arange(len(table)) % 3 == 0
        colours = np.where(covered[:, None], 0.25, 0.0).repeat(3, 1).astype(np.float32)
        made.append(fill_holes(table.positions, table.normals, colours, covered))
    assert np.allclose(made[0], 0.25, atol=1e-5)
    assert np.allclose(made[1], made[0], atol=1e-3)
    assert np.allclose(made[2], made[0], atol=1e-3)


def test_where_nothing_or_all_is_known_nothing_is_changed() -> None:
    table = table_of(shapes.cube())
    colours = np.full((len(table), 3), 0.3, np.float32)
    for covered in (np.zeros(len(table), bool), np.ones(len(table), bool)):
        assert np.array_equal(fill_holes(table.positions, table.normals, colours, covered), colours)
