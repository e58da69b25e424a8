"""The texel table: each texel of a layout has its place on the surface."""

from __future__ import annotations

import numpy as np
import pytest
from impasto_server.texturing.mesh import Mesh
from impasto_server.texturing.texels import TexelTable, texel_table

from tests.texturing import shapes
from tests.texturing.stage import MESHES


def table_of(mesh: Mesh, width: int, height: int) -> TexelTable:
    return texel_table(mesh, width, height, lambda: None)


def places_in_texture(table: TexelTable, mesh: Mesh) -> np.ndarray:
    """(N, 2) columns and rows at which the layout has the texels' places, found from these alone."""
    corners = mesh.corners[table.triangles].astype(np.float64)
    edges = corners[:, 1:] - corners[:, :1]
    away = table.positions - corners[:, 0]
    gram, right = edges @ edges.transpose(0, 2, 1), np.einsum("ned,nd->ne", edges, away)
    weights = np.linalg.solve(gram, right[:, :, None])[:, :, 0]
    assert np.abs(away - np.einsum("ne,ned->nd", weights, edges)).max() < 1e-4  # in the triangle's plane
    uvs = mesh.uvs[table.triangles].astype(np.float64)
    found = uvs[:, 0] + np.einsum("ne,ned->nd", weights, uvs[:, 1:] - uvs[:, :1])
    return np.stack([found[:, 0] * table.width, (1 - found[:, 1]) * table.height], 1)


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("size", [(128, 128), (200, 64)], ids=str)
def test_texels_lie_on_the_surface_at_their_uvs(name: str, size: tuple[int, int]) -> None:
    mesh = MESHES[name]()
    table = table_of(mesh, *size)
    off = np.abs(places_in_texture(table, mesh) - np.stack([table.columns, table.rows], 1) - 0.5)
    assert off.max() < 0.51  # those at the rim of a chart lie somewhere in their texel
    assert (off < 0.01).all(axis=1).mean() > 0.7


@pytest.mark.parametrize("name", ["cube", "torus", "icosphere", "Suzanne", "sheet"])
def test_every_texel_whose_centre_is_in_the_layout_is_there(name: str) -> None:
    mesh = MESHES[name]()
    table = table_of(mesh, 96, 96)
    x, y = np.meshgrid((np.arange(96) + 0.5) / 96, 1 - (np.arange(96) + 0.5) / 96)
    inside = np.zeros((96, 96), bool)
    for corners in mesh.uvs.astype(np.float64):
        (a, b, c), points = corners, np.stack([x, y], -1)
        sides = [
            (q - p)[0] * (points - p)[..., 1] - (q - p)[1] * (points - p)[..., 0]
            for p, q in ((a, b), (b, c), (c, a))
        ]
        inside |= np.min(sides, axis=0) > 1e-9
        inside |= np.max(sides, axis=0) < -1e-9
    assert (inside & ~table.covered).sum() == 0


def test_of_parts_that_overlap_the_earlier_has_the_texel() -> None:
    for name in ("mirrored", "instances"):
        mesh = MESHES[name]()
        half = len(mesh.triangles) // 2
        assert (table_of(mesh, 256, 256).triangles < half).mean() > 0.995
        turned = Mesh(mesh.positions, mesh.triangles[::-1].copy(), mesh.uvs[::-1].copy())
        assert (table_of(turned, 256, 256).triangles < half).mean() > 0.995


def test_a_hundred_thousand_triangles_on_one_another_keep_their_order() -> None:
    sheet = shapes.split(shapes.sheet(), 4)
    pile = shapes.joined(*(shapes.moved(sheet, (0.0, float(i), 0.0)) for i in range(200)))
    assert len(pile.triangles) > 100_000
    table = table_of(pile, 128, 128)
    assert (table.triangles < len(sheet.triangles)).mean() > 0.99


def test_layouts_up_to_the_very_border_have_all_texels() -> None:
    sheet = shapes.sheet()
    whole = Mesh(sheet.positions, sheet.triangles, np.round(sheet.uvs))
    table = table_of(whole, 64, 32)
    assert table.covered.all()
    assert len(table) == 64 * 32


def test_charts_thinner_than_a_texel_are_found() -> None:
    sheet = shapes.sheet()
    thin = Mesh(
        sheet.positions, sheet.triangles, sheet.uvs * np.float32([1.0, 0.002]) + np.float32([0, 0.503])
    )
    table = table_of(thin, 64, 64)
    assert len(np.unique(table.columns)) >= 61
    assert len(np.unique(table.rows)) == 1


def test_faces_without_an_area_have_no_texels() -> None:
    sheet = shapes.sheet()
    positions = np.concatenate([sheet.positions, np.full((1, 3), np.nan, np.float32)])
    faces = np.array([[0, 0, 0], [0, 1, 1], [2, 3, 4]], np.int32)
    uvs = np.broadcast_to(np.float32([[0, 0], [1, 0], [0, 1]]), (3, 3, 2))
    broken = Mesh(
        positions,
        np.concatenate([faces, sheet.triangles]),
        np.concatenate([uvs, sheet.uvs]).astype(np.float32),
    )
    table = table_of(broken, 64, 64)
    assert (table.triangles >= 3).all()
    assert np.isfinite(table.positions).all()
    assert len(table) > 3600


def test_texels_beside_the_layout_take_the_nearest_colour() -> None:
    table = table_of(shapes.cube(), 64, 32)
    texture = table.as_texture(np.arange(len(table), dtype=np.int32))
    rows, columns = np.nonzero(~table.covered)
    for row, column in zip(rows[::37], columns[::37], strict=True):
        away = np.hypot(table.rows - row, table.columns - column)
        assert away[texture[row, column]] <= away.min() + 0.5


def test_a_mesh_without_triangles_has_an_empty_table() -> None:
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, 3, 2), np.float32))
    table = table_of(nothing, 8, 8)
    assert len(table) == 0
    assert table.as_texture(np.zeros((0, 3), np.float32)).shape == (8, 8, 3)
