"""Samples to numbers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median, quantiles

__all__ = ["in_ms", "say", "summary"]


def say(text: str) -> None:
    """What the bench is at, on stderr: stdout is for the numbers."""
    print(text, file=sys.stderr, flush=True)


def in_ms(seconds: float) -> float:
    return round(seconds * 1000.0, 3)


def summary(samples_s: Sequence[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds, and how many samples they stand on (at least two)."""
    p95 = quantiles(samples_s, n=20, method="inclusive")[-1]
    return {"p50_ms": in_ms(median(samples_s)), "p95_ms": in_ms(p95), "samples": len(samples_s)}
