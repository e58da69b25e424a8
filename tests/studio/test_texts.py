"""English, unless a translation says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from impasto_studio import texts
from impasto_studio.texts import tr


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    yield
    texts.use({})


def test_texts_are_english() -> None:
    assert tr("Painting, step {step} of {steps}", step=1, steps=4) == "Painting, step 1 of 4"
    assert tr("Waiting") == "Waiting"


def test_a_translation_may_order_values_as_it_likes() -> None:
    texts.use({"step {step} of {steps}": "von {steps} der {step}."})
    assert tr("step {step} of {steps}", step=1, steps=4) == "von 4 der 1."
    assert tr("Waiting") == "Waiting"


@pytest.mark.parametrize("slip", ["{stepp}", "{", "{0}", "{step.x}"])
def test_a_slip_of_the_translator_shows_english(slip: str) -> None:
    texts.use({"step {step}": slip})
    assert tr("step {step}", step=1) == "step 1"


def test_translations_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "de.json"
    file.write_text('{"Waiting": "Wartet", "Sending": "", "Loading": 3}', "utf-8")
    assert texts.load(file)
    assert [tr("Waiting"), tr("Sending"), tr("Loading")] == ["Wartet", "Sending", "Loading"]


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_broken_file_is_english(tmp_path: Path, content: str | None) -> None:
    texts.use({"Waiting": "Wartet"})
    file = tmp_path / "de.json"
    if content is not None:
        file.write_text(content, "utf-8")
    assert not texts.load(file)
    assert tr("Waiting") == "Waiting"
