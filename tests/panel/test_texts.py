"""Every text can be translated, and German is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import krita_texts


def translations() -> list[Path]:
    return [path for path in sorted(krita_texts.TRANSLATIONS.glob("*.json")) if path != krita_texts.TEMPLATE]


def test_the_template_has_every_text() -> None:
    assert krita_texts.TEMPLATE.read_text("utf-8") == krita_texts.template(), (
        "run: python tools/krita_texts.py"
    )


@pytest.mark.parametrize("path", translations(), ids=lambda path: path.stem)
def test_a_translation_is_whole_and_asks_for_the_same_values(path: Path) -> None:
    assert krita_texts.faults(json.loads(path.read_text("utf-8"))) == []


def test_there_is_a_translation() -> None:
    assert "de" in [path.stem for path in translations()]


def test_what_translators_get_wrong_is_found() -> None:
    text = next(text for text in krita_texts.all_texts() if "{n}" in text)
    assert f"other values: {text}" in krita_texts.faults({text: "ohne Zahl"})
    assert "no longer there: never said" in krita_texts.faults({"never said": "nie gesagt"})


def test_a_text_that_cannot_be_collected_is_an_error() -> None:
    with pytest.raises(krita_texts.NotReadable, match=r"here\.py:1"):
        list(krita_texts.texts_of("tr(what)", "here.py"))
