"""A small bar at the selection: prompt, main button, takes.

It lies over the canvas while the docker is folded or hidden, follows pan and zoom, and leaves the selection
in sight if there is room beside it.
"""

from dataclasses import replace
from typing import Any, Callable, Optional, Tuple

from impasto_studio.commands import Commands
from impasto_studio.geometry import Box
from impasto_studio.texts import tr
from impasto_studio.view import View

from .host.canvas import Canvas
from .panel.look import em
from .panel.parts import IconButton
from .panel.prompt import PromptField, hint
from .qt import Qt, QtCore, QtGui, QtWidgets

__all__ = ["SelectionBar", "placed"]

FOLLOW_MS = 33  # as often as the overlay looks where the canvas is
Type = QtCore.QEvent.Type
_OF_THE_POINTER = frozenset(
    (
        *(
            Type.MouseButtonPress,
            Type.MouseButtonRelease,
            Type.MouseButtonDblClick,
            Type.MouseMove,
            Type.Wheel,
        ),
        *(Type.TabletPress, Type.TabletMove, Type.TabletRelease),
    )
)
GAP_EM = 0.6  # between the selection and the bar


def placed(around: QtCore.QRect, size: QtCore.QSize, room: QtCore.QRect, gap: int) -> QtCore.QPoint:
    """The bar's upper left corner: below `around`, else above it, else at the bottom of the `room`; always
    within the room."""
    below, above = around.bottom() + 1 + gap, around.top() - gap - size.height()
    lowest = room.bottom() + 1 - size.height()
    top = below if below <= lowest else above if above >= room.top() else lowest
    left = around.center().x() - size.width() // 2
    rightmost = room.right() + 1 - size.width()
    return QtCore.QPoint(max(room.left(), min(left, rightmost)), max(room.top(), min(top, lowest)))


class SelectionBar(QtCore.QObject):
    """Shows the strip in the view in front. `canvas`: where that is; None: nowhere."""

    def __init__(self, commands: Callable[[], Commands], canvas: Callable[[], Optional[Canvas]]) -> None:
        super().__init__()
        self._commands = commands
        self._canvas = canvas
        self._view = View()
        self._wanted = False
        self._strip: Optional[_Strip] = None
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(FOLLOW_MS)
        self._timer.timeout.connect(self._follow)

    def show_view(self, view: View, wanted: bool) -> None:
        """`wanted`: the docker does not show everything, and the artist has not switched the bar off."""
        self._view, self._wanted = view, wanted and self._around(view) is not None
        if self._wanted:
            self._follow()
            self._timer.start()
        else:
            self._timer.stop()
            self._take_away()

    @staticmethod
    def _around(view: View) -> Optional[Box]:
        """What it stands at: the take that is shown, else what is selected."""
        if 0 <= view.shown < len(view.takes) and not view.applied:
            return view.takes[view.shown].box
        return view.selection

    def _follow(self) -> None:
        canvas, around = self._canvas(), self._around(self._view)
        if canvas is None or around is None:
            self._take_away()
            return
        strip = self._strip
        if strip is None or strip.parent() is not canvas.widget:
            self._take_away()
            strip = self._strip = _Strip(canvas.widget, self._commands())
            strip.destroyed.connect(self._gone)  # with the view it lies in
        strip.show_view(self._view)
        strip.adjustSize()
        on_screen = canvas.transform.mapRect(QtCore.QRectF(*around)).toAlignedRect()
        at = placed(on_screen, strip.size(), canvas.widget.rect(), em(strip, GAP_EM))
        if strip.pos() != at:
            strip.move(at)
        strip.show()

    def _take_away(self) -> None:
        strip, self._strip = self._strip, None
        if strip is not None:
            strip.destroyed.disconnect(self._gone)
            strip.hide()
            strip.deleteLater()

    def _gone(self) -> None:
        self._strip = None


class _Strip(QtWidgets.QFrame):
    """One line: the prompt and the main button, or the takes."""

    def __init__(self, canvas: QtWidgets.QWidget, commands: Commands) -> None:
        super().__init__(canvas)
        self._commands = commands
        self._view = View()
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.setPalette(QtWidgets.QApplication.palette())
        self._prompt = PromptField(tr("Prompt"), "", 1, 2)
        self._prompt.setFixedWidth(em(self, 16))
        self._prompt.edited.connect(self._edit)
        self._start = QtWidgets.QPushButton()
        self._start.clicked.connect(lambda _checked=False: commands.start())
        self._stage = QtWidgets.QLabel()
        self._cancel = IconButton("remove", tr("Cancel"), commands.cancel_all)
        self._previous = IconButton("previous", tr("Previous take"), lambda: commands.step(-1))
        self._number = QtWidgets.QLabel()
        self._next = IconButton("next", tr("Next take"), lambda: commands.step(1))
        self._apply = QtWidgets.QPushButton(tr("Apply"))
        self._apply.clicked.connect(lambda _checked=False: commands.apply())
        self._away = QtWidgets.QPushButton(tr("Put away"))
        self._away.clicked.connect(lambda _checked=False: commands.put_away())
        for button in (self._start, self._apply, self._away):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the canvas keeps the keys
        self._asking: Tuple[QtWidgets.QWidget, ...] = (self._prompt, self._start)
        self._comparing = (self._previous, self._number, self._next, self._apply, self._away)
        line = QtWidgets.QHBoxLayout(self)
        margin = em(self, 0.3)
        line.setContentsMargins(margin, margin, margin, margin)
        line.setSpacing(margin)
        for widget in (*self._asking, self._stage, *self._comparing, self._cancel):
            line.addWidget(widget)

    def show_view(self, view: View) -> None:
        if view is self._view:
            return
        self._view = view
        comparing = bool(view.takes) and not view.applied
        running = next((job for job in view.jobs if job.state != "failed"), None)
        for widgets, shown in (
            (self._comparing, comparing),
            ((self._stage,), running is not None and not comparing),
            ((self._cancel,), running is not None),
            (self._asking, running is None and not comparing),
        ):
            for widget in widgets:
                widget.setVisible(shown)
        self._prompt.show_text(view.intent.prompt)
        self._prompt.setPlaceholderText(hint(view.intent))
        self._start.setText(view.start)
        self._start.setEnabled(view.can_start)
        self._start.setToolTip(view.why_not)
        self._number.setText(f"{view.shown + 1} / {max(view.expected, len(view.takes))}")
        if running is not None:
            self._stage.setText(running.stage)

    def _edit(self, text: str) -> None:
        self._commands.change(replace(self._view.intent, prompt=text))

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        """Shift+Enter starts, Esc gives the keys back to the canvas."""
        shift = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and shift:
            self._commands.start()
            self.parentWidget().setFocus()
        elif event.key() == Qt.Key.Key_Escape:
            self.parentWidget().setFocus()
        else:
            super().keyPressEvent(event)

    def event(self, event: Any) -> bool:
        """Between the buttons, too, nothing reaches the canvas below."""
        handled: bool = super().event(event)
        if event.type() in _OF_THE_POINTER:
            event.accept()
            return True
        return handled
