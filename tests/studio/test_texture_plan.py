"""From what the artist asks for to plans, or the sentence why not; and what is kept of it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol.messages import NOTE_BYTES
from impasto_protocol.rasters import PixelFormat
from impasto_studio.host import Picture
from impasto_studio.plan import Possible
from impasto_studio.texture.again import plan_reproject
from impasto_studio.texture.host import ObjectEntry, Textured, TextureScene
from impasto_studio.texture.intent import AS_IT_STARTS, TextureIntent
from impasto_studio.texture.notes import TextureNote, read_note, write_note
from impasto_studio.texture.plan import left_out, plan_inspect, plan_project, plan_textures
from impasto_studio.texture.settings import load_intent, save_intent
from impasto_studio.texture.work import TextureWork

from tests.studio.fakes import DOCUMENT, MODEL
from tests.studio.texture_fakes import CAMERA, CUBE, ROOMY, SUZANNE, TEXTURING

POSSIBLE = Possible(ROOMY, (MODEL, TEXTURING))
SCENE = TextureScene(DOCUMENT, (SUZANNE,), (CAMERA,), True, ("painting",))
BRICK = TextureIntent(prompt="red brick")


def why_not(
    intent: TextureIntent = BRICK, scene: TextureScene | None = SCENE, possible: Possible = POSSIBLE
) -> str:
    plans = plan_textures(intent, scene, possible, 1)
    return plans if isinstance(plans, str) else ""


def test_what_stands_against_it() -> None:
    assert why_not() == ""
    assert "Open or create" in why_not(scene=None)
    assert "Select the objects" in why_not(scene=replace(SCENE, objects=()))
    assert why_not(scene=replace(SCENE, objects=(replace(CUBE, trouble="It is linked."),))) == "It is linked."
    many = tuple(ObjectEntry(f"{number:016}", "x", 1, True) for number in range(1001))
    assert "1000 objects" in why_not(scene=replace(SCENE, objects=many))
    assert "Write what the objects" in why_not(AS_IT_STARTS)
    assert "“Suzanne”" in why_not(replace(AS_IT_STARTS, separately=True))
    assert "“gone”" in why_not(replace(BRICK, model="gone"))
    assert "up to date" in why_not(possible=Possible(ROOMY, (MODEL,)))
    assert "150 steps" in why_not(replace(BRICK, steps=151))
    assert "64 views" in why_not(replace(BRICK, around=65))
    assert "Choose the cameras" in why_not(replace(BRICK, source="cameras", cameras=("gone",)))
    assert "3D view" in why_not(replace(BRICK, source="view"), replace(SCENE, view=False))


def test_nothing_is_done_without_a_model_at_all() -> None:
    nothing = Possible(ROOMY, ())
    assert "getting ready" in str(plan_inspect(BRICK, SCENE, nothing, "views"))
    assert "getting ready" in str(plan_project(BRICK, SCENE, nothing, "painting", "", 1))
    assert "Open or create" in str(plan_inspect(BRICK, None, POSSIBLE, "views"))


def test_the_named_model_is_asked() -> None:
    other = replace(TEXTURING, model="other", native_px=512)
    plans = plan_textures(replace(BRICK, model="other"), SCENE, Possible(ROOMY, (TEXTURING, other)), 1)
    assert not isinstance(plans, str)
    assert (plans[0].request.model, plans[0].gather and plans[0].gather.view_px) == ("other", 512)


def test_what_is_left_out() -> None:
    assert left_out(None) == left_out(SCENE) == ""
    linked = replace(SCENE, objects=(SUZANNE, replace(CUBE, trouble="It is linked.")))
    assert left_out(linked) == "“Cube” was left out. It is linked."


def test_a_job_without_any_view_has_nothing_to_lay_on() -> None:
    work = TextureWork("j", "done", "", 1.0, note=TextureNote(DOCUMENT))
    assert plan_reproject(work, SCENE) == "It has no views yet."


def test_notes_survive_the_journal() -> None:
    base = Picture(1, 1, PixelFormat.RGBA8, bytes(4))
    target = Textured(("1" * 16, "2" * 16), "Suzanne", 1024, 512, "UVMap", base)
    note = TextureNote(DOCUMENT, "edit", "moss", "Suzanne", (target,), True, True, BRICK, tried=True)
    assert read_note(write_note(note)) == replace(note, targets=(replace(target, base=None),))


def test_notes_are_never_too_long() -> None:
    long = replace(BRICK, prompt="é" * NOTE_BYTES, prompts=(("1" * 16, "x" * 1000),))
    note = read_note(write_note(TextureNote(DOCUMENT, title="t" * 999, objects="o" * 999, intent=long)))
    assert note is not None
    assert (note.intent.prompt, note.title, note.objects) == ("", "t" * 200, "o" * 200)


def test_notes_of_others_are_none() -> None:
    assert read_note("") is None
    assert read_note('{"document":"d","kind":"sculpt"}') is None
    assert read_note('{"kind":"paint"}') is None


@given(st.text() | st.just('{"around":1000,"source":"afar","strength":7,"unwrap":1,"order":"","seed":-9}'))
def test_a_kept_intent_is_always_sound(text: str) -> None:
    intent = load_intent(text)
    assert 1 <= intent.around <= 64
    assert intent.source in ("around", "cameras", "view")
    assert 0.0 <= intent.strength <= 1.0


def test_the_seed_is_not_kept() -> None:
    assert load_intent(save_intent(replace(BRICK, seed=4))) == BRICK
