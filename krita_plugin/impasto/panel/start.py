"""The main button, the switch that ends live previews, and the line that says why not."""

from impasto_studio.texts import tr
from impasto_studio.view import View

from ..qt import QtCore, QtGui, QtWidgets, Signal
from . import icons
from .look import em, good, repaint_on
from .parts import IconButton, Words, column, row

__all__ = ["StartButton", "StartRow"]


class StartButton(QtWidgets.QPushButton):
    def __init__(self) -> None:
        super().__init__()
        self.setAutoDefault(False)
        self._keys = tr("Shift+Enter")
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._embolden()

    def minimumSizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, 4), em(self, 1.9))

    def sizeHint(self) -> QtCore.QSize:
        words = self.fontMetrics().horizontalAdvance(self.accessibleName())
        return QtCore.QSize(words + em(self, 1.4), em(self, 1.9))

    def say(self, text: str) -> None:
        """Shortened with … where there is no room."""
        if text != self.accessibleName():
            self.setAccessibleName(text)
            self._elide()
            self.updateGeometry()

    def _elide(self) -> None:
        text, room = self.accessibleName(), self.width() - em(self, 0.8)
        shown = self.fontMetrics().elidedText(text, QtCore.Qt.TextElideMode.ElideRight, room)
        if shown != self.text():
            self.setText(shown)
        self.setToolTip(f"{text} ({self._keys})")

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _embolden(self) -> None:
        font = self.font()
        if not font.bold():
            font.setBold(True)
            self.setFont(font)


class LiveSwitch(QtWidgets.QPushButton):
    """Shown while previews follow the drawing: one click ends that."""

    def __init__(self) -> None:
        super().__init__(tr("Live"))
        self.setAccessibleName(tr("Live"))
        self.setCheckable(True)
        self.setAutoDefault(False)
        self.setToolTip(tr("Previews follow your drawing. Click to stop them"))
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        self.toggled.connect(lambda _on: self._draw())
        self._draw()

    def sizeHint(self) -> QtCore.QSize:
        words = self.fontMetrics().horizontalAdvance(self.text())
        return QtCore.QSize(words + self.iconSize().width() + em(self, 1.2), em(self, 1.9))

    def minimumSizeHint(self) -> QtCore.QSize:
        return self.sizeHint()

    def _draw(self) -> None:
        side = max(12, em(self, 0.95))
        self.setIconSize(QtCore.QSize(side, side))
        palette = self.palette()
        if self.layoutDirection() == QtCore.Qt.LayoutDirection.RightToLeft:
            self.setIcon(QtGui.QIcon())  # Fusion pushes the word over the button's edge
        else:
            self.setIcon(icons.icon("live", palette, good(palette).name() if self.isChecked() else ""))

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event) or event.type() == QtCore.QEvent.Type.LayoutDirectionChange:
            self._draw()


class StartRow(QtWidgets.QWidget):
    started = Signal()
    again = Signal()
    live = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.button = StartButton()
        self.button.clicked.connect(lambda _checked=False: self.started.emit())
        self._again = IconButton(
            "retry", tr("Paint the active layer again, with another seed"), self.again.emit
        )
        self._live = LiveSwitch()
        self._live.clicked.connect(self.live.emit)
        self._why_not = Words()
        self._line = QtWidgets.QWidget()
        line = row(self.button, self._again, self._live)
        line.setStretch(0, 1)
        self._line.setLayout(line)
        self.setLayout(column(self._line, self._why_not, gap=3))

    def show_line(self, on: bool) -> None:
        """Without it, only the reason stays."""
        self._line.setVisible(on)

    def show_view(self, view: View) -> None:
        self.button.say(view.start)
        self.button.setEnabled(view.can_start)
        following = view.live.on and view.intent.mode == "live"
        self._live.setChecked(view.live.on)
        self._live.setVisible(following)
        self._again.setVisible(view.remembered)
        self._why_not.say("" if view.can_start or following else view.why_not)  # the picture's place says it
        self.setVisible(not self._line.isHidden() or not self._why_not.isHidden())
