"""Live sessions as the client sees them: the newest goes out, every preview comes in, whatever breaks."""

from __future__ import annotations

import random
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from impasto_client.canvas import Canvas
from impasto_client.live import Live, Preview
from impasto_client.session import Session
from impasto_protocol.errors import ImageTooLarge, ImpastoError, UnknownMessage, UnknownModel
from impasto_protocol.messages import (
    CanvasRows,
    CanvasStale,
    CanvasTiles,
    LiveInput,
    LiveRequest,
    LiveSeen,
    LiveStatus,
    LiveTiles,
    Pixels,
    Problem,
    Release,
    StartLive,
    StopLive,
)
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_protocol.tiles import changed_tiles, pack_tiles

from tests.client.scripted import ScriptedServer, Talk, live_preview, paint_live

Connect = Callable[..., Session]
SIZE = (130, 70)
SHAPE = (*SIZE, PixelFormat.RGB8)


class Painter:
    """One live session on one canvas, and all it was told."""

    def __init__(self, session: Session) -> None:
        self.changed = threading.Condition()
        self.previews: list[Preview] = []
        self.stages: list[str] = []
        self.problems: list[ImpastoError] = []
        self.session = session
        self.canvas: Canvas = session.canvas(*SHAPE)
        self.live: Live = session.live(
            lambda preview: self._heard(self.previews, preview),
            lambda stage: self._heard(self.stages, stage),
            lambda error: self._heard(self.problems, error),
        )

    def _heard(self, where: list[Any], what: object) -> None:
        with self.changed:
            where.append(what)
            self.changed.notify_all()

    def change(self, prompt: str) -> int:
        return self.live.change(LiveRequest(self.canvas.name, prompt))

    def show(self, pixels: bytes) -> int:
        return self.live.show({self.canvas: pixels})

    def wait_for(self, condition: Callable[[], object]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, 10.0), "it did not come"

    def preview_of(self, number: int) -> Preview:
        self.wait_for(lambda: any(preview.input >= number for preview in self.previews))
        return next(preview for preview in self.previews if preview.input >= number)


def picture(seed: int) -> bytes:
    return random.Random(seed).randbytes(raster_size(*SHAPE))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)


def inverted(pixels: bytes) -> bytes:
    return bytes(255 - byte for byte in pixels)


@pytest.mark.parametrize("kind", ["server", "sharing_server"])
def test_a_preview_shows_the_canvas_and_is_answered_once_it_was_seen(
    kind: str, request: pytest.FixtureRequest, connect: Connect
) -> None:
    server: ScriptedServer = request.getfixturevalue(kind)
    painter = Painter(connect(server))
    painter.change("a hill")
    number = painter.show(picture(1))
    preview = painter.preview_of(number)
    assert preview.pixels == inverted(picture(1))
    assert (preview.input, preview.width, preview.height) == (number, *SIZE)
    server.wait_for(lambda: LiveSeen(painter.live.name, preview.number) in server.heard)
    assert painter.stages[0] == "ready"
    if server.shared_folder is not None:  # the preview's memory has been given back
        server.wait_for(lambda: len([m for m in server.heard if isinstance(m, Release)]) >= 2)


def test_a_preview_is_not_seen_before_the_program_has_taken_it(
    server: ScriptedServer, connect: Connect
) -> None:
    session = connect(server)
    canvas = session.canvas(*SHAPE)
    seen_by_then: list[list[Any]] = []
    taken = threading.Event()

    def take(preview: Preview) -> None:
        seen_by_then.append(server.of(LiveSeen))
        taken.set()

    live = session.live(take, lambda stage: None, lambda error: None)
    live.change(LiveRequest(canvas.name, "a hill"))
    live.show({canvas: picture(1)})
    assert taken.wait(10)
    assert seen_by_then == [[]]
    server.wait_for(lambda: len(server.of(LiveSeen)) == 1)


def test_a_stroke_sends_its_tiles_and_one_input(server: ScriptedServer, connect: Connect) -> None:
    painter = Painter(connect(server))
    painter.change("a hill")
    painter.show(picture(1))
    drawn = bytearray(picture(1))
    drawn[:30] = bytes(30)
    number = painter.show(drawn)
    assert painter.preview_of(number).pixels == inverted(drawn)
    assert [update.tiles for update in server.of(CanvasTiles)] == [(0,)]
    assert [message.number for message in server.of(LiveInput)] == [number - 1, number]
    assert len(server.of(StartLive)) == 1


def test_a_preview_as_tiles_is_laid_over_the_one_before(server: ScriptedServer, connect: Connect) -> None:
    shown: list[bytes] = []

    def paint(talk: Talk, message: LiveInput) -> None:
        mirror = talk.canvases[talk.lives[message.live].canvas]
        new = bytes(mirror.pixels)
        if not shown:
            talk.send(live_preview(talk, message, pixels=Pixels(*SHAPE, data=new)))
        else:
            tiles = tuple(changed_tiles(shown[-1], new, *SHAPE))
            data = zlib.compress(pack_tiles(shown[-1], new, tiles, *SHAPE))
            change = LiveTiles(talk.previews, tiles, "zlib", data)
            talk.send(live_preview(talk, message, tiles=change))
        shown.append(new)

    server.on[LiveInput] = paint
    painter = Painter(connect(server))
    painter.change("a hill")
    pictures = [picture(1)]
    for at in (0, 3 * 130 * 30, 3 * 130 * 69):
        drawn = bytearray(pictures[-1])
        drawn[at : at + 24] = bytes(24)
        pictures.append(bytes(drawn))
    for drawn in pictures:
        painter.preview_of(painter.show(drawn))
    assert [preview.pixels for preview in painter.previews] == pictures


