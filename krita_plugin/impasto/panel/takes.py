"""The takes being compared, and the line that says whether one is in the document."""

from typing import Callable, Optional

from impasto_studio.commands import Commands
from impasto_studio.texts import tr
from impasto_studio.view import TakeView, View

from ..qt import QtCore, QtGui, QtWidgets, Signal
from .look import blend, em, good, quiet, repaint_on, tint, warm
from .parts import IconButton, Words, column, row
from .pictures import PixmapShelf
from .take_strip import TakeStrip, paint_take

__all__ = ["Takes"]

Role = QtGui.QPalette.ColorRole


class LargeTake(QtWidgets.QWidget):
    """The shown take as wide as the panel: for hosts that cannot lay it over the canvas."""

    def __init__(self) -> None:
        super().__init__()
        self._take: Optional[TakeView] = None
        self._shelf = PixmapShelf(2)
        policy = QtWidgets.QSizePolicy(
            QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Preferred
        )
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_take(self, take: Optional[TakeView]) -> None:
        self.setVisible(take is not None)
        if take is not self._take:
            self._take = take
            self.setAccessibleName(tr("The shown take"))
            self.updateGeometry()
            self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        if self._take is None:
            return 0
        box = self._take.box
        return min(round(width * box.height / max(1, box.width)), em(self, 24))

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, 14), self.heightForWidth(em(self, 14)))

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        if self._take is not None:
            painter = QtGui.QPainter(self)
            paint_take(
                painter, self.rect(), self._take, self._shelf, self.palette(), self.devicePixelRatioF()
            )


class Takes(QtWidgets.QWidget):
    """A tinted ground while something waits for the artist's decision; plain when it is in the document."""

    decided = Signal()  # she has applied a take or put them away

    def __init__(self, commands: Commands) -> None:
        super().__init__()
        self._commands = commands
        self._job = ""
        self._waiting = True
        self.strip = TakeStrip()
        self._large = LargeTake()
        self._state = Words(soft=False)
        font = self._state.font()
        font.setBold(True)
        self._state.setFont(font)
        self._count = Words()
        self._count.setWordWrap(False)
        self.apply_button = QtWidgets.QPushButton(tr("Apply"))
        self.apply_button.setToolTip(tr("Puts this take into the document as a layer"))
        self._away = QtWidgets.QPushButton(tr("Put away"))
        self._away.setToolTip(tr("Ends the comparison. The takes stay in the history"))
        for button, do in ((self.apply_button, commands.apply), (self._away, commands.put_away)):
            button.setAutoDefault(False)
            button.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
            button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _checked=False, do=do: self._decide(do))
        self._previous = IconButton("previous", tr("Previous take"), lambda: commands.step(-1))
        self._next = IconButton("next", tr("Next take"), lambda: commands.step(1))
        self.strip.chosen.connect(lambda index: commands.compare(self._job, index))
        self.strip.hovered.connect(lambda index: commands.hover(self._job, index))
        self.strip.stepped.connect(commands.step)
        self.strip.applied.connect(lambda: self._decide(commands.apply))
        line = row(self._state, self._previous, self._count, self._next, gap=2)
        line.setStretch(0, 1)
        inside = column(line, self._large, self.strip, row(self.apply_button, self._away), gap=5)
        pad = em(self, 0.4)
        inside.setContentsMargins(pad, pad, pad, pad)
        self.setLayout(inside)
        self.hide()

    def _decide(self, do: Callable[[], None]) -> None:
        do()
        self.decided.emit()

    def show_view(self, view: View) -> None:
        self.setVisible(bool(view.takes))
        if not view.takes:
            self.strip.show_takes((), -1, 0)
            return
        self._job = view.takes[0].job
        shown = view.takes[view.shown] if 0 <= view.shown < len(view.takes) else None
        waiting = not view.applied
        if waiting != self._waiting:
            self._waiting = waiting
            self.update()
        words = tr("Not applied yet") if waiting else tr("Applied")
        if self._state.text() != words:
            self._state.setText(words)
        self._state.set_colour(warm if waiting else good)
        expected = max(view.expected, len(view.takes))
        several = expected > 1
        place = f"{view.shown + 1 if shown else '–'} / {expected}"
        if self._count.text() != place:
            self._count.setText(place)
        for widget in (self._previous, self._next, self._count):
            widget.setVisible(several)
        self.strip.show_takes(view.takes, view.shown, expected)
        self.strip.setVisible(several or view.on_canvas)
        self._large.show_take(None if view.on_canvas else shown)
        self.apply_button.setText(tr("Apply") if waiting else tr("Apply again"))
        self.apply_button.setEnabled(shown is not None and view.document)
        self._away.setText(tr("Put away") if waiting else tr("Done"))

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        ground = blend(palette.color(Role.Window), palette.color(Role.WindowText), 0.05)
        edge = blend(palette.color(Role.Window), warm(palette) if self._waiting else quiet(palette), 0.6)
        painter.setBrush(tint(palette) if self._waiting else ground)
        painter.setPen(QtGui.QPen(edge, 1) if self._waiting else QtCore.Qt.PenStyle.NoPen)
        radius = em(self, 0.25)
        painter.drawRoundedRect(QtCore.QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event):
            self.update()
