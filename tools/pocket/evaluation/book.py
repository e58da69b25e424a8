"""The book of figures: rows with their bars and intervals, kept in `figures.json` part by part."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_FLAT_LIST = re.compile(r"\[[^\[\]{}]*\]")
"""A list of plain values, which one line holds."""


@dataclass(frozen=True)
class Row:
    """One figure. Shares carry the 95 % interval of Wilson, other means that of their standard error."""

    what: str
    value: float
    n: int
    unit: str = "share"
    """`share` (0…1, shown in per cent), `s`, `dB`, or empty for a plain number."""
    low: float | None = None
    high: float | None = None
    bar: float | None = None
    at_most: bool = False
    """The bar is a ceiling."""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the measured figure reaches the bar; None without a bar."""
        if self.bar is None or math.isnan(self.value):
            return None if self.bar is None else False
        return self.value <= self.bar if self.at_most else self.value >= self.bar


@dataclass(frozen=True)
class Result:
    """What measuring a part gave."""

    rows: Sequence[Row]
    detail: dict[str, Any] = field(default_factory=dict)
    """Anything that explains the rows: a confusion of shapes, the value at each strength."""


def share(what: str, verdicts: Sequence[bool], bar: float | None = None, **more: Any) -> Row:
    """The part of the verdicts that is true, with its interval."""
    good, count = sum(map(bool, verdicts)), len(verdicts)
    low, high = wilson(good, count)
    return Row(what, good / count if count else math.nan, count, low=low, high=high, bar=bar, **more)


def mean(what: str, values: Sequence[float], bar: float | None = None, unit: str = "", **more: Any) -> Row:
    """The mean of the values; its interval is ±1.96 standard errors."""
    count = len(values)
    if not count:
        return Row(what, math.nan, 0, unit, bar=bar, **more)
    middle = sum(values) / count
    spread = math.sqrt(sum((value - middle) ** 2 for value in values) / max(1, count - 1))
    reach = 1.96 * spread / math.sqrt(count)
    return Row(what, middle, count, unit, middle - reach, middle + reach, bar, **more)


def wilson(good: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which stays within 0…1 for small counts and shares near
    them.
    """
    if not count:
        return 0.0, 1.0
    rate = good / count
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, centre - reach), min(1.0, centre + reach)


@dataclass
class Book:
    """`figures.json`: the measured parts, and what is known of the model besides."""

    path: Path
    content: dict[str, Any]

    @staticmethod
    def open(path: Path) -> Book:
        """The book at `path`, empty where there is none."""
        content = json.loads(path.read_text()) if path.exists() else {}
        content.setdefault("parts", {})
        return Book(path, content)

    def lacks(self, part: str, of: str, prompts: int) -> bool:
        """Whether the part still has to be measured: never was, on other weights (`of` is their digest), or
        on fewer prompts.
        """
        kept = self.content["parts"].get(part)
        return not kept or kept["of"] != of or kept["prompts"] < prompts

    def keep(self, part: str, of: str, prompts: int, result: Result, seconds: float) -> None:
        """Put a part's rows into the book and write it, whole or not at all."""
        rows = [{**asdict(row), "met": row.met} for row in result.rows]
        self.content["parts"][part] = {
            "of": of,
            "prompts": prompts,
            "seconds": round(seconds, 1),
            "rows": [_rounded(row) for row in rows],
            "detail": _rounded(result.detail),
        }
        self.write()

    def write(self) -> None:
        """Write the book to its path."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".part")
        text = json.dumps(self.content, indent=1, ensure_ascii=False)
        aside.write_text(_FLAT_LIST.sub(lambda match: " ".join(match[0].split()), text) + "\n")
        aside.replace(self.path)


def table(book: Book) -> str:
    """The rows of every part as lines: bar, measured, n, met."""
    lines = [f"{'':58}{'bar':>9}{'measured':>10}{'95 %':>15}{'n':>5}  met"]
    for part, kept in book.content["parts"].items():
        lines.append(f"{part} ({kept['seconds']:.0f} s)")
        for row in kept["rows"]:
            bar = "" if row["bar"] is None else ("≤ " if row["at_most"] else "≥ ") + shown(row["bar"], row)
            reach = "" if row["low"] is None else f"{shown(row['low'], row)}–{shown(row['high'], row)}"
            met = {None: "", True: "yes", False: "NO"}[row["met"]]
            lines.append(
                f"  {row['what']:56}{bar:>9}{shown(row['value'], row):>10}{reach:>15}{row['n']:>5}  {met}"
            )
    return "\n".join(lines)


def shown(value: float | None, row: dict[str, Any]) -> str:
    """A figure in its unit."""
    if value is None:
        return "–"
    if row["unit"] == "share":
        return f"{100 * value:.4g} %" if value in (0, 1) else f"{100 * value:.1f} %"
    return f"{value:.2f}" + (f" {row['unit']}" if row["unit"] else "")


def _rounded(value: Any) -> Any:
    """Floats to four places, NaN to None: what JSON can say and a diff can show."""
    if isinstance(value, dict):
        return {str(key): _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value
