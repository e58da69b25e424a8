"""Every text of the Blender add-on can be translated, and German is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import blender_texts


def translations() -> list[Path]:
    return [
        path for path in sorted(blender_texts.TRANSLATIONS.glob("*.json")) if path != blender_texts.TEMPLATE
    ]


def test_the_template_has_every_text() -> None:
    assert blender_texts.TEMPLATE.read_text("utf-8") == blender_texts.template(), (
        "run: python -m tools.blender_texts"
    )


@pytest.mark.parametrize("path", translations(), ids=lambda path: path.stem)
def test_a_translation_is_whole_and_asks_for_the_same_values(path: Path) -> None:
    assert blender_texts.faults(json.loads(path.read_text("utf-8"))) == []


def test_there_is_a_translation() -> None:
    assert "de" in [path.stem for path in translations()]


def test_what_blender_shows_by_itself_is_collected() -> None:
    source = (
        "class A(Panel):\n    bl_label = 'Look'\n"
        "class B(Operator):\n    '''Does it'''\n    bl_idname = 'a.b'\n    bl_label = 'Do'\n"
        "    n: bpy.props.IntProperty(name='Number', description='How many')\n"
        "    m: number('render', 'steps', 'Steps', 'Denoising steps', 0, 1)\n"
    )
    wanted = {"Look", "Do", "Does it", "Number", "How many", "Steps", "Denoising steps"}
    assert {*blender_texts.shown_texts(source)} - {""} == wanted
