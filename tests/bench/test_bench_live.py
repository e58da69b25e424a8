"""The bench of live previews measures what it says; its times are read by people, not asserted here."""

from __future__ import annotations

import json

import numpy as np
import pytest
from impasto_server.bench import live
from impasto_server.bench.live import sharing
from impasto_server.bench.live.artist import Pen
from impasto_server.bench.numbers import bar
from impasto_server.cli import main


def test_jain_is_one_when_all_have_the_same_and_a_share_when_one_has_all() -> None:
    assert sharing.jain([3.0, 3.0, 3.0, 3.0]) == 1.0
    assert sharing.jain([0.0, 0.0, 7.0, 0.0]) == 0.25


def test_a_frame_that_began_after_a_newer_input_had_come_is_found() -> None:
    def fed(number: int, at_s: float) -> dict[str, object]:
        return {"what": "fed", "live": 1, "input": number, "came_s": at_s, "at_s": at_s}

    def painted(number: int, waited_ms: float) -> dict[str, object]:
        return {"what": "painted", "live": 1, "input": number, "refined": False, "waited_ms": waited_ms}

    notes = [fed(1, 10.0), fed(2, 10.1), painted(1, 50.0), painted(1, 130.0), painted(2, 500.0)]
    assert sharing._older_s(notes) == pytest.approx([0.03])


@pytest.mark.parametrize(
    ("sign", "wanted", "met"), [("≤", 2.0, True), ("≤", 1.0, False), ("≥", 2.5, False), ("=", 1.5, True)]
)
def test_a_bar_says_whether_it_is_met(sign: str, wanted: float, met: bool) -> None:
    assert bar("a thing", 1.5, sign, wanted)["met"] is met


def test_a_pen_leaves_a_line_and_never_the_same_picture() -> None:
    pen = Pen(64)
    pictures = [pen.pixels, *pen.stroke(4)]
    assert len(set(pictures)) == 5
    changed = np.frombuffer(pictures[0], np.uint8) != np.frombuffer(pictures[-1], np.uint8)
    assert changed.mean() < 0.1


def test_an_unknown_part_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "live", "--part", "colours"]) == 2
    assert "strokes, background" in capsys.readouterr().err


@pytest.mark.heavy
@pytest.mark.model
def test_the_live_bench_says_its_bars(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "live", "--quick", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    bars = {one["what"]: one for part in numbers.values() for one in part["bars"]}
    for promise in (  # what does not depend on how fast the machine is
        "pen-ups followed by a preview of exactly that canvas",
        "jobs with the bytes of an undisturbed one",
        "wasted steps per superseded input",
        "text-encoder passes after a change, at most",
    ):
        assert bars[promise]["met"], bars[promise]
    said = live.table(numbers)
    assert said.count(" met") == len(bars)
