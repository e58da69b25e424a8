"""Sizes, colours, directions and names."""

from __future__ import annotations

import json
from dataclasses import replace

from desk import Desk, Key, QtTest
from look_at import DARK, LIGHT, palette, settle

from fake_studio import TYPED, pages, takes  # isort: skip
from impasto.panel import Panel, look
from impasto.panel.preferences import use_language
from impasto.qt import QtCore, QtGui, QtWidgets


def check_accessible_names(desk: Desk) -> None:
    """Every button without words, and every field, has an accessible name, in every view."""
    for name, view in pages().items():
        desk.show(view)
        for button in desk.panel.findChildren(QtWidgets.QAbstractButton):
            ours = type(button).__module__.startswith("impasto")
            if ours and not button.text():
                assert button.accessibleName(), (name, button)
                assert button.toolTip(), (name, button)
        for kind in (
            QtWidgets.QComboBox,
            QtWidgets.QSlider,
            QtWidgets.QPlainTextEdit,
            QtWidgets.QAbstractSpinBox,
        ):
            for field in desk.panel.findChildren(kind):
                assert field.accessibleName(), (name, field)


def check_narrow(desk: Desk) -> None:
    """260 pixels are enough for every view, unfolded or not: nothing is cut off, nothing scrolls sideways."""
    for language in ("", "de"):
        desk.studio.kept["impasto-language"] = language
        use_language(desk.studio, "en")
        panel = Panel(desk.studio, desk.studio)
        panel.resize(260, 500)
        panel.show()
        for section in panel._sections:
            section.set_open(True)
        for name, view in pages().items():
            panel.show_view(view)
            settle(desk.app)
            assert panel.width() == 260, (language, name, panel.width())
            visible = panel._scroll.viewport().width()
            assert panel._content.width() <= visible, (language, name, panel._content.width(), visible)
        panel.close()


def check_small_screens(desk: Desk) -> None:
    """More content makes the panel scroll; it asks for no more room."""
    before = desk.panel.minimumSizeHint()
    desk.show(pages()["eight"])
    assert desk.panel.minimumSizeHint() == before
    assert before.height() < 120


def check_words_are_readable(desk: Desk) -> None:
    """Quiet, good, warm and alarming words have the contrast of small text on their grounds."""
    for colours in (DARK, LIGHT):
        made = palette(colours)
        window = made.color(QtGui.QPalette.ColorRole.Window)
        for word, ground in (
            (look.quiet, window),
            (look.good, window),
            (look.trouble, window),
            (look.warm, look.tint(made)),
        ):
            assert look.contrast(word(made), ground) >= look.READABLE, (word, colours)
        assert look.quiet(made) != made.color(QtGui.QPalette.ColorRole.WindowText)


def check_palettes(desk: Desk) -> None:
    """Icons and quiet words follow a change between dark and light."""
    icon_at, words_at, mode_at = [], [], []
    for colours in (DARK, LIGHT, DARK):
        desk.app.setPalette(palette(colours))
        settle(desk.app)
        button = desk.named("Settings")
        image = button.icon().pixmap(16, 16).toImage()
        ink = max(
            (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())),
            key=lambda colour: colour.alpha(),
        )
        icon_at.append(ink.lightness())
        label = desk.named("Seed", QtWidgets.QLabel)
        mode = desk.named("Generate").palette().color(QtGui.QPalette.ColorRole.Button)
        mode_at.append(mode == palette(colours).color(QtGui.QPalette.ColorRole.Highlight))
        words_at.append(label.palette().color(QtGui.QPalette.ColorRole.WindowText).lightness())
    assert icon_at[0] > 150 > 90 > icon_at[1], icon_at
    assert words_at[0] > 140 > 120 > words_at[1], words_at
    assert mode_at == [True, True, True]
    assert (icon_at[2], words_at[2]) == (icon_at[0], words_at[0])


def check_right_to_left(desk: Desk) -> None:
    """From right to left the panel is mirrored, and arrows point and step the other way."""
    desk.show(replace(TYPED, takes=takes(3), shown=0))
    before = desk.named("Next take").icon().cacheKey()
    left_first = desk.panel._takes.strip._places()[0].left()
    desk.app.setLayoutDirection(QtCore.Qt.LayoutDirection.RightToLeft)
    settle(desk.app)
    try:
        assert desk.named("Generate").x() > desk.named("Upscale").x()
        assert desk.panel._takes.strip._places()[0].left() > left_first
        assert desk.named("Next take").icon().cacheKey() != before
        desk.panel._takes.strip.setFocus()
        desk.press(Key.Key_Left)
        assert ("step", 1) in desk.studio.took()
    finally:
        desk.app.setLayoutDirection(QtCore.Qt.LayoutDirection.LeftToRight)


def check_fold(desk: Desk) -> None:
    """Folded, there is the prompt, the start and the takes; and it stays so in the next session."""
    desk.show(replace(TYPED, takes=takes(3), shown=0))
    desk.click(desk.named("Fold to one line"))
    assert desk.prompt.isVisible()
    assert desk.panel._takes.isVisible()
    assert not desk.panel._choices.isVisible()
    desk.click(desk.panel._short_start)
    assert ("start",) in desk.studio.took()
    assert json.loads(desk.studio.kept["impasto-panel"])["folded"]
    desk.click(desk.named("Show everything"))
    assert desk.panel._choices.isVisible()


def check_takes_come_into_sight(desk: Desk) -> None:
    """On a small screen the panel scrolls to new takes and back, unless the artist is writing."""
    panel = Panel(desk.studio, desk.studio)
    panel.resize(300, 320)
    panel.show()
    panel.show_view(TYPED)
    settle(desk.app)
    bar = panel._scroll.verticalScrollBar()
    assert bar.value() == 0
    panel.show_view(replace(TYPED, takes=takes(3), shown=0))
    QtTest.QTest.qWait(200)
    below = panel._takes.mapTo(panel, panel._takes.rect().bottomLeft()).y()
    assert bar.value() > 0
    assert below <= panel.height()
    panel.show_view(TYPED)
    assert bar.value() == 0
    panel._prompt.prompt.put_text("writing")
    panel.show_view(replace(TYPED, takes=takes(3, job="other"), shown=0))
    QtTest.QTest.qWait(200)
    assert bar.value() == 0
    panel.close()