def test_tiles_over_another_preview_end_the_connection_and_the_next_one_begins_anew(
    server: ScriptedServer, connect: Connect
) -> None:
    def lie(talk: Talk, message: LiveInput) -> None:
        server.on[LiveInput] = paint_live
        talk.send(live_preview(talk, message, tiles=LiveTiles(7, (), "raw", b"")))

    painter = Painter(connect(server))
    painter.change("a hill")
    painter.preview_of(painter.show(picture(1)))
    server.on[LiveInput] = lie
    number = painter.show(picture(2))
    assert painter.preview_of(number).pixels == inverted(picture(2))
    assert len(server.talks) == 2


def test_a_jpeg_is_passed_through(server: ScriptedServer, connect: Connect) -> None:
    server.on[LiveInput] = lambda talk, message: talk.send(live_preview(talk, message, jpeg=b"\xff\xd8 jpeg"))
    painter = Painter(connect(server))
    painter.change("a hill")
    preview = painter.preview_of(painter.show(picture(1)))
    assert (preview.jpeg, preview.pixels) == (b"\xff\xd8 jpeg", b"")


def test_of_what_is_shown_while_another_thread_sends_only_the_newest_goes(
    server: ScriptedServer, connect: Connect
) -> None:
    session = connect(server)
    painter = Painter(session)
    painter.change("a hill")
    painter.preview_of(painter.show(picture(0)))
    with session.uploading():  # as if a thread were sending
        threads = []
        for seed in (1, 2, 3):
            threads.append(threading.Thread(target=painter.show, args=(picture(seed),)))
            threads[-1].start()
            until(lambda number=2 + seed: painter.live._number == number)
    for thread in threads:
        thread.join(10)
    assert painter.preview_of(5).pixels == inverted(picture(3))
    painter.canvas.read_back()  # all that was sent has been heard
    assert [message.number for message in server.of(LiveInput)] == [2, 5]


def test_each_canvas_of_an_overtaken_input_is_sent(server: ScriptedServer, connect: Connect) -> None:
    session = connect(server)
    painter = Painter(session)
    mask = session.canvas(*SIZE, PixelFormat.GRAY8)
    painter.live.change(LiveRequest(painter.canvas.name, "a hill", mask=mask.name))
    with session.uploading():
        first = threading.Thread(target=painter.live.show, args=({mask: b"\xff" * (130 * 70)},))
        first.start()
        until(lambda: painter.live._number == 2)
        second = threading.Thread(target=painter.show, args=(picture(1),))
        second.start()
        until(lambda: painter.live._number == 3)
    first.join(10)
    second.join(10)
    assert painter.preview_of(3).pixels == inverted(picture(1))
    assert mask.read_back() == b"\xff" * (130 * 70)


def test_another_request_paints_what_is_there_once_more(server: ScriptedServer, connect: Connect) -> None:
    painter = Painter(connect(server))
    painter.change("a hill")
    painter.preview_of(painter.show(picture(1)))
    painter.preview_of(painter.change("a lake"))
    assert [message.request.prompt for message in server.of(StartLive)] == ["a hill", "a lake"]
    assert len(server.of(CanvasRows)) == 1
    numbers = [message.number for message in server.of(LiveInput)]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 2


def test_after_a_broken_connection_the_session_goes_on_with_the_newest_picture(
    server: ScriptedServer, connect: Connect
) -> None:
    painter = Painter(connect(server))
    painter.change("a hill")
    painter.preview_of(painter.show(picture(1)))
    before = len(server.heard)
    server.talks[-1].cut()
    painter.wait_for(lambda: len(painter.previews) == 2)
    assert painter.previews[1].pixels == inverted(picture(1))
    again = [type(m) for m in server.heard[before:] if isinstance(m, (CanvasRows, StartLive, LiveInput))]
    assert again == [CanvasRows, StartLive, LiveInput]
    number = painter.show(picture(2))
    assert painter.preview_of(number).pixels == inverted(picture(2))


def test_what_is_shown_without_a_connection_is_painted_after_it(connect: Connect) -> None:
    first = ScriptedServer()
    session = connect(first)
    painter = Painter(session)
    painter.change("a hill")
    painter.preview_of(painter.show(picture(1)))
    first.close()
    session.wait_until(lambda: not session.connected, 10)
    painter.show(picture(2))
    number = painter.show(picture(3))
    second = ScriptedServer()
    session._find = lambda: second.address
    try:
        assert painter.preview_of(number).pixels == inverted(picture(3))
        assert [message.number for message in second.of(LiveInput)] == [number]
    finally:
        session.close()
        second.close()


