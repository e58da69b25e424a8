"""Fields, jobs, takes, history and settings do what they say."""

from __future__ import annotations

import time
from dataclasses import replace

from desk import Desk, Key, QtTest
from look_at import settle

from fake_studio import TYPED, pages, takes  # isort: skip
from impasto.qt import QtCore, QtWidgets


def check_arrows_step_takes(desk: Desk) -> None:
    """Right and Left compare takes, Enter applies, a click shows, the pointer previews and leaves."""
    desk.show(replace(TYPED, takes=takes(3), shown=0))
    strip = desk.panel._takes.strip
    strip.setFocus()
    desk.press(Key.Key_Right)
    desk.press(Key.Key_Left)
    desk.press(Key.Key_Return)
    assert [told for told in desk.studio.took() if told[0] != "look_at"] == [
        ("step", 1),
        ("step", -1),
        ("apply",),
    ]
    places = strip._places()
    desk.click(strip, places[2].center())
    assert ("compare", "run", 2) in desk.studio.took()
    QtTest.QTest.mouseMove(strip, places[1].center())
    settle(desk.app)
    QtTest.QTest.mouseMove(desk.panel._modes, QtCore.QPoint(2, 2))
    QtTest.QTest.qWait(100)
    hovers = [told for told in desk.studio.took() if told[0] == "hover"]
    assert ("hover", "run", 1) in hovers
    assert hovers[-1] == ("hover", "run", -1)


def check_not_applied_yet(desk: Desk) -> None:
    """Takes say that they are not applied, with the two ways on; applied ones say so."""
    desk.show(replace(TYPED, takes=takes(3), shown=0))
    desk.named("Not applied yet", QtWidgets.QLabel)
    desk.click(desk.named("Apply"))
    desk.click(desk.named("Put away"))
    told = [told for told in desk.studio.took() if told[0] in ("apply", "put_away")]
    assert told == [("apply",), ("put_away",)]
    desk.show(replace(TYPED, takes=takes(3), shown=0, applied=True))
    desk.named("Applied", QtWidgets.QLabel)
    desk.named("Apply again")


def check_large_take(desk: Desk) -> None:
    """A host that cannot preview gets the shown take large in the panel."""
    desk.show(pages()["large"])
    large = desk.panel._takes._large
    assert large.isVisible()
    assert large.height() > 2 * desk.panel._takes.strip.height()
    desk.show(replace(pages()["large"], on_canvas=True))
    assert not large.isVisible()


def check_history_opens(desk: Desk) -> None:
    """200 takes are there, and only those in sight are asked for."""
    history = takes(200)
    begin = time.perf_counter()
    desk.panel.show_view(replace(TYPED, history=history))
    settle(desk.app)
    desk.panel.grab()
    print(f"history of 200: {1000 * (time.perf_counter() - begin):.0f} ms to the first picture")
    begin = time.perf_counter()
    for number in range(100):
        desk.panel.show_view(replace(TYPED, history=history, steps=number))
    print(f"a view with it: {10 * (time.perf_counter() - begin):.2f} ms")
    assert desk.panel._history.model.rowCount() == 200
    QtTest.QTest.qWait(200)
    asked = [told[1] for told in desk.studio.took() if told[0] == "look_at"]
    assert asked
    assert 0 < len(asked[-1]) < 100
    assert asked[-1][0] == (history[0].job, history[0].index)


def check_history_search(desk: Desk) -> None:
    """The search finds words of prompts and seeds; the star keeps favourites only."""
    history = takes(30)
    desk.show(replace(TYPED, history=history))
    panel = desk.panel._history
    panel.search_field.setFocus()
    QtTest.QTest.keyClicks(panel.search_field, "barn red")
    assert panel.model.rowCount() == sum("barn" in take.prompt for take in history)
    panel.search_field.clear()
    QtTest.QTest.keyClicks(panel.search_field, str(history[7].seed))
    assert panel.model.rowCount() == 1
    panel.search_field.clear()
    desk.click(desk.named("Only favourites"))
    assert panel.model.rowCount() == sum(take.favourite for take in history)
    assert panel.model.rowCount() > 0


def check_history_menu(desk: Desk) -> None:
    """The menu applies, shows, reuses, copies, marks; discarding asks first."""
    history = takes(30)
    desk.show(replace(TYPED, history=history))
    grid, take = desk.panel._history.grid, history[4]
    menu = grid.menu_for(take)
    for action in menu.actions():
        action.trigger()
    settle(desk.app)
    job, index = take.job, take.index
    told = [told for told in desk.studio.took() if told[0] != "look_at"]
    assert told == [
        ("compare", job, index),
        ("apply",),
        ("compare", job, index),
        ("reuse", job, index),
        ("favourite", job, index, not take.favourite),
    ]
    assert desk.app.clipboard().text() == take.prompt
    question = desk.panel.findChildren(QtWidgets.QMessageBox)[0]
    assert question.isVisible()
    discard = next(button for button in question.buttons() if button.text() == "Discard")
    desk.click(discard)
    assert ("discard", job) in desk.studio.took()


