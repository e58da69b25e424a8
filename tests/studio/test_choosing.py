"""Takes are compared, applied, marked, used again: nothing enters the document before it is applied."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from impasto_protocol.messages import JobProgress
from impasto_protocol.rasters import PixelFormat
from impasto_studio.geometry import Box
from impasto_studio.history import ON_THEIR_OWN
from impasto_studio.intent import ControlRow
from impasto_studio.notes import read_note
from impasto_studio.remembered import KEY, MOST_LAYERS, Memory, Recipe
from impasto_studio.settings import Settings

from tests.studio.easel import Easel
from tests.studio.fakes import DOCUMENT, OTHER, Atelier, preview
from tests.studio.test_jobs import reborn

SELECTION = Box(20, 10, 30, 40)


@pytest.fixture
def atelier(tmp_path: Path) -> Atelier:
    made = Atelier(tmp_path)
    made.easel.open(DOCUMENT, 96, 80, SELECTION)
    made.open()
    made.say(mode="fill", prompt="a fox")
    return made


def over_canvas(atelier: Atelier) -> tuple[int, Box] | None:
    """The shade of what is shown (take n is n+1) and where."""
    shown = atelier.easel.shown
    return None if shown is None else (shown.picture.pixels[0], shown.box)


WHOLE = Box(0, 0, 96, 80)

# ── comparing ────────────────────────────────────────────────────────────────────────────────────────────


def test_finished_takes_are_compared_at_once(atelier: Atelier) -> None:
    atelier.done()
    view = atelier.view
    assert (len(view.takes), view.shown, view.applied, view.on_canvas) == (3, 0, False, True)
    assert over_canvas(atelier) == (1, WHOLE)
    assert atelier.easel.document.layers == {}
    seeds = [take.seed for take in view.takes]
    assert seeds == [seeds[0], seeds[0] + 1, seeds[0] + 2]


def test_arrow_keys_go_through_the_takes(atelier: Atelier) -> None:
    job = atelier.done()
    atelier.studio.step(1)
    assert atelier.settle().shown == 1
    assert over_canvas(atelier) == (2, WHOLE)
    atelier.studio.step(-1)
    atelier.studio.step(-1)
    assert atelier.settle().shown == 2
    assert over_canvas(atelier) == (3, WHOLE)
    assert atelier.server.fetched == [(job, 0), (job, 1), (job, 2)]


def test_takes_seen_before_are_not_fetched_again(atelier: Atelier) -> None:
    atelier.done()
    for _ in range(6):
        atelier.studio.step(1)
        atelier.settle()
    assert len(atelier.server.fetched) == 3


def test_a_small_copy_stands_in_until_the_pixels_come(atelier: Atelier) -> None:
    job = atelier.done()
    atelier.studio.put_away()
    atelier.settle()
    atelier.studio.compare(job, 1)
    atelier.settle("fetch")
    assert atelier.easel.shown is not None
    assert atelier.easel.shown.picture.width == 2
    atelier.settle()
    assert atelier.easel.shown.picture.width == 96


def test_pixels_that_come_too_late_are_not_shown(atelier: Atelier) -> None:
    job = atelier.done()
    atelier.studio.compare(job, 1)
    atelier.settle("fetch")
    atelier.studio.compare(job, 2)
    atelier.settle()
    assert over_canvas(atelier) == (3, WHOLE)
    another = atelier.done(prompt="a hen")
    atelier.studio.compare(another, 1)
    atelier.settle("fetch")
    atelier.studio.put_away()
    atelier.settle()
    assert atelier.easel.shown is None


def test_hovering_shows_a_take_while_the_pointer_is_there(atelier: Atelier) -> None:
    first = atelier.done()
    atelier.done(prompt="a hen")
    atelier.studio.step(1)
    atelier.settle()
    atelier.studio.hover(first, 2)
    view = atelier.settle()
    assert over_canvas(atelier) == (3, WHOLE)
    assert view.shown == 1
    atelier.studio.hover(first, -1)
    atelier.settle()
    assert over_canvas(atelier) == (2, WHOLE)
    atelier.studio.hover("nobody", 0)
    atelier.settle()
    assert over_canvas(atelier) == (2, WHOLE)


def test_putting_away_keeps_the_takes_in_the_history(atelier: Atelier) -> None:
    atelier.done()
    atelier.studio.put_away()
    view = atelier.settle()
    assert (view.takes, view.shown, len(view.history)) == ((), -1, 3)
    assert atelier.easel.shown is None


def test_takes_of_the_history_are_compared_again(atelier: Atelier) -> None:
    job = atelier.done()
    atelier.studio.put_away()
    atelier.studio.compare(job, 2)
    view = atelier.settle()
    assert (len(view.takes), view.shown) == (3, 2)
    atelier.studio.compare(job, 3)
    atelier.studio.compare("nobody", 0)
    assert atelier.settle().shown == 2


def test_a_job_that_ends_while_others_are_compared_waits(atelier: Atelier) -> None:
    first = atelier.done()
    second = atelier.start(prompt="a hen")
    assert atelier.view.takes == ()
    atelier.studio.compare(first, 1)
    atelier.server.finish(second)
    view = atelier.settle()
    assert ({take.job for take in view.takes}, view.shown) == ({first}, 1)
    assert view.notice == "“a hen” is done. It is in the history."
    assert view.history[0].job == second


def test_a_job_that_ends_after_the_take_was_applied_opens(atelier: Atelier) -> None:
    first = atelier.done()
    second = atelier.start(prompt="a hen")
    atelier.studio.compare(first, 1)
    atelier.studio.apply()
    atelier.settle()
    atelier.server.finish(second)
    assert {take.job for take in atelier.settle().takes} == {second}


def test_a_job_of_another_document_waits_in_its_history(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.easel.open(OTHER, 64, 64)
    atelier.tick()
    atelier.server.finish(job)
    view = atelier.settle()
    assert (view.takes, view.history) == ((), ())
    assert view.notice == "“a fox” is done. It is in the history of its document."
    atelier.easel.active = DOCUMENT
    assert len(atelier.tick().history) == 3


def test_a_comparison_waits_while_another_document_is_active(atelier: Atelier) -> None:
    atelier.done()
    atelier.easel.open(OTHER, 64, 64)
    view = atelier.tick()
    assert (view.takes, view.shown, atelier.easel.shown) == ((), -1, None)
    atelier.easel.active = DOCUMENT
    assert atelier.tick().shown == 0
    assert over_canvas(atelier) == (1, WHOLE)


def test_a_job_of_this_document_opens_though_another_document_is_compared(atelier: Atelier) -> None:
    atelier.done()
    atelier.easel.open(OTHER, 64, 64)
    atelier.tick()
    atelier.say(mode="generate")
    job = atelier.done()
    assert {take.job for take in atelier.view.takes} == {job}


def test_a_document_closed_in_mid_job_finds_its_takes_when_it_is_back(atelier: Atelier) -> None:
    job = atelier.start()
    document = atelier.easel.documents[DOCUMENT]
    atelier.easel.close(DOCUMENT)
    atelier.server.finish(job)
    view = atelier.tick()
    assert (view.document, view.history) == (False, ())
    atelier.easel.documents[DOCUMENT], atelier.easel.active = document, DOCUMENT
    assert len(atelier.tick().history) == 3


def test_a_job_without_takes_opens_nothing(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.tell(job, "done")
    view = atelier.settle()
    assert (view.jobs, view.takes, view.history) == ((), (), ())


# ── takes that come one by one ───────────────────────────────────────────────────────────────────────────


def test_the_first_take_is_compared_while_the_others_are_painted(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.progress(job, step=1, steps=6, preview=preview(9))
    atelier.settle()
    assert over_canvas(atelier) == (9, WHOLE)
    atelier.server.paint(job, 1)
    view = atelier.settle()
    assert ([take.index for take in view.takes], view.shown, view.applied) == ([0], 0, False)
    assert view.expected == 3
    assert [(shown.job, shown.state) for shown in view.jobs] == [(job, "running")]
    assert over_canvas(atelier) == (1, WHOLE)
    atelier.server.progress(job, step=3, steps=6, preview=preview(8))
    view = atelier.settle()
    assert over_canvas(atelier) == (1, WHOLE), "what grows does not cover what is compared"
    assert (view.jobs[0].done, view.jobs[0].preview is not None) == (0.5, True)


def test_the_strip_grows_and_the_shown_take_stays(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.paint(job, 1)
    atelier.settle()
    atelier.studio.step(1)
    assert atelier.settle().shown == 0, "there is no other yet"
    atelier.server.paint(job, 2)
    view = atelier.settle()
    assert (len(view.takes), view.shown) == (2, 0)
    atelier.studio.step(-1)
    assert atelier.settle().shown == 1
    atelier.server.finish(job)
    view = atelier.settle()
    assert (view.jobs, len(view.takes), view.shown, view.notice) == ((), 3, 1, "")
    assert view.expected == 3
    atelier.studio.step(1)
    assert atelier.settle().shown == 2
    assert [take.index for take in view.history] == [0, 1, 2]


def test_a_take_is_applied_while_its_job_runs(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.paint(job, 1)
    atelier.settle()
    atelier.studio.apply()
    view = atelier.settle()
    assert (view.applied, [shown.state for shown in view.jobs]) == (True, ["running"])
    assert len(atelier.easel.document.layers) == 1
    atelier.server.progress(job, preview=preview(8))
    atelier.server.paint(job, 2)
    view = atelier.settle()
    assert (view.shown, view.applied, len(view.takes)) == (0, True, 2)
    assert atelier.easel.shown is None, "the layer itself is there"
    atelier.server.finish(job)
    atelier.settle()
    note = read_note(atelier.server.jobs[job].note)
    assert note is not None
    assert note.applied == (0,)


def test_takes_that_were_put_away_do_not_come_back_by_themselves(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.paint(job, 1)
    atelier.settle()
    atelier.studio.put_away()
    atelier.server.progress(job, preview=preview(8))
    atelier.server.paint(job, 2)
    view = atelier.settle()
    assert (view.takes, len(view.history), view.notice) == ((), 2, "")
    assert over_canvas(atelier) == (8, WHOLE), "what grows is seen again"
    atelier.server.finish(job)
    view = atelier.settle()
    assert (view.takes, view.notice) == ((), "“a fox” is done. It is in the history.")


def test_takes_she_had_no_time_for_open_with_the_next_one(atelier: Atelier) -> None:
    first, second = atelier.done(), atelier.start(prompt="a hen")
    atelier.studio.compare(first, 0)
    atelier.server.paint(second, 1)
    view = atelier.settle()
    assert ({take.job for take in view.takes}, view.notice) == ({first}, "")
    assert view.history[0].job == second
    atelier.studio.apply()
    atelier.settle()
    atelier.server.paint(second, 2)
    assert {take.job for take in atelier.settle().takes} == {second}


def test_takes_she_found_herself_are_not_opened_again(atelier: Atelier) -> None:
    first, second = atelier.done(), atelier.start(prompt="a hen")
    atelier.studio.compare(first, 0)
    atelier.server.paint(second, 1)
    atelier.settle()
    atelier.studio.compare(second, 0)
    atelier.studio.put_away()
    atelier.server.paint(second, 2)
    assert atelier.settle().takes == ()


def test_takes_of_another_document_wait_there(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.easel.open(OTHER, 64, 64)
    atelier.tick()
    atelier.server.paint(job, 1)
    view = atelier.settle()
    assert (view.takes, view.history, view.notice) == ((), (), "")
    atelier.easel.active = DOCUMENT
    view = atelier.tick()
    assert (view.takes, len(view.history)) == ((), 1)
    atelier.server.paint(job, 2)
    assert len(atelier.settle().takes) == 2


def test_cancelling_keeps_finished_takes(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.paint(job, 2)
    atelier.settle()
    atelier.studio.step(1)
    atelier.studio.cancel(job)
    atelier.easel.turn()
    assert (atelier.view.jobs, atelier.view.shown) == ((), 1), "before the server has answered"
    view = atelier.settle()
    assert (view.jobs, len(view.takes), view.shown, len(view.history)) == ((), 2, 1, 2)
    assert atelier.server.forgotten == []
    atelier.studio.apply()
    assert atelier.settle().applied
    after = reborn(atelier)
    view = after.open()
    assert (view.jobs, [take.applied for take in view.history]) == ((), [False, True])
    after.studio.favourite(job, 0, True)
    assert after.settle().history[0].favourite
    after.studio.discard(job)
    assert after.settle().history == ()
    assert after.server.forgotten == [job]


def test_a_take_that_was_finished_as_it_was_cancelled_is_kept_too(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.paint(job, 1)
    atelier.settle()
    atelier.studio.cancel(job)
    atelier.server.paint(job, 2, "cancelled")
    view = atelier.settle()
    assert (len(view.takes), view.shown, view.notice) == (2, 0, "")
    atelier.studio.step(1)
    assert atelier.settle().shown == 1


def test_a_job_cancelled_by_another_program_is_done_with_what_it_has(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.paint(job, 1, "cancelled")
    view = atelier.settle()
    assert (view.jobs, len(view.takes)) == ((), 1)


def test_discarding_takes_of_a_running_job_stops_it(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.paint(job, 1)
    atelier.settle()
    atelier.studio.discard(job)
    view = atelier.settle()
    assert (view.jobs, view.takes, view.history) == ((), (), ())
    assert atelier.server.forgotten == [job]


# ── what grows ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_growing_picture_is_shown_over_the_canvas(atelier: Atelier) -> None:
    """Only the part that changes, in whole pixels of the small picture: these two by two cover everything."""
    job = atelier.start()
    atelier.server.progress(job, preview=preview(7))
    atelier.settle()
    assert over_canvas(atelier) == (7, WHOLE)
    before = len(atelier.easel.previews)
    atelier.server.progress(job, step=1, steps=2)
    atelier.settle()
    assert len(atelier.easel.previews) == before
    atelier.server.progress(job, preview=preview(8))
    atelier.settle()
    assert over_canvas(atelier) == (8, WHOLE)
    atelier.studio.cancel(job)
    atelier.settle()
    assert atelier.easel.shown is None


def test_it_is_shown_only_where_it_belongs(atelier: Atelier) -> None:
    """In its own document; a large copy grows in tiles, and is not shown at all."""
    job = atelier.start()
    atelier.easel.open(OTHER, 300, 300, SELECTION)
    tiles = atelier.start(mode="upscale")
    for one in (job, tiles):
        atelier.server.progress(one, preview=preview(7))
    atelier.settle()
    assert atelier.easel.shown is None
    atelier.say(mode="refine")
    atelier.easel.document.selection = None
    whole = atelier.start()
    atelier.server.progress(whole, preview=preview(8))
    atelier.settle()
    assert over_canvas(atelier) == (8, Box(0, 0, 300, 300))


@pytest.mark.parametrize(("selected", "grows"), [(True, None), (False, (9, WHOLE))])
def test_what_is_painted_again_grows_where_that_is_known(
    atelier: Atelier, selected: bool, grows: tuple[int, Box] | None
) -> None:
    if not selected:
        atelier.easel.document.selection = None
    before = atelier.done(mode="refine")
    atelier.studio.apply()
    atelier.settle()
    atelier.studio.paint_again()
    atelier.settle()
    (job,) = set(atelier.server.jobs) - {before}
    atelier.server.progress(job, preview=preview(9))
    atelier.settle()
    assert over_canvas(atelier) == grows


def test_what_is_compared_goes_before_what_grows(atelier: Atelier) -> None:
    first = atelier.done()
    second = atelier.start()
    atelier.server.progress(second, preview=preview(9))
    atelier.studio.compare(first, 0)
    atelier.settle()
    assert over_canvas(atelier) == (1, WHOLE)


def test_a_host_that_cannot_show_is_asked_once(atelier: Atelier) -> None:
    atelier.easel.can_preview = False
    atelier.done()
    assert not atelier.view.on_canvas
    atelier.easel.can_preview = True
    atelier.studio.step(1)
    atelier.settle()
    assert atelier.easel.previews == []


def test_previews_can_be_switched_off(atelier: Atelier) -> None:
    atelier.done()
    atelier.studio.change_settings(Settings(previews=False))
    view = atelier.settle()
    assert (atelier.easel.shown, view.on_canvas) == (None, False)
    atelier.studio.change_settings(Settings())
    atelier.settle()
    assert over_canvas(atelier) == (1, WHOLE)


def test_pixels_that_cannot_be_had_are_said(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.missing.add(job)
    atelier.server.finish(job)
    assert "keeps no such result" in atelier.settle().notice
    assert atelier.view.history[0].thumbnail is None


# ── applying ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_applied_take_is_a_layer_that_remembers(atelier: Atelier) -> None:
    job = atelier.done()
    atelier.studio.step(1)
    atelier.studio.apply()
    view = atelier.settle()
    (layer,) = atelier.easel.document.layers.values()
    assert (layer.name, layer.x, layer.y, layer.insert, layer.resize) == ("a fox", 0, 0, "layer", None)
    assert layer.picture.pixels[0] == 2
    assert (view.applied, view.shown, view.remembered) == (True, 1, True)
    assert atelier.easel.shown is None
    note = read_note(atelier.server.jobs[job].note)
    assert note is not None
    assert note.applied == (1,)
    assert [take.applied for take in view.history] == [False, True, False]


def test_the_panel_says_how_a_take_comes_in(atelier: Atelier) -> None:
    atelier.done()
    atelier.say(insert="group")
    atelier.studio.apply()
    atelier.settle()
    assert [layer.insert for layer in atelier.easel.document.layers.values()] == ["group"]


def test_a_second_press_does_not_insert_it_twice(atelier: Atelier) -> None:
    atelier.done()
    atelier.studio.apply()
    atelier.studio.apply()
    atelier.settle()
    assert len(atelier.easel.document.layers) == 1
    atelier.studio.apply()
    atelier.settle()
    assert len(atelier.easel.document.layers) == 2


def test_without_a_comparison_nothing_is_applied(atelier: Atelier) -> None:
    atelier.studio.step(1)
    atelier.studio.apply()
    atelier.settle()
    assert atelier.easel.document.layers == {}


@pytest.mark.parametrize("closed", [True, False])
def test_a_document_that_is_not_there_gets_no_layer(atelier: Atelier, closed: bool) -> None:
    atelier.done()
    atelier.studio.step(1)
    atelier.studio.apply()
    if closed:
        atelier.easel.close(DOCUMENT)
    else:
        atelier.easel.open(OTHER, 64, 64)
    assert "Go back to the document" in atelier.settle().notice
    if not closed:
        assert atelier.easel.documents[DOCUMENT].layers == {}
        atelier.easel.active = DOCUMENT
        atelier.tick()
        atelier.studio.apply()
        atelier.settle()
        assert len(atelier.easel.document.layers) == 1


def test_a_host_that_cannot_insert_says_why_and_may_try_again(atelier: Atelier) -> None:
    atelier.done()
    atelier.easel.refuse_insert = "The layer is locked. Unlock it."
    atelier.studio.apply()
    view = atelier.settle()
    assert (view.notice, view.applied) == ("The layer is locked. Unlock it.", False)
    atelier.easel.refuse_insert = ""
    atelier.studio.apply()
    assert atelier.settle().applied


def test_without_a_server_only_pixels_that_are_here_are_applied(atelier: Atelier) -> None:
    from impasto_protocol.errors import Unauthorized

    atelier.done()
    atelier.server.sessions[0].fatal = Unauthorized("Another token.")
    atelier.tick()
    atelier.studio.step(1)
    assert "cannot be shown" in atelier.settle().notice
    atelier.studio.apply()
    assert "Start it, then apply again" in atelier.settle().notice
    atelier.studio.step(-1)
    atelier.studio.apply()
    assert atelier.settle().applied


def test_expanding_resizes_the_document_once(atelier: Atelier) -> None:
    atelier.done(action="expand")
    grown = Box(-24, -20, 144, 120)
    assert over_canvas(atelier) == (1, grown)
    atelier.studio.apply()
    atelier.settle()
    first = atelier.easel.document.layers["layer-1"]
    assert (first.x, first.y, first.resize, first.scale) == (-24, -20, grown, False)
    assert (atelier.easel.document.width, atelier.easel.document.height) == grown.size
    atelier.studio.step(1)
    atelier.settle()
    assert over_canvas(atelier) == (2, Box(0, 0, 144, 120))
    atelier.studio.apply()
    assert atelier.settle().notice == ""
    second = atelier.easel.document.layers["layer-2"]
    assert (second.x, second.y, second.resize) == (0, 0, None)


def test_upscaling_scales_the_document(atelier: Atelier) -> None:
    atelier.done(mode="upscale", scale=2.0)
    assert over_canvas(atelier) == (1, WHOLE)
    atelier.studio.apply()
    atelier.settle()
    layer = atelier.easel.document.layers["layer-1"]
    assert (layer.x, layer.y, layer.resize, layer.scale) == (0, 0, Box(0, 0, 192, 160), True)
    assert layer.picture.width == 192


def test_a_document_of_another_size_is_left_as_it_is(atelier: Atelier) -> None:
    atelier.done(mode="upscale", scale=2.0)
    atelier.easel.document.width = 50
    atelier.studio.apply()
    assert "another size now" in atelier.settle().notice
    assert atelier.easel.document.layers["layer-1"].resize is None


# ── the history ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_newest_is_first(atelier: Atelier) -> None:
    jobs = [atelier.done(prompt=prompt) for prompt in ("a", "b", "c")]
    assert [take.job for take in atelier.view.history[::3]] == jobs[::-1]
    assert [take.prompt for take in atelier.view.history[::3]] == ["c", "b", "a"]


def test_favourites_and_applied_takes_are_remembered(atelier: Atelier) -> None:
    job = atelier.done()
    atelier.studio.favourite(job, 2, True)
    atelier.studio.favourite(job, 0, True)
    atelier.studio.favourite(job, 0, False)
    atelier.studio.favourite("nobody", 0, True)
    atelier.studio.apply()
    atelier.settle()
    history = reborn(atelier).open().history
    assert [take.favourite for take in history] == [False, False, True]
    assert [take.applied for take in history] == [True, False, False]


def test_a_favourite_without_a_server_is_told_later(atelier: Atelier) -> None:
    job = atelier.done()
    atelier.server.up = False
    atelier.studio.favourite(job, 1, True)
    assert atelier.settle().history[1].favourite
    atelier.tick()
    atelier.server.up = True
    atelier.tick()
    note = read_note(atelier.server.jobs[job].note)
    assert note is not None
    assert note.favourites == (1,)


def test_a_connection_lost_in_mid_note_is_no_loss(atelier: Atelier) -> None:
    job = atelier.done()
    other = atelier.done()
    atelier.studio.favourite(job, 1, True)
    atelier.studio.discard(other)
    atelier.server.up = False
    atelier.settle()
    atelier.tick()
    atelier.server.up = True
    atelier.tick()
    note = read_note(atelier.server.jobs[job].note)
    assert note is not None
    assert note.favourites == (1,)
    assert atelier.server.forgotten == [other]


def test_a_note_the_server_refuses_is_said(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    from impasto_protocol.errors import DiskFull

    def full(*_: object) -> None:
        raise DiskFull("The disk is full. Make room.")

    job = atelier.done()
    monkeypatch.setattr("tests.studio.fakes.Session.annotate", full)
    atelier.studio.favourite(job, 1, True)
    assert atelier.settle().notice == "The disk is full. Make room."


def test_discarding_is_for_good(atelier: Atelier) -> None:
    job = atelier.done()
    running = atelier.start()
    atelier.studio.compare(job, 0)
    atelier.studio.discard(running)
    atelier.studio.discard(job)
    view = atelier.settle()
    assert (view.takes, view.history, atelier.easel.shown) == ((), (), None)
    assert len(view.jobs) == 1
    assert reborn(atelier).open().history == ()


def test_using_a_take_again_brings_back_what_was_asked_for(atelier: Atelier) -> None:
    job = atelier.done(prompt="a fox", negative="dog", steps=7, takes=2)
    atelier.say(mode="generate", prompt="", negative="", steps=0, takes=4, insert="mask")
    atelier.studio.reuse(job, 1)
    intent = atelier.settle().intent
    assert (intent.mode, intent.prompt, intent.negative, intent.steps) == ("fill", "a fox", "dog", 7)
    assert intent.seed == atelier.view.history[1].seed
    assert (intent.takes, intent.insert) == (4, "mask")
    atelier.studio.reuse("nobody", 0)
    assert atelier.settle().intent == intent


def test_a_prompt_too_long_for_the_note_is_read_from_the_recipe(atelier: Atelier) -> None:
    long = "ü" * 20_000
    job = atelier.done(prompt=long, negative="ä" * 19_000)
    after = reborn(atelier)
    assert after.open().history[0].prompt == long
    after.studio.reuse(job, 0)
    assert after.settle().intent.prompt == long


# ── thumbnails ───────────────────────────────────────────────────────────────────────────────────────────


def full_history(atelier: Atelier, jobs: int) -> Atelier:
    for number in range(jobs):
        job = atelier.start(prompt=f"fox {number}")
        atelier.server.finish(job)
    return reborn(atelier)


def test_a_long_history_is_there_before_its_thumbnails(atelier: Atelier) -> None:
    after = full_history(atelier, 200)
    after.server.thumbnails.clear()
    after.server.fetched.clear()
    after.studio.open()
    after.settle("fetch")
    while not after.view.history:
        after.workers["fetch"].work()
        after.settle("fetch")
    assert len(after.view.history) == 600
    assert after.server.thumbnails == []
    view = after.settle()
    newest = [(take.job, take.index) for take in view.history[:ON_THEIR_OWN]]
    assert after.server.thumbnails == newest
    assert after.server.fetched == []


def test_thumbnails_that_are_looked_at_come_first(atelier: Atelier) -> None:
    after = full_history(atelier, 30)
    view = after.open()
    after.server.thumbnails.clear()
    wanted = [(take.job, take.index) for take in view.history[50:53]]
    after.studio.look_at(wanted)
    view = after.settle()
    assert after.server.thumbnails == wanted
    assert [take.thumbnail is not None for take in view.history[49:54]] == [False, True, True, True, False]


def test_what_nobody_looks_at_any_more_is_not_fetched(atelier: Atelier) -> None:
    after = full_history(atelier, 30)
    view = after.open()
    after.server.thumbnails.clear()
    after.studio.look_at([(take.job, take.index) for take in view.history[40:60]])
    after.settle("fetch")
    after.studio.look_at([])
    after.settle()
    assert len(after.server.thumbnails) == 1


def test_views_of_takes_are_made_once(atelier: Atelier) -> None:
    atelier.done()
    before = atelier.view.history
    atelier.say(prompt="another")
    assert all(one is other for one, other in zip(before, atelier.view.history, strict=True))


def test_missing_thumbnails_are_asked_for_once_per_connection(atelier: Atelier) -> None:
    job = atelier.start()
    atelier.server.missing.add(job)
    atelier.server.finish(job)
    atelier.settle()
    atelier.say(prompt="another")
    atelier.server.missing.clear()
    assert atelier.server.thumbnails == []
    atelier.server.up = False
    atelier.tick()
    atelier.server.up = True
    atelier.tick()
    assert len(atelier.server.thumbnails) == 3


def test_little_is_kept_in_memory(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto_studio.gallery.MOST_BYTES", 96 * 80 * 4 * 2)
    monkeypatch.setattr("impasto_studio.gallery.MOST_THUMBNAILS", 2)
    atelier.done()
    for _ in range(3):
        atelier.studio.step(1)
        atelier.settle()
    assert len(atelier.server.fetched) == 4
    assert [take.thumbnail is not None for take in atelier.view.history] == [True, True, False]
    atelier.studio.put_away()
    atelier.studio.look_at([(atelier.view.history[2].job, 2)])
    assert [take.thumbnail is not None for take in atelier.settle().history] == [True, False, True]


# ── what layers remember ─────────────────────────────────────────────────────────────────────────────────


def test_a_layer_is_painted_again_with_another_seed(atelier: Atelier) -> None:
    job = atelier.done()
    atelier.studio.apply()
    atelier.settle()
    before = atelier.server.jobs[job].generate
    after = reborn(atelier)
    assert after.open().remembered
    after.studio.paint_again()
    after.settle()
    (again,) = set(after.server.jobs) - {job}
    request = after.server.jobs[again].generate
    assert replace(request, seed=before.seed) == before
    assert request.seed != before.seed
    assert after.easel.captures == []
    after.server.finish(again)
    after.settle()
    after.studio.apply()
    after.settle()
    assert after.easel.document.layers["layer-1"].above == "layer-1"


def test_an_upscaled_layer_is_painted_once(atelier: Atelier) -> None:
    atelier.done(mode="upscale")
    atelier.studio.apply()
    atelier.settle()
    jobs = set(atelier.server.jobs)
    atelier.studio.paint_again()
    atelier.settle()
    (again,) = set(atelier.server.jobs) - jobs
    assert atelier.server.jobs[again].generate.takes == 1


def test_other_layers_remember_nothing(atelier: Atelier) -> None:
    assert not atelier.view.remembered
    atelier.studio.paint_again()
    assert atelier.settle().notice == "Choose a layer that Impasto has painted."
    atelier.easel.active = None
    atelier.studio.paint_again()
    assert atelier.settle().notice == "Choose a layer that Impasto has painted."
    assert not atelier.view.remembered


def test_painting_again_needs_the_server(atelier: Atelier) -> None:
    atelier.done()
    atelier.studio.apply()
    atelier.settle()
    atelier.server.up = False
    atelier.tick()
    atelier.studio.paint_again()
    assert atelier.settle().notice == atelier.view.link.sentence


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"{",
        b'{"layers": {"layer-1": {}}}',
        b'{"layers": {"layer-1": {"note": "{}", "request": "####"}}}',
        b'{"layers": {"layer-1": {"note": "{}", "request": "gKA="}}}',
    ],
)
def test_a_broken_memory_is_none(kept: bytes) -> None:
    easel = Easel()
    easel.open(DOCUMENT, 64, 64).kept[KEY] = kept
    assert Memory(easel).recipe(DOCUMENT, "layer-1") is None


def test_a_memory_with_another_message_is_none(atelier: Atelier) -> None:
    from base64 import b64encode

    from impasto_protocol.codec import encode
    from impasto_protocol.messages import Cancel
    from impasto_studio.tolerant import to_json

    atelier.done()
    atelier.studio.apply()
    atelier.settle()
    document = atelier.easel.document
    good = document.kept[KEY]
    recipe = Memory(atelier.easel).recipe(DOCUMENT, "layer-1")
    assert recipe is not None
    frame = b64encode(encode(Cancel("x"))).decode()
    note = to_json(recipe.note)
    document.kept[KEY] = to_json({"layers": {"layer-1": {"note": note, "request": frame}}}).encode()
    assert Memory(atelier.easel).recipe(DOCUMENT, "layer-1") is None
    document.kept[KEY] = good
    assert Memory(atelier.easel).recipe(DOCUMENT, "layer-1") == recipe


def test_the_oldest_layers_are_forgotten(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto_studio.remembered.MOST_LAYERS", 2)
    assert MOST_LAYERS == 1000
    atelier.done()
    for _ in range(3):
        atelier.studio.apply()
        atelier.settle()
    memory = Memory(atelier.easel)
    assert [memory.knows(DOCUMENT, f"layer-{n}") for n in (1, 2, 3)] == [False, True, True]
    recipe = memory.recipe(DOCUMENT, "layer-3")
    assert isinstance(recipe, Recipe)
    memory.remember(DOCUMENT, "layer-2", recipe)
    memory.remember(DOCUMENT, "layer-4", recipe)
    assert [memory.knows(DOCUMENT, f"layer-{n}") for n in (2, 3, 4)] == [True, False, True]


# ── control maps ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_control_map_becomes_a_layer_of_its_row(atelier: Atelier) -> None:
    atelier.say(controls=(ControlRow("depth"), ControlRow("scribble")))
    before = atelier.done()
    atelier.studio.compare(before, 1)
    atelier.studio.make_map(1)
    atelier.settle()
    (job,) = set(atelier.server.jobs) - {before}
    assert atelier.view.jobs[0].title == "Control map “scribble”"
    assert atelier.server.jobs[job].generate.make_map == "scribble"
    atelier.server.finish(job, PixelFormat.GRAY8)
    view = atelier.settle()
    (layer,) = atelier.easel.document.layers.values()
    assert (layer.name, layer.insert, layer.picture.format) == ("Scribble", "layer", PixelFormat.GRAY8)
    assert [row.layer for row in view.intent.controls] == ["", "layer-1"]
    assert view.layers[0].layer == "layer-1"
    assert (view.shown, len(view.history)) == (1, 3)
    assert atelier.server.forgotten == [job]


@pytest.mark.parametrize("rows", [(), (ControlRow("depth"),)])
def test_a_row_that_changed_meanwhile_is_left_alone(atelier: Atelier, rows: tuple[ControlRow, ...]) -> None:
    atelier.say(controls=(ControlRow("scribble"),))
    atelier.studio.make_map(0)
    atelier.settle()
    (job,) = atelier.server.jobs
    atelier.say(controls=rows)
    atelier.server.finish(job, PixelFormat.GRAY8)
    assert atelier.settle().intent.controls == rows
    assert len(atelier.easel.document.layers) == 1


def test_a_map_that_cannot_be_made_is_said(atelier: Atelier) -> None:
    atelier.say(controls=(ControlRow("depth"),))
    atelier.studio.make_map(0)
    assert "cannot make “depth”" in atelier.settle().notice
    atelier.studio.dismiss_notice()
    atelier.studio.make_map(1)
    assert atelier.settle().notice == ""
    atelier.server.up = False
    atelier.tick()
    atelier.studio.make_map(0)
    assert atelier.settle().notice == atelier.view.link.sentence


def test_a_map_whose_document_was_closed_is_said(atelier: Atelier) -> None:
    atelier.say(controls=(ControlRow("scribble"),))
    atelier.studio.make_map(0)
    atelier.settle()
    (job,) = atelier.server.jobs
    atelier.easel.close(DOCUMENT)
    atelier.server.finish(job, PixelFormat.GRAY8)
    assert atelier.settle().notice == "The document was closed."
    assert atelier.server.forgotten == [job]


def test_a_map_nobody_waits_for_any_more_is_forgotten(atelier: Atelier) -> None:
    atelier.say(controls=(ControlRow("scribble"),))
    atelier.studio.make_map(0)
    atelier.settle()
    (job,) = atelier.server.jobs
    after = reborn(atelier)
    after.server.finish(job, PixelFormat.GRAY8)
    view = after.open()
    assert (view.jobs, view.history, after.server.forgotten) == ((), (), [job])


# ── the panel's fields ───────────────────────────────────────────────────────────────────────────────────


def test_the_panel_comes_back_as_it_was(atelier: Atelier) -> None:
    atelier.say(prompt="a hen", steps=9, seed=4)
    atelier.studio.close()
    view = reborn(atelier).open()
    assert (view.intent.prompt, view.intent.steps, view.intent.seed) == ("a hen", 9, -1)


def test_typing_is_saved_by_the_timer(atelier: Atelier) -> None:
    before = dict(atelier.easel.settings)
    atelier.say(prompt="a he")
    atelier.say(prompt="a hen")
    assert atelier.easel.settings == before
    atelier.tick()
    assert "a hen" in "".join(atelier.easel.settings.values())
    atelier.studio.change(atelier.view.intent)
    assert len(atelier.views) == len(atelier.views)


def test_prompts_are_kept_newest_first(atelier: Atelier) -> None:
    for prompt in ("a fox", "a hen", "a fox"):
        atelier.start(prompt=prompt)
    assert atelier.view.prompts == ("a fox", "a hen")
    assert reborn(atelier).open().prompts == ("a fox", "a hen")


def test_prompts_can_be_kept_to_oneself(atelier: Atelier) -> None:
    atelier.start(prompt="a fox")
    atelier.studio.change_settings(Settings(keep_prompts=False))
    assert atelier.settle().prompts == ()
    atelier.start(prompt="a hen")
    assert atelier.view.prompts == ()
    assert reborn(atelier).open().prompts == ()


def test_live_is_a_switch(atelier: Atelier) -> None:
    atelier.studio.set_live(True)
    assert atelier.settle().live.on
    assert atelier.studio.live
    atelier.studio.set_live(False)
    assert not atelier.settle().live.on


def test_many_changes_make_one_view(atelier: Atelier) -> None:
    before = len(atelier.views)
    for letter in "abcdef":
        atelier.studio.change(replace(atelier.view.intent, prompt=letter))
    atelier.settle()
    assert len(atelier.views) == before + 1
    assert atelier.views[-1].intent.prompt == "f"


def test_a_view_that_is_the_same_is_not_told(atelier: Atelier) -> None:
    before = len(atelier.views)
    atelier.studio.change(atelier.view.intent)
    atelier.studio.dismiss_notice()
    atelier.tick()
    atelier.tick()
    assert len(atelier.views) == before


def test_the_selection_is_noticed(atelier: Atelier) -> None:
    atelier.easel.document.selection = None
    view = atelier.tick()
    assert (view.selection, view.why_not) == (None, "Select the part to repaint.")


def test_progress_after_the_end_is_not_heard(atelier: Atelier) -> None:
    job = atelier.done()
    for session in atelier.server.sessions:
        session.listener(JobProgress(job, "sampling", 1, 2))
    assert atelier.settle().jobs == ()
