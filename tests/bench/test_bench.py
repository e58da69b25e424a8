"""The benches measure what they say; their numbers are read by people, not asserted here."""

from __future__ import annotations

import json

import numpy as np
import pytest
from impasto_server.bench import resume, wire
from impasto_server.bench.numbers import summary
from impasto_server.bench.picture import painting, with_stroke
from impasto_server.bench.rivals import rectangle
from impasto_server.cli import main


@pytest.mark.parametrize("share", [0.005, 0.01, 0.02])
def test_a_stroke_covers_its_share(share: float) -> None:
    picture = painting(512)
    stroke = with_stroke(picture, share, np.random.default_rng(1))
    changed = (stroke != picture).any(axis=2).mean()
    assert 0.85 * share < changed < 1.15 * share


def test_the_picture_is_the_same_every_time() -> None:
    assert np.array_equal(painting(64), painting(64))
    assert not np.array_equal(painting(64), painting(64, seed=1))


def test_the_rectangle_holds_all_that_changed() -> None:
    old = painting(128)
    new = old.copy()
    new[20:30, 40:45, 1] ^= 1
    assert rectangle(old, new) == (40, 20, 45, 30)


def test_percentiles() -> None:
    numbers = summary([value / 1000 for value in range(1, 101)])
    assert numbers == {"p50_ms": 50.5, "p95_ms": 95.05, "samples": 100}


@pytest.mark.faults
def test_after_lost_updates_the_mirror_is_byte_equal() -> None:
    result = wire.lossy_strokes(256, strokes=200)
    assert result["dropped"] > 0
    assert result["equal"]


@pytest.mark.faults
def test_no_job_is_lost_or_doubled_over_kills() -> None:
    numbers = resume.measure(quick=True)
    assert (numbers["lost"], numbers["doubled"]) == (0, 0)
    assert "0 lost" in resume.table(numbers)


@pytest.mark.heavy
def test_the_wire_bench_says_its_ratios(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "SIZES", (wire.Size(256, 2, 3),))
    assert main(["bench", "wire", "--quick", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    (result,) = numbers["sizes"].values()
    assert result["ratios"]["png"]["tcp"] > 1
    assert numbers["losses"]["equal"]
    assert "byte-equal" in wire.table(numbers)
