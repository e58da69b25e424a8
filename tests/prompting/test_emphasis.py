"""The marks of a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_server.prompting.emphasis import HEAVIEST, Words, emphasised


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", [("", 1.0)]),
        ("a red ball", [("a red ball", 1.0)]),
        ("a (red:1.5) ball", [("a ", 1.0), ("red", 1.5), (" ball", 1.0)]),
        ("a (red) ball", [("a ", 1.0), ("red", 1.1), (" ball", 1.0)]),
        ("a [red] ball", [("a ", 1.0), ("red", 1 / 1.1), (" ball", 1.0)]),
        ("((red:2) ball:0.5)", [("red", 1.0), (" ball", 0.5)]),
        ("(a: b:.5)", [("a: b", 0.5)]),
        ("(red: 0 )", [("red", 0.0)]),
        (r"\(red\) \[x\] \\", [("(red) [x] \\", 1.0)]),
        ("a (red ball", [("a (red ball", 1.0)]),
        ("a red) ball", [("a red) ball", 1.0)]),
        ("(a [b) c]", [("(a ", 1.0), ("b) c", 1 / 1.1)]),
        ("(red:99)", [("red", HEAVIEST)]),
        ("()", [("", 1.0)]),
    ],
)
def test_marks(prompt: str, words: list[tuple[str, float]]) -> None:
    found = emphasised(prompt)
    assert [text for text, _ in found] == [text for text, _ in words]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in words])


@given(st.text(alphabet="ab ():[]\\1.", max_size=40))
def test_any_text_is_a_prompt(prompt: str) -> None:
    found = emphasised(prompt)
    assert found
    assert all(0.0 <= words.weight <= HEAVIEST for words in found)
    assert len("".join(words.text for words in found)) <= len(prompt)


@given(st.text(alphabet="ab c,.:1", max_size=40))
def test_text_without_brackets_is_left_alone(prompt: str) -> None:
    assert emphasised(prompt) == [Words(prompt, 1.0)]


def test_the_longest_prompt_of_brackets_is_read_at_once() -> None:
    """20,000 characters are allowed; a reader that looks back at every bracket took 14 s for these."""
    deep = emphasised("(" * 9_999 + "x" + ")" * 9_999)
    assert deep == [Words("x", HEAVIEST)]
    assert emphasised("(" * 20_000) == [Words("(" * 20_000, 1.0)]
