"""The judge of Pocket's pictures, held to true renders and to shuffled captions."""

import numpy as np
import pytest

from tools.pocket import judge


def _disc(radius, size=64):
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    return np.hypot(x, y) < radius


def test_every_vocabulary_colour_is_named_as_itself():
    for name, rgb in judge.COLOURS.items():
        patch = np.full((4, 4, 3), np.round(np.array(rgb) * 255), np.uint8)
        assert judge.colour_of(patch) == name


def test_a_disc_is_round_and_a_square_is_less_so():
    square = np.zeros((64, 64), bool)
    square[16:48, 16:48] = True
    assert judge.roundness(_disc(20)) > 0.97
    assert judge.roundness(square) < 0.87


def test_regions_that_touch_only_at_a_corner_are_two():
    mask = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 1]], bool)
    assert sorted(int(region.sum()) for region in judge.components(mask)) == [3, 4]


def test_a_spiral_is_one_region():
    mask = np.zeros((9, 9), bool)
    mask[0, :] = mask[:, 8] = mask[8, :] = mask[2:, 0] = mask[2, :7] = mask[2:7, 6] = mask[6, 2:7] = True
    assert len(judge.components(mask)) == 1


def test_an_object_is_found_with_its_colour_and_place():
    picture = np.full((64, 64, 3), (33, 69, 209), np.uint8)
    picture[8:24, 40:56] = (219, 31, 31)
    (found,) = judge.objects(picture)
    assert (found.colour, judge.background_of(picture)) == ("red", "blue")
    assert found.centre == pytest.approx((0.75, 0.25), abs=0.01)


def test_an_empty_background_holds_no_object():
    noise = np.random.default_rng(0).integers(0, 3, (64, 64, 3))
    assert judge.objects((np.full((64, 64, 3), 200) + noise).astype(np.uint8)) == []


@pytest.fixture(scope="module")
def cairo():
    pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))
    pytest.importorskip("skimage")


@pytest.mark.usefixtures("cairo")
def test_shapes_are_told_however_unsteady_the_hand():
    rng = np.random.default_rng(11)
    drawn = [(shape, judge.unsteady(shape, rng, 0.025)) for shape in judge.SHAPES for _ in range(5)]
    wrong = [shape for shape, mask in drawn if judge.shape_of(mask) != shape]
    assert len(wrong) <= 2, wrong


@pytest.mark.usefixtures("cairo")
def test_a_hexagon_with_round_corners_is_no_circle_and_a_lumpy_circle_no_hexagon():
    rng = np.random.default_rng(13)
    hexagons = [judge.shape_of(judge.unsteady("hexagon", rng, 0.01, rounding=0.03)) for _ in range(20)]
    circles = [judge.shape_of(judge.unsteady("circle", rng, 0.02)) for _ in range(20)]
    assert hexagons.count("hexagon") >= 18
    assert circles.count("circle") >= 18


@pytest.mark.usefixtures("cairo")
def test_the_sixth_harmonic_of_a_true_hexagon_is_the_constant():
    from tools.pocket.render import mask
    from tools.pocket.scene import Item

    drawn = mask(Item("hexagon", "red", (0.5, 0.5), 0.8), 256) > 127
    assert judge.sixth_harmonic(drawn) == pytest.approx(judge.HEXAGON, rel=0.15)
    assert abs(judge.sixth_harmonic(_disc(24))) < 0.01


@pytest.mark.usefixtures("cairo")
def test_a_blob_fits_no_shape_as_well_as_a_drawn_one_fits_its_own():
    rng = np.random.default_rng(12)
    blob = np.zeros((96, 96), bool)
    blob[10:86, 10:20] = blob[76:86, 10:86] = True  # an L
    own = [judge.shape_scores(judge.unsteady(shape, rng, 0.02))[shape] for shape in judge.SHAPES]
    assert max(judge.shape_scores(blob).values()) < min(own)


def test_no_region_has_no_shape():
    assert judge.shape_of(np.zeros((32, 32), bool)) is None


def test_a_painted_object_is_found_on_a_busy_ground_and_only_inside_the_mask():
    rng = np.random.default_rng(3)
    picture = rng.integers(60, 200, (64, 64, 3)).astype(np.uint8)
    picture[20:40, 20:40] = (219, 31, 31)
    picture[50:60, 50:60] = (219, 31, 31)
    inside = np.zeros((64, 64), bool)
    inside[12:48, 12:48] = True
    found = judge.painted(picture, inside, "red")
    truth = np.zeros((64, 64), bool)
    truth[20:40, 20:40] = True
    assert (found & truth).sum() / (found | truth).sum() > 0.95
    assert not judge.painted(picture, inside, "teal")[truth].any()
