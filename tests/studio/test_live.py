"""Previews follow the drawing: what is seen goes to the server, what is painted comes into the view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from impasto_protocol.errors import InternalError, OutOfMemory, ServerUnreachable
from impasto_protocol.messages import GenerateRequest
from impasto_protocol.rasters import PixelFormat
from impasto_studio import recording
from impasto_studio.geometry import Box
from impasto_studio.host import LayerEntry, NewLayer, Picture
from impasto_studio.intent import LIVE, ControlRow
from impasto_studio.masks import masked
from impasto_studio.png import png
from impasto_studio.settings import Settings
from impasto_studio.view import LiveView
from PIL import Image

from tests.studio.fakes import DOCUMENT, MODEL, OTHER, Atelier, Live

RED, GREEN, BLUE = b"\xff\x00\x00\xff", b"\x00\xff\x00\xff", b"\x00\x00\xff\xff"
SIZE = (256, 256)


@pytest.fixture
def atelier(tmp_path: Path) -> Atelier:
    """A square document, and live previews of it switched on."""
    made = Atelier(tmp_path)
    made.easel.open(DOCUMENT, 512, 512)
    made.open()
    made.say(prompt="a fox")
    made.studio.set_live(True)
    made.settle()
    return made


def live(atelier: Atelier) -> Live:
    """The newest session."""
    return atelier.server.sittings[-1]


def stroke(atelier: Atelier, colour: bytes) -> LiveView:
    atelier.easel.draw(colour)
    return atelier.settle().live


def preview(atelier: Atelier, shade: int = 1, **more: object) -> LiveView:
    live(atelier).paint(shade, **more)  # type: ignore[arg-type]
    return atelier.settle().live


def shade(view: LiveView) -> int:
    assert view.picture is not None
    return view.picture.pixels[0]


# ── there and back ───────────────────────────────────────────────────────────────────────────────────────


def test_what_is_seen_is_sent_and_what_is_painted_is_shown(atelier: Atelier) -> None:
    view = atelier.view
    assert view.intent.mode == LIVE
    assert (view.live.on, view.live.state, view.live.size) == (True, "waiting", SIZE)
    assert view.live.sentence == "Waiting for the first preview …"
    assert live(atelier).picture == b"\x40\x80\xc0\xff" * (256 * 256)
    assert live(atelier).request.prompt == "a fox"
    shown = preview(atelier, 7)
    assert (shown.state, shown.current, shown.refined, shade(shown)) == ("following", True, False, 7)
    assert shown.picture is not None
    assert (shown.picture.width, shown.picture.height, shown.picture.format) == (*SIZE, PixelFormat.RGB8)


def test_a_stroke_is_followed(atelier: Atelier) -> None:
    before = preview(atelier, 7)
    after = stroke(atelier, RED)
    assert live(atelier).picture == RED * (256 * 256)
    assert (after.current, shade(after)) == (False, 7), "the old picture stays until the new one is there"
    shown = preview(atelier, 8)
    assert (shown.current, shade(shown)) == (True, 8)
    assert shown.version > before.version


def test_a_preview_of_an_older_drawing_says_so(atelier: Atelier) -> None:
    number = len(live(atelier).inputs) + 1
    stroke(atelier, RED)
    shown = preview(atelier, 7, number=number)
    assert (shown.current, shown.version) == (False, number)
    refined = preview(atelier, 8, refined=True)
    assert (refined.current, refined.refined) == (True, True)


def test_of_many_strokes_the_newest_is_sent(atelier: Atelier) -> None:
    sent = len(live(atelier).inputs)
    for colour in (RED, GREEN, BLUE):
        atelier.easel.draw(colour)
        atelier.settle("live")
    atelier.settle()
    assert len(live(atelier).inputs) == sent + 1
    assert live(atelier).picture == BLUE * (256 * 256)


def test_of_many_previews_the_newest_is_shown(atelier: Atelier) -> None:
    for number in (1, 2, 3):
        live(atelier).paint(number)
    views = len(atelier.views)
    assert shade(atelier.settle().live) == 3
    assert len(atelier.views) == views + 1


def test_a_preview_that_is_faster_than_its_number(atelier: Atelier) -> None:
    """It comes before the UI thread has been told what was sent."""
    atelier.easel.draw(RED)
    atelier.easel.turn()
    errand, done, _ = atelier.workers["live"].errands.pop(0)
    fed = errand()
    live(atelier).paint(9)
    assert atelier.settle().live.picture is None
    done(fed)
    assert shade(atelier.settle().live) == 9


def test_the_pen_does_not_make_the_panel_work(atelier: Atelier) -> None:
    preview(atelier)
    stroke(atelier, RED)
    views = len(atelier.views)
    for colour in (GREEN, BLUE, RED):
        stroke(atelier, colour)
    assert len(atelier.views) == views


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────


def test_words_strength_and_seed_change_what_is_painted_without_a_stroke(atelier: Atelier) -> None:
    preview(atelier)
    sent = len(live(atelier).inputs)
    atelier.say(prompt="a hen", live_strength=0.3, live_seed=99)
    assert len(atelier.server.sittings) == 1
    assert len(live(atelier).inputs) == sent + 1
    request = live(atelier).request
    assert (request.prompt, request.strength, request.seed) == ("a hen", 0.3, 99)
    assert not atelier.view.live.current
    assert preview(atelier).current


def test_a_selection_brings_its_mask(atelier: Atelier) -> None:
    preview(atelier)
    atelier.easel.document.selection = Box(100, 100, 50, 50)
    view = atelier.tick().live
    assert view.picture is not None
    held = live(atelier).inputs[-1]
    assert set(held) == {live(atelier).request.canvas, live(atelier).request.mask}
    assert len(held[live(atelier).request.mask]) * 4 == len(live(atelier).picture)
    atelier.easel.document.selection = None
    atelier.tick()
    assert set(atelier.server.sessions[-1].canvases) == {live(atelier).request.canvas}
    assert live(atelier).request.mask == ""


def test_a_layer_is_followed_on_its_own_canvas_and_what_she_sees_on_the_pictures(atelier: Atelier) -> None:
    atelier.easel.document.layers["lines"] = NewLayer(
        DOCUMENT, "Lines", 0, 0, Picture(1, 1, PixelFormat.GRAY8, b"\0")
    )
    atelier.tick()
    assert atelier.view.layers == (LayerEntry("lines", "Lines"),)
    atelier.say(controls=(ControlRow("depth", "lines"), ControlRow("scribble", "")))
    depth, scribble = live(atelier).request.controls
    assert scribble.canvas == live(atelier).request.canvas
    assert live(atelier).inputs[-1][depth.canvas] == bytes(4 * 256 * 256)


def test_another_mode_pauses_it_and_coming_back_goes_on(atelier: Atelier) -> None:
    preview(atelier)
    first = live(atelier)
    view = atelier.say(mode="fill").live
    assert (view.on, view.state, view.picture) == (True, "off", None)
    assert first.closed
    assert atelier.easel.watched is None
    assert atelier.server.sessions[-1].canvases == {}
    view = atelier.say(mode=LIVE).live
    assert live(atelier) is not first
    assert view.state == "waiting"
    assert preview(atelier).current


def test_switched_off_and_on_before_anything_was_sent(atelier: Atelier) -> None:
    atelier.easel.draw(RED)
    atelier.settle("live")
    atelier.studio.set_live(False)
    atelier.settle("live")
    atelier.studio.set_live(True)
    atelier.settle()
    assert live(atelier).picture == RED * (256 * 256)
    assert preview(atelier).current


def test_switched_off_before_it_began(tmp_path: Path) -> None:
    atelier = Atelier(tmp_path)
    atelier.easel.open(DOCUMENT, 512, 512)
    atelier.open()
    atelier.studio.set_live(True)
    atelier.settle("live")
    atelier.studio.set_live(False)
    atelier.settle()
    assert atelier.server.sittings == []


def test_switched_on_and_off_without_a_document(tmp_path: Path) -> None:
    atelier = Atelier(tmp_path)
    atelier.open()
    atelier.studio.set_live(True)
    assert atelier.settle().live.sentence == "Open or create a document first."
    atelier.studio.set_live(False)
    assert atelier.settle().live == LiveView()


def test_news_of_a_session_that_is_over_is_not_heard(atelier: Atelier) -> None:
    preview(atelier, 5)
    old = live(atelier)
    atelier.studio.set_live(False)
    atelier.settle()
    old.paint(6)
    old.on_status("loading")
    assert atelier.settle().live == LiveView()
    atelier.studio.set_live(True)
    atelier.settle()
    old.paint(7)
    assert atelier.settle().live.picture is None


def test_an_answer_to_what_nobody_wants_any_more(atelier: Atelier) -> None:
    atelier.easel.draw(RED)
    atelier.easel.turn()
    atelier.studio.set_live(False)
    assert atelier.settle().live == LiveView()


# ── bad days ─────────────────────────────────────────────────────────────────────────────────────────────


def test_another_document_is_followed_and_the_old_preview_is_gone(atelier: Atelier) -> None:
    preview(atelier, 5)
    session = live(atelier)
    atelier.easel.open(OTHER, 300, 600)
    view = atelier.tick().live
    assert (view.state, view.picture, view.size) == ("waiting", None, (184, 360))
    session.paint(6, number=2)
    assert atelier.settle().live.picture is None, "it was of the other document"
    assert shade(preview(atelier, 7)) == 7
    atelier.easel.active = DOCUMENT
    atelier.tick()
    assert preview(atelier, 8).picture is not None
    assert len(atelier.server.sittings) == 1


def test_the_document_is_closed_and_another_opened(atelier: Atelier) -> None:
    preview(atelier)
    atelier.easel.close(DOCUMENT)
    view = atelier.tick()
    assert (view.live.state, view.live.sentence) == ("stopped", "Open or create a document first.")
    assert (view.live.picture, view.can_start) == (None, False)
    assert atelier.easel.watched is None
    atelier.easel.open(OTHER, 512, 512)
    assert atelier.tick().live.state == "waiting"
    assert preview(atelier).current


def test_what_cannot_be_is_said_and_the_picture_stays(atelier: Atelier) -> None:
    preview(atelier, 5)
    view = atelier.say(prompt="", live_strength=1.0).live
    assert (view.state, shade(view), view.size) == ("stopped", 5, SIZE)
    assert view.sentence.startswith("Write what")
    assert not view.current
    assert atelier.say(prompt="a fox").live.state == "following"


def test_a_server_that_goes_away_and_comes_back(atelier: Atelier) -> None:
    preview(atelier, 5)
    atelier.server.up = False
    view = atelier.tick().live
    assert (view.state, shade(view)) == ("stopped", 5)
    assert view.sentence == atelier.view.link.sentence
    atelier.easel.draw(RED)
    atelier.server.up = True
    atelier.tick(5.0)
    view = atelier.tick(5.0).live
    assert view.state == "following"
    assert live(atelier).picture == RED * (256 * 256)
    assert preview(atelier, 6).current


def test_another_session_begins_anew(atelier: Atelier) -> None:
    shown = preview(atelier, 5)
    atelier.server.sessions[-1].fatal = InternalError("The token is wrong.")
    atelier.tick(20.0)
    atelier.tick(20.0)
    view = atelier.tick(20.0).live
    assert len(atelier.server.sittings) == 2
    assert (view.state, shade(view), view.current) == ("following", 5, False)
    again = preview(atelier, 6)
    assert again.current
    assert again.version > shown.version


def test_the_model_is_loaded_first(atelier: Atelier) -> None:
    live(atelier).on_status("loading")
    view = atelier.settle().live
    assert (view.state, view.sentence) == ("loading", "Loading the model …")
    live(atelier).on_status("ready")
    assert atelier.settle().live.state == "waiting"


def test_what_the_server_says_against_it_stands_until_something_else_is_wanted(atelier: Atelier) -> None:
    preview(atelier, 5)
    live(atelier).on_problem(OutOfMemory("There is not enough memory. Choose a smaller size."))
    view = atelier.settle().live
    assert (view.state, shade(view)) == ("stopped", 5)
    assert view.sentence == "There is not enough memory. Choose a smaller size."
    sent = len(live(atelier).inputs)
    stroke(atelier, RED)
    assert len(live(atelier).inputs) == sent, "it would be refused again with each stroke"
    view = atelier.say(live_px=128).live
    assert view.state == "following"
    assert live(atelier).request.longest_px == 128
    assert preview(atelier, 6).current


def test_what_the_client_library_refuses_is_said(atelier: Atelier) -> None:
    live(atelier).refuse = InternalError("64 canvases are open. Close one of them.")
    view = stroke(atelier, RED)
    assert (view.state, view.sentence) == ("stopped", "64 canvases are open. Close one of them.")


def test_a_request_that_was_refused_is_made_again_with_the_next_wish(atelier: Atelier) -> None:
    preview(atelier)
    live(atelier).refuse = InternalError("Not now.")
    view = atelier.say(prompt="a hen").live
    assert (view.state, view.sentence) == ("stopped", "Not now.")
    live(atelier).refuse = None
    assert atelier.say(prompt="a cow").live.state == "following"
    assert live(atelier).request.prompt == "a cow"
    assert preview(atelier).current


def test_a_broken_connection_is_the_links_to_tell(atelier: Atelier) -> None:
    preview(atelier)
    live(atelier).refuse = ServerUnreachable("The connection broke.")
    assert stroke(atelier, RED).state == "following"


def test_a_server_or_a_model_that_cannot(tmp_path: Path) -> None:
    atelier = Atelier(tmp_path)
    atelier.server.live = False
    atelier.easel.open(DOCUMENT, 64, 64)
    atelier.open()
    view = atelier.say(mode=LIVE, prompt="a fox")
    assert (view.start, view.can_start) == ("Go live", False)
    assert view.why_not.startswith("This server cannot follow")
    atelier.server.live = True
    atelier.server.models = (replace(MODEL, capabilities=("text",)),)
    atelier.tick(20.0)
    assert atelier.tick(20.0).why_not == "“Pocket” cannot do this. Choose another model."
    assert atelier.server.sittings == []


# ── the main button and the canvas ───────────────────────────────────────────────────────────────────────


def test_the_main_button_goes_live_then_pins(tmp_path: Path) -> None:
    atelier = Atelier(tmp_path)
    atelier.easel.open(DOCUMENT, 512, 512)
    atelier.open()
    view = atelier.say(mode=LIVE, prompt="a fox")
    assert (view.start, view.can_start, view.live.on) == ("Go live", True, False)
    atelier.studio.start()
    view = atelier.settle()
    assert (view.start, view.can_start, view.live.on) == ("Pin to a layer", False, True)
    preview(atelier)
    assert atelier.view.can_start
    atelier.studio.start()
    atelier.settle()
    assert [layer.name for layer in atelier.easel.document.layers.values()] == ["a fox"]


def test_over_the_canvas_only_when_it_is_wanted(atelier: Atelier) -> None:
    preview(atelier, 5)
    assert atelier.easel.shown is None
    atelier.say(live_on_canvas=True)
    shown = atelier.easel.shown
    assert shown is not None
    assert (shown.box, shown.picture.pixels[0], shown.document) == (Box(0, 0, 512, 512), 5, DOCUMENT)
    assert "not in the document" in shown.label
    told = len(atelier.easel.previews)
    atelier.studio.dismiss_notice()
    atelier.settle()
    assert len(atelier.easel.previews) == told
    preview(atelier, 6)
    assert atelier.easel.shown is not None
    assert atelier.easel.shown.picture.pixels[0] == 6
    atelier.studio.set_live(False)
    atelier.settle()
    assert atelier.easel.shown is None


def test_over_the_canvas_also_where_takes_are_not(atelier: Atelier) -> None:
    atelier.studio.change_settings(Settings(previews=False))
    atelier.say(live_on_canvas=True)
    preview(atelier, 5)
    assert atelier.easel.shown is not None


def test_a_take_that_is_compared_lies_over_it(atelier: Atelier) -> None:
    atelier.say(live_on_canvas=True, mode="generate")
    atelier.done()
    atelier.say(mode=LIVE)
    preview(atelier, 9)
    assert atelier.easel.shown is not None
    assert atelier.easel.shown.label == ""
    atelier.studio.put_away()
    atelier.settle()
    assert atelier.easel.shown.label


# ── pinning ──────────────────────────────────────────────────────────────────────────────────────────────


def test_pinning_puts_the_preview_in_as_large_as_what_it_shows(atelier: Atelier) -> None:
    preview(atelier, 5)
    atelier.studio.pin_live()
    atelier.settle()
    ((name, layer),) = atelier.easel.document.layers.items()
    assert (layer.name, layer.x, layer.y, layer.size, layer.insert) == ("a fox", 0, 0, (512, 512), "layer")
    assert (layer.picture.width, layer.picture.pixels[:3]) == (256, b"\5\5\5")
    assert atelier.view.remembered
    assert atelier.easel.document.active == name


def test_pinning_a_selection_leaves_the_rest_alone(atelier: Atelier) -> None:
    atelier.easel.document.selection = Box(100, 100, 50, 50)
    atelier.tick()
    preview(atelier, 5)
    atelier.studio.pin_live()
    atelier.settle()
    (layer,) = atelier.easel.document.layers.values()
    assert layer.picture.format is PixelFormat.RGBA8
    assert layer.picture.pixels[:4] == b"\5\5\5\xff"
    assert layer.size is not None
    assert Box(layer.x, layer.y, *layer.size).common(Box(100, 100, 50, 50)) == Box(100, 100, 50, 50)


def test_pinning_twice_in_a_hurry_is_one_layer(atelier: Atelier) -> None:
    preview(atelier)
    atelier.studio.pin_live()
    atelier.studio.pin_live()
    atelier.settle()
    assert len(atelier.easel.document.layers) == 1
    atelier.studio.pin_live()
    atelier.settle()
    assert len(atelier.easel.document.layers) == 2


def test_pinning_without_words_has_a_name(atelier: Atelier) -> None:
    atelier.say(prompt="")
    preview(atelier)
    atelier.studio.pin_live()
    atelier.settle()
    assert [layer.name for layer in atelier.easel.document.layers.values()] == ["Live preview"]


def test_pinning_that_fails_can_be_tried_again(atelier: Atelier) -> None:
    preview(atelier)
    atelier.easel.refuse_insert = "Krita refused."
    atelier.studio.pin_live()
    assert atelier.settle().notice == "Krita refused."
    atelier.easel.refuse_insert = ""
    atelier.studio.pin_live()
    atelier.settle()
    assert len(atelier.easel.document.layers) == 1


def test_there_is_nothing_to_pin(atelier: Atelier) -> None:
    atelier.studio.pin_live()
    assert atelier.settle().notice == "There is no preview to pin yet."
    preview(atelier)
    atelier.easel.open(OTHER, 512, 512)
    atelier.studio.pin_live()
    atelier.settle()
    assert atelier.easel.documents[OTHER].layers == {}


def test_a_pinned_layer_is_painted_again_with_all_steps(atelier: Atelier) -> None:
    atelier.say(live_strength=0.4, controls=(ControlRow("scribble", ""),))
    preview(atelier)
    atelier.studio.pin_live()
    atelier.settle()
    atelier.say(prompt="something else", live_strength=0.9)
    atelier.studio.paint_again()
    atelier.settle()
    (job,) = atelier.server.jobs.values()
    assert (job.generate.prompt, job.generate.strength, job.generate.steps) == ("a fox", 0.4, 0)
    assert set(job.pixels) == {"image", "control 1"}
    assert len(job.pixels["image"]) == 4 * 512 * 512
    again = atelier.studio._memory.recipe(DOCUMENT, atelier.easel.document.active)
    assert again is not None
    assert isinstance(again.request, GenerateRequest)
    assert (again.note.mode, again.request.strength, again.request.width) == (LIVE, 0.4, 256)


def test_painting_a_pinned_layer_again_may_need_something(atelier: Atelier) -> None:
    preview(atelier)
    atelier.studio.pin_live()
    atelier.settle()
    atelier.server.models = (replace(MODEL, capabilities=("text", "live")),)
    atelier.tick(20.0)
    atelier.tick(20.0)
    atelier.studio.paint_again()
    assert atelier.settle().notice == "“Pocket” cannot do this. Choose another model."


def test_painting_again_without_words_is_named_by_what_is_done(atelier: Atelier) -> None:
    atelier.say(prompt="")
    preview(atelier)
    atelier.studio.pin_live()
    atelier.settle()
    atelier.studio.paint_again()
    assert [job.title for job in atelier.settle().jobs] == ["Refine"]


def test_a_mask_of_another_size_covers_the_same() -> None:
    picture = Picture(4, 2, PixelFormat.RGB8, bytes(range(24)))
    made = masked(picture, Picture(2, 1, PixelFormat.GRAY8, b"\x10\x20"))
    assert made.pixels[3::4] == b"\x10\x10\x20\x20" * 2
    assert made.pixels[:8] == b"\x00\x01\x02\x10\x03\x04\x05\x10"


# ── recording ────────────────────────────────────────────────────────────────────────────────────────────


def test_previews_become_an_animation(atelier: Atelier) -> None:
    preview(atelier, 1)
    atelier.studio.record_live(True)
    atelier.studio.record_live(True)
    assert atelier.settle().live.frames == 0
    for number in (2, 3):
        assert preview(atelier, number).frames == number - 1
    atelier.studio.record_live(False)
    assert atelier.settle().live.frames == -1
    (animation,) = atelier.easel.animations
    assert (animation.name, animation.width, animation.height) == ("a fox (live)", *SIZE)
    assert atelier.easel.frames == [
        [png(Picture(*SIZE, PixelFormat.RGB8, bytes([number]) * (3 * 256 * 256))) for number in (2, 3)]
    ]
    assert atelier.view.notice == "The recording is in a document of its own: 2 frames."
    assert not animation.frames[0].parent.exists(), "the files are of no use any more"
    atelier.studio.record_live(False)
    atelier.settle()
    assert len(atelier.easel.animations) == 1


def test_nothing_recorded_is_said(atelier: Atelier) -> None:
    atelier.studio.record_live(True)
    atelier.studio.record_live(False)
    assert atelier.settle().notice == "Nothing was recorded: no preview came meanwhile."
    assert atelier.easel.animations == []


def test_switching_live_off_ends_the_recording(atelier: Atelier) -> None:
    atelier.studio.record_live(True)
    preview(atelier, 1)
    atelier.studio.set_live(False)
    atelier.settle()
    assert len(atelier.easel.animations) == 1


def test_only_the_newest_frames_are_kept(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_FRAMES", 3)
    atelier.studio.record_live(True)
    for number in range(1, 8):
        preview(atelier, number)
    atelier.studio.record_live(False)
    atelier.settle()
    kept = [png(Picture(*SIZE, PixelFormat.RGB8, bytes([n]) * (3 * 256 * 256))) for n in (5, 6, 7)]
    assert atelier.easel.frames == [kept]


def test_a_recording_is_of_one_size(atelier: Atelier) -> None:
    atelier.studio.record_live(True)
    preview(atelier, 1)
    view = preview(atelier, 2, size=(64, 64))
    assert view.frames == -1
    assert len(atelier.easel.frames[0]) == 1


def test_a_disk_that_is_full_keeps_what_there_is(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    atelier.say(prompt="")
    atelier.studio.record_live(True)
    preview(atelier, 1)

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    live(atelier).paint(2)
    atelier.settle("record")
    live(atelier).paint(3)
    view = atelier.settle()
    assert view.live.frames == -1
    assert len(atelier.easel.frames[0]) == 1
    assert [one.name for one in atelier.easel.animations] == ["Live preview (live)"]
    atelier.studio.record_live(True)
    preview(atelier, 4)
    assert len(atelier.easel.animations) == 1
    assert "No space left on device" in "".join(view.notice for view in atelier.views)


def test_a_host_that_cannot_animate_says_so(atelier: Atelier) -> None:
    atelier.easel.refuse_animation = "Krita could not read the frames."
    atelier.studio.record_live(True)
    preview(atelier, 1)
    atelier.studio.record_live(False)
    assert atelier.settle().notice == "Krita could not read the frames."


def test_the_files_go_when_the_program_ends(atelier: Atelier) -> None:
    atelier.studio.record_live(True)
    preview(atelier, 1)
    reel = atelier.studio._recorder._reel
    assert reel is not None
    folder = reel.files[0].parent
    atelier.studio.close()
    atelier.settle()
    assert not folder.exists()
    assert live(atelier).closed
    assert atelier.easel.watched is None


def test_a_recording_without_a_frame_leaves_nothing(atelier: Atelier) -> None:
    atelier.studio.record_live(True)
    atelier.studio.close()
    atelier.settle()
    assert atelier.easel.animations == []


def test_a_png_is_what_others_read(tmp_path: Path) -> None:
    pixels = bytes(range(12)) * 3
    for kind, mode, width in (
        (PixelFormat.RGB8, "RGB", 3),
        (PixelFormat.RGBA8, "RGBA", 3),
        (PixelFormat.GRAY8, "L", 12),
    ):
        (tmp_path / "one.png").write_bytes(png(Picture(width, 3, kind, pixels[: width * 3 * len(mode)])))
        with Image.open(tmp_path / "one.png") as image:
            assert (image.mode, image.size) == (mode, (width, 3))
            assert image.tobytes() == pixels[: width * 3 * len(mode)]
