"""What a session knows of its jobs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from impasto_client.jobs import JobBook
from impasto_protocol.messages import GenerateRequest, JobChanged, JobSummary, LayerInfo, Recipe
from impasto_protocol.rasters import PixelFormat

JOB = "1" * 32
TAKES = tuple(
    LayerInfo(f"take {take}", 0, 0, 1, 1, PixelFormat.RGB8, Recipe(GenerateRequest("x", seed=take), "", ""))
    for take in range(3)
)


@pytest.mark.parametrize("end", ["done", "cancelled"])
def test_takes_are_known_as_they_come_and_stay(end: str) -> None:
    book = JobBook(0)
    for event, (state, count) in enumerate([("running", 0), ("running", 1), ("running", 2), (end, 2)]):
        book.heard(JobChanged(event + 1, JOB, state, TAKES[:count]))
        assert (book.record(JOB).state, book.record(JOB).layers) == (state, TAKES[:count])
    assert book.last_event == 4


def test_a_list_that_was_overtaken_takes_no_take_away() -> None:
    book = JobBook(0)
    listed = JobSummary(JOB, "running", "x", 1.0, TAKES[:1])
    book.learn(listed)
    assert book.record(JOB).layers == TAKES[:1]
    book.heard(JobChanged(1, JOB, "running", TAKES[:2]))
    book.learn(listed)
    assert book.record(JOB).layers == TAKES[:2]
    book.learn(replace(listed, state="done", layers=TAKES))
    assert (book.record(JOB).state, book.record(JOB).layers) == ("done", TAKES)
