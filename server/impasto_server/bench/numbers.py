"""Samples to numbers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any

__all__ = ["bar", "in_ms", "said", "say", "summary"]


def say(text: str) -> None:
    """What the bench is at, on stderr: stdout is for the numbers."""
    print(text, file=sys.stderr, flush=True)


def in_ms(seconds: float) -> float:
    return round(seconds * 1000.0, 3)


def summary(samples_s: Sequence[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds, and how many samples they stand on (at least two)."""
    p95 = quantiles(samples_s, n=20, method="inclusive")[-1]
    return {"p50_ms": in_ms(median(samples_s)), "p95_ms": in_ms(p95), "samples": len(samples_s)}


def said(numbers: dict[str, float]) -> str:
    """A `summary`, for people."""
    return f"p50 {numbers['p50_ms']:.1f} ms, p95 {numbers['p95_ms']:.1f} ms (n = {numbers['samples']})"


def bar(what: str, measured: float, sign: str, wanted: float, unit: str = "") -> dict[str, Any]:
    """A number that was wanted beside the one that was measured. `sign` is ≤, ≥ or =."""
    met = {"≤": measured <= wanted, "≥": measured >= wanted, "=": measured == wanted}[sign]
    return {"what": what, "measured": measured, "sign": sign, "wanted": wanted, "unit": unit, "met": met}
