"""The evaluation of meaning, held to true renders: right ones are accepted, wrong ones refused."""

import numpy as np
import pytest

pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))
pytest.importorskip("skimage")

from tools.pocket import render
from tools.pocket.evaluation import meaning, prompts
from tools.pocket.words import RELATIONS, SHAPES, is_held_out


def test_every_prompt_is_a_combination_that_was_never_trained():
    scenes = [*prompts.singles(36), *prompts.anywhere(24), *prompts.off_centre(12, 2)]
    scenes += [scene for scene, _ in prompts.pairs(24)]
    for scene in scenes:
        assert any(is_held_out(item.colour, item.shape, scene.colour) for item in scene.items), scene


def test_shapes_and_relations_have_equal_shares():
    shapes = [scene.items[0].shape for scene in prompts.singles(48)]
    assert {shapes.count(shape) for shape in SHAPES} == {4}
    relations = [relation for _, relation in prompts.pairs(40)]
    assert {relations.count(relation) for relation in RELATIONS if relation != "and"} == {10}


def test_pairs_stand_as_their_captions_say():
    for scene, relation in prompts.pairs(40):
        (x, y), (other_x, other_y) = (item.centre for item in scene.items)
        stands = {"left": x < other_x, "right": x > other_x, "above": y < other_y, "below": y > other_y}
        assert stands[relation]
        assert any(words in scene.caption for words in prompts.RELATIONS[relation])


def test_off_centre_objects_leave_the_middle_free():
    for scene in prompts.off_centre(20, 2):
        for item in scene.items:
            mask = render.mask(item, 64) > 127
            assert not mask[30:34, 30:34].any()


@pytest.fixture(scope="module")
def result():
    return {row.what: row for row in meaning.judge_itself(48).rows}


def test_the_judge_reads_true_renders(result):
    assert result["true renders: background, colour and shape"].met
    assert result["true renders of pairs: both colours in the relation"].met


def test_with_shuffled_captions_the_judge_falls_to_chance(result):
    shuffled = [row for what, row in result.items() if what.startswith("shuffled")]
    assert len(shuffled) == 5
    for row in shuffled:
        assert row.low <= row.bar, row


def test_an_empty_picture_shows_nothing_but_its_background():
    scene = prompts.singles(1)[0]
    empty = np.full((64, 64, 3), render.picture(scene, 64)[0, 0], np.uint8)
    verdict, seen = meaning.single(scene, empty)
    assert verdict == {"background": True, "colour": False, "shape": False, "all": False}
    assert seen == ""


def test_a_pair_in_the_other_order_is_wrong_though_its_colours_are_there():
    scene, relation = prompts.pairs(1)[0]
    mirrored = render.picture(scene, 128)[:, ::-1]
    assert relation == "left"
    assert meaning.pair(scene, relation, mirrored) == {"colours": True, "relation": False}


def test_the_confusion_counts_every_picture_once():
    scenes = prompts.singles(24)
    seen = ["circle"] * 12 + [""] * 12
    counted = meaning.confusion(scenes, seen)
    assert sum(sum(row.values()) for row in counted.values()) == 24
    assert counted["star"] == {"circle": 1, "nothing": 1}
