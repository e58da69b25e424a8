"""The mode "live": its picture stays where it is, and its buttons do what they say."""

from __future__ import annotations

from dataclasses import replace

from desk import Desk
from look_at import settle

from fake_studio import FOLLOWING, LIVE, LIVE_PAGE, landscape, pages  # isort: skip
from impasto.qt import QtCore, QtGui, QtWidgets
from impasto_studio.host import Picture
from impasto_studio.view import LiveView


def check_live_buttons(desk: Desk) -> None:
    """Off, the main button goes live; on, it pins, and the switch beside it ends it."""
    desk.show(pages()["live-off"])
    assert not desk.panel._start._live.isVisible()
    desk.click(desk.named("Go live"))
    desk.show(pages()["live"])
    desk.click(desk.named("Pin to a layer"))
    desk.click(desk.panel._start._live)
    told = [told for told in desk.studio.took() if told[0] != "look_at"]
    assert told == [("start",), ("start",), ("set_live", False)]


def check_live_toggles(desk: Desk) -> None:
    """Over the canvas, recording, another seed, strength, steps and size."""
    desk.show(pages()["live"])
    desk.click(desk.named("Show the preview over the canvas too"))
    assert desk.studio.intents[-1].live_on_canvas
    desk.echo()
    desk.click(desk.named("Record the previews as an animation"))
    assert ("record_live", True) in desk.studio.took()
    desk.show(replace(desk.view, live=replace(FOLLOWING, frames=3)))
    desk.named("Recording, 3 frames", QtWidgets.QLabel)
    desk.click(desk.named("Stop recording; what there is becomes an animation"))
    assert ("record_live", False) in desk.studio.took()
    seed = desk.view.intent.live_seed
    desk.click(desk.named("Another seed"))
    assert desk.studio.intents[-1].live_seed != seed
    assert desk.studio.intents[-1].seed == -1
    desk.echo()
    line = desk.named("Seed of the previews", QtWidgets.QLineEdit)
    assert line.text() == str(desk.studio.intents[-1].live_seed)
    slider = desk.named("Strength", QtWidgets.QSlider)
    slider.setFocus()
    desk.press(QtCore.Qt.Key.Key_Right)
    assert desk.studio.intents[-1].live_strength == 0.51
    desk.echo()
    desk.click(desk.named("Advanced"))
    steps = desk.named("Steps of a preview", QtWidgets.QDoubleSpinBox)
    assert steps.text() == "Model's own"
    steps.setFocus()
    desk.press(QtCore.Qt.Key.Key_Up)
    assert desk.studio.intents[-1].live_steps == 1
    desk.echo()
    size = desk.named("Size of the previews", QtWidgets.QComboBox)
    assert size.currentText() == "Model's own (256)"
    size.setFocus()
    desk.press(QtCore.Qt.Key.Key_Down)
    assert desk.studio.intents[-1].live_px == 256
    summary = desk.panel._advanced.summary(replace(LIVE, live_steps=8, live_px=512))
    assert summary == "8 steps · 512 px"


def check_nothing_moves(desk: Desk) -> None:
    """Waiting, following, refined, recording, paused: the picture's place and all below stay."""

    def places() -> list[QtCore.QRect]:
        card = desk.panel._live
        return [card._stage.geometry(), card.geometry(), desk.panel._start.geometry()]

    waiting = LiveView(True, "waiting", "Waiting for the first preview …", (320, 240))
    desk.show(replace(LIVE_PAGE, intent=LIVE, live=waiting, can_start=False))
    before = places()
    assert abs(before[0].height() / before[0].width() - 0.75) < 0.01
    for live in (
        FOLLOWING,
        replace(FOLLOWING, current=True, refined=True),
        replace(FOLLOWING, picture=landscape(3, 160, 120)),
        replace(FOLLOWING, frames=100_000),
        replace(FOLLOWING, state="stopped", sentence="The server is away. " * 6),
        LiveView(True, "stopped", "Open or create a document first."),
    ):
        desk.show(replace(desk.view, live=live))
        assert places() == before


def check_live_picture_is_sharp(desk: Desk) -> None:
    """As large as its place in the screen's own pixels, with the picture's colours to the edge."""
    red = Picture(256, 192, FOLLOWING.picture.format, bytes((200, 30, 40, 255)) * (256 * 192))
    desk.show(replace(LIVE_PAGE, intent=LIVE, live=replace(FOLLOWING, picture=red)))
    stage = desk.panel._live._stage
    ratio = stage.devicePixelRatioF()
    pixmap = stage._shelf.get(red, stage._place().size(), ratio)
    assert pixmap.width() == round(stage._place().width() * ratio)
    shot = stage.grab().toImage()
    for x, y in ((4, 4), (shot.width() // 2, shot.height() // 2), (shot.width() - 5, shot.height() - 5)):
        assert QtGui.QColor(shot.pixel(x, y)).getRgb()[:3] == (200, 30, 40)


def check_live_says_why_not(desk: Desk) -> None:
    """In place of the picture, or over the last one; once only."""
    desk.show(pages()["live-nothing"])
    assert desk.panel._live._stage._words == "Open or create a document first."
    assert not desk.panel._start._why_not.isVisible()
    desk.show(replace(pages()["live-off"], can_start=False, why_not="“Pocket” cannot do this."))
    assert desk.panel._start._why_not.isVisible()


def check_live_offers_what_it_uses(desk: Desk) -> None:
    """No takes, no way to insert; the jobs' fields are back in the other modes."""
    desk.show(pages()["live-advanced"])
    assert not desk.panel._choices._takes.isVisible()
    assert not desk.panel._choices._seed.isVisible()
    assert desk.panel._choices._dice.isVisible()
    assert not desk.panel._advanced._insert.isVisible()
    desk.show(replace(LIVE_PAGE))
    assert not desk.panel._live.isVisible()
    assert desk.panel._choices._takes.isVisible()
    assert not desk.panel._choices._dice.isVisible()
    desk.click(desk.named("Live"))
    assert desk.studio.intents[-1].mode == "live"


def check_previews_are_cheap(desk: Desk) -> None:
    """A view at the rate of previews; printed, not judged: the machine may be busy."""
    import time

    pictures = [landscape(seed, 256, 256) for seed in range(4)]
    view = replace(pages()["live"], history=pages()["history"].history)
    begin = time.perf_counter()
    for number in range(40):
        live = replace(FOLLOWING, picture=pictures[number % 4], version=number)
        desk.panel.show_view(replace(view, live=live))
        settle(desk.app)
    print(f"a preview in the panel: {1000 * (time.perf_counter() - begin) / 40:.1f} ms")
    assert desk.panel._live._stage._picture is pictures[39 % 4]
