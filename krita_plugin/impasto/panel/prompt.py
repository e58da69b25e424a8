"""Fields for prompts: they grow to a few lines, weigh words, walk through earlier prompts."""

from typing import Callable, Tuple

from impasto_studio.intent import Intent
from impasto_studio.prompts import weigh
from impasto_studio.texts import tr

from ..qt import QtCore, QtGui, QtWidgets, Signal
from .keys import guard
from .look import em, repaint_on
from .parts import IconButton, column, row

__all__ = ["PromptBox", "PromptField"]

Key = QtCore.Qt.Key
Mod = QtCore.Qt.KeyboardModifier
Move = QtGui.QTextCursor.MoveOperation
KEEP = QtGui.QTextCursor.MoveMode.KeepAnchor
SHORT_LINES = 3  # of a folded panel
MENU_WIDTH = 48  # characters of an earlier prompt in the menu


def hint(intent: Intent) -> str:
    """What to write, while nothing is written."""
    if intent.mode == "generate":
        return tr("Describe what to paint")
    if intent.mode != "fill":
        return tr("Describe the picture, or leave this empty")
    return {
        "expand": tr("Describe the wider picture, or leave this empty"),
        "add": tr("Describe what to add"),
        "remove": tr("Describe what is behind it, or leave this empty"),
        "replace background": tr("Describe the new background"),
    }.get(intent.action, tr("Describe what goes there, or leave this empty"))


class PromptField(QtWidgets.QPlainTextEdit):
    """Plain text of `lowest` to `highest` lines, then it scrolls."""

    edited = Signal(str)  # by the artist
    earlier = Signal(int)  # 1: the prompt before, -1: the one after

    def __init__(self, name: str, hint: str, lowest: int, highest: int) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setPlaceholderText(hint)
        self.setTabChangesFocus(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._lines = self._usual_lines = (lowest, highest)
        self._told = True
        guard(self)
        self.textChanged.connect(self._changed)
        self.document().documentLayout().documentSizeChanged.connect(lambda _size: self._fit())
        self._fit()

    def show_text(self, text: str) -> None:
        """From the view. Ctrl+Z brings back what was there; the cursor stays if it can."""
        if text == self.toPlainText():
            return
        self._told = False
        cursor = self.textCursor()
        cursor.select(QtGui.QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        self._told = True

    def show_short(self, short: bool) -> None:
        """One line at first."""
        self._lines = (1, SHORT_LINES) if short else self._usual_lines
        self._fit()

    def put_text(self, text: str) -> None:
        """As if the artist had typed it."""
        self.show_text(text)
        self.moveCursor(Move.End)
        self.edited.emit(text)

    def _changed(self) -> None:
        if self._told:
            self.edited.emit(self.toPlainText())

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        key, modifiers = event.key(), event.modifiers()
        ctrl, alt = bool(modifiers & Mod.ControlModifier), bool(modifiers & Mod.AltModifier)
        if key in (Key.Key_Return, Key.Key_Enter) and modifiers & (Mod.ShiftModifier | Mod.ControlModifier):
            event.ignore()  # the panel starts
        elif ctrl and not alt and key in (Key.Key_Up, Key.Key_Down):
            self._weigh(1 if key == Key.Key_Up else -1)
        elif alt and not ctrl and key in (Key.Key_Up, Key.Key_Down):
            self.earlier.emit(1 if key == Key.Key_Up else -1)
        elif ctrl and not alt and key in (Key.Key_Backspace, Key.Key_Delete):
            self._delete_word(Move.PreviousWord if key == Key.Key_Backspace else Move.NextWord)
        else:
            super().keyPressEvent(event)

    def _delete_word(self, towards: Move) -> None:
        cursor = self.textCursor()
        if not cursor.hasSelection():
            cursor.movePosition(towards, KEEP)
        cursor.removeSelectedText()
        self.setTextCursor(cursor)

    def _weigh(self, by: int) -> None:
        cursor = self.textCursor()
        before = self.toPlainText()
        after, start, end = weigh(before, cursor.selectionStart(), cursor.selectionEnd(), by)
        if after == before:
            return
        cursor.select(QtGui.QTextCursor.SelectionType.Document)
        cursor.insertText(after)
        cursor.setPosition(start)
        cursor.setPosition(end, KEEP)
        self.setTextCursor(cursor)

    def _fit(self) -> None:
        """The height of the lines there are, within bounds."""
        lowest, highest = self._lines
        lines = min(max(lowest, round(self.document().size().height())), highest)
        around = 2 * (self.frameWidth() + round(self.document().documentMargin()))
        height = self.fontMetrics().lineSpacing() * lines + around
        if height != self.minimumHeight():
            self.setFixedHeight(height)
        always = QtCore.Qt.ScrollBarPolicy
        scrolls = self.document().size().height() > highest
        self.setVerticalScrollBarPolicy(always.ScrollBarAsNeeded if scrolls else always.ScrollBarAlwaysOff)

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event):
            self._fit()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()  # the words wrap elsewhere now

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, 12), self.minimumHeight())

    def minimumSizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, 5), self.minimumHeight())