def check_failed_job(desk: Desk) -> None:
    """A failed job says why, and can be tried again or dismissed; a running one can be cancelled."""
    desk.show(pages()["failed"])
    failed, running = pages()["failed"].jobs
    assert any(
        label.isVisible() and label.text() == failed.error
        for label in desk.panel.findChildren(QtWidgets.QLabel)
    )
    desk.click(desk.named("Retry"))
    desk.click(desk.named("Dismiss"))
    desk.click(desk.named("Cancel this job"))
    told = [told for told in desk.studio.took() if told[0] != "look_at"]
    assert told == [("retry", failed.job), ("dismiss", failed.job), ("cancel", running.job)]
    desk.show(TYPED)
    assert not desk.panel._jobs.isVisible()


def check_control_rows(desk: Desk) -> None:
    """Control rows are added, changed, made from the canvas and removed."""
    desk.show(TYPED)
    desk.click(desk.named("Add a control layer"))
    assert [row.kind for row in desk.studio.intents[-1].controls] == ["scribble"]
    desk.echo()
    desk.click(desk.named("Add a control layer"))
    desk.echo()
    assert [row.kind for row in desk.studio.intents[-1].controls] == ["scribble", "edges"]
    desk.click(desk.named("Make this map from the canvas"))
    assert ("make_map", 0) in desk.studio.took()
    strength = desk.named("How strictly the picture follows", QtWidgets.QSpinBox)
    strength.setFocus()
    desk.press(Key.Key_Up)
    assert desk.studio.intents[-1].controls[0].strength == 1.05
    desk.echo()
    desk.click(desk.named("Remove this control layer"))
    assert [row.kind for row in desk.studio.intents[-1].controls] == ["edges"]


def check_every_field_arrives(desk: Desk) -> None:
    """What is set in the panel is what the studio hears."""
    desk.click(desk.named("Upscale"))
    assert desk.studio.intents[-1].mode == "upscale"
    desk.echo()
    scale = desk.named("Scale", QtWidgets.QDoubleSpinBox)
    scale.setFocus()
    desk.press(Key.Key_Up)
    assert desk.studio.intents[-1].scale == 2.5
    desk.click(desk.named("Refine"))
    desk.echo()
    slider = desk.named("Strength", QtWidgets.QSlider)
    slider.setFocus()
    desk.press(Key.Key_Right)
    assert desk.studio.intents[-1].refine_strength == 0.51
    assert desk.studio.intents[-1].fill_strength == 1.0
    desk.echo()
    desk.click(desk.named("Keep the seed"))
    assert desk.studio.intents[-1].seed >= 0
    desk.echo()
    desk.click(desk.named("Use another seed each time"))
    assert desk.studio.intents[-1].seed == -1
    takes_field = desk.named("Number of takes", QtWidgets.QSpinBox)
    takes_field.setFocus()
    desk.press(Key.Key_Up)
    assert desk.studio.intents[-1].takes == 4
    desk.click(desk.named("Advanced"))
    steps = desk.named("Steps", QtWidgets.QDoubleSpinBox)
    assert steps.text() == "Model's own (20)"
    steps.setFocus()
    desk.press(Key.Key_Down)
    assert desk.studio.intents[-1].steps == 19


def check_start_server(desk: Desk) -> None:
    """Without a server, the sentence and the button are there; with one they are not."""
    desk.show(pages()["absent"])
    desk.click(desk.named("Start server"))
    assert ("start_server",) in desk.studio.took()
    desk.show(TYPED)
    assert not any(
        button.isVisible() and button.text() == "Start server"
        for button in desk.panel.findChildren(QtWidgets.QPushButton)
    )


def check_settings(desk: Desk) -> None:
    """The settings page changes nothing before OK, and then everything at once."""
    desk.panel.open_settings()
    settle(desk.app)
    dialog = desk.panel.findChildren(QtWidgets.QDialog)[0]
    dialog._start.setChecked(True)
    dialog._home.setText("/somewhere")
    dialog._styles._add_one()
    dialog._styles._name.setText("")
    QtTest.QTest.keyClicks(dialog._styles._name, "Ink")
    assert desk.studio.took() == []
    dialog.accept()
    ((told, settings),) = desk.studio.took()
    assert told == "change_settings"
    assert settings.start_server
    assert [style.name for style in settings.styles] == ["Gouache", "Ink"]
    assert desk.studio.kept["impasto-home"] == "/somewhere"


def check_models(desk: Desk) -> None:
    """With several models the choice can be left to the style, and taken back."""
    chooser = desk.named("Model", QtWidgets.QComboBox)
    assert chooser.currentText() == "Automatic (Pocket)"
    chooser.setFocus()
    desk.press(Key.Key_Down)
    desk.press(Key.Key_Down)
    assert desk.studio.intents[-1].model == "dreamy"
    desk.echo()
    assert chooser.itemText(0) == "Automatic"
    desk.press(Key.Key_Home)
    assert desk.studio.intents[-1].model == ""
    desk.show(replace(TYPED, models=TYPED.models[:1]))
    assert [chooser.itemText(row) for row in range(chooser.count())] == ["Pocket"]


def check_upscale_offers_what_it_uses(desk: Desk) -> None:
    """Upscaling makes one take, without control layers: nothing else is offered."""
    desk.show(pages()["upscale"])
    assert not desk.panel._controls_section.isVisible()
    assert not desk.panel._choices._takes.isVisible()
    desk.show(TYPED)
    assert desk.panel._controls_section.isVisible()
    assert desk.panel._choices._takes.isVisible()
