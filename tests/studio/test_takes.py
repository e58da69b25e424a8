"""Which take is looked at."""

from __future__ import annotations

from impasto_protocol.messages import GenerateRequest
from impasto_studio.geometry import Box
from impasto_studio.intent import Intent
from impasto_studio.notes import Note
from impasto_studio.takes import Comparison
from impasto_studio.tasks import Plan
from impasto_studio.work import Work


def opened() -> Comparison:
    comparison = Comparison()
    comparison.open("document", "job")
    return comparison


def test_it_starts_closed() -> None:
    comparison = Comparison()
    comparison.step(1, 3)
    assert (comparison.take, comparison.visible, comparison.shown) == (None, None, -1)


def test_steps_go_around_the_end() -> None:
    comparison = opened()
    seen = []
    for by in (1, 1, 1, -1):
        comparison.step(by, 3)
        seen.append(comparison.shown)
    assert seen == [1, 2, 0, 2]


def test_a_hover_lasts_as_long_as_the_pointer_is_there() -> None:
    comparison = opened()
    comparison.hover(("other", 1))
    assert (comparison.visible, comparison.take) == (("other", 1), ("job", 0))
    comparison.hover(None)
    assert comparison.visible == ("job", 0)


def test_takes_that_come_later_are_stepped_to() -> None:
    comparison = opened()
    comparison.step(1, 1)
    assert comparison.take == ("job", 0)
    comparison.step(-1, 2)
    assert comparison.take == ("job", 1)
    comparison.open("document", "second", 1)
    assert comparison.take == ("second", 1)


def test_what_is_gone_is_not_looked_at() -> None:
    comparison = opened()
    comparison.hover(("other", 0))
    comparison.gone("third")
    assert comparison.visible == ("other", 0)
    comparison.gone("other")
    assert comparison.visible == ("job", 0)
    comparison.gone("job")
    assert (comparison.visible, comparison.document) == (None, "")


def test_how_many_takes_there_will_be() -> None:
    note = Note("document", Box(0, 0, 8, 8), intent=Intent(takes=3))
    work = Work("job", "running", "a boat", 0.0, note=note)
    assert work.expected == 3, "of an earlier run of the host, as far as its note says"
    work.plan = Plan("document", (8, 8), Box(0, 0, 8, 8), GenerateRequest("a boat", takes=1))
    assert work.expected == 1
    work.over()
    assert work.expected == 0, "a job that ended without one"
