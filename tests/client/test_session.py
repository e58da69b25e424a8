"""The client loses nothing, whatever happens to the connection."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from impasto_client import canvas as canvas_module
from impasto_client import connection as connection_module
from impasto_client.session import Session
from impasto_protocol.errors import (
    BadValue,
    ImageTooLarge,
    MalformedFrame,
    OutOfMemory,
    ServerUnreachable,
    StaleCanvas,
    Unauthorized,
    UnknownJob,
    UnknownModel,
)
from impasto_protocol.messages import (
    Annotate,
    Cancel,
    CanvasRows,
    CanvasStale,
    CanvasTiles,
    Control,
    ErrorInfo,
    FetchThumbnail,
    Forget,
    GenerateRequest,
    Hello,
    JobChanged,
    JobList,
    JobProgress,
    JobSummary,
    ListModels,
    OpenCanvas,
    Pixels,
    Problem,
    Release,
    Submit,
    ThumbnailPixels,
)
from impasto_protocol.rasters import PixelFormat, raster_size

from tests.client import scripted
from tests.client.scripted import MODEL, ScriptedServer, Talk

Connect = Callable[..., Session]
SIZE = (200, 150)


def picture(seed: int, format: PixelFormat = PixelFormat.RGBA8) -> bytes:
    return random.Random(seed).randbytes(raster_size(*SIZE, format))


def stroke(pixels: bytes, at: int) -> bytes:
    changed = bytearray(pixels)
    changed[at : at + 40] = bytes(255 - b for b in changed[at : at + 40])
    return bytes(changed)


# ── canvases ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_server_has_the_picture_byte_for_byte(server: ScriptedServer, connect: Connect) -> None:
    canvas = connect(server).canvas(*SIZE, PixelFormat.RGBA8)
    canvas.update(picture(1))
    assert canvas.read_back() == picture(1)


def test_a_stroke_sends_its_tile_and_nothing_else(server: ScriptedServer, connect: Connect) -> None:
    canvas = connect(server).canvas(*SIZE, PixelFormat.RGBA8)
    canvas.update(picture(1))
    drawn = stroke(picture(1), 70 * 4)
    canvas.update(drawn)
    assert canvas.read_back() == drawn
    (update,) = server.of(CanvasTiles)
    assert update.tiles == (1,)
    assert len(server.of(OpenCanvas)) == 1


def test_an_unchanged_picture_is_not_sent_again(server: ScriptedServer, connect: Connect) -> None:
    canvas = connect(server).canvas(*SIZE, PixelFormat.RGBA8)
    canvas.update(picture(1))
    canvas.update(bytearray(picture(1)))
    canvas.acknowledged()
    assert len(server.of(CanvasRows)) == 1
    assert server.of(CanvasTiles) == []


def test_a_picture_of_another_size_is_refused(server: ScriptedServer, connect: Connect) -> None:
    canvas = connect(server).canvas(*SIZE, PixelFormat.RGBA8)
    with pytest.raises(ValueError, match="200×150"):
        canvas.update(b"\0")


def test_large_pictures_go_in_bands(
    server: ScriptedServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas_module, "BAND_BYTES", 800 * 60)
    canvas = connect(server).canvas(*SIZE, PixelFormat.RGBA8)
    canvas.update(picture(1))
    assert canvas.read_back() == picture(1)
    assert [(m.y, m.pixels.height) for m in server.of(CanvasRows)] == [(0, 60), (60, 60), (120, 30)]


def test_a_stale_canvas_is_sent_whole_again(server: ScriptedServer, connect: Connect) -> None:
    lost = []

    def lose_first(talk: Talk, message: CanvasTiles) -> None:
        if lost:
            scripted.tiles(talk, message)
        else:
            lost.append(message)

    server.on[CanvasTiles] = lose_first
    canvas = connect(server).canvas(*SIZE, PixelFormat.RGBA8)
    canvas.update(picture(1))
    first = stroke(picture(1), 0)
    second = stroke(first, 500)
    canvas.update(first)  # lost
    canvas.update(second)  # the server notices the gap
    server.wait_for(lambda: len(server.heard) >= 5)
    canvas._session.wait_until(lambda: canvas._stale, 5)
    third = stroke(second, 900)
    canvas.update(third)
    assert canvas.read_back() == third
    assert len(server.of(OpenCanvas)) == 2


def test_what_the_server_says_against_a_canvas_is_raised(server: ScriptedServer, connect: Connect) -> None:
    server.on[OpenCanvas] = lambda talk, message: talk.send(
        Problem("image_too_large", "Too large.", canvas=message.canvas)
    )
    server.on[CanvasRows] = lambda talk, message: None
    canvas = connect(server).canvas(*SIZE, PixelFormat.RGBA8)
    canvas.update(picture(1))
    with pytest.raises(ImageTooLarge, match="Too large"):
        canvas.acknowledged()
    with pytest.raises(ImageTooLarge):
        canvas.update(picture(2))


@pytest.mark.parametrize("format", list(PixelFormat))
def test_shared_memory_carries_pixels_both_ways(
    sharing_server: ScriptedServer, connect: Connect, format: PixelFormat
) -> None:
    canvas = connect(sharing_server).canvas(*SIZE, format)
    first = picture(1, format)
    canvas.update(first)
    drawn = stroke(first, 10)
    canvas.update(drawn)
    assert canvas.read_back() == drawn
    uploads = sharing_server.of(CanvasRows)
    assert [message.pixels.data for message in uploads] == [None, None]
    assert uploads[1].pixels.height == 1  # only the rows that differ
    sharing_server.wait_for(lambda: len(sharing_server.of(Release)) == 2)  # the probe, and what was read back


@pytest.mark.parametrize("fixture", ["server", "sharing_server"])
def test_a_picture_is_read_into_memory_the_program_has(
    request: pytest.FixtureRequest, connect: Connect, fixture: str
) -> None:
    canvas = connect(request.getfixturevalue(fixture)).canvas(*SIZE, PixelFormat.RGBA8)
    drawn = picture(3, PixelFormat.RGBA8)
    canvas.update(drawn)
    target = bytearray(len(drawn))
    canvas.read_into(memoryview(target))
    assert target == drawn
    for wrong in (memoryview(drawn), memoryview(bytearray(len(drawn) - 1))):
        with pytest.raises(ValueError, match="cannot take"):
            canvas.read_into(wrong)


def test_segments_are_used_again_and_gone_in_the_end(
    sharing_server: ScriptedServer, connect: Connect
) -> None:
    session = connect(sharing_server)
    canvas = session.canvas(*SIZE, PixelFormat.RGBA8)
    for seed in range(20):
        canvas.update(picture(seed))
        canvas.acknowledged()
    assert sharing_server.shared_folder is not None
    held = list(sharing_server.shared_folder.iterdir())
    assert len(held) <= 3, "the probe and at most two segments"
    session.close()
    sharing_server.close()
    assert list(sharing_server.shared_folder.iterdir()) == []


def test_a_client_on_another_host_sends_pixels_in_the_frame(
    sharing_server: ScriptedServer, connect: Connect
) -> None:
    folder = sharing_server.shared_folder
    assert folder is not None

    def hide_probe(talk: Talk, hello: Hello) -> None:
        scripted.welcome(talk, hello)

    def welcome_elsewhere(talk: Talk, hello: Hello) -> None:
        folder.chmod(0o755)  # to the client it is not a private folder of its user
        hide_probe(talk, hello)

    sharing_server.on[Hello] = welcome_elsewhere
    canvas = connect(sharing_server).canvas(*SIZE, PixelFormat.RGBA8)
    canvas.update(picture(1))
    canvas.acknowledged()
    assert sharing_server.of(CanvasRows)[0].pixels.shared is None


# ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_gives_its_layers(server: ScriptedServer, connect: Connect) -> None:
    session = connect(server)
    canvas = session.canvas(*SIZE, PixelFormat.RGBA8)
    ref = canvas.update(picture(3))
    (layer,) = session.submit(GenerateRequest("a boat", image=ref)).wait(10)
    assert layer.pixels == picture(3)
    assert (layer.info.width, layer.info.height) == SIZE


def test_progress_comes_on_the_waiting_thread(server: ScriptedServer, connect: Connect) -> None:
    def slowly(talk: Talk, message: Submit) -> None:
        talk.send(JobProgress(message.job, "sampling", 1, 4))
        server.wait_for(lambda: bool(shown))
        scripted.finish(talk, message)

    shown: list[tuple[int, threading.Thread]] = []

    def on_progress(progress: JobProgress) -> None:
        with server.changed:
            shown.append((progress.step, threading.current_thread()))
            server.changed.notify_all()

    server.on[Submit] = slowly
    layers = connect(server).submit(GenerateRequest("x")).wait(10, on_progress)
    assert len(layers) == 1
    assert shown == [(1, threading.current_thread())]


def test_a_failed_job_raises_what_the_server_said(server: ScriptedServer, connect: Connect) -> None:
    server.on[Submit] = lambda talk, message: talk.send(
        JobChanged(1, message.job, "failed", error=ErrorInfo("out_of_memory", "Choose a smaller size."))
    )
    with pytest.raises(OutOfMemory, match="smaller size"):
        connect(server).submit(GenerateRequest("x")).wait(10)


def test_a_refused_job_raises_and_is_not_submitted_again(server: ScriptedServer, connect: Connect) -> None:
    server.on[Submit] = lambda talk, message: talk.send(
        Problem("unknown_model", "There is no such model.", job=message.job)
    )
    session = connect(server)
    job = session.submit(GenerateRequest("x", model="none"))
    with pytest.raises(UnknownModel):
        job.wait(10)
    server.talks[0].cut()
    assert session.models(10) == [MODEL]  # on a new connection
    assert len(server.of(Submit)) == 1


def test_a_cancelled_job_has_no_layers(server: ScriptedServer, connect: Connect) -> None:
    server.on[Submit] = lambda talk, message: talk.send(JobChanged(1, message.job, "queued"))
    server.on[Cancel] = lambda talk, message: talk.send(JobChanged(2, message.job, "cancelled"))
    job = connect(server).submit(GenerateRequest("x"))
    job.cancel()
    assert job.wait(10) == []
    assert job.state == "cancelled"


def test_waiting_ends_at_its_time(server: ScriptedServer, connect: Connect) -> None:
    server.on[Submit] = lambda talk, message: talk.send(JobChanged(1, message.job, "queued"))
    with pytest.raises(TimeoutError):
        connect(server).submit(GenerateRequest("x")).wait(0.05)


def test_forget_reaches_the_server(server: ScriptedServer, connect: Connect) -> None:
    job = connect(server).submit(GenerateRequest("x"))
    job.wait(10)
    job.forget()
    server.wait_for(lambda: any(isinstance(m, Forget) and m.job == job.id for m in server.heard))


def test_cancelling_an_unknown_job_tells_who_waits(server: ScriptedServer, connect: Connect) -> None:
    server.on[Cancel] = lambda talk, message: talk.send(
        Problem("unknown_job", "No such job.", job=message.job)
    )
    job = connect(server).job("e" * 32)
    job.cancel()
    with pytest.raises(UnknownJob):
        job.wait(10)


def test_only_the_newest_picture_can_be_submitted(server: ScriptedServer, connect: Connect) -> None:
    session = connect(server)
    canvas = session.canvas(*SIZE, PixelFormat.RGBA8)
    old = canvas.update(picture(1))
    canvas.update(picture(2))
    with pytest.raises(StaleCanvas):
        session.submit(GenerateRequest("x", image=old))


def test_text_that_cannot_be_sent_is_refused_at_wait(server: ScriptedServer, connect: Connect) -> None:
    with pytest.raises(BadValue):
        connect(server).submit(GenerateRequest("half a character: \ud800")).wait(10)


# ── when the connection breaks ───────────────────────────────────────────────────────────────────────────


def test_a_job_whose_acknowledgement_was_lost_is_submitted_again_with_its_picture(
    server: ScriptedServer, connect: Connect
) -> None:
    submits: list[Submit] = []

    def die_once(talk: Talk, message: Submit) -> None:
        submits.append(message)
        if len(submits) == 1:
            talk.cut()
        else:
            scripted.finish(talk, message)

    server.on[Submit] = die_once
    session = connect(server)
    canvas = session.canvas(*SIZE, PixelFormat.RGBA8)
    ref = canvas.update(picture(5))
    job = session.submit(GenerateRequest("x", image=ref))
    assert job.wait(10)[0].pixels == picture(5)
    assert {message.job for message in submits} == {job.id}


def test_control_images_are_sent_again_with_their_job(server: ScriptedServer, connect: Connect) -> None:
    submits: list[tuple[Submit, list[bytes]]] = []

    def die_once(talk: Talk, message: Submit) -> None:
        seen = [bytes(talk.canvases[ref.canvas].pixels) for ref in message.generate.pictures.values()]
        submits.append((message, seen))
        if len(submits) == 1:
            talk.cut()
        else:
            scripted.finish(talk, message)

    server.on[Submit] = die_once
    session = connect(server)
    image, sketch = (session.canvas(*SIZE, PixelFormat.RGBA8) for _ in range(2))
    scribble = Control("scribble", sketch.update(picture(6)), 0.5)
    controls = (scribble, Control("depth", scribble.image))
    session.submit(GenerateRequest("x", image=image.update(picture(5)), controls=controls)).wait(10)
    assert len(submits) == 2
    for message, seen in submits:
        assert seen == [picture(5), picture(6), picture(6)]
        assert [one.kind for one in message.generate.controls] == ["scribble", "depth"]
        assert message.generate.controls[0].strength == 0.5


def test_the_submitted_picture_is_sent_again_even_if_the_artist_has_painted_on(
    server: ScriptedServer, connect: Connect
) -> None:
    held: list[Talk] = []

    def die_once(talk: Talk, message: Submit) -> None:
        if held:
            scripted.finish(talk, message)
        held.append(talk)

    server.on[Submit] = die_once
    session = connect(server)
    canvas = session.canvas(*SIZE, PixelFormat.RGBA8)
    job = session.submit(GenerateRequest("x", image=canvas.update(picture(5))))
    server.wait_for(lambda: bool(held))
    canvas.update(picture(6))
    held[0].cut()
    assert job.wait(10)[0].pixels == picture(5)
    canvas.update(picture(7))
    assert canvas.read_back() == picture(7)


def test_after_a_break_the_server_is_asked_for_what_was_missed(
    server: ScriptedServer, connect: Connect
) -> None:
    session = connect(server)
    job = session.submit(GenerateRequest("x"))
    job.wait(10)
    assert session.last_event == 2
    server.talks[0].cut()
    session.models(10)
    assert [hello.last_event for hello in server.of(Hello)] == [0, 2]


def test_a_result_that_came_while_away_is_delivered(server: ScriptedServer, connect: Connect) -> None:
    def accept(talk: Talk, message: Submit) -> None:
        talk.send(JobChanged(1, message.job, "running"))

    server.on[Submit] = accept
    session = connect(server)
    job = session.submit(GenerateRequest("x"))
    session.wait_until(lambda: job.id not in session._unaccepted, 5)

    def welcome_and_tell(talk: Talk, hello: Hello) -> None:
        scripted.welcome(talk, hello)
        scripted.finish(talk, Submit(job.id, GenerateRequest("x")))

    server.on[Hello] = welcome_and_tell
    server.talks[0].cut()
    assert len(job.wait(10)) == 1
    assert len(server.of(Submit)) == 1, "an accepted job is not submitted again"


def test_a_cancel_that_may_have_been_lost_is_said_again(server: ScriptedServer, connect: Connect) -> None:
    seen: list[Cancel] = []

    def die_once(talk: Talk, message: Cancel) -> None:
        seen.append(message)
        if len(seen) == 1:
            talk.cut()
        else:
            talk.send(JobChanged(2, message.job, "cancelled"))

    server.on[Submit] = lambda talk, message: talk.send(JobChanged(1, message.job, "running"))
    server.on[Cancel] = die_once
    job = connect(server).submit(GenerateRequest("x"))
    job.cancel()
    assert job.wait(10) == []


def test_a_question_is_asked_again_on_the_next_connection(server: ScriptedServer, connect: Connect) -> None:
    def die_once(talk: Talk, message: ListModels) -> None:
        del server.on[ListModels]
        talk.cut()

    server.on[ListModels] = die_once
    assert connect(server).models(10) == [MODEL]


def test_a_server_that_dies_within_a_frame_is_found_again(server: ScriptedServer, connect: Connect) -> None:
    def half(talk: Talk, message: Any) -> None:
        del server.on[scripted.ReadCanvas]
        sent: list[bytes] = []
        talk.send_raw = sent.append  # type: ignore[method-assign]
        scripted.read_canvas(talk, message)
        whole = b"".join(sent)
        talk.socket.sendall(whole[: len(whole) // 2])
        talk.cut()

    server.on[scripted.ReadCanvas] = half
    session = connect(server)
    canvas = session.canvas(*SIZE, PixelFormat.RGBA8)
    canvas.update(picture(1))
    server.wait_for(lambda: bool(server.of(CanvasRows)))
    assert canvas.read_back() == picture(1), "sent again on the new connection, then read"
    assert len(server.of(Hello)) == 2


def test_frames_that_come_byte_by_byte_are_understood(server: ScriptedServer, connect: Connect) -> None:
    def slowly(talk: Talk, message: ListModels) -> None:
        for byte in talk.frame(scripted.ModelList(message.request, (MODEL,))):
            talk.socket.sendall(bytes((byte,)))

    server.on[ListModels] = slowly
    assert connect(server).models(10) == [MODEL]


def test_a_silent_server_is_given_up_and_tried_again(
    server: ScriptedServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "TICK_S", 0.02)
    monkeypatch.setattr(connection_module, "PING_AFTER_S", 0.05)
    monkeypatch.setattr(connection_module, "SILENCE_S", 0.2)
    frozen = threading.Event()
    ping = Talk._event

    def freeze(talk: Talk, event: Any) -> None:
        if talk is server.talks[0] and isinstance(event, scripted.Ping):
            frozen.wait(5)
        else:
            ping(talk, event)

    monkeypatch.setattr(Talk, "_event", freeze)
    session = connect(server)
    try:
        server.wait_for(lambda: len(server.of(Hello)) == 2)
        assert session.models(10) == [MODEL]
    finally:
        frozen.set()


def test_pings_keep_a_quiet_connection_open(
    server: ScriptedServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "TICK_S", 0.02)
    monkeypatch.setattr(connection_module, "PING_AFTER_S", 0.04)
    monkeypatch.setattr(connection_module, "SILENCE_S", 0.3)
    session = connect(server)
    with pytest.raises(TimeoutError):
        session.wait_until(lambda: not session.connected, 0.8)
    assert len(server.of(Hello)) == 1


def test_a_wrong_token_ends_the_session_with_a_sentence(server: ScriptedServer, connect: Connect) -> None:
    server.token = "6" * 64
    address = server.address
    server.token = "7" * 64
    with pytest.raises(Unauthorized, match="token"):
        Session.connect(client_id="c" * 32, address=address)


def test_a_token_that_changes_under_way_is_told_to_who_waits(
    server: ScriptedServer, connect: Connect
) -> None:
    server.on[Submit] = lambda talk, message: talk.send(JobChanged(1, message.job, "queued"))
    session = Session.connect(client_id="c" * 32, address=server.address)
    job = session.submit(GenerateRequest("x"))
    server.wait_for(lambda: bool(server.of(Submit)))
    server.token = "8" * 64
    server.talks[0].cut()
    with pytest.raises(Unauthorized):
        job.wait(10)
    session.close()


def test_no_server_is_one_clear_sentence(server: ScriptedServer) -> None:
    address = server.address
    server.close()
    with pytest.raises(ServerUnreachable, match="impasto serve"):
        Session.connect(client_id="c" * 32, address=address)


def test_closing_says_goodbye(server: ScriptedServer, connect: Connect) -> None:
    connect(server).close()
    server.talks[0]  # the connection that was
    for thread in server._threads:
        thread.join(5)
    assert server.goodbyes == 1


def test_a_listener_hears_of_jobs_in_order(server: ScriptedServer, connect: Connect) -> None:
    heard: list[str] = []
    session = connect(server, listener=lambda message: heard.append(getattr(message, "state", "progress")))
    session.submit(GenerateRequest("x")).wait(10)
    assert heard == ["queued", "done"]


def test_a_stale_submit_is_mended_by_itself(server: ScriptedServer, connect: Connect) -> None:
    refused: list[Submit] = []

    def stale_once(talk: Talk, message: Submit) -> None:
        if refused:
            scripted.finish(talk, message)
            return
        refused.append(message)
        ref = message.generate.image
        assert isinstance(ref, scripted.CanvasRef)
        talk.send(CanvasStale(ref.canvas, 0))
        talk.send(Problem("stale_canvas", "Send it again.", job=message.job))

    server.on[Submit] = stale_once
    session = connect(server)
    canvas = session.canvas(*SIZE, PixelFormat.RGBA8)
    job = session.submit(GenerateRequest("x", image=canvas.update(picture(9))))
    assert job.wait(10)[0].pixels == picture(9)
    assert len(server.of(OpenCanvas)) == 2


# ── notes and thumbnails ─────────────────────────────────────────────────────────────────────────────────


def annotated(talk: Talk, message: Annotate) -> None:
    talk.send(JobList(message.request, (JobSummary(message.job, "done", "", 0.0, note=message.note),)))


def test_a_note_goes_with_the_submit_also_after_reconnecting(
    server: ScriptedServer, connect: Connect
) -> None:
    talks = []

    def lose_first(talk: Talk, message: Submit) -> None:
        talks.append(talk)
        if len(talks) == 1:
            talk.cut()
        else:
            scripted.finish(talk, message)

    server.on[Submit] = lose_first
    job = connect(server).submit(GenerateRequest("a fox"), note="a note")
    job.wait(20)
    assert [(submit.job, submit.note) for submit in server.of(Submit)] == [(job.id, "a note")] * 2


def test_an_annotation_is_said_again_until_it_is_answered(server: ScriptedServer, connect: Connect) -> None:
    talks = []

    def lose_first(talk: Talk, message: Annotate) -> None:
        talks.append(talk)
        if len(talks) == 1:
            talk.cut()
        else:
            annotated(talk, message)

    server.on[Annotate] = lose_first
    session = connect(server)
    job = session.submit(GenerateRequest("a fox"))
    job.wait(20)
    session.annotate(job.id, "a favourite")
    assert [(said.job, said.note) for said in server.of(Annotate)] == [(job.id, "a favourite")] * 2


def test_a_job_that_is_still_to_be_submitted_takes_its_new_note_along(
    server: ScriptedServer, connect: Connect
) -> None:
    """The server lost the submit; it knows no such job, and gets it again with the note of now."""
    talks = []

    def lose_first(talk: Talk, message: Submit) -> None:
        talks.append(talk)
        if len(talks) > 1:
            scripted.finish(talk, message)

    def unknown(talk: Talk, message: Annotate) -> None:
        talk.send(Problem("unknown_job", "No such job.", request=message.request))

    server.on.update({Submit: lose_first, Annotate: unknown})
    session = connect(server)
    job = session.submit(GenerateRequest("a fox"), note="old")
    session.annotate(job.id, "new")
    talks[0].cut()
    job.wait(20)
    assert [submit.note for submit in server.of(Submit)] == ["old", "new"]
    with pytest.raises(UnknownJob):
        session.annotate(job.id, "later")


@pytest.mark.parametrize("sharing", [False, True])
def test_a_thumbnail_has_its_size_and_pixels(
    server: ScriptedServer, sharing_server: ScriptedServer, connect: Connect, sharing: bool
) -> None:
    chosen = sharing_server if sharing else server

    def small(talk: Talk, message: FetchThumbnail) -> None:
        pixels = talk.pixels(bytes(range(24)), 3, 2, PixelFormat.RGBA8)
        talk.send(ThumbnailPixels(message.request, pixels))

    chosen.on[FetchThumbnail] = small
    session = connect(chosen)
    assert session.thumbnail("1" * 32, 2, 64) == (3, 2, PixelFormat.RGBA8, bytes(range(24)))
    (asked,) = chosen.of(FetchThumbnail)
    assert (asked.job, asked.layer, asked.longest_px) == ("1" * 32, 2, 64)


def test_a_thumbnail_that_lacks_bytes_is_refused(server: ScriptedServer, connect: Connect) -> None:
    short = Pixels(3, 2, PixelFormat.RGBA8, b"\0" * 23)
    server.on[FetchThumbnail] = lambda talk, message: talk.send(ThumbnailPixels(message.request, short))
    with pytest.raises(MalformedFrame):
        connect(server).thumbnail("1" * 32, 0, 64)
