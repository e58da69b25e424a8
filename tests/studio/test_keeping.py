"""Settings, intents and notes come back as they were, and broken ones do no harm."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol.messages import NOTE_BYTES
from impasto_studio.geometry import Box
from impasto_studio.intent import AS_IT_STARTS, ControlRow, Intent, LoraRow, Margins
from impasto_studio.notes import Note, read_note, write_note
from impasto_studio.settings import (
    AS_DELIVERED,
    Settings,
    load_intent,
    load_settings,
    save_intent,
    save_settings,
    sound,
)
from impasto_studio.styles import BUILT_IN, Style, by_name, styled
from impasto_studio.tolerant import from_json, to_json

from tests.studio.fakes import MODEL

FULL = Intent(
    mode="fill",
    action="expand",
    prompt="a „fox“ {x}",
    margins=Margins(1, 2, 3, 4),
    controls=(ControlRow("depth", "layer", 0.5, 0.1, 0.9),),
    loras=(LoraRow("pencil", -1.0),),
    takes=5,
)


def test_the_intent_comes_back_without_its_seed() -> None:
    assert load_intent(save_intent(replace(FULL, seed=7))) == FULL


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", '{"mode": 3}', '{"takes": true}', "[" * 100_000]
)
def test_a_broken_intent_is_the_first_one(text: str) -> None:
    assert load_intent(text) == AS_IT_STARTS


def test_what_is_right_in_a_broken_intent_stays() -> None:
    text = json.dumps(
        {
            "mode": "dance",
            "action": 1,
            "insert": "nowhere",
            "prompt": "a fox",
            "takes": 99,
            "steps": -3,
            "guidance": -7.0,
            "scale": 1e9,
            "fill_strength": 4,
            "refine_strength": float("nan"),
            "margins": [1, 2, 3],
            "controls": [{"kind": "depth", "strength": 9.0}, {"layer": "no kind"}, "what", {"kind": None}],
            "loras": "none",
            "new in a later version": 1,
        }
    )
    intent = load_intent(text)
    assert intent == replace(
        AS_IT_STARTS, prompt="a fox", takes=16, scale=8.0, controls=(ControlRow("depth", strength=2.0),)
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*Intent.__dataclass_fields__]), inner)
        ),
    )
)
def test_no_text_makes_an_intent_that_is_not_sound(data: object) -> None:
    intent = load_intent(json.dumps(data))
    assert sound(intent) == intent
    assert load_intent(save_intent(intent)) == replace(intent, seed=-1)


def test_settings_come_back() -> None:
    mine = (Style("Mine", "{prompt}!", loras=(LoraRow("x"),)),)
    settings = Settings(previews=False, bar=False, start_server=True, keep_prompts=False, styles=mine)
    assert load_settings(save_settings(settings)) == settings
    assert load_settings("nonsense") == AS_DELIVERED
    assert load_settings('{"previews": "yes", "styles": [{"name": " "}]}') == AS_DELIVERED


@dataclass(frozen=True)
class Sample:
    words: dict[str, int] = field(default_factory=dict)


def test_dictionaries_keep_what_fits() -> None:
    assert from_json(Sample, '{"words": {"a": 1, "b": "no"}}', Sample()) == Sample({"a": 1})
    assert from_json(Sample, '{"words": []}', Sample({"x": 1})) == Sample()
    assert to_json(Sample({"ä": 1})) == '{"words":{"ä":1}}'


# ── notes ────────────────────────────────────────────────────────────────────────────────────────────────

NOTE = Note(
    "d" * 32, Box(1, 2, 3, 4), (5, 6), "fill", "a fox", Box(0, 0, 9, 9), True, intent=FULL, applied=(1,)
)


def test_notes_come_back() -> None:
    assert read_note(write_note(NOTE)) == NOTE
    assert read_note(write_note(replace(NOTE, resize=None))) == replace(NOTE, resize=None)


@pytest.mark.parametrize(
    "text", ["", "a note of the artist", "{}", '{"document": "x"}', '{"box": [0,0,1,1]}']
)
def test_the_notes_of_others_are_none(text: str) -> None:
    assert read_note(text) is None


def test_a_note_is_never_too_long_for_the_journal() -> None:
    long = replace(NOTE, title="ä" * 40_000, intent=replace(FULL, prompt="ö" * 20_000, negative="ü" * 20_000))
    text = write_note(long)
    assert len(text.encode()) <= NOTE_BYTES
    read = read_note(text)
    assert read is not None
    assert (read.document, read.box, read.applied) == (NOTE.document, NOTE.box, NOTE.applied)


# ── styles ───────────────────────────────────────────────────────────────────────────────────────────────


def test_own_styles_replace_built_in_ones() -> None:
    mine = Style(BUILT_IN[0].name, steps=3)
    styles = by_name([mine, Style("New")])
    assert styles[BUILT_IN[0].name] is mine
    assert [*styles][-1] == "New"


def test_a_style_goes_around_the_prompt() -> None:
    style = Style("S", "ink of {prompt}, fine", "blur", "other", (LoraRow("pencil"), LoraRow("else")), 9, 4.0)
    intent = styled(Intent(prompt=" fox ", negative=" dog "), style, MODEL)
    assert (intent.prompt, intent.negative) == ("ink of fox, fine", "dog, blur")
    assert (intent.loras, intent.steps, intent.guidance) == ((LoraRow("pencil"),), 9, 4.0)


def test_what_the_panel_says_goes_before_the_style() -> None:
    style = Style("S", "in ink", loras=(LoraRow("pencil"),), steps=9, guidance=4.0)
    said = Intent(prompt="fox", loras=(LoraRow("pencil", 0.5),), steps=3, guidance=1.0)
    intent = styled(said, style, MODEL)
    assert intent == replace(said, prompt="fox, in ink")


def test_a_style_writes_no_prompt_by_itself() -> None:
    assert styled(Intent(prompt=" "), Style("S", "ink of {prompt}"), MODEL).prompt == ""
    assert styled(Intent(prompt="fox"), Style("S", " "), None).prompt == "fox"
    assert styled(Intent(prompt="fox"), None, None) == Intent(prompt="fox")
