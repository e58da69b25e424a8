"""Top of the panel: how things stand with the server, and news that the artist may put away."""

from impasto_studio.texts import tr
from impasto_studio.view import LinkView, View

from ..qt import QtCore, QtGui, QtWidgets, Signal
from .look import em, good, quiet, tint, trouble, warm
from .parts import ElidedLabel, IconButton, Words, column, row

__all__ = ["Notice", "StateLine"]

_COLOURS = {
    "ready": good,
    "searching": quiet,
    "starting": warm,
    "connecting": warm,
    "absent": quiet,
    "trouble": trouble,
}


class _Dot(QtWidgets.QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._state = ""
        side = em(self, 0.75)
        self.setFixedSize(side, side)

    def show_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        colour = _COLOURS.get(self._state, quiet)(self.palette())
        inset = self.width() * 0.16
        box = QtCore.QRectF(self.rect()).adjusted(inset, inset, -inset, -inset)
        if self._state in ("absent", "searching"):  # hollow: nothing there
            painter.setPen(QtGui.QPen(colour, 1.3))
            painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
        else:
            painter.setPen(QtCore.Qt.PenStyle.NoPen)
            painter.setBrush(colour)
        painter.drawEllipse(box)


class StateLine(QtWidgets.QWidget):
    """One line while all is well; the whole sentence and a button when there is something to do."""

    server_wanted = Signal()
    settings_wanted = Signal()
    folded = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._dot = _Dot()
        self._short = ElidedLabel()
        self._long = Words()
        self._start = QtWidgets.QPushButton(tr("Start server"))
        self._start.setAutoDefault(False)
        self._start.clicked.connect(lambda _checked=False: self.server_wanted.emit())
        self._fold = IconButton("fold", tr("Fold to one line"))
        self._fold.setCheckable(True)
        self._fold.clicked.connect(self.folded.emit)
        settings = IconButton("settings", tr("Settings"), self.settings_wanted.emit)
        line = row(self._dot, self._short, settings, self._fold, gap=2)
        line.insertSpacing(1, 3)
        line.setStretch(2, 1)
        self.setLayout(column(line, self._long, row(self._start, None), gap=3))

    def show_fold(self, folded: bool) -> None:
        self._fold.setChecked(folded)
        self._fold.set_icon("unfold" if folded else "fold")
        self._fold.set_tip(tr("Show everything") if folded else tr("Fold to one line"))

    def show_link(self, link: LinkView) -> None:
        self._dot.show_state(link.state)
        long = link.state in ("absent", "trouble") and bool(link.sentence)
        self._short.setText(_title(link.state) if long else (link.sentence or _title(link.state)))
        self._long.say(link.sentence if long else "")
        self._start.setVisible(link.can_start)


def _title(state: str) -> str:
    return {
        "searching": tr("Looking for the server"),
        "absent": tr("No server"),
        "starting": tr("The server is starting"),
        "connecting": tr("Connecting"),
        "ready": tr("Ready"),
        "trouble": tr("Something is wrong"),
    }.get(state, "")


class Notice(QtWidgets.QWidget):
    """The newest thing to tell."""

    dismissed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._words = Words(soft=False)
        close = IconButton("remove", tr("Dismiss"), self.dismissed.emit)
        line = row(self._words, close)
        line.setStretch(0, 1)
        line.setAlignment(close, QtCore.Qt.AlignmentFlag.AlignTop)
        line.setContentsMargins(em(self, 0.4), em(self, 0.2), em(self, 0.2), em(self, 0.2))
        self.setLayout(line)
        self.hide()

    def show_view(self, view: View) -> None:
        self._words.say(view.notice)
        self.setVisible(bool(view.notice))

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(tint(self.palette()))
        painter.drawRoundedRect(self.rect(), em(self, 0.25), em(self, 0.25))
