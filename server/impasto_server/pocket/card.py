"""The model card as a function of the figures: `docs/pocket.md` is `page(template(), figures)`.

All words are in `card.md`, all numbers in the `figures.json` that `python -m tools.pocket evaluate` writes.
In the template `{{…}}` stands for

    {{a.b}}            a value of the figures; lists are joined by commas
    {{rows PART}}      the rows of a part of the measurement, as lines of a table
    {{sheet NAME}}     the file of a contact sheet
    {{parts}}          the model's parts with their sizes, {{megabytes A, B}} the size of some of them
    {{licences KIND}}  where data comes from
    {{missed}}         the bars that are not met
    {{curves}}         the file of the loss curves
    {{if PART}}        nothing, where that part was measured

and a block (what stands between two empty lines) with a placeholder that the figures have nothing for is left
out, and a heading with nothing below it too: a model without a LoRA has a card without one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["CURVES", "page", "template"]

CURVES = "loss.svg"
_PLACEHOLDER = re.compile(r"\{\{\s*(.+?)\s*\}\}")

Figures = Mapping[str, Any]


class _Absent(Exception):
    """The figures have nothing for a placeholder."""


def template() -> str:
    """The template that comes with the package."""
    return (Path(__file__).parent / "card.md").read_text("utf-8")


def page(words: str, figures: Figures) -> str:
    """The card, Markdown. Raises ValueError for a placeholder that is none of the above."""
    blocks = [_block(block, figures) for block in re.split(r"\n{2,}", words.strip())]
    kept: list[str] = []
    for block in reversed([each for each in blocks if each]):
        if not (level := _level(block)) or (kept and not 0 < _level(kept[-1]) <= level):
            kept.append(block)
    return "\n\n".join(reversed(kept)) + "\n"


def _level(block: str) -> int:
    """Of a heading; 0 for anything else."""
    return len(block) - len(block.lstrip("#"))


def _block(words: str, figures: Figures) -> str:
    """The block with its placeholders filled, or nothing."""
    try:
        return _PLACEHOLDER.sub(lambda match: _filled(match[1], figures), words)
    except _Absent:
        return ""


def _filled(placeholder: str, figures: Figures) -> str:
    command, _, argument = placeholder.partition(" ")
    if command in _COMMANDS:
        return _COMMANDS[command](figures, argument.strip())
    if argument:
        raise ValueError(f"The template has an unknown placeholder: {placeholder}")
    value: Any = figures
    for name in placeholder.split("."):
        value = _of(value, name)
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _of(values: Any, name: str) -> Any:
    """A value of a mapping. Raises `_Absent` where there is none, or an empty one."""
    value = values.get(name) if isinstance(values, Mapping) else None
    if value is None or value == "" or value == [] or value == {}:
        raise _Absent
    return value


def _rows(figures: Figures, part: str) -> str:
    return "\n".join(_row(row) for row in _of(_of(_of(figures, "parts"), part), "rows"))


def _row(row: Mapping[str, Any]) -> str:
    """what | bar | measured | interval | n | met"""
    bar, low = row["bar"], row["low"]
    wanted = "" if bar is None else f"{'≤' if row['at_most'] else '≥'} {_shown(bar, row['unit'])}"
    between = "" if low is None else f"{_shown(low, row['unit'])} – {_shown(row['high'], row['unit'])}"
    met = {None: "", True: "met", False: "**not met**"}[row["met"]]
    return (
        f"| {row['what']} | {wanted} | {_shown(row['value'], row['unit'])} | {between} | {row['n']} | {met} |"
    )


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "share":
        return f"{100 * value:.0f} %" if value in (0, 1) else f"{100 * value:.1f} %"
    return f"{value:.2f} {unit}".rstrip()


def _if(figures: Figures, part: str) -> str:
    _of(_of(figures, "parts"), part)
    return ""


def _sheet(figures: Figures, name: str) -> str:
    if name not in _of(figures, "sheets"):
        raise _Absent
    return f"{name}.jpg"


def _parts(figures: Figures, _: str) -> str:
    parts: Mapping[str, Mapping[str, int]] = _of(_of(figures, "model"), "parts")
    return "\n".join(
        f"| {name} | {size['parameters'] / 1e6:.2f} M | {size['bytes'] / 1e6:.1f} MB |"
        for name, size in parts.items()
    )


def _megabytes(figures: Figures, names: str) -> str:
    parts = _of(_of(figures, "model"), "parts")
    return f"{sum(_of(parts, name.strip())['bytes'] for name in names.split(',')) / 1e6:.1f}"


def _licences(figures: Figures, kind: str) -> str:
    licences: Mapping[str, str] = _of(_of(figures, "data"), kind)
    together: dict[str, list[str]] = {}
    for name, licence in licences.items():
        together.setdefault(licence, []).append(name)
    return "\n".join(f"| {', '.join(names)} | {licence} |" for licence, names in together.items())


def _missed(figures: Figures, _: str) -> str:
    lines = [
        f"| {part} | {_row(row)[2:]}"
        for part, kept in _of(figures, "parts").items()
        for row in kept["rows"]
        if row["met"] is False
    ]
    if not lines:
        raise _Absent
    return "\n".join(lines)


def _curves(figures: Figures, _: str) -> str:
    _of(figures, "training")
    return CURVES


_COMMANDS: Mapping[str, Callable[[Figures, str], str]] = {
    "rows": _rows,
    "if": _if,
    "sheet": _sheet,
    "parts": _parts,
    "megabytes": _megabytes,
    "licences": _licences,
    "missed": _missed,
    "curves": _curves,
}
