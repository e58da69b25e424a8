"""Small widgets that everything else is made of."""

from html import escape
from typing import Callable, Optional

from ..qt import QtCore, QtGui, QtWidgets, Signal
from . import icons
from .look import em, quiet, repaint_on

__all__ = ["Chooser", "ElidedLabel", "IconButton", "Words", "column", "plain_tip", "row", "show_value"]

Policy = QtWidgets.QSizePolicy.Policy
MIRRORED = {"previous": "next", "next": "previous"}  # icons that point along the reading direction


class IconButton(QtWidgets.QToolButton):
    """A flat button with one of our icons; its tip is its accessible name."""

    def __init__(self, name: str, tip: str, do: Optional[Callable[[], None]] = None) -> None:
        super().__init__()
        self._name = name
        self.setAutoRaise(True)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        self.set_tip(tip)
        self._draw()
        if do is not None:
            self.clicked.connect(lambda _checked=False: do())

    def set_tip(self, tip: str) -> None:
        self.setToolTip(tip)
        self.setAccessibleName(tip)

    def set_icon(self, name: str) -> None:
        if name != self._name:
            self._name = name
            self._draw()

    def _draw(self) -> None:
        side = max(12, em(self, 0.95))
        self.setIconSize(QtCore.QSize(side, side))
        mirrored = self.layoutDirection() == QtCore.Qt.LayoutDirection.RightToLeft
        name = MIRRORED.get(self._name, self._name) if mirrored else self._name
        self.setIcon(icons.icon(name, self.palette()))

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event) or event.type() == QtCore.QEvent.Type.LayoutDirectionChange:
            self._draw()


class Words(QtWidgets.QLabel):
    """Wrapped text; `soft` in the quiet colour, or in one that `colour` mixes from the palette."""

    def __init__(self, text: str = "", soft: bool = True, colour: Optional[Callable] = None) -> None:
        super().__init__(text)
        self._colour = colour or (quiet if soft else None)
        self.setWordWrap(True)
        self.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        self._paint()

    def say(self, text: str) -> None:
        """Shows the text, or nothing at all without one."""
        if text != self.text():
            self.setText(text)
        self.setVisible(bool(text))

    def set_colour(self, colour: Callable) -> None:
        self._colour = colour
        self._paint()

    def _paint(self) -> None:
        if self._colour is None:
            return
        parent = self.parentWidget()
        base = parent.palette() if parent is not None else QtWidgets.QApplication.palette()
        wanted = self._colour(base)
        role = QtGui.QPalette.ColorRole.WindowText
        if self.palette().color(role) != wanted:
            changed = QtGui.QPalette(self.palette())
            changed.setColor(role, wanted)
            self.setPalette(changed)

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event):
            self._paint()

    def event(self, event: QtCore.QEvent) -> bool:
        if event.type() == QtCore.QEvent.Type.ParentChange:
            self._paint()
        return super().event(event)


class ElidedLabel(Words):
    """One line that ends in … where there is no room; all of it in the tip."""

    def __init__(self, text: str = "", soft: bool = True, colour: Optional[Callable] = None) -> None:
        super().__init__(text, soft, colour)
        self.setWordWrap(False)
        self.setSizePolicy(Policy.Ignored, Policy.Fixed)

    def sizeHint(self) -> QtCore.QSize:
        metrics = self.fontMetrics()
        return QtCore.QSize(metrics.horizontalAdvance(self.text()) + 2, metrics.height())

    def minimumSizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, 2), self.fontMetrics().height())

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        metrics, box = self.fontMetrics(), self.contentsRect()
        shown = metrics.elidedText(self.text(), QtCore.Qt.TextElideMode.ElideRight, box.width())
        tip = plain_tip(self.text()) if shown != self.text() else ""
        if tip != self.toolTip():
            self.setToolTip(tip)
        painter.setPen(self.palette().color(QtGui.QPalette.ColorRole.WindowText))
        where = QtWidgets.QStyle.visualAlignment(
            self.layoutDirection(),
            QtCore.Qt.AlignmentFlag.AlignLeading | QtCore.Qt.AlignmentFlag.AlignVCenter,
        )
        one_line = QtGui.QTextOption(where)
        one_line.setWrapMode(QtGui.QTextOption.WrapMode.NoWrap)
        painter.drawText(QtCore.QRectF(box), shown, one_line)


class Chooser(QtWidgets.QComboBox):
    """A list of (key, title); tells only what the artist chose, never what the program set."""

    chosen = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        self.setSizePolicy(Policy.Expanding, Policy.Fixed)
        self._entries: tuple = ()
        self.activated.connect(lambda index: self.chosen.emit(self.itemData(index) or ""))

    def showPopup(self) -> None:
        """As wide as its longest entry, however narrow the docker."""
        bar = self.style().pixelMetric(QtWidgets.QStyle.PixelMetric.PM_ScrollBarExtent)
        self.view().setMinimumWidth(self.view().sizeHintForColumn(0) + bar)
        super().showPopup()

    def offer(self, entries: tuple, current: str) -> None:
        """`entries`: (key, title) pairs. A key that is not there yet is shown as it is."""
        if current and current not in (key for key, _ in entries):
            entries = (*entries, (current, current))
        if entries != self._entries:
            self._entries = entries
            self.clear()
            for key, title in entries:
                self.addItem(title, key)
        index = max(0, self.findData(current))
        if index != self.currentIndex():
            self.setCurrentIndex(index)


def plain_tip(text: str) -> str:
    """A tip that shows the artist's own words as they are, and wraps."""
    lines = escape(text).replace("\n", "<br>")
    return f"<qt>{lines}</qt>" if text else ""


def row(*widgets: QtWidgets.QWidget, gap: int = 4) -> QtWidgets.QHBoxLayout:
    """Side by side, without margins. `None` stretches."""
    return _fill(QtWidgets.QHBoxLayout(), widgets, gap)


def column(*widgets: QtWidgets.QWidget, gap: int = 4) -> QtWidgets.QVBoxLayout:
    return _fill(QtWidgets.QVBoxLayout(), widgets, gap)


def _fill(layout, items, gap):
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(gap)
    for item in items:
        if item is None:
            layout.addStretch(1)
        elif isinstance(item, QtWidgets.QLayout):
            layout.addLayout(item)
        else:
            layout.addWidget(item)
    return layout


def show_value(spin: QtWidgets.QAbstractSpinBox, value: float) -> None:
    """From the view, told to nobody."""
    if spin.value() != value:
        spin.blockSignals(True)
        spin.setValue(value)
        spin.blockSignals(False)
