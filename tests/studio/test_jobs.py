"""A job from the click to its takes, whatever happens on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from impasto_protocol.errors import BadImage, OutOfMemory, Unauthorized
from impasto_protocol.messages import ErrorInfo, GenerateRequest, JobProgress
from impasto_protocol.rasters import PixelFormat
from impasto_studio.commands import Commands
from impasto_studio.geometry import Box
from impasto_studio.notes import read_note
from impasto_studio.tasks import Plan
from impasto_studio.view import View

from tests.studio.easel import Easel, selecting
from tests.studio.fakes import DOCUMENT, LIMITS, OTHER, Atelier, ServedJob, Server, preview

SELECTION = Box(20, 10, 30, 40)


@pytest.fixture
def atelier(tmp_path: Path) -> Atelier:
    made = Atelier(tmp_path)
    made.easel.open(DOCUMENT, 96, 80, SELECTION)
    made.open()
    return made


def states(view: View) -> list[str]:
    return [job.state for job in view.jobs]


def test_others_can_ask_what_the_button_would_do_and_where_it_would_go(tmp_path: Path) -> None:
    made = Atelier(tmp_path)
    made.easel.open(DOCUMENT, 96, 80)
    assert made.studio.served is None
    made.open()
    made.say(mode="generate", prompt="a fox")
    plan, served = made.studio.plan, made.studio.served
    assert isinstance(plan, Plan)
    assert plan.request.prompt == "a fox"
    assert served is not None
    assert served[1] == LIMITS
    made.say(mode="generate", prompt="")
    assert made.studio.plan == "Write what the picture shall show."


# ── the usual way ────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_goes_from_state_to_state(atelier: Atelier) -> None:
    atelier.say(mode="fill", prompt="a fox")
    atelier.easel.held = []
    atelier.studio.start()
    view = atelier.settle()
    assert (states(view), view.jobs[0].stage, view.jobs[0].title) == (
        ["capturing"],
        "Reading the document",
        "a fox",
    )
    atelier.easel.held[0]()
    view = atelier.settle("send")
    assert (states(view), view.jobs[0].stage) == (["sending"], "Sending")
    view = atelier.settle()
    assert (states(view), view.jobs[0].stage) == (["queued"], "Waiting")
    (job,) = atelier.server.jobs
    atelier.server.tell(job, "running")
    assert atelier.settle().jobs[0].stage == "Starting"
    atelier.server.finish(job)
    view = atelier.settle()
    assert view.jobs == ()
    assert [take.index for take in view.takes] == [0, 1, 2]


def test_the_server_gets_what_the_artist_sees(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    served = atelier.server.jobs[job]
    assert served.pixels["image"] == atelier.easel.document.picture.pixels
    assert served.pixels["mask"] == selecting((96, 80), SELECTION).pixels
    assert 0 <= served.generate.seed < 2**31


def test_the_background_is_what_is_not_selected(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", action="replace background", prompt="a beach")
    mask = atelier.server.jobs[job].pixels["mask"]
    assert mask == bytes(255 - value for value in selecting((96, 80), SELECTION).pixels)


def test_expanding_sends_a_frame(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", action="expand")
    served = atelier.server.jobs[job]
    image, mask = served.pixels["image"], served.pixels["mask"]
    assert len(mask) == 144 * 120
    assert len(image) == 4 * 144 * 120
    assert (mask[0], mask[144 * 60 + 72]) == (255, 0)
    assert (image[3], image[4 * (144 * 60 + 72) + 3]) == (0, 255)


def test_controls_go_along(atelier: Atelier) -> None:
    from impasto_studio.intent import ControlRow

    job = atelier.start(
        mode="generate", prompt="a fox", controls=(ControlRow("depth"), ControlRow("scribble"))
    )
    assert set(atelier.server.jobs[job].pixels) == {"image", "mask", "control 1", "control 2"}


def test_a_picture_from_nothing_sends_nothing(atelier: Atelier) -> None:
    atelier.easel.document.selection = None
    job = atelier.start(prompt="a fox")
    assert atelier.server.jobs[job].pixels == {}
    assert atelier.easel.captures == []


def test_progress_is_told_in_words(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")

    def stage(**fields: object) -> tuple[str, str, float]:
        atelier.server.progress(job, **fields)
        (shown,) = atelier.settle().jobs
        return shown.state, shown.stage, shown.done

    assert stage(stage="waiting", position=2) == ("queued", "Waiting, 2 ahead", -1.0)
    assert stage(stage="waiting") == ("queued", "Waiting", -1.0)
    assert stage(stage="loading") == ("running", "Loading the model", -1.0)
    assert stage(stage="encoding") == ("running", "Reading the picture", -1.0)
    assert stage(stage="sampling", step=3, steps=20) == ("running", "Painting, step 3 of 20", 0.15)
    assert stage(stage="decoding", step=20, steps=20) == ("running", "Finishing the picture", 1.0)
    assert stage(stage="compositing") == ("running", "Fitting it in", -1.0)
    assert stage(stage="saving memory") == ("running", "Saving memory", -1.0)
    assert stage(stage="something of a later version") == ("running", "Painting", -1.0)
    atelier.server.progress(job, remaining_s=4.5, preview=preview(9))
    (shown,) = atelier.settle().jobs
    assert shown.remaining_s == 4.5
    assert shown.preview is not None
    assert shown.preview.pixels == bytes([9]) * 12
    assert stage(stage="decoding")[0] == "running"
    assert atelier.view.jobs[0].preview is not None


def test_long_prompts_make_short_titles(atelier: Atelier) -> None:
    atelier.start(mode="fill", prompt="fox\n " * 100)
    title = atelier.view.jobs[0].title
    assert (len(title), title[:8], title[-1]) == (80, "fox fox ", "…")


def test_a_job_without_words_is_called_by_what_it_does(atelier: Atelier) -> None:
    atelier.start(mode="fill", action="remove")
    assert atelier.view.jobs[0].title == "Remove selection"


def test_what_cannot_be_started_is_said(atelier: Atelier) -> None:
    view = atelier.say(mode="fill", action="add")
    assert (view.can_start, "Write what" in view.why_not) == (False, True)
    atelier.studio.start()
    assert atelier.settle().notice == view.why_not
    atelier.studio.dismiss_notice()
    assert atelier.settle().notice == ""
    atelier.server.up = False
    atelier.tick()
    atelier.say(prompt="a fox")
    atelier.studio.start()
    assert atelier.settle().notice == atelier.view.link.sentence


# ── canvases ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_job_uses_the_same_canvases(atelier: Atelier) -> None:
    atelier.start(mode="fill", prompt="a fox")
    atelier.start(prompt="a hen")
    (session,) = atelier.server.sessions
    assert session.opened == 2


def test_documents_do_not_share_canvases(atelier: Atelier) -> None:
    atelier.start(mode="fill", prompt="a fox")
    atelier.easel.open(OTHER, 96, 80, SELECTION)
    atelier.start(prompt="a hen")
    assert atelier.server.sessions[0].opened == 4


def test_the_oldest_canvases_are_closed_for_the_servers_limit(tmp_path: Path) -> None:
    atelier = Atelier(tmp_path, Server(limits=replace(LIMITS, canvases=3)))
    for number in range(3):
        atelier.easel.open(f"{number:032}", 96, 80 + number, SELECTION)
        if not number:
            atelier.open()
        atelier.start(mode="fill", prompt="a fox")
        assert len(atelier.server.sessions[0].canvases) <= 3
    assert {canvas.height for canvas in atelier.server.sessions[0].canvases.values()} >= {82}
    assert atelier.server.sessions[0].opened == 6


def test_the_oldest_canvases_are_closed_for_their_bytes(tmp_path: Path) -> None:
    atelier = Atelier(tmp_path, Server(limits=replace(LIMITS, canvas_bytes=5 * 96 * 80 + 1000)))
    atelier.easel.open(DOCUMENT, 96, 80, SELECTION)
    atelier.open()
    atelier.start(mode="fill", prompt="a fox")
    atelier.easel.open(OTHER, 96, 80, SELECTION)
    atelier.start()
    assert len(atelier.server.sessions[0].canvases) == 2


# ── cancelling ───────────────────────────────────────────────────────────────────────────────────────────


def test_cancelling_while_capturing(atelier: Atelier) -> None:
    atelier.say(mode="fill", prompt="a fox")
    atelier.easel.held = []
    atelier.studio.start()
    atelier.settle()
    atelier.studio.cancel(atelier.view.jobs[0].job)
    atelier.easel.held[0]()
    assert atelier.settle().jobs == ()
    assert atelier.server.jobs == {}


def test_cancelling_before_the_pictures_are_sent(atelier: Atelier) -> None:
    atelier.say(mode="fill", prompt="a fox")
    atelier.studio.start()
    atelier.settle("send")
    atelier.studio.cancel(atelier.view.jobs[0].job)
    assert atelier.settle().jobs == ()
    assert atelier.server.jobs == {}
    assert atelier.server.sessions[0].opened == 0


@pytest.mark.parametrize("update", [1, 2])
def test_cancelling_between_pictures(atelier: Atelier, update: int) -> None:
    atelier.say(mode="fill", prompt="a fox")
    atelier.studio.start()
    atelier.settle("send")
    job, seen = atelier.view.jobs[0].job, []

    def cancel_now() -> None:
        seen.append(1)
        if len(seen) == update:
            atelier.studio.cancel(job)

    atelier.server.sessions[0].on_update = cancel_now
    assert atelier.settle().jobs == ()
    assert atelier.server.jobs == {}
    assert atelier.server.cancelled == []  # nothing was submitted that had to be
    assert len(seen) == update


def test_cancelling_at_the_very_moment_of_the_submit(atelier: Atelier) -> None:
    """The worker has looked at the flag for the last time; its answer is not here yet."""
    atelier.say(mode="fill", prompt="a fox")
    atelier.studio.start()
    atelier.settle("send")
    atelier.workers["send"].work()
    job = atelier.view.jobs[0].job
    atelier.studio.cancel(job)
    atelier.settle()
    assert atelier.server.cancelled == [job]


def test_cancelling_touches_one_job_only(atelier: Atelier) -> None:
    first = atelier.start(mode="fill", prompt="a fox")
    second = atelier.start(prompt="a hen")
    done = atelier.done(prompt="a cat")
    atelier.studio.cancel(first)
    atelier.studio.cancel(first)
    atelier.studio.cancel(done)
    atelier.studio.cancel("nobody")
    view = atelier.settle()
    assert atelier.server.cancelled == [first]
    assert [job.job for job in view.jobs] == [second]
    assert {take.job for take in view.history} == {done}
    assert atelier.server.forgotten == [first]


def test_cancelling_all_keeps_what_is_done(atelier: Atelier) -> None:
    done = atelier.done(mode="fill", prompt="a fox")
    atelier.start(prompt="a hen")
    atelier.start(prompt="a cat")
    atelier.studio.cancel_all()
    view = atelier.settle()
    assert view.jobs == ()
    assert {take.job for take in view.history} == {done}


def test_a_job_that_was_done_before_its_cancel_came_is_in_the_history(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.server.finish(job)
    atelier.studio.cancel(job)
    view = atelier.settle()
    assert (view.jobs, view.takes) == ((), ())
    assert len(view.history) == 3


def test_a_cancelled_job_that_fails_is_gone(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.studio.cancel(job)
    atelier.server.tell(job, "failed", error=ErrorInfo("internal", "Oh."))
    assert atelier.settle().jobs == ()
    assert atelier.server.forgotten == [job]


def test_news_of_a_cancelled_job_are_no_news(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.studio.cancel(job)
    atelier.server.tell(job, "running")
    atelier.server.progress(job)
    atelier.easel.turn()
    assert atelier.view.jobs == ()


# ── failing ──────────────────────────────────────────────────────────────────────────────────────────────


def fail(atelier: Atelier, job: str) -> View:
    atelier.server.tell(job, "failed", error=ErrorInfo(OutOfMemory.code, "Too little memory."))
    return atelier.settle()


def test_a_failed_job_says_why_until_it_is_dismissed(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.studio.dismiss(job)
    assert states(atelier.settle()) == ["queued"]
    view = fail(atelier, job)
    assert (states(view), view.jobs[0].error) == (["failed"], "Too little memory.")
    atelier.server.tell(job, "done")
    assert states(atelier.settle()) == ["failed"]
    atelier.studio.dismiss(job)
    atelier.studio.dismiss(job)
    assert atelier.settle().jobs == ()
    assert atelier.server.forgotten == [job]


def test_a_failure_without_a_word_is_one_too(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.server.tell(job, "failed")
    assert states(atelier.settle()) == ["failed"]


def test_a_retry_sends_the_same_pixels_with_the_same_seed(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    before = atelier.server.jobs[job]
    fail(atelier, job)
    atelier.easel.document.colour = b"\0\0\0\xff"
    atelier.studio.retry(job)
    view = atelier.settle()
    (again,) = atelier.server.jobs
    after = atelier.server.jobs[again]
    assert again != job
    assert after.pixels == before.pixels
    assert after.generate.seed == before.generate.seed
    assert [shown.job for shown in view.jobs] == [again]
    assert len(atelier.easel.captures) == 1
    atelier.studio.retry(again)
    atelier.studio.retry("nobody")
    assert len(atelier.settle().jobs) == 1


def fail_late(atelier: Atelier) -> str:
    """A job that has finished two of its three takes."""
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.server.paint(job, 2)
    atelier.settle()
    atelier.studio.apply()
    atelier.settle()
    fail(atelier, job)
    return job


def test_a_job_that_fails_late_says_why_and_keeps_its_takes(atelier: Atelier) -> None:
    job = fail_late(atelier)
    view = atelier.view
    assert (states(view), view.jobs[0].error) == (["failed"], "Too little memory.")
    assert (len(view.takes), len(view.history)) == (2, 2)
    view = reborn(atelier).open()
    assert (states(view), len(view.history)) == (["failed"], 2), "nobody has read it yet"
    atelier.server.sessions[0].closed = False
    atelier.studio.dismiss(job)
    view = atelier.settle()
    assert (view.jobs, len(view.takes)) == ((), 2)
    view = reborn(atelier).open()
    assert (view.jobs, [take.applied for take in view.history]) == ((), [True, False])
    assert atelier.server.forgotten == []


def test_a_retry_leaves_the_takes_of_the_failed_job(atelier: Atelier) -> None:
    job = fail_late(atelier)
    atelier.studio.retry(job)
    view = atelier.settle()
    (again,) = set(atelier.server.jobs) - {job}
    assert ([shown.job for shown in view.jobs], len(view.history)) == ([again], 2)
    note = read_note(atelier.server.jobs[again].note)
    assert note is not None
    assert (note.applied, note.dismissed) == ((), False)


def test_what_is_painted_again_from_a_dismissed_job_starts_undismissed(atelier: Atelier) -> None:
    job = fail_late(atelier)
    atelier.studio.dismiss(job)
    atelier.settle()
    atelier.studio.apply()
    atelier.settle()
    atelier.studio.paint_again()
    atelier.settle()
    (again,) = set(atelier.server.jobs) - {job}
    note = read_note(atelier.server.jobs[again].note)
    assert note is not None
    assert (note.applied, note.dismissed) == ((), False)


def test_a_cancelled_job_that_fails_late_keeps_its_takes(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.server.paint(job, 1)
    atelier.settle()
    atelier.studio.cancel(job)
    atelier.server.tell(job, "failed", error=ErrorInfo("internal", "Oh."))
    view = atelier.settle()
    assert (view.jobs, len(view.history)) == ((), 1)
    assert atelier.server.forgotten == []


def test_takes_of_a_job_that_the_server_knows_no_more_are_gone(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.server.paint(job, 1)
    atelier.settle()
    atelier.server.up = False
    atelier.tick()
    atelier.server.jobs.clear()
    atelier.server.up = True
    view = atelier.tick()
    assert (states(view), view.takes, view.history) == (["failed"], (), ())


def test_a_job_that_has_to_start_again_shows_the_takes_it_had(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.server.paint(job, 2)
    atelier.settle()
    atelier.studio.step(1)
    atelier.server.tell(job, "queued")
    view = atelier.settle()
    assert (states(view), len(view.takes), view.shown) == (["queued"], 2, 1)
    atelier.server.finish(job)
    view = atelier.settle()
    assert (view.jobs, len(view.takes), view.shown) == ((), 3, 1)


def test_a_document_closed_while_it_is_captured(atelier: Atelier) -> None:
    atelier.say(mode="fill", prompt="a fox")
    atelier.easel.held = []
    atelier.studio.start()
    atelier.easel.close(DOCUMENT)
    atelier.easel.held[0]()
    view = atelier.settle()
    assert (states(view), view.jobs[0].error) == (["failed"], "The document was closed.")
    atelier.easel.open(DOCUMENT, 96, 80, SELECTION)
    atelier.easel.held = None
    atelier.studio.retry(view.jobs[0].job)
    assert states(atelier.settle()) == ["queued"]


def test_a_capture_that_fails_after_the_cancel_says_nothing(atelier: Atelier) -> None:
    atelier.say(mode="fill", prompt="a fox")
    atelier.easel.held = []
    atelier.studio.start()
    atelier.settle()
    atelier.studio.cancel(atelier.view.jobs[0].job)
    atelier.easel.close(DOCUMENT)
    atelier.easel.held[0]()
    assert atelier.settle().jobs == ()


def test_what_the_server_refuses_is_found_out(atelier: Atelier) -> None:
    atelier.server.refuse = BadImage("The mask is empty.")
    atelier.say(mode="fill", prompt="a fox")
    atelier.studio.start()
    assert states(atelier.settle()) == ["sending"]
    view = atelier.tick()
    assert (states(view), view.jobs[0].error) == (["failed"], "The mask is empty.")


def test_asking_for_refusals_goes_on_until_there_is_an_answer(atelier: Atelier) -> None:
    atelier.server.refuse = BadImage("The mask is empty.")
    atelier.say(mode="fill", prompt="a fox")
    atelier.studio.start()
    atelier.settle()
    atelier.server.refused.clear()
    assert states(atelier.tick()) == ["sending"]
    atelier.studio.poll()
    atelier.studio.poll()
    assert len(atelier.workers["fetch"].errands) == 1
    atelier.studio.cancel(atelier.view.jobs[0].job)
    atelier.server.refused.update({job: BadImage("No.") for job in ("x", atelier.view.jobs[0].job)})
    assert atelier.settle().jobs == ()


def test_a_defect_while_sending_fails_the_job(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a slip of ours")

    monkeypatch.setattr("tests.studio.fakes.Session.submit", broken)
    atelier.say(mode="fill", prompt="a fox")
    atelier.studio.start()
    (job,) = atelier.settle().jobs
    assert (job.state, "slip" in job.error) == ("failed", False)


def test_a_defect_while_asking_is_no_standstill(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a slip of ours")

    atelier.server.refuse = BadImage("The mask is empty.")
    monkeypatch.setattr("tests.studio.fakes.Session.record", broken)
    atelier.say(mode="fill", prompt="a fox")
    atelier.studio.start()
    atelier.settle()
    assert states(atelier.tick()) == ["sending"]
    monkeypatch.undo()
    assert states(atelier.tick()) == ["failed"]


# ── the connection is lost ───────────────────────────────────────────────────────────────────────────────


def test_a_lost_server_loses_nothing(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.server.up = False
    view = atelier.tick()
    assert (states(view), view.can_start) == (["queued"], False)
    atelier.server.finish(job)  # nobody hears it
    atelier.server.up = True
    view = atelier.tick()
    assert len(view.takes) == 3


def test_what_was_not_accepted_is_sent_on_the_next_session(atelier: Atelier) -> None:
    atelier.say(mode="fill", prompt="a fox")
    atelier.studio.start()
    atelier.settle("send")
    first = atelier.server.sessions[0]
    first.fatal = Unauthorized("Another token.")
    atelier.tick(1.0, "send")
    assert atelier.view.link.state == "trouble"
    atelier.workers["send"].errands.clear()  # the thread that hung in the lost session
    view = atelier.tick(5.0)
    assert states(view) == ["queued"]
    assert len(atelier.server.sessions[1].canvases) == 2


def test_an_errand_of_a_lost_session_fails_no_job(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    from impasto_protocol.errors import ServerUnreachable

    def unreachable(*_: object) -> None:
        raise ServerUnreachable("Gone.")

    atelier.say(mode="fill", prompt="a fox")
    atelier.studio.start()
    atelier.settle("send")
    atelier.server.sessions[0].fatal = Unauthorized("Another token.")
    atelier.tick(1.0, "send")
    monkeypatch.setattr("tests.studio.fakes.Session.canvas", unreachable)
    assert states(atelier.settle()) == ["sending"]
    monkeypatch.undo()
    assert states(atelier.tick(5.0)) == ["queued"]


def test_what_was_captured_without_a_session_waits_for_one(atelier: Atelier) -> None:
    atelier.say(mode="fill", prompt="a fox")
    atelier.easel.held = []
    atelier.studio.start()
    atelier.server.sessions[0].fatal = Unauthorized("Another token.")
    atelier.tick()
    for read in atelier.easel.held:
        read()
    assert states(atelier.settle()) == ["sending"]
    assert states(atelier.tick(5.0)) == ["queued"]


def test_cancelling_without_a_session(atelier: Atelier) -> None:
    accepted = atelier.start(mode="fill", prompt="a fox")
    atelier.easel.held = []
    atelier.studio.start()
    atelier.server.sessions[0].fatal = Unauthorized("Another token.")
    atelier.tick()
    atelier.easel.held[0]()
    assert states(atelier.settle()) == ["queued", "sending"]
    atelier.studio.cancel_all()
    assert atelier.settle().jobs == ()
    atelier.tick(5.0)
    assert atelier.server.cancelled == [accepted]
    assert set(atelier.server.jobs) == set()


def test_the_next_session_is_not_asked_to_cancel_what_it_never_got(atelier: Atelier) -> None:
    atelier.server.refuse = BadImage("The mask is empty.")  # so that it is not accepted …
    atelier.say(mode="fill", prompt="a fox")
    atelier.studio.start()
    atelier.settle()
    atelier.server.refused.clear()  # … but nobody hears of it
    atelier.server.sessions[0].fatal = Unauthorized("Another token.")
    atelier.tick()
    atelier.tick(5.0, "send")
    atelier.studio.cancel_all()
    assert atelier.settle().jobs == ()
    assert atelier.server.cancelled == []


def test_a_server_that_knows_a_job_no_more(atelier: Atelier) -> None:
    running = atelier.start(mode="fill", prompt="a fox")
    cancelled = atelier.start(prompt="a cat")
    atelier.done(prompt="a hen")
    atelier.server.up = False
    atelier.tick()
    atelier.studio.cancel(cancelled)
    atelier.settle()
    atelier.server.jobs.clear()
    atelier.server.up = True
    view = atelier.tick()
    assert [(job.job, job.state) for job in view.jobs] == [(running, "failed")]
    assert "does not know this job" in view.jobs[0].error
    assert view.history == ()


def test_news_that_come_before_the_list_are_not_lost(atelier: Atelier) -> None:
    """Another program of this client started it; it ends while the list is on its way."""
    job = atelier.start(mode="fill", prompt="a fox")
    second = Atelier(Path("/nowhere"), atelier.server, Easel())
    second.easel.open(DOCUMENT, 96, 80)
    second.studio.open()
    second.settle("fetch")
    second.workers["fetch"].work()  # the list says queued, and is not here yet
    atelier.server.finish(job)
    second.easel._soon.put(second.easel._soon.get())  # the news come first
    assert len(second.settle().history) == 3
    assert second.view.jobs == ()


def test_a_list_that_does_not_come_is_asked_for_again(
    atelier: Atelier, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = atelier.done(mode="fill", prompt="a fox")
    second = Atelier(Path("/nowhere"), atelier.server)
    second.easel.open(DOCUMENT, 96, 80)

    def silent(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("tests.studio.fakes.Session.jobs", silent)
    assert second.open().history == ()
    monkeypatch.undo()
    assert {take.job for take in second.tick().history} == {job}


# ── another life ─────────────────────────────────────────────────────────────────────────────────────────


def reborn(atelier: Atelier) -> Atelier:
    """The host was killed and started again, with the same document."""
    easel = Easel()
    easel.documents, easel.active, easel.settings = (
        atelier.easel.documents,
        atelier.easel.active,
        atelier.easel.settings,
    )
    for session in atelier.server.sessions:
        session.closed = True
    return Atelier(Path("/nowhere"), atelier.server, easel)


def test_a_killed_host_finds_its_jobs_and_its_history(atelier: Atelier) -> None:
    done = atelier.done(mode="fill", prompt="a fox")
    running = atelier.start(prompt="a hen")
    failed = atelier.start(prompt="a cat")
    fail(atelier, failed)
    gone = atelier.start(prompt="a cow")
    atelier.server.jobs[gone].state = "cancelled"
    foreign = atelier.start(prompt="an owl")
    atelier.server.jobs[foreign].note = "of another program"
    after = reborn(atelier)
    view = after.open()
    assert [(job.job, job.state, job.title) for job in view.jobs] == [
        (running, "queued", "a hen"),
        (failed, "failed", "a cat"),
    ]
    assert [(take.job, take.index) for take in view.history] == [(done, 0), (done, 1), (done, 2)]
    assert view.takes == ()
    after.studio.retry(failed)
    assert "not kept" in after.settle().notice
    after.server.finish(running)
    view = after.settle()
    assert {take.job for take in view.takes} == {running}


def test_progress_of_an_earlier_life_is_shown(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    after = reborn(atelier)
    after.open()
    for session in after.server.sessions:
        session.listener(JobProgress(job, "sampling", 1, 2, preview=preview(1)))
    (shown,) = after.settle().jobs
    assert (shown.done, after.easel.shown) == (0.5, None)


def test_the_note_has_what_is_needed_to_place_the_takes(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", action="expand")
    note = read_note(atelier.server.jobs[job].note)
    assert note is not None
    assert (note.document, note.box, note.size) == (DOCUMENT, Box(-24, -20, 144, 120), (96, 80))
    assert (note.resize, note.intent.action) == (note.box, "expand")


def test_what_was_forgotten_without_a_server_does_not_come_back(atelier: Atelier) -> None:
    job = atelier.done(mode="fill", prompt="a fox")
    atelier.server.up = False
    atelier.tick()
    atelier.studio.discard(job)
    assert atelier.settle().history == ()
    assert atelier.server.forgotten == []
    atelier.server.up = True
    assert atelier.tick().history == ()
    assert (atelier.server.forgotten, atelier.server.jobs) == ([job], {})


def test_what_is_being_forgotten_is_not_listed(atelier: Atelier) -> None:
    """The list was made before the server heard of it."""
    job = atelier.done(mode="fill", prompt="a fox")
    atelier.server.up = False
    atelier.tick()
    atelier.server.up = True
    atelier.tick(1.0, "fetch")
    atelier.workers["fetch"].work()  # the list
    atelier.studio.discard(job)
    assert atelier.settle().history == ()


def test_closing_says_goodbye_after_what_was_begun(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.studio.cancel(job)
    atelier.studio.close()
    atelier.studio.close()
    atelier.studio.poll()
    atelier.settle()
    assert atelier.server.cancelled == [job]
    assert atelier.server.sessions[0].closed
    atelier.server.sessions[0].listener(JobProgress(job, "sampling"))
    atelier.settle()


def test_sixteen_bit_previews_do_not_exist_and_empty_ones_do_no_harm(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.server.progress(job, preview=replace(preview(1), data=None))
    assert atelier.settle().jobs[0].preview is None
    assert preview(1).format is PixelFormat.RGB8


def test_a_job_is_forgotten_once(atelier: Atelier) -> None:
    job = atelier.done(mode="fill", prompt="a fox")
    desk = atelier.studio._desk
    note = desk.works[job].note
    desk.forget(job)
    desk.forget(job)
    desk.annotate(job, replace(note, favourites=(1,)))
    atelier.settle()
    assert atelier.server.forgotten == [job]


def test_a_note_that_is_the_same_is_not_told(atelier: Atelier) -> None:
    job = atelier.done(mode="fill", prompt="a fox")
    atelier.studio.favourite(job, 0, False)
    assert atelier.workers["fetch"].errands == []


def test_a_job_at_work_goes_on_with_the_next_session(atelier: Atelier) -> None:
    job = atelier.start(mode="fill", prompt="a fox")
    atelier.server.sessions[0].fatal = Unauthorized("Another token.")
    atelier.tick()
    assert states(atelier.tick(5.0)) == ["queued"]
    assert set(atelier.server.jobs) == {job}
    atelier.server.finish(job)
    assert len(atelier.settle().takes) == 3


def test_a_studio_takes_every_command(atelier: Atelier) -> None:
    commands: Commands = atelier.studio
    names = [name for name in vars(Commands) if not name.startswith("_")]
    assert all(callable(getattr(commands, name)) for name in names)
    assert {"start", "apply", "look_at"} <= {*names}


def test_news_of_strangers_are_no_news(atelier: Atelier) -> None:
    atelier.server.jobs["s" * 32] = ServedJob(GenerateRequest("x"), "", 1.0, {})
    atelier.server.tell("s" * 32, "running")
    atelier.server.progress("s" * 32)
    assert atelier.settle().jobs == ()
