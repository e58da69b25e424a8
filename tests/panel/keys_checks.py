"""Keys and the cursor: what is typed stays, and goes where it belongs."""

from __future__ import annotations

import itertools
from dataclasses import replace

from desk import NONE, Desk, Key, Mod, QtTest
from look_at import settle

from fake_studio import EMPTY, RUNNING, TYPED, pages, takes  # isort: skip
from impasto.panel.drafts import SETTLES_S, Draft
from impasto.qt import QtCore, QtGui, QtWidgets
from impasto_studio.intent import Intent


def check_shift_enter_starts(desk: Desk) -> None:
    """Shift+Enter starts, from the prompt, a number and a list; the host's own shortcut stays quiet."""
    desk.write("a tree")
    desk.press(Key.Key_Return, Mod.ShiftModifier)
    assert desk.studio.took() == [("start",)]
    for field in (
        desk.panel.findChildren(QtWidgets.QSpinBox)[:1] + desk.panel.findChildren(QtWidgets.QListView)[:1]
    ):
        field.show()
        field.setFocus()
        settle(desk.app)
        desk.press(Key.Key_Return, Mod.ShiftModifier)
        assert ("start",) in desk.studio.took(), field
    assert desk.prompt.toPlainText() == "a tree"
    assert desk.fired == []


def check_enter_writes_a_line(desk: Desk) -> None:
    """Enter alone is a new line of the prompt."""
    desk.write("a tree")
    desk.press(Key.Key_Return)
    assert desk.prompt.toPlainText() == "a tree\n"
    assert desk.studio.took() == []


def check_the_reason_is_in_sight(desk: Desk) -> None:
    """While it cannot start, the button is disabled and says why; the key asks the studio."""
    desk.show(EMPTY)
    assert not desk.panel._start.button.isEnabled()
    assert any(
        label.isVisible() and label.text() == EMPTY.why_not
        for label in desk.panel.findChildren(QtWidgets.QLabel)
    )
    desk.write("a tree")
    desk.press(Key.Key_Return, Mod.ShiftModifier)
    assert desk.studio.took() == [("start",)]


def check_escape_cancels(desk: Desk) -> None:
    """Esc cancels while something runs; otherwise the key is Krita's."""
    desk.write("a tree")
    desk.press(Key.Key_Escape)
    assert desk.studio.took() == []
    assert desk.fired == ["Esc"]
    desk.show(replace(TYPED, jobs=(RUNNING,)))
    desk.press(Key.Key_Escape)
    assert desk.studio.took() == [("cancel_all",)]
    assert desk.fired == ["Esc"]


def check_weights(desk: Desk) -> None:
    """Ctrl+Up and Ctrl+Down weigh the word at the cursor, and Ctrl+Z undoes it."""
    desk.write("a red barn")
    desk.press(Key.Key_Up, Mod.ControlModifier)
    assert desk.prompt.toPlainText() == "a red (barn:1.1)"
    assert desk.studio.intents[-1].prompt == "a red (barn:1.1)"
    desk.press(Key.Key_Up, Mod.ControlModifier)
    assert desk.prompt.toPlainText() == "a red (barn:1.2)"
    desk.press(Key.Key_Down, Mod.ControlModifier)
    desk.press(Key.Key_Down, Mod.ControlModifier)
    assert desk.prompt.toPlainText() == "a red barn"
    desk.press(Key.Key_Z, Mod.ControlModifier)
    assert desk.prompt.toPlainText() == "a red (barn:1.1)"
    assert desk.fired == []


def check_ctrl_backspace(desk: Desk) -> None:
    """Ctrl+Backspace deletes a word and never reaches the host, whose shortcut works everywhere else."""
    desk.write("a red barn")
    desk.press(Key.Key_Backspace, Mod.ControlModifier)
    assert desk.prompt.toPlainText() == "a red "
    assert desk.fired == []
    desk.panel._history.search_field.setFocus()
    desk.show(replace(TYPED, history=takes(3)))
    desk.panel._history.search_field.setFocus()
    desk.panel._history.search_field.setText("red barn")
    desk.press(Key.Key_Backspace, Mod.ControlModifier)
    assert desk.panel._history.search_field.text() == "red "
    assert desk.fired == []
    desk.panel._start.button.setFocus()
    desk.press(Key.Key_Backspace, Mod.ControlModifier)
    assert desk.fired == ["Ctrl+Backspace"], "the window's shortcut is not alive: this check proves nothing"


def check_letters_stay_in_fields(desk: Desk) -> None:
    """Letters and digits typed into the prompt are no tool shortcuts; on a button they are."""
    desk.write("")
    QtTest.QTest.keyClicks(desk.prompt, "Bb5")
    assert desk.prompt.toPlainText() == "Bb5"
    desk.press(Key.Key_Delete)
    assert desk.fired == []
    desk.panel._start.button.setFocus()
    desk.press(Key.Key_B)
    assert desk.fired == ["B"]


def check_numbers_and_lists_leave_letters_to_the_host(desk: Desk) -> None:
    """A number takes digits, a list takes arrows; letters over them choose tools, as everywhere in Krita."""
    spin = desk.named("Number of takes", QtWidgets.QSpinBox)
    spin.setFocus()
    spin.selectAll()
    desk.press(Key.Key_5)
    assert spin.value() == 5
    assert desk.fired == []
    desk.press(Key.Key_B)
    model = desk.named("Model", QtWidgets.QComboBox)
    model.setFocus()
    desk.press(Key.Key_Down)
    assert desk.studio.intents[-1].model == "pocket"
    desk.press(Key.Key_B)
    assert desk.fired == ["B", "B"]


