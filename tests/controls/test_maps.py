"""Control maps are the lines of what is drawn: where they belong, in every pixel format, and no more."""

from __future__ import annotations

import importlib.util

import cv2
import numpy as np
import pytest
from impasto_protocol.errors import BadValue
from impasto_server.compositing.raster import Raster
from impasto_server.controls import KINDS, control_map
from impasto_server.controls.reduced import at_size
from impasto_server.models.control_kinds import LINES

SIDE = 512
PAPER, INK = (235, 228, 215), (30, 25, 40)


def scene(dtype: str = "uint8", side: int = SIDE) -> tuple[Raster, Raster]:
    """Shapes on paper (H, W, 3), and their true outlines (H, W) bool, one pixel wide."""
    picture = np.full((side, side, 3), PAPER, np.uint8)
    labels = np.zeros((side, side), np.uint8)
    unit = side // 16
    shapes = (
        (np.array([[2, 2], [6, 2], [6, 7], [2, 7]]), (200, 60, 40)),
        (np.array([[9, 8], [14, 3], [14, 8]]), (60, 100, 220)),
        (np.array([[2, 14], [4, 9], [7, 13]]), (215, 208, 195)),  # hardly darker than the paper
    )
    for number, (corners, colour) in enumerate(shapes, 1):
        cv2.fillPoly(picture, [corners * unit], colour)
        cv2.fillPoly(labels, [corners * unit], number)
    cv2.circle(picture, (11 * unit, 12 * unit), 2 * unit, (90, 160, 90), -1)
    cv2.circle(labels, (11 * unit, 12 * unit), 2 * unit, 9, -1)
    outlines = np.zeros((side, side), bool)
    outlines[1:] |= labels[1:] != labels[:-1]
    outlines[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    return (picture.astype(np.uint16) * 257 if dtype == "uint16" else picture), outlines


def f1(lines: Raster, truth: Raster, tolerance_px: int) -> float:
    """Of lines within `tolerance_px` of the truth, and of the truth within that of a line."""
    found = lines > 127
    precision = float((_distance(truth)[found] <= tolerance_px).mean()) if found.any() else 0.0
    recall = float((_distance(found)[truth] <= tolerance_px).mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _distance(lines: Raster) -> Raster:
    return cv2.distanceTransform((~lines).astype(np.uint8), cv2.DIST_L2, 5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("side", [256, 512, 1024])
def test_the_lines_are_the_outlines_of_the_shapes(kind: str, dtype: str, side: int) -> None:
    picture, truth = scene(dtype, side)
    lines = control_map(kind, picture)
    assert (lines.shape, lines.dtype) == (truth.shape, np.uint8)
    assert f1(lines, truth, 2 * max(1, side // 512) + (kind == "scribble")) > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_the_measure_tells_a_wrong_map(kind: str) -> None:
    picture, truth = scene()
    lines = control_map(kind, picture)
    assert f1(np.roll(lines, 12, axis=1), truth, 3) < 0.5
    assert f1(np.where(np.arange(SIDE) < 256, lines, 0), truth, 3) < 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_transparent_is_paper(kind: str) -> None:
    """Shapes on a transparent layer have the outlines they have on white, whatever colours lie hidden."""
    inside = cv2.circle(np.zeros((256, 256), np.uint8), (120, 130), 60, 1, -1).astype(bool)
    on_white = np.where(inside[:, :, None], np.uint8(60), np.uint8(255)).repeat(3, axis=2)
    layer = np.dstack([np.full((256, 256, 3), 60, np.uint8), np.where(inside, 255, 0).astype(np.uint8)])
    layer[:, 100:, 2] = np.where(inside, 60, 250)[:, 100:]
    assert control_map(kind, on_white).any()
    assert np.array_equal(control_map(kind, layer), control_map(kind, on_white))


@pytest.mark.parametrize("kind", KINDS)
def test_gray_is_as_good_as_colour(kind: str) -> None:
    gray = scene()[0][:, :, 1]
    assert np.array_equal(control_map(kind, gray), control_map(kind, np.dstack([gray] * 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_colours_of_one_lightness_have_an_edge_too(kind: str) -> None:
    picture = np.full((128, 128, 3), (200, 76, 60), np.uint8)
    picture[:, 64:] = (60, 146, 60)
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(int)
    assert np.ptp(gray) <= 3
    lines = control_map(kind, picture)
    assert (lines[8:-8, 62:67].max(axis=1) > 127).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 64), (1, 1), (3, 400), (2100, 40)])
def test_an_empty_picture_has_no_lines_at_any_size(kind: str, size: tuple[int, int]) -> None:
    empty = np.full((*size, 3), 128, np.uint8)
    assert control_map(kind, empty).shape == size
    assert not control_map(kind, empty).any()


def test_a_scribble_is_thick_and_edges_are_thin() -> None:
    picture, truth = scene()
    length = truth.sum()
    assert control_map("edges", picture).astype(bool).sum() < 1.4 * length
    assert 2.0 * length < control_map("scribble", picture).astype(bool).sum() < 5.0 * length


def test_a_scribble_leaves_specks_and_texture_out() -> None:
    picture, truth = scene()
    random = np.random.default_rng(3)
    rough = np.clip(picture + random.normal(0, 9, picture.shape), 0, 255).astype(np.uint8)
    for x, y in random.integers(0, SIDE, (60, 2)):
        cv2.circle(rough, (int(x), int(y)), 1, INK, -1)
    thick = control_map("scribble", rough) > 127
    assert (_distance(truth)[thick] <= 4).mean() > 0.9
    thin = control_map("edges", rough) > 127
    assert (_distance(truth)[thin] <= 4).mean() < 0.9, "edges have them: the test can tell"


def test_a_pen_stroke_becomes_one_line() -> None:
    drawn = np.full((256, 256, 3), PAPER, np.uint8)
    cv2.circle(drawn, (128, 128), 80, INK, 2, cv2.LINE_AA)
    thick = control_map("scribble", drawn) > 127
    assert thick[128, 30:70].any()
    changes = np.diff(thick[128, :128].astype(int))
    assert (changes == 1).sum() == 1, "going in from the border, one line is met"


@pytest.mark.parametrize("kind", KINDS)
def test_the_lines_of_a_large_picture_are_those_of_the_small_one(kind: str) -> None:
    small, truth = scene(side=512)
    large = cv2.resize(small, (4096, 4096), interpolation=cv2.INTER_NEAREST)
    lines = control_map(kind, large)
    assert lines.shape == (4096, 4096)
    assert f1(lines, np.kron(truth, np.ones((8, 8), bool)), 24) > 0.95
    assert set(np.unique(lines)) >= {0, 255}, "black is black and white is white"


def test_enlarged_lines_stay_sharp() -> None:
    lines = np.zeros((64, 64), np.uint8)
    lines[:, 30:34] = 255
    larger = at_size(lines, (512, 512))
    assert ((larger > 0) & (larger < 255)).mean() < 0.01
    assert abs((larger > 127).mean() - (lines > 127).mean()) < 0.005


def test_an_unknown_kind_is_told_what_there_is() -> None:
    with pytest.raises(BadValue, match=r"“depth” cannot be made here. There are: edges, scribble\."):
        control_map("depth", scene()[0])


def test_kinds_have_the_names_controlnets_go_by_and_a_module_each() -> None:
    assert set(KINDS) <= LINES
    for module in KINDS.values():
        assert importlib.util.find_spec(f"impasto_server.controls.{module}") is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_is_all_texture_has_lines_too(kind: str) -> None:
    random = np.random.default_rng(5)
    leaves = np.full((256, 256, 3), 40, np.uint8)
    for x, y, radius, *colour in random.integers(
        (0, 0, 3, 20, 60, 10), (256, 256, 12, 90, 200, 60), (1500, 6)
    ):
        cv2.circle(leaves, (int(x), int(y)), int(radius), tuple(int(c) for c in colour), -1)
    assert 0.01 < (control_map(kind, leaves) > 127).mean() < 0.3
