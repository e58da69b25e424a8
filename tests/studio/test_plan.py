"""From what the artist asks for to what is captured and requested, or the sentence why not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol.messages import Control, Lora
from impasto_server.engine.painting import schedule
from impasto_studio.geometry import Box
from impasto_studio.host import Capture, LayerEntry, Scene
from impasto_studio.intent import ACTIONS, JOB_MODES, ControlRow, Intent, LoraRow, Margins
from impasto_studio.plan import Possible, plan_job, plan_map, start_text, steps_run
from impasto_studio.styles import Style
from impasto_studio.tasks import Plan

from tests.studio.fakes import DOCUMENT, LIMITS, MAPS, MODEL

SCENE = Scene(DOCUMENT, 400, 300, layers=(LayerEntry("lines", "Lines"),))
SELECTED = replace(SCENE, selection=Box(50, 60, 100, 40))
HUGE = Scene(DOCUMENT, 12_000, 15_000, Box(5_000, 6_000, 300, 200))
POSSIBLE = Possible(
    LIMITS, (MODEL, replace(MODEL, model="other", title="Other", loras=(), controls=())), MAPS
)
SEED = 77


def planned(scene: Scene | None, **fields: object) -> Plan:
    plan = plan_job(Intent(**fields), scene, POSSIBLE, None, SEED)  # type: ignore[arg-type]
    assert isinstance(plan, Plan), plan
    return plan


def refused(scene: Scene | None, **fields: object) -> str:
    sentence = plan_job(Intent(**fields), scene, POSSIBLE, None, SEED)  # type: ignore[arg-type]
    assert isinstance(sentence, str)
    return sentence


# ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────


def test_generate_needs_no_pixels() -> None:
    plan = planned(SCENE, prompt=" a fox ", negative="dog ", takes=9)
    assert plan.capture is None
    assert (plan.box, plan.mask, plan.resize) == (Box(0, 0, 400, 300), "", None)
    request = plan.request
    assert (request.prompt, request.negative, request.model) == ("a fox", "dog", "pocket")
    assert (request.width, request.height, request.seed, request.takes) == (400, 300, SEED, LIMITS.takes)


def test_generate_in_a_selection_starts_from_nothing() -> None:
    plan = planned(SELECTED, prompt="a fox", fill_strength=0.3)
    assert plan.capture == Capture(DOCUMENT, Box(0, 0, 400, 300), image=True, mask=True)
    assert (plan.request.fill, plan.request.strength, plan.mask) == ("neutral", 1.0, "selection")


@pytest.mark.parametrize(
    ("action", "fill", "mask", "prompt", "negative"),
    [
        ("fill", "", "selection", "a fox", "dog"),
        ("add", "neutral", "selection", "a fox", "dog"),
        ("remove", "border", "selection", "", "a fox, dog"),
        ("replace background", "", "outside", "a fox", "dog"),
        ("expand", "border", "frame", "a fox", "dog"),
    ],
)
def test_what_each_action_asks_for(action: str, fill: str, mask: str, prompt: str, negative: str) -> None:
    plan = planned(
        SELECTED, mode="fill", action=action, prompt="a fox", negative="dog", fill_strength=0.8, steps=9
    )
    request = plan.request
    assert (request.fill, plan.mask, request.strength) == (fill, mask, 0.8)
    assert (request.prompt, request.negative, request.steps) == (prompt, negative, 9)
    assert plan.capture is not None
    assert plan.capture.mask == (mask != "frame")


def test_removing_needs_no_words() -> None:
    assert planned(SELECTED, mode="fill", action="remove").request.negative == ""


def test_expand_goes_beyond_the_document_and_resizes_it() -> None:
    plan = planned(SCENE, mode="fill", action="expand")
    assert plan.box == plan.resize == Box(-100, -75, 600, 450)
    plan = planned(SCENE, mode="fill", action="expand", margins=Margins(0, 10, 0, 0))
    assert plan.resize == Box(0, -10, 400, 310)
    assert not plan.scale


def test_expanding_does_not_look_at_the_selection() -> None:
    outside = replace(SCENE, selection=Box(-9, 0, 5, 5))
    assert planned(outside, mode="fill", action="expand") == planned(SCENE, mode="fill", action="expand")


def test_refine_repaints_the_whole_or_the_selection() -> None:
    whole = planned(SCENE, mode="refine", refine_strength=0.4)
    assert (whole.capture, whole.mask) == (Capture(DOCUMENT, SCENE.box), "")
    assert (whole.request.strength, whole.request.fill) == (0.4, "")
    part = planned(SELECTED, mode="refine", refine_strength=0.4)
    assert (part.request.strength, part.request.fill, part.mask) == (0.4, "none", "selection")


def test_upscaling_is_one_take_that_scales_the_document() -> None:
    plan = planned(
        SELECTED,
        mode="upscale",
        scale=2.5,
        takes=3,
        upscale_strength=0.2,
        loras=(LoraRow("pencil"),),
        controls=(ControlRow("gone"),),
    )
    request = plan.request
    assert (request.width, request.height, request.takes, request.strength) == (1000, 750, 1, 0.2)
    assert (request.controls, request.loras) == ((), ())
    assert (plan.resize, plan.scale, plan.capture) == (
        Box(0, 0, 1000, 750),
        True,
        Capture(DOCUMENT, SCENE.box),
    )


def test_controls_are_captured_from_the_same_box() -> None:
    rows = (ControlRow("scribble", "lines", 0.7, 0.1, 0.8), ControlRow("depth"))
    plan = planned(SCENE, prompt="a fox", controls=rows, loras=(LoraRow("pencil", 0.5),))
    assert plan.capture == Capture(DOCUMENT, SCENE.box, image=False, controls=("lines", ""))
    assert plan.request.controls == (Control("scribble", None, 0.7, 0.1, 0.8), Control("depth"))
    assert plan.request.loras == (Lora("pencil", 0.5),)
    assert planned(SELECTED, prompt="a fox", controls=rows).capture == Capture(
        DOCUMENT, SCENE.box, True, True, ("lines", "")
    )


def test_a_locked_seed_is_used() -> None:
    assert planned(SCENE, prompt="a fox", seed=5).request.seed == 5
    assert planned(SCENE, prompt="a fox", seed=2**63 - 1, takes=3).request.seed == 2**63 - 3


def test_a_selection_in_a_huge_document_is_a_small_job() -> None:
    plan = planned(HUGE, mode="fill")
    assert plan.box == Box(4736, 5696, 832, 768)


def test_the_model_is_the_artists_then_the_styles_then_the_first() -> None:
    def model(intent: Intent, style: Style | None) -> str:
        plan = plan_job(intent, SCENE, POSSIBLE, style, SEED)
        return plan.request.model if isinstance(plan, Plan) else plan

    fox = Intent(prompt="fox")
    assert model(fox, None) == "pocket"
    assert model(fox, Style("S", model="other")) == "other"
    assert model(fox, Style("S", model="gone")) == "pocket"
    assert model(replace(fox, model="other"), Style("S", model="pocket")) == "other"
    assert "“gone”" in model(replace(fox, model="gone"), None)


def test_a_style_goes_into_the_request() -> None:
    plan = plan_job(Intent(prompt="fox"), SCENE, POSSIBLE, Style("S", "ink of {prompt}", steps=3), SEED)
    assert isinstance(plan, Plan)
    assert (plan.request.prompt, plan.request.steps) == ("ink of fox", 3)


# ── sentences ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("scene", "fields", "words"),
    [
        (None, {}, "Open or create a document"),
        (SCENE, {}, "Write what the picture shall show"),
        (SELECTED, {"prompt": " "}, "Write what"),
        (SELECTED, {"mode": "fill", "action": "add"}, "Write what"),
        (SELECTED, {"mode": "fill", "action": "replace background"}, "Write what"),
        (SCENE, {"mode": "fill"}, "Select the part to repaint."),
        (SCENE, {"mode": "fill", "action": "add"}, "Select where"),
        (SCENE, {"mode": "fill", "action": "remove"}, "Select what shall be removed"),
        (SCENE, {"mode": "fill", "action": "replace background"}, "Select what stays"),
        (replace(SCENE, selection=Box(-9, 0, 5, 5)), {"mode": "refine"}, "outside of the document"),
        (Scene(DOCUMENT, 1, 1), {"prompt": "fox"}, "at least 16 × 16"),
        (Scene(DOCUMENT, 15, 900), {"mode": "upscale"}, "at least 16 × 16"),
        (replace(HUGE, selection=None), {"mode": "refine"}, "172 megapixels"),
        (replace(HUGE, selection=None), {"prompt": "fox"}, "172 megapixels"),
        (HUGE, {"mode": "fill", "action": "expand"}, "is 22500 pixels long"),
        (HUGE, {"mode": "upscale"}, "is 30000 pixels long"),
        (SCENE, {"prompt": "fox", "steps": 151}, "150 steps at most"),
        (SCENE, {"prompt": "fox", "controls": (ControlRow("pose"),)}, "no ControlNet for “pose”"),
        (SCENE, {"prompt": "fox", "controls": (ControlRow("depth", "gone"),)}, "“depth” is gone"),
        (SCENE, {"prompt": "fox", "controls": (ControlRow("depth", start=0.5, end=0.5),)}, "before it ends"),
        (SCENE, {"prompt": "fox", "controls": (ControlRow("depth"),) * 9}, "8 controls"),
        (SCENE, {"prompt": "fox", "loras": (LoraRow("gold"),)}, "no LoRA “gold”"),
        (SCENE, {"prompt": "fox", "loras": (LoraRow("pencil"), LoraRow("pencil"))}, "named twice"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    scene: Scene | None, fields: dict[str, object], words: str
) -> None:
    assert words in refused(scene, **fields)


@pytest.mark.parametrize(
    ("scene", "fields", "lacks"),
    [
        (SCENE, {"prompt": "fox"}, "text"),
        (SELECTED, {"prompt": "fox"}, "mask"),
        (SCENE, {"mode": "fill", "action": "expand"}, "mask"),
        (SCENE, {"mode": "refine"}, "image"),
        (SELECTED, {"mode": "refine"}, "mask"),
        (SCENE, {"mode": "upscale"}, "upscale"),
    ],
)
def test_a_model_is_not_asked_for_what_it_cannot(scene: Scene, fields: dict[str, object], lacks: str) -> None:
    able = tuple(one for one in MODEL.capabilities if one != lacks)
    possible = Possible(LIMITS, (replace(MODEL, capabilities=able),))
    sentence = plan_job(Intent(**fields), scene, possible, None, SEED)  # type: ignore[arg-type]
    assert sentence == "“Pocket” cannot do this. Choose another model."


def test_the_bytes_the_server_takes_count() -> None:
    small = Possible(replace(LIMITS, canvas_bytes=5 << 20), (MODEL,))
    scene = Scene(DOCUMENT, 1024, 1024, Box(0, 0, 9, 9))
    assert isinstance(plan_job(Intent(mode="fill"), scene, small, None, SEED), Plan)
    fox = Intent(mode="fill", controls=(ControlRow("depth"),))
    sentence = plan_job(fox, scene, small, None, SEED)
    assert sentence == "This needs 9 MiB on the server, and it takes 5. Select a smaller part."


# ── control maps ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_control_map_is_made_of_what_the_artist_sees() -> None:
    plan = plan_map("edges", SCENE, POSSIBLE)
    assert isinstance(plan, Plan)
    assert (plan.request.make_map, plan.capture) == ("edges", Capture(DOCUMENT, SCENE.box))
    assert plan_map("edges", None, POSSIBLE) == "Open or create a document first."
    assert "cannot make “pose”" in str(plan_map("pose", SCENE, POSSIBLE))
    assert "megapixels" in str(plan_map("edges", HUGE, POSSIBLE))
    assert isinstance(plan_map("edges", SCENE, replace(POSSIBLE, models=())), Plan)


# ── what is shown before ─────────────────────────────────────────────────────────────────────────────────


def test_the_button_says_what_will_happen() -> None:
    def text(scene: Scene | None, mode: str, action: str = "fill") -> str:
        return start_text(Intent(mode=mode, action=action), scene)

    assert [text(SCENE, "generate"), text(SELECTED, "generate")] == ["Generate", "Generate in selection"]
    assert [text(SELECTED, "fill", action) for action in ACTIONS] == [
        "Fill selection",
        "Expand",
        "Add in selection",
        "Remove selection",
        "Replace background",
    ]
    assert [text(SCENE, "refine"), text(SELECTED, "refine")] == ["Refine", "Refine selection"]
    assert [text(SCENE, "upscale"), text(None, "upscale")] == ["Upscale to 800 × 600", "Upscale"]
    assert {text(None, mode) for mode in JOB_MODES} == {"Generate", "Fill selection", "Refine", "Upscale"}


@given(st.integers(1, 150), st.integers(1, 100))
def test_the_steps_shown_are_those_the_engine_runs(steps: int, percent: int) -> None:
    strength = percent / 100
    intent = Intent(mode="refine", refine_strength=strength, steps=steps)
    assert steps_run(intent, MODEL) == schedule(steps, strength, 1000).run


def test_the_steps_are_the_models_unless_said() -> None:
    assert steps_run(Intent(), MODEL) == 20
    assert steps_run(Intent(), None) == 0
    assert steps_run(Intent(mode="refine", refine_strength=0.0), MODEL) == 0