def check_typing_survives_views(desk: Desk) -> None:
    """Typing is never reset by a stream of views that are late by up to eight keystrokes."""
    desk.write("")
    desk.echo() if desk.studio.intents else None
    text = "an old harbour, morning mist, two boats"
    stale: list[Intent] = [Intent(prompt=TYPED.intent.prompt)]
    for number, letter in enumerate(text):
        QtTest.QTest.keyClicks(desk.prompt, letter)
        stale.append(desk.studio.intents[-1])
        late = stale[max(0, len(stale) - 1 - number % 9)]
        desk.panel.show_view(replace(TYPED, intent=late, steps=number))
        assert desk.prompt.toPlainText() == text[: number + 1]
        assert desk.prompt.textCursor().position() == number + 1
        QtTest.QTest.qWait(33)
    desk.echo()
    assert desk.prompt.toPlainText() == text
    assert desk.studio.intents[-1].prompt == text


def check_typing_in_the_middle_keeps_the_cursor(desk: Desk) -> None:
    """Letters written in the middle of the prompt stay there, echo or not."""
    desk.write("a barn")
    desk.press(Key.Key_Home)
    desk.press(Key.Key_Right)
    for letter in " red":
        QtTest.QTest.keyClicks(desk.prompt, letter)
        desk.echo()
    assert desk.prompt.toPlainText() == "a red barn"
    assert desk.prompt.textCursor().position() == 5


def check_reuse_wins(desk: Desk) -> None:
    """A prompt that somebody else decided is shown, also while the field has the focus."""
    desk.write("")
    QtTest.QTest.keyClicks(desk.prompt, "abc")
    desk.show(replace(TYPED, intent=Intent(prompt="taken over", mode="refine")))
    assert desk.prompt.toPlainText() == "taken over"
    assert desk.named("Refine").isChecked()


def check_late_echo_expires(desk: Desk) -> None:
    """A studio that insists on an older value is believed after a while."""
    now = [0.0]
    draft = Draft(Intent(takes=3), now=lambda: now[0])
    draft.edit(takes=4)
    assert draft.receive(Intent(takes=3)).takes == 4
    now[0] = SETTLES_S + 0.1
    assert draft.receive(Intent(takes=3)).takes == 3


def check_prompt_history(desk: Desk) -> None:
    """Alt+Up walks back through earlier prompts, Alt+Down returns to what was being written."""
    first, second = TYPED.prompts[:2]
    desk.write("half a thou")
    desk.press(Key.Key_Up, Mod.AltModifier)
    assert desk.prompt.toPlainText() == first
    desk.press(Key.Key_Up, Mod.AltModifier)
    assert desk.prompt.toPlainText() == second
    assert desk.studio.intents[-1].prompt == second
    desk.press(Key.Key_Down, Mod.AltModifier)
    desk.press(Key.Key_Down, Mod.AltModifier)
    assert desk.prompt.toPlainText() == "half a thou"
    assert desk.fired == []


def check_prompt_grows(desk: Desk) -> None:
    """The prompt grows with its lines up to a limit, then scrolls."""
    desk.write("one")
    low = desk.prompt.height()
    desk.write("\n".join("line" for _ in range(4)))
    settle(desk.app)
    middle = desk.prompt.height()
    desk.write("\n".join("line" for _ in range(40)))
    settle(desk.app)
    assert low < middle < desk.prompt.height() < 8 * desk.prompt.fontMetrics().lineSpacing()
    assert desk.prompt.verticalScrollBar().maximum() > 0


def check_wheel_scrolls_the_panel(desk: Desk) -> None:
    """The wheel over a number without focus does not turn it."""
    spin = desk.named("Number of takes", QtWidgets.QSpinBox)
    desk.prompt.setFocus()
    centre = QtCore.QPointF(spin.rect().center())
    event = QtGui.QWheelEvent(
        centre,
        QtCore.QPointF(spin.mapToGlobal(spin.rect().center())),
        QtCore.QPoint(0, 0),
        QtCore.QPoint(0, 120),
        QtCore.Qt.MouseButton.NoButton,
        NONE,
        QtCore.Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    desk.app.sendEvent(spin, event)
    assert spin.value() == 3
    spin.setFocus()
    desk.app.sendEvent(spin, event)
    assert spin.value() == 4


def check_tab_order(desk: Desk) -> None:
    """Tab walks from top to bottom."""
    desk.show(pages()["controls"])
    desk.named("Settings").setFocus()
    heights = []
    for _ in range(60):
        desk.press(Key.Key_Tab)
        focus = desk.app.focusWidget()
        if focus is None or not desk.panel.isAncestorOf(focus) or focus is desk.named("Settings"):
            break
        heights.append(focus.mapTo(desk.panel._content, QtCore.QPoint(0, 0)).y())
    assert len(heights) > 15
    back = [
        (a, b) for a, b in itertools.pairwise(heights) if b < a - 50
    ]  # prompt, negative, then the buttons beside the prompt
    assert not back, heights
