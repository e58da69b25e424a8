"""What previews follow, how large they are, and what stands against them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol.messages import LiveControl, Lora
from impasto_studio.geometry import Box
from impasto_studio.host import LayerEntry, Scene, Watch
from impasto_studio.intent import LIVE, ControlRow, Intent, LoraRow
from impasto_studio.live_plan import LivePlan, live_steps_run, plan_live, working_size
from impasto_studio.plan import Possible
from impasto_studio.styles import Style

from tests.studio.fakes import DOCUMENT, LIMITS, MAPS, MODEL

SCENE = Scene(DOCUMENT, 1600, 1200, layers=(LayerEntry("lines", "Lines"),))
SELECTED = replace(SCENE, selection=Box(500, 600, 100, 40))
POSSIBLE = Possible(LIMITS, (MODEL,), MAPS, live=True)


def planned(scene: Scene | None, style: Style | None = None, **fields: object) -> LivePlan:
    plan = plan_live(Intent(mode=LIVE, **fields), scene, POSSIBLE, style)  # type: ignore[arg-type]
    assert isinstance(plan, LivePlan), plan
    return plan


def refused(scene: Scene | None, possible: Possible = POSSIBLE, **fields: object) -> str:
    sentence = plan_live(Intent(mode=LIVE, **fields), scene, possible, None)  # type: ignore[arg-type]
    assert isinstance(sentence, str)
    return sentence


def test_the_whole_document_is_followed_at_the_models_own_size() -> None:
    plan = planned(SCENE, prompt=" a fox ", negative=" dog ", live_strength=0.4, live_seed=41)
    assert plan.watch == Watch(DOCUMENT, Box(0, 0, 1600, 1200), 296, 224)
    assert plan.size == (296, 224)
    request = plan.request
    assert (request.prompt, request.negative, request.model) == ("a fox", "dog", "pocket")
    assert (request.strength, request.seed, request.longest_px) == (0.4, 41, 296)
    assert (request.canvas, request.mask, request.steps) == ("image", "", 0)


def test_a_selection_is_followed_with_what_is_around_it() -> None:
    plan = planned(SELECTED)
    assert plan.watch.mask
    assert plan.request.mask == "mask"
    assert SELECTED.selection is not None
    assert plan.watch.box.common(SELECTED.selection) == SELECTED.selection
    assert plan.watch.box.common(SCENE.box) == plan.watch.box
    assert plan.watch.box.area < SCENE.box.area / 10


def test_the_box_stays_when_the_strength_changes() -> None:
    """Else each move of the slider would open other canvases."""
    boxes = {planned(SELECTED, live_strength=strength / 10).watch.box for strength in range(1, 10)}
    assert len(boxes) == 1


@pytest.mark.parametrize(("asked", "side"), [(0, 256), (512, 512), (99_999, 2048)])
def test_the_size_can_be_chosen(asked: int, side: int) -> None:
    assert planned(replace(SCENE, width=900, height=900), live_px=asked).size == (side, side)


@given(st.integers(16, 16_384), st.integers(16, 16_384), st.integers(64, 2048))
def test_sides_are_on_the_grid_and_the_area_is_that_of_the_square(width: int, height: int, side: int) -> None:
    across, down = working_size(Box(0, 0, width, height), side)
    assert across % 8 == down % 8 == 0
    assert 0.7 * side * side < across * down < 1.35 * side * side
    if 0.3 < width / height < 3.3:
        assert across / down == pytest.approx(width / height, rel=0.4)


def test_rows_that_follow_one_layer_share_its_canvas() -> None:
    rows = (
        ControlRow("scribble", ""),
        ControlRow("depth", "lines", 0.5, 0.1, 0.9),
        ControlRow("depth", "lines"),
    )
    plan = planned(SCENE, controls=rows)
    assert plan.watch.controls == ("", "lines", "lines")
    assert plan.request.controls == (
        LiveControl("scribble", "image"),
        LiveControl("depth", "layer lines", 0.5, 0.1, 0.9),
        LiveControl("depth", "layer lines"),
    )


def test_a_style_and_loras_count() -> None:
    style = Style("Ink", "ink drawing of {prompt}", "photo", loras=(LoraRow("pencil", 0.5),), steps=30)
    plan = planned(SCENE, style, prompt="a fox")
    assert (plan.request.prompt, plan.request.negative) == ("ink drawing of a fox", "photo")
    assert plan.request.loras == (Lora("pencil", 0.5),)
    assert plan.request.steps == 0, "a style's steps are those of finished pictures"


@pytest.mark.parametrize(("steps", "strength", "run"), [(0, 0.6, 0), (8, 0.5, 4), (8, 0.0, 1), (4, 1.0, 4)])
def test_steps_of_a_preview(steps: int, strength: float, run: int) -> None:
    assert live_steps_run(Intent(live_steps=steps, live_strength=strength)) == run
    assert planned(SCENE, prompt="a fox", live_steps=steps).request.steps == steps
    assert planned(SCENE, live_steps=9999).request.steps == LIMITS.steps


def test_without_words_it_needs_something_to_keep() -> None:
    planned(SCENE, prompt="", live_strength=0.9)
    assert refused(SCENE, prompt="  ", live_strength=1.0).startswith("Write what")


def test_what_stands_against_it() -> None:
    assert refused(None) == "Open or create a document first."
    assert refused(replace(SCENE, width=9)).startswith("The document is too small.")
    assert refused(SCENE, model="gone") == "The model “gone” is not there any more. Choose another."
    assert refused(SCENE, replace(POSSIBLE, live=False)).startswith("This server cannot follow")
    still = replace(MODEL, capabilities=("text", "image"))
    assert (
        refused(SCENE, replace(POSSIBLE, models=(still,))) == "“Pocket” cannot do this. Choose another model."
    )
    whole = replace(MODEL, capabilities=("text", "image", "live"))
    assert refused(SELECTED, replace(POSSIBLE, models=(whole,))).startswith("“Pocket” cannot do this.")
    beyond = replace(SCENE, selection=Box(2000, 0, 10, 10))
    assert refused(beyond).startswith("The selection lies outside")
    assert refused(SCENE, controls=(ControlRow("depth", "gone"),)).startswith("The layer of the control")