class PromptBox(QtWidgets.QWidget):
    """Prompt, negative prompt, and the way to earlier ones."""

    edited = Signal(str, str)  # field of the intent, text

    def __init__(self, prompts: Callable[[], Tuple[str, ...]]) -> None:
        super().__init__()
        self._prompts = prompts
        self._place = -1  # in the earlier prompts; -1: what is being written
        self._written = ""
        self._short = False
        self.prompt = PromptField(tr("Prompt"), "", 2, 6)
        self.negative = PromptField(tr("Negative prompt"), tr("What should not be there"), 1, 4)
        self.history_button = IconButton("history", tr("Earlier prompts (Alt+Up)"), self._menu)
        self.negative_button = IconButton("negative", tr("Negative prompt"))
        self.negative_button.setCheckable(True)
        self.negative_button.toggled.connect(self._show_negative)
        self.prompt.edited.connect(self._prompt_edited)
        self.prompt.earlier.connect(self.walk)
        self.negative.edited.connect(lambda text: self.edited.emit("negative", text))
        fields = column(self.prompt, self.negative)
        self._buttons = QtWidgets.QWidget()
        self._buttons.setLayout(column(self.history_button, self.negative_button, None, gap=0))
        self.setLayout(row(fields, self._buttons, gap=2))
        self.negative.hide()

    def show_intent(self, intent: Intent) -> None:
        self.prompt.show_text(intent.prompt)
        self.negative.show_text(intent.negative)
        if intent.negative and not self.negative_button.isChecked() and not self.negative.hasFocus():
            self.negative_button.setChecked(True)
        said = tr("Prompt") if self._short else hint(intent)
        if said != self.prompt.placeholderText():
            self.prompt.setPlaceholderText(said)

    def show_short(self, short: bool) -> None:
        """Only the prompt, in one line at first."""
        self._short = short
        self._buttons.setVisible(not short)
        self.prompt.show_short(short)
        self.negative.setVisible(not short and self.negative_button.isChecked())

    def walk(self, by: int) -> None:
        """`by` 1: further back."""
        prompts = self._prompts()
        if self._place < 0:
            self._written = self.prompt.toPlainText()
            if by > 0 and prompts and prompts[0] == self._written:
                self._place = 0  # this one is what the artist sees already
        place = min(max(-1, self._place + by), len(prompts) - 1)
        if place != self._place:
            self.prompt.put_text(prompts[place] if place >= 0 else self._written)
            self._place = place

    def _prompt_edited(self, text: str) -> None:
        self._place = -1
        self.edited.emit("prompt", text)

    def _show_negative(self, on: bool) -> None:
        self.negative.setVisible(on and not self._short)

    def _menu(self) -> None:
        menu = QtWidgets.QMenu(self)
        for prompt in self._prompts()[:20]:
            short = " ".join(prompt.split())
            if len(short) > MENU_WIDTH:
                short = short[: MENU_WIDTH - 1] + "…"
            entry = menu.addAction(short.replace("&", "&&"))
            entry.triggered.connect(lambda _checked=False, text=prompt: self.prompt.put_text(text))
        if menu.isEmpty():
            menu.addAction(tr("No earlier prompts yet")).setEnabled(False)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.history_button.mapToGlobal(self.history_button.rect().bottomLeft()))
