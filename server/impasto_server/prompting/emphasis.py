"""Weights in prompts: `(word:1.3)` counts 1.3 times, `(word)` 1.1 times, `[word]` 1/1.1 times.

Marks may lie inside each other; their weights multiply. A backslash before a bracket or a backslash takes the
mark's meaning away; a bracket without a partner is a bracket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["HEAVIEST", "Words", "emphasised"]

HEAVIEST = 10.0
_STEP = 1.1
_PARTNERS = {")": "(", "]": "["}
_NUMBER = re.compile(r":\s*(\d+(?:\.\d*)?|\.\d+)\s*\Z")


class Words(NamedTuple):
    """A stretch of a prompt with one weight; 1 is plain."""

    text: str
    weight: float


@dataclass
class _Piece:
    """Text, or one bracket; a bracket with a partner has the pair's weight."""

    text: str
    weight: float | None = None


def emphasised(prompt: str) -> list[Words]:
    """The prompt cut where the weight changes, marks taken out; at least one stretch. Takes time in
    proportion to the prompt, whatever brackets it has."""
    words: list[Words] = []
    weights = [1.0]
    for piece in _paired(prompt):
        if piece.weight is None:
            _add(words, piece.text, weights[-1])
            continue
        if piece.text in _PARTNERS:
            weights.pop()
        else:
            weights.append(min(weights[-1] * piece.weight, HEAVIEST))
    return words or [Words("", 1.0)]


def _paired(prompt: str) -> list[_Piece]:
    pieces = [_Piece("")]
    waiting: list[_Piece] = []  # brackets without a partner so far
    position = 0
    while position < len(prompt):
        letter, after = prompt[position], prompt[position + 1 : position + 2]
        if letter == "\\" and after in ("(", ")", "[", "]", "\\"):
            pieces[-1].text += after
            position += 1
        elif letter in "([)]":
            bracket = _Piece(letter)
            if letter in "([":
                waiting.append(bracket)
            elif waiting and waiting[-1].text == _PARTNERS[letter]:
                waiting.pop().weight = bracket.weight = _weight(letter, pieces[-1])
            pieces += [bracket, _Piece("")]
        else:
            pieces[-1].text += letter
        position += 1
    return pieces


def _weight(closing: str, before: _Piece) -> float:
    """A pair's weight; a number before the closing bracket is taken out of the text."""
    if closing == "]":
        return 1.0 / _STEP
    number = _NUMBER.search(before.text)
    if number is None:
        return _STEP
    before.text = before.text[: number.start()]
    return float(number[1])


def _add(words: list[Words], text: str, weight: float) -> None:
    if text and words and words[-1].weight == weight:
        words[-1] = Words(words[-1].text + text, weight)
    elif text:
        words.append(Words(text, weight))
