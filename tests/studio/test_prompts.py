"""Weights in prompts, and the prompts of earlier jobs."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from impasto_studio.prompts import LONGEST_HISTORY, load_history, save_history, weigh, with_prompt


def marked(text: str) -> tuple[str, int, int]:
    """ "a [red] fox" → the text, and where the brackets were; one bracket: a cursor."""
    start = text.index("[")
    end = text.index("]") - 1 if "]" in text else start
    return text.replace("[", "").replace("]", ""), start, end


def shown(text: str, start: int, end: int) -> str:
    return f"{text[:start]}[{text[start:end]}]{text[end:]}"


@pytest.mark.parametrize(
    ("before", "by", "after"),
    [
        ("a [red] fox", 1, "a ([red]:1.1) fox"),
        ("a [red] fox", -1, "a ([red]:0.9) fox"),
        ("a re[d fox", 1, "a ([red]:1.1) fox"),
        ("a red[ fox", 1, "a ([red]:1.1) fox"),
        ("[ red", 1, "[] red"),
        ("a ([red]:1.1) fox", 1, "a ([red]:1.2) fox"),
        ("a (re[d:1.1) fox", 1, "a ([red]:1.2) fox"),
        ("a (red:1[.1) fox", 1, "a ([red]:1.2) fox"),
        ("a [(red:1.1)] fox", 1, "a ([red]:1.2) fox"),
        ("a ([red]:1.1) fox", -1, "a [red] fox"),
        ("a ([red]:0.9) fox", 1, "a [red] fox"),
        ("a ([red]:2) fox", 1, "a ([red]:2) fox"),
        ("a ([red]:0) fox", -1, "a ([red]:0) fox"),
        ("a ([red]:0.1) fox", -1, "a ([red]:0) fox"),
        ("a ([red]: 1.5) fox", 1, "a ([red]:1.6) fox"),
        ("[a) red]", 1, "[a) red]"),
        ("[a red fox]", 1, "([a red fox]:1.1)"),
        ("[ a red, ]fox", 1, " ([a red]:1.1), fox"),
        ("(a [red] fox:1.2)", 1, "(a ([red]:1.1) fox:1.2)"),
        ("(a ([red]:1.1) fox:1.2)", -1, "(a [red] fox:1.2)"),
        ("a [(red:1.3) fox]", 1, "a ([(red:1.3) fox]:1.1)"),
        ("a [big (red] fox:1.3)", 1, "a ([big (red fox:1.3)]:1.1)"),
        ("a (big [red:1.3) fox]", 1, "a ([(big red:1.3) fox]:1.1)"),
        ("(a) ([red]) fox", 1, "(a) (([red]:1.1)) fox"),
        (r"a \([red]:1.2\) fox", 1, r"a \(([red]:1.1):1.2\) fox"),
        ("a :) [red] fox", 1, "a :) ([red]:1.1) fox"),
        ("[]", 1, "[]"),
        ("[ , ]", 1, "[ , ]"),
    ],
)
def test_weights(before: str, by: int, after: str) -> None:
    assert shown(*weigh(*marked(before), by)) == after


def unmatched(text: str) -> tuple[int, int]:
    closings = openings = 0
    for letter in text:
        if letter == "(":
            openings += 1
        elif letter == ")" and openings:
            openings -= 1
        elif letter == ")":
            closings += 1
    return openings, closings


TEXTS = st.text(alphabet="ab ,:.1(2)", max_size=20)


@given(TEXTS, st.integers(-2, 22), st.integers(-2, 22), st.sampled_from([1, -1]))
@example("(a:1.2:1.1)", 1, 2, -1)
def test_brackets_stay_in_pairs_and_words_stay(text: str, start: int, end: int, by: int) -> None:
    changed, first, last = weigh(text, start, end, by)
    assert unmatched(changed) == unmatched(text)
    assert 0 <= first <= last <= len(changed) or changed == text
    for letter in "ab":
        assert changed.count(letter) == text.count(letter)


@given(st.text(alphabet="ab ,", max_size=12), st.integers(0, 12), st.integers(0, 12), st.integers(1, 9))
def test_up_and_down_again_is_nothing(text: str, start: int, end: int, times: int) -> None:
    state = (text, start, end)
    for by in (1, -1):
        for _ in range(times):
            state = weigh(*state, by)
    assert state[0] == text


@given(st.text(alphabet="ab ,", max_size=12), st.integers(0, 12), st.sampled_from([1, -1]))
def test_a_weight_ends_at_its_limit(text: str, start: int, by: int) -> None:
    state = (text, start, start)
    for _ in range(25):
        state = weigh(*state, by)
    assert weigh(*state, by)[0] == state[0]
    if state[0] != text:
        assert (":2)" if by > 0 else ":0)") in state[0]


def test_the_newest_prompt_comes_first_and_only_once() -> None:
    history = with_prompt(with_prompt(with_prompt((), "fox"), "hen"), "fox")
    assert history == ("fox", "hen")
    assert with_prompt(history, " \n") == history


def test_the_oldest_prompts_are_forgotten() -> None:
    history: tuple[str, ...] = ()
    for number in range(LONGEST_HISTORY + 5):
        history = with_prompt(history, str(number))
    assert (len(history), history[0], history[-1]) == (LONGEST_HISTORY, "204", "5")


def test_prompts_are_kept_as_text() -> None:
    assert load_history(save_history(("Füchsin", "hen"))) == ("Füchsin", "hen")
    assert load_history("{") == ()
    assert load_history('{"a": 1}') == ()
    assert load_history('["a", 3, " ", "b"]') == ("a", "b")
