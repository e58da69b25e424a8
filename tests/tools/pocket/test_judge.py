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
def evaluate():
    pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))
    pytest.importorskip("skimage")
    from tools.pocket import evaluate

    return evaluate


@pytest.fixture(scope="module")
def rendered(evaluate):
    drawn = evaluate.draw_scenes("held-out", 60)
    return drawn, [evaluate.render.picture(scene, 128) for scene in drawn]


def test_true_renders_are_read_right(evaluate, rendered):
    assert evaluate.single(*rendered)["all"] >= 0.98


def test_with_shuffled_captions_the_judge_falls_to_chance(evaluate, rendered):
    drawn, pictures = rendered
    shares = evaluate.single(drawn[7:] + drawn[:7], pictures)
    assert max(shares["background"], shares["colour"], shares["shape"]) <= 0.3
    assert shares["all"] <= 0.05


def test_pairs_are_read_with_their_relation(evaluate):
    drawn = evaluate.draw_scenes("pair", 40)
    pictures = [evaluate.render.picture(scene, 128) for scene in drawn]
    assert evaluate.pairs(drawn, pictures)["and relation"] >= 0.95
