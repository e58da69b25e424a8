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
    text: str
    weight: float = 1.0
    opens: str = ""  # "(" or "[", while its partner has not come


def emphasised(prompt: str) -> list[Words]:
    """The prompt cut where the weight changes, marks taken out; at least one stretch."""
    pieces = [_Piece("")]
    position = 0
    while position < len(prompt):
        letter, after = prompt[position], prompt[position + 1 : position + 2]
        if letter == "\\" and after in ("(", ")", "[", "]", "\\"):
            pieces[-1].text += after
            position += 1
        elif letter in "([":
            pieces += [_Piece(letter, opens=letter), _Piece("")]
        elif letter in ")]":
            _close(pieces, letter)
        else:
            pieces[-1].text += letter
        position += 1
    return _joined(pieces)


def _close(pieces: list[_Piece], letter: str) -> None:
    start = next((at for at in range(len(pieces) - 1, -1, -1) if pieces[at].opens), None)
    if start is None or pieces[start].opens != _PARTNERS[letter]:
        pieces[-1].text += letter
        return
    weight = 1.0 / _STEP
    if letter == ")":
        number = _NUMBER.search(pieces[-1].text)
        weight = float(number[1]) if number else _STEP
        if number:
            pieces[-1].text = pieces[-1].text[: number.start()]
    for piece in pieces[start + 1 :]:
        piece.weight = min(piece.weight * weight, HEAVIEST)
    pieces[start].text = pieces[start].opens = ""
    pieces.append(_Piece(""))


def _joined(pieces: list[_Piece]) -> list[Words]:
    words: list[Words] = []
    for piece in pieces:
        if not piece.text:
            continue
        if words and words[-1].weight == piece.weight:
            words[-1] = Words(words[-1].text + piece.text, piece.weight)
        else:
            words.append(Words(piece.text, piece.weight))
    return words or [Words("", 1.0)]
