"""Prompts: weights of words, and those the artist wrote before.

A weight is written the way most tools read it: `(word:1.1)`.
"""

import json
import re
from typing import Optional, Tuple

__all__ = ["LONGEST_HISTORY", "load_history", "save_history", "weigh", "with_prompt"]

LONGEST_HISTORY = 200
_WEIGHT = re.compile(r":\s*(\d+(?:\.\d*)?|\.\d+)\s*\Z")
_HEAVIEST = 20  # tenths
_NO_WORD = frozenset(" \t\r\n,.;:()")

Span = Tuple[int, int]


def weigh(text: str, start: int, end: int, by: int) -> Tuple[str, int, int]:
    """Makes what is selected, or the word at the cursor, heavier (`by` 1) or lighter (-1) by 0.1, in 0 … 2.

    Returns the text and the selection of the same words in it. A weight of 1 is no weight: its parentheses
    go. Brackets stay in pairs: a selection that cuts through a pair grows until it holds the pair, and words
    with a bracket that has no partner are left as they are.
    """
    first, last = sorted((max(0, min(start, len(text))), max(0, min(end, len(text)))))
    first, last = _trimmed(text, first, last) if first < last else _word(text, first)
    if first == last:
        return text, start, end
    first, last = _balanced(text, first, last)
    if _strays(text, first, last):
        return text, start, end
    around = _weighted_around(text, first, last)
    if around is None:
        return _weighted(text, (first, last), (first, last), 10 + by)
    outer, inner, tenths = around
    return _weighted(text, outer, inner, tenths + by)


def _weighted(text: str, outer: Span, inner: Span, tenths: int) -> Tuple[str, int, int]:
    """`outer` replaced by what is in `inner`, with that weight."""
    words = text[inner[0] : inner[1]]
    tenths = max(0, min(_HEAVIEST, tenths))
    opening, closing = ("", "") if tenths == 10 else ("(", f":{tenths / 10:g})")
    start = outer[0] + len(opening)
    return (
        f"{text[: outer[0]]}{opening}{words}{closing}{text[outer[1] :]}",
        start,
        start + len(words),
    )


def _word(text: str, at: int) -> Span:
    """The word the cursor is in or touches; empty if it touches none."""
    first = last = at
    while first > 0 and text[first - 1] not in _NO_WORD:
        first -= 1
    while last < len(text) and text[last] not in _NO_WORD:
        last += 1
    return first, last


def _trimmed(text: str, first: int, last: int) -> Span:
    """Without blanks and commas at the ends; empty, at the first, if nothing is left."""
    while first < last and text[first] in " \t\r\n,":
        first += 1
    while last > first and text[last - 1] in " \t\r\n,":
        last -= 1
    return first, last


def _balanced(text: str, first: int, last: int) -> Span:
    """Grown over the partners of brackets that lie inside. Brackets without partner anywhere do not count.

    Also a whole `(words:1.2)` that is selected counts as its words, and a selection that reaches into the
    `:1.2` as the whole.
    """
    pairs = _pairs(text)
    grown = True
    while grown:
        grown = False
        for opening, closing in pairs:
            number = _number(text, opening, closing)
            cut = (first <= opening < last) != (first <= closing < last)
            cut = cut or (number is not None and opening < first and number < last <= closing)
            if cut:
                first, last, grown = min(first, opening), max(last, closing + 1), True
    return first, last


def _strays(text: str, first: int, last: int) -> bool:
    """Whether a bracket in there has no partner."""
    paired = {at for pair in _pairs(text) for at in pair}
    return any(at not in paired for at in _brackets(text) if first <= at < last)


def _weighted_around(text: str, first: int, last: int) -> Optional[Tuple[Span, Span, int]]:
    """The weight that stands directly around the words, or that they carry themselves: the whole, its words,
    and the tenths."""
    for opening, closing in _pairs(text):
        number = _number(text, opening, closing)
        if number is None:
            continue
        inner = (opening + 1, number)
        if (first, last) in (inner, (opening, closing + 1)):
            tenths = round(10 * float(text[number + 1 : closing]))
            return (opening, closing + 1), inner, tenths
    return None


def _pairs(text: str) -> Tuple[Span, ...]:
    """Positions of matching parentheses, inner before outer."""
    pairs, waiting = [], []
    for at in _brackets(text):
        if text[at] == "(":
            waiting.append(at)
        elif waiting:
            pairs.append((waiting.pop(), at))
    return tuple(pairs)


def _brackets(text: str) -> Tuple[int, ...]:
    """Positions of parentheses, but for those after a backslash: these are meant as they stand."""
    return tuple(at for at, letter in enumerate(text) if letter in "()" and (at == 0 or text[at - 1] != "\\"))


def _number(text: str, opening: int, closing: int) -> Optional[int]:
    """Where the colon of the weight of these parentheses is; None if they carry none."""
    found = _WEIGHT.search(text[opening + 1 : closing])
    return None if found is None else opening + 1 + found.start()


def with_prompt(history: Tuple[str, ...], prompt: str) -> Tuple[str, ...]:
    """The history with this prompt as the newest; each prompt once, blank ones not at all."""
    if not prompt.strip():
        return history
    return (prompt, *(one for one in history if one != prompt))[:LONGEST_HISTORY]


def save_history(history: Tuple[str, ...]) -> str:
    return json.dumps(history, ensure_ascii=False)


def load_history(text: str) -> Tuple[str, ...]:
    """What `save_history` wrote; empty when it was something else."""
    try:
        prompts = json.loads(text)
    except ValueError:
        return ()
    if not isinstance(prompts, list):
        return ()
    return tuple(one for one in prompts if isinstance(one, str) and one.strip())[:LONGEST_HISTORY]