def test_a_problem_ends_the_session_until_it_is_changed(server: ScriptedServer, connect: Connect) -> None:
    def refuse(talk: Talk, message: StartLive) -> None:
        server.on.pop(StartLive)
        talk.send(Problem("unknown_model", "There is no model of that name.", live=message.live))

    server.on[StartLive] = refuse
    server.on[LiveInput] = lambda talk, message: talk.lives and paint_live(talk, message)
    painter = Painter(connect(server))
    painter.change("a hill")
    painter.wait_for(lambda: painter.problems)
    assert isinstance(painter.problems[0], UnknownModel)
    painter.show(picture(1))
    painter.canvas.acknowledged()
    assert server.of(LiveInput) == []
    number = painter.change("a lake")
    assert painter.preview_of(number).pixels == inverted(picture(1))


def test_a_problem_of_an_earlier_request_does_not_end_the_newer_one(
    server: ScriptedServer, connect: Connect
) -> None:
    def refuse_late(talk: Talk, message: StartLive) -> None:
        if message.request.prompt == "a lake":
            talk.lives[message.live] = message.request
            talk.send(Problem("unknown_model", "There is no model of that name.", live=message.live))
            talk.send(LiveStatus(message.live, "ready"))

    server.on[StartLive] = refuse_late
    painter = Painter(connect(server))
    painter.change("a hill")
    painter.change("a lake")
    painter.wait_for(lambda: painter.stages)
    number = painter.show(picture(1))
    assert painter.preview_of(number).pixels == inverted(picture(1))


def test_a_server_without_live_previews_is_told_in_a_sentence(
    server: ScriptedServer, connect: Connect
) -> None:
    server.capabilities = ("generate",)
    painter = Painter(connect(server))
    with pytest.raises(UnknownMessage, match="up to date"):
        painter.change("a hill")
    assert server.of(StartLive) == []


def test_a_server_that_comes_back_without_live_previews_is_told_as_a_problem(
    server: ScriptedServer, connect: Connect
) -> None:
    painter = Painter(connect(server))
    painter.change("a hill")
    painter.preview_of(painter.show(picture(1)))
    server.capabilities = ("generate",)
    server.talks[-1].cut()
    painter.wait_for(lambda: painter.problems)
    assert isinstance(painter.problems[0], UnknownMessage)


def test_what_the_server_has_against_a_canvas_is_raised(server: ScriptedServer, connect: Connect) -> None:
    server.on[CanvasRows] = lambda talk, message: talk.send(
        Problem("image_too_large", "This picture is too large.", canvas=message.canvas)
    )
    session = connect(server)
    painter = Painter(session)
    painter.change("a hill")
    painter.show(picture(1))
    session.wait_until(lambda: painter.canvas._problem is not None, 10)
    with pytest.raises(ImageTooLarge):
        painter.show(picture(2))


def test_a_canvas_the_server_has_lost_is_sent_again_and_painted_without_another_stroke(
    server: ScriptedServer, connect: Connect
) -> None:
    def lose(talk: Talk, message: CanvasTiles) -> None:
        server.on.pop(CanvasTiles)
        server.on[LiveInput] = lambda talk, message: server.on.pop(LiveInput)  # of a canvas that is stale
        talk.send(CanvasStale(message.canvas, message.sequence - 1))

    painter = Painter(connect(server))
    painter.change("a hill")
    painter.preview_of(painter.show(picture(1)))
    server.on[CanvasTiles] = lose
    drawn = bytearray(picture(1))
    drawn[:30] = bytes(30)
    number = painter.show(drawn)
    assert painter.preview_of(number).pixels == inverted(drawn)


def test_a_picture_of_another_size_is_refused(server: ScriptedServer, connect: Connect) -> None:
    painter = Painter(connect(server))
    with pytest.raises(ValueError, match="does not fit"):
        painter.show(b"\0")


def test_closing_stops_the_session_and_what_still_comes_is_passed_over(
    server: ScriptedServer, connect: Connect
) -> None:
    painter = Painter(connect(server))
    painter.change("a hill")
    painter.preview_of(painter.show(picture(1)))
    painter.live.close()
    server.wait_for(lambda: StopLive(painter.live.name) in server.heard)
    painter.show(picture(2))
    server.talks[-1].send(LiveStatus(painter.live.name, "loading"))
    painter.canvas.acknowledged()
    assert painter.stages == ["ready"]
    assert len(painter.previews) == 1
    server.talks[-1].cut()
    server.wait_for(lambda: len(server.of(CanvasRows)) == 3)
    assert len(server.of(StartLive)) == 1


def test_a_client_on_another_machine_gets_on_without_shared_memory(
    sharing_server: ScriptedServer, connect: Connect, tmp_path: Path
) -> None:
    painter = Painter(connect(sharing_server, shared_memory=False))
    painter.change("a hill")
    assert painter.preview_of(painter.show(picture(1))).pixels == inverted(picture(1))
    assert sharing_server.of(Release) == []
